import socket
import time
from collections.abc import Callable, Iterator

import pytest

from sockharness.errors import ClosedError, Unavailable
from sockharness.machine import probes
from sockharness.wire.filter import port_filter
from sockharness.wire.ring import PacketSocket, _in_order, make_packet_socket

UDPPair = Callable[..., tuple[socket.socket, socket.socket, int]]


class ShiftedClock:
    """The monotonic clock, moved: to the reader the same as a wall clock that was moved back."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift


@pytest.fixture(autouse=True)
def _needs_capture() -> None:
    reason = probes.capture()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def packets(udp_pair: UDPPair) -> Iterator[tuple[PacketSocket, socket.socket, ShiftedClock]]:
    sender, _, port = udp_pair()
    clock = ShiftedClock()
    program = port_filter([port], outgoing_only=True)
    ring = PacketSocket.open("lo", program, clock=clock)
    yield ring, sender, clock
    ring.close()


def test_a_frame_is_there_when_send_returns(
    packets: tuple[PacketSocket, socket.socket, ShiftedClock],
) -> None:
    ring, sender, _ = packets

    sender.send(b"hello")

    [(data, _, kind)] = ring.read()
    assert data.endswith(b"hello")
    assert kind == socket.PACKET_OUTGOING


def test_times_are_on_the_given_clock(
    packets: tuple[PacketSocket, socket.socket, ShiftedClock],
) -> None:
    ring, sender, clock = packets
    tolerance = 0.001

    before = clock()
    sender.send(b"hello")
    [(_, at, _)] = ring.read()
    after = clock()

    assert before - tolerance <= at <= after + tolerance


def test_times_follow_a_wall_clock_that_was_moved(
    packets: tuple[PacketSocket, socket.socket, ShiftedClock],
) -> None:
    ring, sender, clock = packets
    tolerance = 0.001
    clock.shift = 3600

    before = clock()
    sender.send(b"hello")
    [(_, at, _)] = ring.read()
    after = clock()

    assert before - tolerance <= at <= after + tolerance


def test_no_frame_is_later_than_the_next_one_or_than_now() -> None:
    frames = [(b"", at, 4) for at in (1.0, 9.0, 2.0, 3.0, 9.0)]

    times = [at for _, at, _ in _in_order(frames, 4.0)]

    assert times == [1.0, 2.0, 2.0, 3.0, 4.0]


def test_a_frame_that_does_not_fit_is_counted_and_not_cut(
    packets: tuple[PacketSocket, socket.socket, ShiftedClock],
) -> None:
    ring, sender, _ = packets
    ring._buffer = bytearray(50)

    sender.send(b"12345678")
    sender.send(b"123456789")

    [(data, _, _)] = ring.read()
    assert data.endswith(b"12345678")
    assert ring.drops == 1


def test_read_is_bounded(packets: tuple[PacketSocket, socket.socket, ShiftedClock]) -> None:
    ring, sender, _ = packets
    for _ in range(5):
        sender.send(b"hello")

    assert len(ring.read(3)) == 3
    assert len(ring.read(3)) == 2
    assert ring.read(3) == []


def test_a_closed_socket_says_so(
    packets: tuple[PacketSocket, socket.socket, ShiftedClock],
) -> None:
    ring, _, _ = packets

    ring.close()
    ring.close()

    assert ring.closed
    assert ring.fileno() == -1
    assert repr(ring) == "<PacketSocket lo closed drops=0>"
    with pytest.raises(ClosedError):
        ring.read()
    with pytest.raises(ClosedError):
        ring.set_filter(b"")


def test_a_failed_open_leaves_nothing_open() -> None:
    made: list[socket.socket] = []

    def make() -> socket.socket:
        made.append(make_packet_socket())
        return made[-1]

    with pytest.raises(Unavailable, match="an interface of that name"):
        PacketSocket.open("nosuch0", port_filter((), outgoing_only=True), make_socket=make)
    with pytest.raises(OSError, match="Invalid argument"):
        PacketSocket.open("lo", b"", make_socket=make)

    assert [sock.fileno() for sock in made] == [-1, -1]
