"""Back-pressure and `drain` (UDP-070..078)."""

import errno
import shutil
from typing import Any

import pytest

from sockharness.engine.udp.socket import UDPSocket
from tests.helpers.cables import HERE, Cable
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


ABSENT = "10.77.0.99"


def slow_link(cable: Cable, limit: str, *, rate: str = "2mbit") -> None:
    """Let `va` take 2 Mbit/s, and let it be known where a host is that is not there."""
    if shutil.which("tc") is None:
        pytest.skip("a slow link needs the program tc")
    shape(cable, "add", limit, rate)
    cable.ip("neigh", "add", ABSENT, "lladdr", "02:00:00:00:00:01", "dev", "va")


def shape(cable: Cable, verb: str, limit: str, rate: str) -> None:
    """Bound what `va` takes, and how much of the rest waits there."""
    bounds = ("rate", rate, "burst", "2k", "limit", limit)
    cable.run("tc", "qdisc", verb, "dev", "va", "root", "tbf", *bounds)


@pytest.mark.shows("UDP-068", "UDP-073", "UDP-074", "UDP-075")
def test_a_slow_link_fills_the_send_buffer_and_drain_comes_when_half_of_it_is_free(
    cable: Cable,
) -> None:
    slow_link(cable, "1m", rate="8kbit")  # a datagram takes a second
    with cable.net() as net:
        a = net.udp("a", hostname=HERE)
        data = bytes(1000)
        taken = 0
        while a.send(data, 9, ABSENT):
            taken += 1

        assert 50 < taken < 300
        assert a.send_many([data, 9, ABSENT] * 3) == 0
        assert net.log == []
        shape(cable, "change", "1m", "2mbit")
        net.until(lambda: net.log == ["a.drain"])
        assert a.send_many([data, 9, ABSENT] * 400) > taken // 4


@pytest.mark.shows("UDP-074")
def test_what_is_pumped_in_drain_gets_through_a_slow_link(cable: Cable) -> None:
    slow_link(cable, "1m")
    left = [bytes(1000)] * 250

    def pump(socket: UDPSocket) -> None:
        sent = socket.send_many([each for data in left for each in (data, 9, ABSENT)])
        del left[:sent]

    with cable.net() as net:
        socket = net.udp(hostname=HERE, socket=net.handlers("a", drain=pump))
        pump(socket)
        assert left

        net.until(lambda: not left)
        assert net.log.count("a.drain") >= 1


@pytest.mark.shows("UDP-054", "D6")
def test_a_queue_that_drops_is_back_pressure(cable: Cable) -> None:
    slow_link(cable, "5k")
    with cable.net() as net:
        # One by one: of datagrams that go together it is enough that one finds room.
        a = net.udp("a", hostname=HERE, segment_offload=False)
        answers = [a.send(bytes(1000), 9, ABSENT) for _ in range(40)]

        assert answers[0]
        assert not all(answers)
        net.until(lambda: "a.drain" in net.log)
        assert a.send_many([bytes(1000), 9, ABSENT] * 40) < 40
        net.until(lambda: net.log.count("a.drain") == 2)
        assert set(net.log) == {"a.drain"}
