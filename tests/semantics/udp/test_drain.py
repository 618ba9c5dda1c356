"""Back-pressure and `drain` (UDP-070..078)."""

import errno
from typing import Any

import pytest

from tests.helpers.datagrams import Faulty, Net, to

HOST = "127.0.0.1"


@pytest.mark.shows("UDP-070")
def test_drain_gets_the_socket_alone() -> None:
    kernel = Faulty()
    seen: list[tuple[Any, ...]] = []
    with Net(kernel) as net:
        socket = net.udp(socket={"drain": lambda *args: seen.append(args)})
        kernel.errors = [errno.EAGAIN]

        assert socket.send(b"x", 9, HOST) is False

        net.until(lambda: seen)
        assert seen == [(socket,)]


@pytest.mark.shows("UDP-071", "D9")
def test_no_drain_comes_that_nobody_waits_for(net: Net) -> None:
    a, _ = net.pair()
    net.settle()
    a.reload(net.handlers("a2"))

    a.send(b"x")

    assert net.settle() == "b.data(x)"


@pytest.mark.shows("UDP-072")
@pytest.mark.parametrize(("count", "size"), [(5000, 1000), (200, 60000)])
def test_loopback_always_has_room(net: Net, count: int, size: int) -> None:
    a, _ = net.pair()
    data = bytes(size)

    assert all(a.send(data) for _ in range(count))

    net.settle()
    assert "a.drain" not in net.log


@pytest.mark.shows("UDP-073", "UDP-074")
def test_drain_comes_once_and_again_only_after_the_next_false() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        a, _ = net.pair()
        kernel.errors = [errno.EAGAIN, 0, errno.EAGAIN, errno.EAGAIN]
        assert [a.send(b"1"), a.send(b"2"), a.send(b"3"), a.send(b"4")] == [
            False,
            True,
            False,
            False,
        ]

        assert sorted(net.settle().split()) == ["a.drain", "b.data(2)"]
        kernel.errors = [errno.EAGAIN]
        a.send(b"5")

        net.settle()
        assert net.log.count("a.drain") == 2


@pytest.mark.shows("UDP-074")
def test_a_send_that_fails_inside_drain_brings_another_drain() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        b = net.udp("b")
        answers: list[bool] = []
        handlers = net.handlers("a", drain=lambda socket: answers.append(socket.send(b"x")))
        a = net.udp(socket=handlers, connect={"hostname": HOST, "port": b.port})
        kernel.errors = [errno.EAGAIN] * 3

        assert a.send(b"first") is False

        net.settle()
        assert answers == [False, False, True]
        assert net.log.count("a.drain") == 3


@pytest.mark.shows("UDP-076")
def test_drain_never_comes_inside_a_call() -> None:
    kernel = Faulty(errno.EAGAIN, errno.EAGAIN)
    with Net(kernel) as net:
        a, b = net.udp("a"), net.udp()

        a.send(b"x", b.port, HOST)
        a.send_many(to(b, b"x", b"y"))

        assert net.log == []


@pytest.mark.shows("UDP-077")
def test_an_exception_in_drain_goes_to_error_and_the_socket_lives_on() -> None:
    kernel = Faulty(errno.EAGAIN)

    def boom(*_args: Any) -> None:
        raise LookupError

    with Net(kernel) as net:
        b = net.udp("b")
        a = net.udp(socket=net.handlers("a", drain=boom))
        a.send(b"x", b.port, HOST)
        assert net.settle() == "a.drain a.error(LookupError)"

        assert a.send(b"y", b.port, HOST)
        assert net.settle().endswith("b.data(y)")


@pytest.mark.shows("UDP-077", "D17")
def test_an_exception_in_drain_that_nobody_takes_comes_out_of_the_reactor() -> None:
    def boom(*_args: Any) -> None:
        raise LookupError

    with Net(Faulty(errno.EAGAIN)) as net:
        a = net.udp(socket={"drain": boom})
        a.send(b"x", 9, HOST)

        with pytest.raises(LookupError):
            net.until(lambda: False)
        assert not a.closed


@pytest.mark.shows("UDP-078", "UDP-108")
def test_of_one_poll_errors_come_first_then_data_then_drain() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        a, b = net.udp("a"), net.udp("b")
        a.send(b"x", net.dead_port(), HOST)
        b.send_many(to(a, b"1", b"2"))
        kernel.errors = [errno.EAGAIN]
        a.send(b"x", b.port, HOST)

        assert net.settle() == "a.error(ECONNREFUSED) a.data(1) a.data(2) a.drain"
