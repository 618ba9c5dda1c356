"""`TcpServer` and `Connection`: what a test holds. Thread-safe; `.aio` has what can be awaited."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sockharness.errors import UsageError
from sockharness.events import Event
from sockharness.facade.callsite import call_site
from sockharness.facade.conversation import Conversation, Home
from sockharness.facade.core import TIMEOUT, Core
from sockharness.facade.script import Exchange, Want, as_bytes
from sockharness.facade.service import Handler, Service
from sockharness.facade.wants import BytesWanted, EventWanted, Until
from sockharness.printable import count
from sockharness.spec.matchers import Length, Matcher

if TYPE_CHECKING:
    from sockharness.engine.stream import Socket

    SocketHandler = Callable[[Socket], object]
    DataHandler = Callable[[Socket, bytes], object]
    CloseHandler = Callable[[Socket, BaseException | None], object]
    ErrorHandler = Callable[[Socket, BaseException], object]

__tracebackhide__ = True


class TcpServer:
    """A server on loopback that says what a test tells it to, and notes what it is told.

    Attributes:
        host: the IP address it listens on.
        port: chosen by the system, and held until the end.
        address: both.
        aio: `wait_for` for asyncio and trio.
    """

    protocol = "tcp"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._handles: dict[Conversation, Connection] = {}
        self.host: str = service.host
        self.port: int = service.port
        self.address: tuple[str, int] = (self.host, self.port)
        self.aio = AioTcpServer(service)

    def url_for(self, path: str = "/", scheme: str = "http") -> str:
        """Return the URL of a path on this server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{path.removeprefix('/')}"

    # Stating

    def expect(self, want: Want) -> Exchange:
        """State what the next connection is to send, exactly once, after what was stated before.

        A connection claims the next group of these with its first byte: up to and including one
        that ends the connection, or to the end. What it leaves unmet when it ends goes to the next
        connection. Say with `.reply`, `.ignore`, `.close` or `.reset` what follows: what was met
        and has no answer fails the test.

        Raises:
            TypeError: it is nothing that can be matched.
            ValueError: it is empty.
            UsageError: there is a handler for `data`.
        """
        return self._service.state(want)

    def when(self, want: Want) -> Exchange:
        """State what any connection may send, any number of times; `expect` goes before it."""
        return self._service.state(want, rule=True)

    def connection(self, number: int) -> "Connection":
        """Return a connection by its number in the order of accept, from 1: past or future."""
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"number: expected a whole number, got {number!r}")
        if number < 1:
            raise ValueError(f"number: expected a number from 1, got {number!r}")
        with self._service.core.lock:
            return self._handle(self._service.conversation(number))

    @property
    def connections(self) -> list["Connection"]:
        """The connections accepted so far, in order."""
        with self._service.core.lock:
            return [self._handle(conversation) for conversation in self._service.opened()]

    def on(
        self,
        *,
        open: "SocketHandler | None" = None,
        data: "DataHandler | None" = None,
        drain: "SocketHandler | None" = None,
        end: "SocketHandler | None" = None,
        close: "CloseHandler | None" = None,
        error: "ErrorHandler | None" = None,
        timeout: "SocketHandler | None" = None,
    ) -> None:
        """Add handlers, which are called on the harness's thread with the engine's socket.

        What one raises goes to `error`; without that it fails the test and resets the connection.

        Raises:
            UsageError: an `async def` handler; `data` beside `expect` or `when`.
        """
        given = _given(locals())
        self._service.handle(given, merge=True)

    def reload(
        self,
        socket: Mapping[str, Handler] | None = None,
        *,
        open: "SocketHandler | None" = None,
        data: "DataHandler | None" = None,
        drain: "SocketHandler | None" = None,
        end: "SocketHandler | None" = None,
        close: "CloseHandler | None" = None,
        error: "ErrorHandler | None" = None,
        timeout: "SocketHandler | None" = None,
    ) -> None:
        """Replace all handlers, also those of open connections; raises as `on`.

        Args:
            socket: the handlers as a mapping, as the engine's `reload` takes them.
            open: and the others: the same by keyword.
            data: see there.
            drain: see there.
            end: see there.
            close: see there.
            error: see there.
            timeout: see there.
        """
        given = _given(locals())
        self._service.handle({**(socket or {}), **given}, merge=False)

    # Waiting and judging

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for an event of any connection; one that came earlier counts, each only once.

        Raises:
            ExpectationFailed: it did not come in `timeout` seconds.
            UsageError: a loop runs in this thread; await `.aio.wait_for` there.
        """
        want = _event(self._service, self._service, event)
        return self._service.core.wait("wait_for", want, timeout)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections (ECONNREFUSED) within the `with` block; the port stays held."""
        self._service.refuse(on=True)
        try:
            yield
        finally:
            self._service.refuse(on=False)

    def check(self) -> None:
        """Raise if anything is not as stated up to now; what was raised is forgotten.

        Raises:
            ExpectationFailed: unmet expectations, other bytes, unread bytes, what handlers raised.
        """
        self._service.core.check(self._service, self.clear)

    def clear(self) -> None:
        """Forget what happened and what was expected; `when`, handlers and open connections
        stay.

        The numbers begin anew with the connections that are open.
        """
        self._service.clear()
        with self._service.core.lock:
            kept = set(self._service.opened())
            self._handles = {each: handle for each, handle in self._handles.items() if each in kept}

    def _handle(self, conversation: Conversation) -> "Connection":
        handle = self._handles.get(conversation)
        if handle is None:
            handle = self._handles[conversation] = Connection(self._service.core, conversation)
        return handle

    def __repr__(self) -> str:
        service = self._service
        state = "closed" if service.closed else "refusing" if service.refusing else "listening"
        with service.core.lock:
            connections = service.opened()
            live = sum(each.socket is not None for each in connections)
            unclaimed = len(service.script.queue)
        counted = f"{count(len(connections), 'connection')}, {live} open"
        return f"<TcpServer {self.host}:{self.port} {state}, {counted}, {unclaimed} to be claimed>"


