import errno
import socket
from array import array
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT
from typing import Any

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from tests.helpers.conversation import Log, Talk

BIG = 8_000_000
MakeTalk = Callable[..., Talk]


@pytest.mark.shows("TCP-059", "TCP-061")
@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view")[1:3], b"ie"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (array("H", [1, 2]), b"\x01\x00\x02\x00"),
        ("é€😀", "é€😀".encode()),
    ],
    ids=["bytes", "bytearray", "memoryview", "strided", "wide array", "str"],
)
def test_anything_bytes_like_and_text_can_be_written(tcp: MakeTalk, data: Any, sent: bytes) -> None:
    """TCP-059, TCP-061."""
    talk = tcp()

    assert talk.client.write(data) == len(sent)

    talk.until(lambda: talk.log.received("s") == sent)


@pytest.mark.shows("TCP-060", "TCP-024")
@pytest.mark.parametrize("data", [5, True, {}, object(), ["a"]])
@pytest.mark.parametrize("method", ["write", "end"])
def test_other_data_is_a_type_error_and_changes_nothing(
    tcp: MakeTalk, method: str, data: Any
) -> None:
    """TCP-060, TCP-024."""
    talk = tcp()

    with pytest.raises(TypeError, match=r"data: expected bytes-like or str, got"):
        getattr(talk.client, method)(data)

    assert talk.client.ready_state == 1
    assert talk.client.write("still open") == 10


@pytest.mark.shows("TCP-065", "TCP-064", "D10")
def test_offset_and_length_count_bytes_also_of_text_and_wide_arrays(tcp: MakeTalk) -> None:
    """TCP-065, and D10: an offset without a length means the rest (TCP-064)."""
    talk = tcp()

    counts = [
        talk.client.write(b"0123456789", 2, 3),
        talk.client.write("aéb", 1, 2),
        talk.client.write(array("H", [1, 2]), 1, 2),  # type: ignore[arg-type]
        talk.client.write(b"0123456789", 7),
        talk.client.write(b"0123", length=1),
        talk.client.write(b"0123456789", 10, 0),
    ]

    assert counts == [3, 2, 2, 3, 1, 0]
    sent = b"234" + "é".encode() + b"\x00\x02" + b"789" + b"0"
    talk.until(lambda: talk.log.received("s") == sent)


