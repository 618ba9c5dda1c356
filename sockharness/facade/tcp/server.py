"""`TcpServer`: a server as a test holds it. Thread-safe; `.aio` has awaitable methods."""

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from sockharness.facade.context import TIMEOUT
from sockharness.facade.ledger import Handler
from sockharness.facade.script import Exchange, Want
from sockharness.facade.tcp.connection import Connection as Connection
from sockharness.facade.tcp.connection import event_wait
from sockharness.facade.tcp.listening import Service
from sockharness.facade.tcp.stream import Stream
from sockharness.printable import count
from sockharness.story.events import Event

if TYPE_CHECKING:
    from sockharness.engine.streams import Handlers

__tracebackhide__ = True


class TcpServer:
    """A server on loopback that answers as a test says, and records what it receives.

    Attributes:
        host: the IP address it listens on.
        port: chosen by the system, and held until the end.
        address: both.
        aio: `wait_for` for asyncio and trio.
    """

    protocol = "tcp"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._handles: dict[Stream, Connection] = {}
        self.host: str = service.host
        self.port: int = service.port
        self.address: tuple[str, int] = (self.host, self.port)
        self.aio = AioTcpServer(service)

    def url_for(self, path: str = "/", scheme: str = "http") -> str:
        """Return the URL of a path on this server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{path.removeprefix('/')}"

    # Expectations

    def expect(self, want: Want) -> Exchange:
        """Expect bytes from the next connection, exactly once, in the order of these calls.

        A connection claims the next group of expectations with its first byte: up to and including
        one that ends the connection, or to the last. If it ends before it has met them all, the
        next connection gets the rest. Call `.reply`, `.ignore`, `.close` or `.reset` on what this
        returns: an expectation that was met and has no answer fails the test.

        Raises:
            TypeError: it cannot be matched.
            ValueError: it is empty.
            UsageError: there is a handler for `data`.
        """
        return self._service.expect(want)

    def when(self, want: Want) -> Exchange:
        """Answer bytes that any connection may send any number of times; `expect` goes first."""
        return self._service.expect(want, rule=True)

    def connection(self, number: int) -> "Connection":
        """Return a connection, past or future, by its number in the order of accept, from 1."""
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"number: expected a whole number, got {number!r}")
        if number < 1:
            raise ValueError(f"number: expected a number from 1, got {number!r}")
        with self._service.context.lock:
            return self._handle(self._service.stream(number))

    @property
    def connections(self) -> list["Connection"]:
        """The connections accepted so far, in order."""
        with self._service.context.lock:
            return [self._handle(stream) for stream in self._service.opened()]

    def on(self, **handlers: "Unpack[Handlers]") -> None:
        """Add handlers, which are called on the harness's thread with the engine's socket.

        If one raises, `error` is called; without that the test fails and the connection is reset.

        Args:
            handlers: those of the engine, by name: `open`, `data`, `drain`, `end`, `close`,
                `error`, `timeout`, `handshake`.

        Raises:
            TypeError: an unknown handler, or one that cannot be called.
            UsageError: an `async def` handler; `data` beside `expect` or `when`.
        """
        self._service.handle(handlers, merge=True)

    def reload(
        self, socket: Mapping[str, Handler] | None = None, **handlers: "Unpack[Handlers]"
    ) -> None:
        """Replace all handlers, also those of open connections; raises as `on`.

        Args:
            socket: the handlers as a mapping, as the engine's `reload` takes them.
            handlers: the same by name; see `on`.
        """
        self._service.handle({**(socket or {}), **handlers}, merge=False)

    # Waiting and judging

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for an event of any connection; an earlier one counts, each only once.

        Raises:
            ExpectationFailed: it did not come in `timeout` seconds.
            UsageError: a loop runs in this thread; await `.aio.wait_for` there.
        """
        want = event_wait(self._service.ledger, event)
        return self._service.context.wait("wait_for", want, timeout)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections (ECONNREFUSED) within the `with` block; the port stays held."""
        self._service.refuse(on=True)
        try:
            yield
        finally:
            self._service.refuse(on=False)

    def check(self) -> None:
        """Raise if anything has failed up to now, and forget it.

        Raises:
            ExpectationFailed: an expectation is unmet, other bytes came, bytes are unread, or a
                handler raised.
        """
        self._service.ledger.check(self.clear)

    def clear(self) -> None:
        """Forget events and expectations; rules, handlers and open connections stay.

        The open connections are numbered anew from 1.
        """
        self._service.clear()
        with self._service.context.lock:
            kept = set(self._service.opened())
            self._handles = {each: handle for each, handle in self._handles.items() if each in kept}

    def _handle(self, stream: Stream) -> "Connection":
        handle = self._handles.get(stream)
        if handle is None:
            handle = self._handles[stream] = Connection(self._service, stream)
        return handle

    def __repr__(self) -> str:
        service = self._service
        state = (
            "closed" if service.ledger.closed else "refusing" if service.refusing else "listening"
        )
        with service.context.lock:
            connections = service.opened()
            live = sum(each.sending.socket is not None for each in connections)
            unclaimed = len(service.ledger.script.queue)
        counted = f"{count(len(connections), 'connection')}, {live} open, {unclaimed} to be claimed"
        return f"<{type(self).__name__} {self.host}:{self.port} {state}, {counted}>"


class AioTcpServer:
    """The awaitable methods of a `TcpServer`, for asyncio and trio."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Event]:
        """Wait for an event of any connection; see `TcpServer.wait_for`."""
        want = event_wait(self._service.ledger, event)
        return self._service.context.wait_async(want, timeout)
