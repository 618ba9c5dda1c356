"""A place to collect bytes before they are sent.

Its use is the other half of `Socket.write`, which keeps nothing: write into the sink, and whenever
there is room `flush()` the sink into the socket; what the socket did not take goes back (TCP-208):

    data = sink.flush()
    wrote = max(0, socket.write(data))  # -1: closed
    if wrote < len(data):
        sink.write(data[wrote:])

That is the order of Bun's documentation. It is right as long as nothing is written into the sink
between `flush()` and the writing back, so do both in one handler.

A sink is told at `start` whether it is a stream. A stream gives what it has at each `flush()`; else
only `end()` gives it. After `end()` a sink lives on: a stream gives at `flush()` what is written
then, and `start()` makes it anew (TCP-205). After `close()` it is of no use (TCP-207).
"""

from typing import NoReturn

from sockharness.engine import options
from sockharness.engine.chunk import Data, chunk_of
from sockharness.errors import ClosedError

_SIZE_LIMIT = 2**63 - 1


class ArrayBufferSink:
    """Collects bytes; works without `start()` as after `start()` with no options."""

    __slots__ = ("_as_bytearray", "_closed", "_ended", "_held", "_stream")

    def __init__(self) -> None:
        """Make an empty sink."""
        self._held = bytearray()
        self._stream = False
        self._as_bytearray = False
        self._ended = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._ended else "open"
        return f"<ArrayBufferSink {state}{' stream' * self._stream} held={len(self._held)}>"

    def start(
        self,
        *,
        as_uint8_array: bool = False,
        stream: bool = False,
        high_water_mark: int | None = None,
    ) -> None:
        """Begin anew with these options; bytes that are held are dropped (TCP-201).

        Args:
            as_uint8_array: `flush` and `end` give a `bytearray`, not `bytes`.
            stream: `flush` gives the bytes held.
            high_water_mark: accepted for Bun's sake: it bounds nothing there either (TCP-206).

        Raises:
            TypeError, ValueError: an option cannot be.
            ClosedError: the sink is closed.
        """
        options.flag("as_uint8_array", as_uint8_array)
        options.flag("stream", stream)
        if high_water_mark is not None:
            options.integer("high_water_mark", high_water_mark, 0, _SIZE_LIMIT)
        if self._closed:
            self._refuse("start")
        self._held = bytearray()
        self._stream = stream
        self._as_bytearray = as_uint8_array
        self._ended = False

    def write(self, chunk: Data) -> int:
        """Add bytes, or text as UTF-8; return how many bytes that are (TCP-202).

        Raises:
            TypeError: it is neither bytes-like nor `str`.
            ValueError: the text has lone surrogates.
            ClosedError: the sink is closed.
        """
        if self._closed:
            self._refuse("write")
        data = chunk_of(chunk, 0, None)
        self._held += data
        return len(data)

    def flush(self) -> bytes | bytearray | int:
        """Give the bytes since the last flush and be empty; without `stream`, 0 (TCP-203, TCP-204).

        Raises `ClosedError`.
        """
        if self._closed:
            self._refuse("flush")
        return self._take() if self._stream else 0

    def end(self) -> bytes | bytearray:
        """Give the bytes held and finish; a second `end` gives empty `bytes` (TCP-205).

        Raises `ClosedError`.
        """
        if self._closed:
            self._refuse("end")
        if self._ended:
            return b""
        self._ended = True
        return self._take()

    def close(self) -> None:
        """Drop everything, for good; idempotent."""
        self._closed = True
        self._held = bytearray()

    def _take(self) -> bytes | bytearray:
        held, self._held = self._held, bytearray()
        return held if self._as_bytearray else bytes(held)

    def _refuse(self, method: str) -> NoReturn:
        raise ClosedError(f"{method}: the sink is closed; make a new one")
