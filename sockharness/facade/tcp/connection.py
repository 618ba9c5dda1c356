"""`Connection`: one connection as a test holds it. Thread-safe; `.aio` has awaitable methods."""

from collections.abc import Callable, Coroutine
from typing import Any

from sockharness.errors import UsageError
from sockharness.facade.context import TIMEOUT, HarnessContext
from sockharness.facade.event_wait import EventWait
from sockharness.facade.ledger import Ledger
from sockharness.facade.script import Exchange, Want, as_bytes
from sockharness.facade.tcp.endpoint import Endpoint
from sockharness.facade.tcp.handshake import Handshake
from sockharness.facade.tcp.reading import BytesWait, HandshakeWait
from sockharness.facade.tcp.stream import Stream
from sockharness.match.matcher import Matcher
from sockharness.match.sized import Length, Until
from sockharness.story.events import Event

__tracebackhide__ = True


class Connection:
    """One connection. A server has future ones, too: calls on them take effect at their accept,
    with TLS at the end of the handshake.

    Attributes:
        aio: `wait_for`, `handshake`, `read_exactly` and `read_until` for asyncio and trio.
    """

    def __init__(self, endpoint: Endpoint, stream: Stream) -> None:
        self._endpoint = endpoint
        self._context = endpoint.context
        self._stream = stream
        self.aio = AioConnection(endpoint.context, stream)

    @property
    def number(self) -> int:
        """Its number, from 1: in the order of accept, or of a client's connects."""
        return self._stream.number

    @property
    def received(self) -> bytes:
        """Everything it has received so far."""
        with self._context.lock:
            self._stream.ledger.root.watched = True
            return b"".join(self._stream.chunks)

    @property
    def opened_at(self) -> float | None:
        """When it was accepted, in seconds since the harness began."""
        opened = self._stream.channel.opened
        return opened.at if opened is not None else None

    @property
    def closed_at(self) -> float | None:
        """When it closed, in seconds since the harness began."""
        closed = self._stream.channel.closed
        return closed.at if closed is not None else None

    @property
    def handshake(self) -> Handshake:
        """The outcome of its TLS handshake; waits for the end of the handshake. A failure that a
        test has looked at here does not fail the test.

        Raises:
            ExpectationFailed: it did not end in 5 seconds, or there is no such connection.
            UsageError: it has no TLS; or it is not over, and a loop runs in this thread: await
                `.aio.handshake()` there.
        """
        want = _handshake_wait(self._stream)
        with self._context.lock:
            if want.ready():
                return want.take()
        return self._context.wait("handshake", want, TIMEOUT)

    def expect(self, want: Want) -> Exchange:
        """Expect bytes from this connection, exactly once, before any that it may claim."""
        return self._state(want, rule=False)

    def when(self, want: Want) -> Exchange:
        """Answer bytes that this connection may send any number of times."""
        return self._state(want, rule=True)

    def write(self, data: bytes | bytearray | memoryview | str) -> int:
        """Send all bytes, behind the bytes that wait; return how many, or -1 if it is closed."""
        return self._send(as_bytes(data))

    def end(self, data: bytes | bytearray | memoryview | str = b"") -> int:
        """Send bytes and close (FIN); return how many bytes, or -1 if it is closed."""
        return self._send(as_bytes(data), self._stream.sending.end)

    def shutdown(self) -> None:
        """Half-close (FIN) when everything is sent; receiving goes on."""
        self._send(b"", self._stream.sending.shutdown)

    def reset(self) -> None:
        """Reset (RST). Bytes that wait to be sent are dropped, except on a future connection."""
        stream = self._stream
        with self._context.lock:
            future = stream.channel.opened is None
        if future:
            self._send(b"", stream.sending.reset)
        else:
            self._context.runner.post(self._reset)

    def pause(self) -> None:
        """Stop reading: the other side's bytes stay in the kernel."""
        self._pause(paused=True)

    def resume(self) -> None:
        """Go on reading."""
        self._pause(paused=False)

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for an event; an earlier one counts, each only once.

        Raises:
            ExpectationFailed: it did not come in `timeout` seconds, or the connection closed.
            UsageError: a loop runs in this thread; await `.aio.wait_for` there.
        """
        want = event_wait(self._stream.ledger, event)
        return self._context.wait("wait_for", want, timeout)

    def read_exactly(self, size: int, *, timeout: float = TIMEOUT) -> bytes:
        """Wait for `size` bytes that no expectation takes, and take them; raises as
        `wait_for`."""
        return self._context.wait("read_exactly", _bytes_wait(self._stream, size), timeout)

    def read_until(self, separator: bytes | str = b"\n", *, timeout: float = TIMEOUT) -> bytes:
        """Wait for bytes up to and including a separator, and take them; raises as `wait_for`."""
        want = _bytes_wait(self._stream, as_bytes(separator))
        return self._context.wait("read_until", want, timeout)

    def _state(self, want: Want, *, rule: bool) -> Exchange:
        return self._endpoint.expect(want, number=self.number, rule=rule)

    def _send(self, data: bytes, step: Callable[[], None] | None = None) -> int:
        sending = self._stream.sending
        with self._context.lock:
            if self._stream.channel.closed is not None:
                return -1
            sending.write(data)
            if step is not None:
                sending.then(step)
            if sending.socket is not None:
                self._context.runner.post(sending.go_on)
        return len(data)

    def _reset(self) -> None:
        self._stream.sending.go_on()
        self._stream.sending.reset()

    def _pause(self, *, paused: bool) -> None:
        sending = self._stream.sending
        with self._context.lock:
            sending.paused = paused
            if sending.socket is not None:
                self._context.runner.post(sending.pause_or_resume)

    def __repr__(self) -> str:
        with self._context.lock:
            channel = self._stream.channel
            state = "closed" if channel.closed else "open" if channel.opened else "not yet open"
            got = f"{channel.received} B received, {len(channel.unread)} B unread"
            return f"<Connection {self.number} {state}, {got}>"


class AioConnection:
    """The awaitable methods of a `Connection`, for asyncio and trio."""

    def __init__(self, context: HarnessContext, stream: Stream) -> None:
        self._context = context
        self._stream = stream

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Event]:
        """Wait for an event; see `Connection.wait_for`."""
        want = event_wait(self._stream.ledger, event)
        return self._context.wait_async(want, timeout)

    def handshake(self, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Handshake]:
        """Wait for the end of its handshake; see `Connection.handshake`."""
        return self._context.wait_async(_handshake_wait(self._stream), timeout)

    def read_exactly(self, size: int, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, bytes]:
        """Wait for `size` bytes and take them; see `Connection.read_exactly`."""
        return self._context.wait_async(_bytes_wait(self._stream, size), timeout)

    def read_until(
        self, separator: bytes | str = b"\n", *, timeout: float = TIMEOUT
    ) -> Coroutine[Any, Any, bytes]:
        """Wait for bytes up to a separator and take them; see `Connection.read_until`."""
        want = _bytes_wait(self._stream, as_bytes(separator))
        return self._context.wait_async(want, timeout)


def event_wait(ledger: Ledger, name: str) -> EventWait:
    """Return the wait for an event of a server, a client or a connection."""
    wait = EventWait(ledger, name)
    with ledger.context.lock:
        ledger.root.watched = True
    return wait


def _handshake_wait(stream: Stream) -> HandshakeWait:
    if not stream.secure:
        raise UsageError("handshake: this connection has no TLS")
    return HandshakeWait(stream)


def _bytes_wait(stream: Stream, extent: int | bytes) -> BytesWait:
    if isinstance(extent, bytes):
        matcher: Matcher = Until(extent)
    elif isinstance(extent, bool) or not isinstance(extent, int):
        raise TypeError(f"size: expected a whole number, got {extent!r}")
    elif extent < 1:
        raise ValueError(f"size: expected a number from 1, got {extent!r}")
    else:
        matcher = Length(extent)
    if "data" in stream.ledger.root.handlers:
        raise UsageError("the bytes go to on(data=…); look at .received instead")
    with stream.context.lock:
        stream.manual = True
    return BytesWait(stream, matcher)
