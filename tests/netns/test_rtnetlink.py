import errno
import threading

import pytest

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
