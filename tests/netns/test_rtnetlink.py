import errno
import subprocess
import threading

import pytest

from sockharness import probes
from sockharness.netns import Network


def test_an_end_runs_when_both_are_up_and_not_before(network: Network) -> None:
    one, other = network.host("a"), network.host("b")
    with one.rtnetlink() as near, other.rtnetlink() as far:
        near.add_pair("eth0", peer="eth0", namespace=other.fileno(), mtu=None)
        index, far_index = near.index("eth0"), far.index("eth0")
        near.up(index)
        with pytest.raises(TimeoutError):
            near.wait_until_running(index, timeout=0.05)

        # The waiting end is told of what comes to pass while it waits, or has before.
        thread = threading.Thread(target=far.up, args=(far_index,))
        thread.start()
        near.wait_until_running(index)
        thread.join(10)

        far.wait_until_running(far_index)


def test_the_kernels_no_is_an_error_with_its_number(network: Network) -> None:
    with network.host("a").rtnetlink() as interfaces:
        for use, number in (
            (lambda: interfaces.index("nothing"), errno.ENODEV),
            (lambda: interfaces.up(77), errno.ENODEV),
            (lambda: interfaces.add_address(77, "10.0.0.1", 24), errno.ENODEV),
            (lambda: interfaces.add_route(77, "10.0.0.0", 24, metric=1), errno.ENODEV),
            (lambda: interfaces.add_route(1, "10.0.0.1", 24, metric=1), errno.EINVAL),
        ):
            with pytest.raises(OSError, match=r"\[Errno \d+\]") as caught:
                use()
            assert caught.value.errno == number


def test_an_address_can_be_given_once(network: Network) -> None:
    with network.host("a").rtnetlink() as interfaces:
        interfaces.add_address(1, "127.9.9.9", 32)

        with pytest.raises(FileExistsError):
            interfaces.add_address(1, "127.9.9.9", 32)


def test_an_address_is_in_use_when_it_was_added_and_no_other_is(network: Network) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    one, other = network.host("a"), network.host("b")
    with one.rtnetlink() as near, one.rtnetlink() as watch:
        near.add_pair("eth0", peer="eth0", namespace=other.fileno(), mtu=None)
        near.up(near.index("eth0"))
        watch.hear_of_addresses()
        near.add_address(near.index("eth0"), "fd00::1", 64)

        watch.wait_until_in_use("fd00::1")

        with pytest.raises(TimeoutError):
            watch.wait_until_in_use("fd00::2", timeout=0.05)


def test_hosts_listen_for_neighbours_when_they_are_linked(network: Network) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    solicited = [f"ff0200000000000000000001ff00000{end}" for end in (1, 2)]  # RFC 4291, 2.7.1
    hosts = network.pair()
    for group, host in zip(solicited, hosts, strict=True):
        with host.run(["cat", "/proc/net/igmp6"], stdout=subprocess.PIPE, text=True) as program:
            assert group in program.communicate(timeout=30)[0]
