import errno
import socket
import threading

import pytest

from sockharness.machine import probes
from sockharness.netns import Network
from sockharness.netns.rtnetlink import LOOPBACK_INDEX


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


@pytest.mark.parametrize("index", [LOOPBACK_INDEX, 2], ids=["loopback", "link"])
@pytest.mark.parametrize("pattern", ["127.9.9.{}", "fd00:9::{}"])
def test_an_address_can_be_sent_to_when_it_was_given(
    network: Network, index: int, pattern: str
) -> None:
    if ":" in pattern and (reason := probes.ipv6()):
        pytest.skip(reason)
    here, _ = network.pair()
    family = socket.AF_INET6 if ":" in pattern else socket.AF_INET
    with here.rtnetlink() as interfaces:
        for number in range(1, 100):
            address = pattern.format(number)
            with here.socket(family, socket.SOCK_DGRAM) as sock:
                interfaces.add_address(index, address, 128 if family == socket.AF_INET6 else 32)

                sock.bind((address, 0))
                sock.settimeout(5)
                sock.sendto(b"to itself", sock.getsockname())
                assert sock.recv(100) == b"to itself"


def test_an_address_can_be_given_once(network: Network) -> None:
    with network.host("a").rtnetlink() as interfaces:
        interfaces.add_address(1, "127.9.9.9", 32)

        with pytest.raises(FileExistsError):
            interfaces.add_address(1, "127.9.9.9", 32)