@pytest.mark.shows("TCP-066")
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-1,), ValueError, "offset: expected 0 to 10, got -1"),
        ((11,), ValueError, "offset: expected 0 to 10, got 11"),
        ((5, 6), ValueError, "length: expected 0 to 5, got 6"),
        ((1.0,), TypeError, "offset: expected an integer, got 1.0"),
        ((False,), TypeError, "offset: expected an integer, got False"),
        ((0, "2"), TypeError, "length: expected an integer, got '2'"),
        ((None,), TypeError, "offset: expected an integer, got None"),
    ],
)
def test_offset_and_length_out_of_range_name_the_range(
    tcp: MakeTalk, arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    """TCP-066."""
    talk = tcp()

    with pytest.raises(error, match=text):
        talk.client.write(b"0123456789", *arguments)


@pytest.mark.shows("TCP-067")
def test_an_empty_write_returns_zero_and_brings_no_drain(talk: MakeTalk) -> None:
    """TCP-067."""
    conversation = talk()
    conversation.log.clear()

    assert [conversation.client.write(data) for data in (b"", "", bytearray())] == [0, 0, 0]

    assert conversation.trace() == ""


@pytest.mark.shows("TCP-074")
def test_a_full_write_brings_no_drain(talk: MakeTalk) -> None:
    """TCP-074."""
    conversation = talk()
    conversation.log.clear()

    assert conversation.client.write(b"x") == 1

    assert conversation.trace() == "s.data(x)"


@pytest.mark.shows("TCP-071", "TCP-198")
def test_a_short_write_takes_part_and_keeps_nothing(talk: MakeTalk) -> None:
    """TCP-071, TCP-072: the peer gets exactly the sum of what was returned."""
    conversation = talk()
    taken = conversation.client.write(bytes(BIG))

    again = conversation.client.write(bytes(BIG))

    assert 0 < taken < BIG
    assert again >= 0
    conversation.until(lambda: len(conversation.log.received("s")) == taken + again)
    conversation.settle()
    assert len(conversation.log.received("s")) == taken + again
    assert conversation.client.bytes_written == taken + again


@pytest.mark.shows("TCP-073", "TCP-198")
def test_several_short_writes_bring_one_drain(talk: MakeTalk) -> None:
    """TCP-073."""
    conversation = talk()
    conversation.fill(conversation.client)
    conversation.client.write(b"x" * 65536)

    conversation.until_seen("c", "drain")

    conversation.settle()
    assert conversation.log.seen("c", "drain") == 1


@pytest.mark.shows("TCP-076")
def test_a_later_full_write_does_not_cancel_the_drain(talk: MakeTalk) -> None:
    """TCP-076."""
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.fill(conversation.client)
    conversation.server.resume()
    conversation.until(lambda: conversation.client.write(b"x") == 1)

    conversation.until_seen("c", "drain")


@pytest.mark.shows("TCP-075")
def test_writing_in_drain_moves_everything_in_order(talk: MakeTalk) -> None:
    """TCP-075."""
    source = bytes(range(256)) * 60_000
    position = 0

    def push(socket: Any) -> None:
        nonlocal position
        position += socket.write(source, position)

    log = Log()
    conversation = talk(log=log, client=log.handlers("c", "drain", "close", drain=push))
    push(conversation.client)

    conversation.until(lambda: len(log.received("s")) == len(source))

    assert log.received("s") == source
    assert log.seen("c", "drain") >= 1


@pytest.mark.shows("TCP-078")
def test_drain_comes_before_data_when_both_are_due(tcp: MakeTalk) -> None:
    """TCP-078."""
    conversation = tcp(listen_options={"pause_on_connect": True})
    conversation.fill(conversation.client)
    conversation.server.write("x")
    conversation.log.clear()

    conversation.client._on_event(EPOLLIN | EPOLLOUT)

    assert conversation.log.trace() == "c.drain c.data(x)"


@pytest.mark.shows("TCP-185")
def test_a_drain_comes_while_paused(talk: MakeTalk) -> None:
    """TCP-185."""
    conversation = talk()
    conversation.fill(conversation.client)
    conversation.client.pause()

    conversation.until_seen("c", "drain")


@pytest.mark.shows("TCP-074")
def test_no_drain_after_shutdown(talk: MakeTalk) -> None:
    """TCP-074."""
    conversation = talk(allow_half_open=True)
    conversation.fill(conversation.client)
    conversation.client.shutdown()

    conversation.until_seen("s", "end")

    conversation.settle()
    assert conversation.log.seen("c", "drain") == 0


@pytest.mark.shows("TCP-074")
def test_without_a_drain_handler_a_short_write_has_no_consequences(talk: MakeTalk) -> None:
    """TCP-074."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", "data", "close"))
    taken = conversation.fill(conversation.client)

    conversation.until(lambda: len(log.received("s")) == taken)

    assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-081")
def test_a_short_write_in_open_drains_like_any_other(talk: MakeTalk) -> None:
    """TCP-081."""
    log = Log()
    server = log.handlers("s", "open", "drain", open=lambda socket: socket.write(bytes(BIG)))
    conversation = talk(log=log, server=server)

    conversation.until_seen("s", "drain")


@pytest.mark.shows("TCP-068")
def test_write_on_a_closed_socket_returns_minus_one_before_looking_at_its_arguments(
    talk: MakeTalk,
) -> None:
    """TCP-068."""
    conversation = talk()
    conversation.client.close()
    anything: Any = object()

    assert conversation.client.write(anything, -5) == -1
    assert conversation.client.end(anything) == -1


@pytest.mark.shows("TCP-031", "TCP-068")
def test_write_after_shutdown_validates_first_and_returns_minus_one(talk: MakeTalk) -> None:
    """TCP-031, TCP-068."""
    conversation = talk(allow_half_open=True)
    conversation.client.shutdown()
    anything: Any = object()

    assert conversation.client.write("x") == -1
    assert conversation.client.write("") == -1
    with pytest.raises(TypeError):
        conversation.client.write(anything)


class FailingSend(Kernel):
    """Sockets whose `send` fails as configured."""

    def __init__(self) -> None:
        self.errors: list[int] = []

    def socket(self, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        kernel = self

        class Wrapped(socket.socket):
            def send(self, data: Any, flags: int = 0, /) -> int:
                if kernel.errors:
                    raise OSError(kernel.errors.pop(0), "injected")
                return super().send(data, flags)

        sock = Wrapped(family, kind)
        sock.settimeout(0)
        return sock


@pytest.mark.shows("D5")
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM])
def test_a_full_kernel_is_back_pressure_and_drains(number: int) -> None:
    """D5, TCP-073."""
    kernel = FailingSend()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        kernel.errors = [number]

        assert talk.client.write(b"x") == 0

        talk.until_seen("c", "drain")


@pytest.mark.shows("D5")
def test_an_interrupted_send_is_tried_again() -> None:
    """D5."""
    kernel = FailingSend()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        kernel.errors = [errno.EINTR]

        assert talk.client.write(b"x") == 1


@pytest.mark.shows("D5")
def test_a_hard_failure_returns_minus_one_then_delivers_data_and_closes_with_the_error() -> None:
    """D5 (TCP-054): no `end`, and the error that the write met."""
    kernel = FailingSend()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        talk.log.clear()
        talk.server.write(b"received before")
        kernel.errors = [errno.EHOSTUNREACH]

        assert talk.client.write(b"x") == -1
        assert (talk.client.ready_state, talk.client.write(b"x"), talk.client.end(b"x")) == (
            1,
            -1,
            -1,
        )
        assert talk.log.trace() == ""

        talk.until_seen("c", "close")
        assert talk.log.of("c") == "c.data(received before) c.close(EHOSTUNREACH)"


@pytest.mark.shows("D5")
def test_a_hard_failure_of_a_paused_socket_closes_at_once() -> None:
    """D5, as a reset does while paused (TCP-181)."""
    kernel = FailingSend()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        talk.client.pause()
        kernel.errors = [errno.EIO]
        talk.log.clear()

        assert talk.client.write(b"x") == -1

        talk.until_seen("c", "close")
        assert talk.log.of("c") == "c.close(EIO)"