class AioTcpServer:
    """What of a `TcpServer` can be awaited, in asyncio and trio."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Event]:
        """Wait for an event of any connection; see `TcpServer.wait_for`."""
        want = _event(self._service, self._service, event)
        return self._service.core.wait_async(want, timeout)


class Connection:
    """One connection of a server, past or future; what is told a future one is done at its accept.

    Attributes:
        aio: `wait_for`, `read_exactly` and `read_until` for asyncio and trio.
    """

    def __init__(self, core: Core, conversation: Conversation) -> None:
        self._core = core
        self._conversation = conversation
        self.aio = AioConnection(core, conversation)

    @property
    def number(self) -> int:
        """Its number in the order of accept, from 1."""
        return self._conversation.number

    @property
    def received(self) -> bytes:
        """Everything it has received so far."""
        with self._core.lock:
            self._conversation.home.watched = True
            return b"".join(self._conversation.chunks)

    @property
    def opened_at(self) -> float | None:
        """When it was accepted, in seconds since the harness began."""
        opened = self._conversation.channel.opened
        return opened.at if opened is not None else None

    @property
    def closed_at(self) -> float | None:
        """When it closed, in seconds since the harness began."""
        closed = self._conversation.channel.closed
        return closed.at if closed is not None else None

    def expect(self, want: Want) -> Exchange:
        """State what this connection is to send, exactly once, before all it may claim."""
        return self._state(want, rule=False)

    def when(self, want: Want) -> Exchange:
        """State what this connection may send, any number of times."""
        return self._state(want, rule=True)

    def write(self, data: bytes | bytearray | memoryview | str) -> int:
        """Send bytes, all of them, after what is being sent; returns how many, -1 when closed."""
        return self._send(as_bytes(data))

    def end(self, data: bytes | bytearray | memoryview | str = b"") -> int:
        """Send bytes and close (FIN); returns how many bytes, -1 when closed."""
        return self._send(as_bytes(data), self._conversation.end_now)

    def shutdown(self) -> None:
        """Half-close (FIN) after what is being sent; receiving goes on."""
        self._send(b"", self._conversation.shutdown_now)

    def reset(self) -> None:
        """Reset (RST); what was not sent yet is dropped, except on a future connection."""
        conversation = self._conversation
        with self._core.lock:
            future = conversation.channel.opened is None
        if future:
            self._send(b"", conversation.reset_now)
        else:
            self._core.runner.post(self._reset)

    def pause(self) -> None:
        """Stop reading: the client's bytes stay in the kernel."""
        self._pause(paused=True)

    def resume(self) -> None:
        """Go on reading."""
        self._pause(paused=False)

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for an event; one that came earlier counts, each only once.

        Raises:
            ExpectationFailed: it did not come in `timeout` seconds, or the connection closed.
            UsageError: a loop runs in this thread; await `.aio.wait_for` there.
        """
        want = _event(self._conversation.home, self._conversation, event)
        return self._core.wait("wait_for", want, timeout)

    def read_exactly(self, size: int, *, timeout: float = TIMEOUT) -> bytes:
        """Wait for so many bytes that no expectation wants, and take them; raises as
        `wait_for`."""
        return self._core.wait("read_exactly", _bytes(self._conversation, size), timeout)

    def read_until(self, separator: bytes | str = b"\n", *, timeout: float = TIMEOUT) -> bytes:
        """Wait for bytes up to and including a separator, and take them; raises as `wait_for`."""
        want = _bytes(self._conversation, as_bytes(separator))
        return self._core.wait("read_until", want, timeout)

    def _state(self, want: Want, *, rule: bool) -> Exchange:
        return self._conversation.home.state(want, number=self.number, rule=rule)

    def _send(self, data: bytes, deed: Callable[[], None] | None = None) -> int:
        conversation = self._conversation
        with self._core.lock:
            if conversation.channel.closed is not None:
                return -1
            if data:
                conversation.outbox.add(data)
            if deed is not None:
                conversation.outbox.then(deed)
            if conversation.socket is not None:
                self._core.runner.post(conversation.outbox.pump)
        return len(data)

    def _reset(self) -> None:
        self._conversation.outbox.pump()
        self._conversation.reset_now()

    def _pause(self, *, paused: bool) -> None:
        with self._core.lock:
            self._conversation.paused = paused
            if self._conversation.socket is not None:
                self._core.runner.post(self._conversation.pause_now)

    def __repr__(self) -> str:
        with self._core.lock:
            channel = self._conversation.channel
            state = "closed" if channel.closed else "open" if channel.opened else "not yet open"
            got = f"{channel.received} B received, {len(channel.unread)} B unread"
            return f"<Connection {self.number} {state}, {got}>"


class AioConnection:
    """What of a `Connection` can be awaited, in asyncio and trio."""

    def __init__(self, core: Core, conversation: Conversation) -> None:
        self._core = core
        self._conversation = conversation

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Event]:
        """Wait for an event; see `Connection.wait_for`."""
        want = _event(self._conversation.home, self._conversation, event)
        return self._core.wait_async(want, timeout)

    def read_exactly(self, size: int, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, bytes]:
        """Wait for so many bytes and take them; see `Connection.read_exactly`."""
        return self._core.wait_async(_bytes(self._conversation, size), timeout)

    def read_until(
        self, separator: bytes | str = b"\n", *, timeout: float = TIMEOUT
    ) -> Coroutine[Any, Any, bytes]:
        """Wait for bytes up to a separator and take them; see `Connection.read_until`."""
        want = _bytes(self._conversation, as_bytes(separator))
        return self._core.wait_async(want, timeout)


def _event(home: Home, owner: Service | Conversation, name: str) -> EventWanted:
    want = EventWanted(owner, name, call_site())
    with home.core.lock:
        home.watched = True
    return want


def _bytes(conversation: Conversation, extent: int | bytes) -> BytesWanted:
    if isinstance(extent, bytes):
        matcher: Matcher = Until(extent)
    elif isinstance(extent, bool) or not isinstance(extent, int):
        raise TypeError(f"size: expected a whole number, got {extent!r}")
    elif extent < 1:
        raise ValueError(f"size: expected a number from 1, got {extent!r}")
    else:
        matcher = Length(extent)
    if "data" in conversation.home.handlers:
        raise UsageError("the bytes go to on(data=…); look at .received instead")
    with conversation.core.lock:
        conversation.manual = True
    return BytesWanted(conversation, matcher, call_site())


def _given(arguments: Mapping[str, Any]) -> dict[str, Handler]:
    names = ("open", "data", "drain", "end", "close", "error", "timeout")
    return {name: arguments[name] for name in names if arguments[name] is not None}
