from array import array
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.tcp.sink import ArrayBufferSink
from sockharness.errors import ClosedError
from tests.helpers.conversation import Log, Talk

MakeTalk = Callable[..., Talk]


@pytest.fixture
def sink() -> ArrayBufferSink:
    return ArrayBufferSink()


@pytest.mark.shows("TCP-201")
def test_start_returns_nothing_and_drops_what_is_held(sink: ArrayBufferSink) -> None:
    sink.start(stream=True)
    sink.write("dropped")

    sink.start(as_uint8_array=True)

    sink.write("kept")
    assert (sink.flush(), sink.end()) == (0, bytearray(b"kept"))


@pytest.mark.shows("TCP-201", "D25")
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"stream": 1}, TypeError, "stream: expected True or False, got 1"),
        ({"as_uint8_array": "x"}, TypeError, "as_uint8_array: expected True or False, got 'x'"),
        ({"high_water_mark": -1}, ValueError, "high_water_mark: expected 0 to"),
        ({"high_water_mark": 1.5}, TypeError, "high_water_mark: expected an integer, got 1.5"),
        ({"streem": True}, TypeError, "streem"),
    ],
)
def test_an_option_that_cannot_be_is_refused_and_changes_nothing(
    sink: ArrayBufferSink, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    sink.start(stream=True)
    sink.write("kept")

    with pytest.raises(error, match=text):
        sink.start(**options)

    assert sink.flush() == b"kept"


@pytest.mark.shows("TCP-202")
@pytest.mark.parametrize(
    ("chunk", "held"),
    [
        ("é€", "é€".encode()),
        ("", b""),
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (array("H", [1, 2]), b"\x01\x00\x02\x00"),
    ],
    ids=["str", "empty", "bytes", "bytearray", "strided", "wide array"],
)
def test_write_takes_text_and_anything_bytes_like_and_counts_bytes(
    sink: ArrayBufferSink, chunk: Any, held: bytes
) -> None:
    assert sink.write(chunk) == len(held)

    assert sink.end() == held


@pytest.mark.shows("TCP-202")
@pytest.mark.parametrize("chunk", [None, 5, ["a"], object()])
def test_write_refuses_what_is_neither_and_keeps_what_it_has(
    sink: ArrayBufferSink, chunk: Any
) -> None:
    sink.write("kept")

    with pytest.raises(TypeError, match="data: expected bytes-like or str, got"):
        sink.write(chunk)

    assert sink.end() == b"kept"


@pytest.mark.shows("TCP-202", "D26")
def test_write_refuses_a_lone_surrogate(sink: ArrayBufferSink) -> None:
    with pytest.raises(ValueError, match="data: expected text without lone surrogates"):
        sink.write("\ud800x")

    assert sink.end() == b""


@pytest.mark.shows("TCP-202")
def test_write_keeps_a_copy(sink: ArrayBufferSink) -> None:
    chunk = bytearray(b"mine")
    sink.write(chunk)

    chunk[:] = b"XXXX"

    assert sink.end() == b"mine"


@pytest.mark.shows("TCP-203")
def test_without_stream_flush_is_zero_and_end_gives_everything(sink: ArrayBufferSink) -> None:
    sink.start()
    flushed = []
    for text in ("one ", "two ", "three"):
        sink.write(text)
        flushed.append(sink.flush())

    assert flushed == [0, 0, 0]
    assert sink.end() == b"one two three"


@pytest.mark.shows("TCP-204")
@pytest.mark.parametrize(("as_uint8_array", "kind"), [(False, bytes), (True, bytearray)])
def test_a_stream_gives_at_each_flush_what_came_since_the_last(
    sink: ArrayBufferSink, as_uint8_array: bool, kind: type
) -> None:
    sink.start(stream=True, as_uint8_array=as_uint8_array)
    sink.write("first")
    first = sink.flush()
    empty = sink.flush()
    sink.write("second")
    second = sink.flush()

    assert [first, empty, second] == [b"first", b"", b"second"]
    assert {type(each) for each in (first, empty, second)} == {kind}


@pytest.mark.shows("TCP-204")
def test_what_flush_gave_is_the_callers(sink: ArrayBufferSink) -> None:
    sink.start(stream=True, as_uint8_array=True)
    sink.write("first")
    first = sink.flush()
    sink.write("second")
    assert isinstance(first, bytearray)

    first[:] = b"changed"

    assert sink.flush() == b"second"


@pytest.mark.shows("TCP-205")
@pytest.mark.parametrize(("as_uint8_array", "kind"), [(False, bytes), (True, bytearray)])
def test_end_gives_the_rest_and_a_second_end_nothing(
    sink: ArrayBufferSink, as_uint8_array: bool, kind: type
) -> None:
    sink.start(stream=True, as_uint8_array=as_uint8_array)
    sink.write("flushed")
    sink.flush()
    sink.write("rest")

    rest = sink.end()

    assert (rest, type(rest)) == (b"rest", kind)
    assert (sink.end(), type(sink.end())) == (b"", bytes)


@pytest.mark.shows("TCP-205")
def test_after_end_a_stream_goes_on_with_flush(sink: ArrayBufferSink) -> None:
    sink.start(stream=True)
    sink.end()

    assert sink.write("late") == 4

    assert (sink.end(), sink.flush()) == (b"", b"late")


@pytest.mark.shows("TCP-205")
def test_after_end_what_is_written_is_lost_without_stream(sink: ArrayBufferSink) -> None:
    sink.end()

    assert sink.write("late") == 4

    assert (sink.flush(), sink.end()) == (0, b"")


@pytest.mark.shows("TCP-205")
def test_start_revives_an_ended_sink(sink: ArrayBufferSink) -> None:
    sink.write("old")
    sink.end()

    sink.start()

    sink.write("new")
    assert sink.end() == b"new"


@pytest.mark.shows("TCP-206")
@pytest.mark.parametrize("mark", [0, 8, 1024])
def test_the_high_water_mark_bounds_nothing(sink: ArrayBufferSink, mark: int) -> None:
    sink.start(stream=True, high_water_mark=mark)

    assert sink.write(bytes(100)) == 100

    assert sink.flush() == bytes(100)


@pytest.mark.shows("TCP-207")
@pytest.mark.parametrize(
    "use",
    [
        lambda sink: sink.write("x"),
        lambda sink: sink.flush(),
        lambda sink: sink.end(),
        lambda sink: sink.start(),
    ],
    ids=["write", "flush", "end", "start"],
)
def test_a_closed_sink_says_so(
    sink: ArrayBufferSink, use: Callable[[ArrayBufferSink], object]
) -> None:
    sink.write("dropped")

    sink.close()
    sink.close()

    with pytest.raises(ClosedError, match="the sink is closed; make a new one"):
        use(sink)


@pytest.mark.shows("TCP-207")
def test_a_sink_that_was_never_started_is_as_one_started_without_options(
    sink: ArrayBufferSink,
) -> None:
    assert (sink.write("abc"), sink.flush(), sink.end()) == (3, 0, b"abc")


@pytest.mark.shows("TCP-208", "D31")
def test_what_a_full_socket_did_not_take_is_queued_again(
    sink: ArrayBufferSink, talk: MakeTalk
) -> None:
    source = bytes(range(256)) * (8 * 1024 * 1024 // 256)
    shorts = 0

    def push(socket: Any) -> None:
        nonlocal shorts
        data = sink.flush()
        assert isinstance(data, bytes)
        wrote = socket.write(data)
        if wrote < len(data):
            shorts += 1
            sink.write(data[wrote:])

    log = Log()
    conversation = talk(log=log, client=log.handlers("c", "drain", "close", drain=push))
    sink.start(stream=True, high_water_mark=1024)
    sink.write(source)

    push(conversation.client)

    conversation.until(lambda: len(log.received("s")) == len(source))
    assert log.received("s") == source
    assert shorts > 0
    assert sink.flush() == b""


def test_repr_shows_state_and_how_much_is_held(sink: ArrayBufferSink) -> None:
    sink.start(stream=True)
    sink.write("abc")
    assert repr(sink) == "<ArrayBufferSink open stream held=3>"
    sink.end()
    assert repr(sink) == "<ArrayBufferSink ended stream held=0>"
    sink.close()
    assert repr(sink).startswith("<ArrayBufferSink closed")
