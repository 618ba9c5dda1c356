"""A sink: it collects bytes before they are sent.

`Socket.write` keeps nothing. So write into the sink, and `flush()` the sink into the socket
whenever there is room; put back what the socket did not take (TCP-208):

    data = sink.flush()
    wrote = max(0, socket.write(data))  # -1: closed
    if wrote < len(data):
        sink.write(data[wrote:])

This order is from Bun's documentation. Do both in one handler: bytes written between `flush()`
and the writing back would be sent too early. `Outbox` does all of this for you.

`start(stream=True)` makes it a stream: each `flush()` returns the bytes held. Otherwise only
`end()` returns them. After `end()` a sink can still be used: a stream returns later bytes at
`flush()`, and `start()` begins anew (TCP-205). After `close()` the other methods raise
`ClosedError` (TCP-207).
"""

from typing import NoReturn

from sockharness.engine import options
from sockharness.engine.chunk import Data, chunk_of
from sockharness.errors import ClosedError

_SIZE_LIMIT = 2**63 - 1


class ArrayBufferSink:
    """Collect bytes. Without `start()` it works as after `start()` with no options."""

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
            as_uint8_array: `flush` and `end` return a `bytearray`, not `bytes`.
            stream: `flush` returns the bytes held.
            high_water_mark: accepted and ignored, as in Bun (TCP-206).

        Raises:
            TypeError, ValueError: an option is wrong.
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
        """Add bytes, or text as UTF-8; return the number of bytes (TCP-202).

        Raises:
            TypeError: `chunk` is not bytes-like and not `str`.
            ValueError: the text has lone surrogates.
            ClosedError: the sink is closed.
        """
        if self._closed:
            self._refuse("write")
        data = chunk_of(chunk, 0, None)
        self._held += data
        return len(data)

    def flush(self) -> bytes | bytearray | int:
        """Return the bytes held and drop them; without `stream`, return 0 (TCP-203, TCP-204).

        Raises `ClosedError`.
        """
        if self._closed:
            self._refuse("flush")
        return self._take() if self._stream else 0

    def end(self) -> bytes | bytearray:
        """Return the bytes held and finish; a second `end` returns empty `bytes` (TCP-205).

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
