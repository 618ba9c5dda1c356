"""Two sockets of one reactor and a log of what their handlers saw.

A trace reads like those of the behaviour catalogue: `s.open`, `c.data(hi)`, `s.close(ECONNRESET)`,
in call order, `s` for the accepted socket and `c` for the client. Consecutive `data` of one socket
are joined, because chunk boundaries mean nothing.
"""

import inspect
import os
import time
from collections.abc import Callable
from typing import Any

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.errors import code_of
from sockharness.handlers import STREAM_EVENTS, TLS_ONLY, names
from tests.helpers.loopback import wait_for_delivery
from tests.helpers.raw import is_acknowledged

DEADLINE = 30.0
EVENTS = names(STREAM_EVENTS, without=TLS_ONLY)
Handlers = dict[str, Callable[..., Any]]


class Log:
    """Makes handlers that write down their calls."""

    def __init__(self, ring: Callable[[], object] | None = None) -> None:
        self.ring = ring  # called after each handler
        self.calls = 0
        self.entries: list[tuple[str, str, tuple[Any, ...]]] = []

    def note(self, who: str, event: str, *args: Any) -> None:
        """Write an entry; `data` continues the `data` before."""
        self.calls += 1
        if event == "data" and self.entries and self.entries[-1][:2] == (who, event):
            self.entries[-1] = (who, event, (self.entries[-1][2][0] + args[0],))
        else:
            self.entries.append((who, event, args))

    def handlers(self, who: str, *names: str, **replaced: Callable[..., Any] | None) -> Handlers:
        """Return logging handlers (all, or those named); a replacement runs after the note."""
        made: Handlers = {}
        for name in names or EVENTS:
            if name not in replaced or replaced[name] is not None:
                made[name] = self._handler(who, name, replaced.get(name))
        return made

    def _handler(self, who: str, name: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(then):
            return self._async_handler(who, name, then)

        def handler(socket: Any, *args: Any) -> Any:
            self.note(who, name, *args)
            try:
                return None if then is None else then(socket, *args)
            finally:
                if self.ring is not None:
                    self.ring()

        return handler

    def _async_handler(self, who: str, name: str, then: Callable[..., Any]) -> Callable[..., Any]:
        async def handler(socket: Any, *args: Any) -> None:
            self.note(who, name, *args)
            await then(socket, *args)

        return handler

    def trace(self) -> str:
        """Return all entries as one line."""
        return " ".join(_written(*entry) for entry in self.entries)

    def of(self, who: str, *without: str) -> str:
        """Return one socket's entries, but for those of some events."""
        return " ".join(
            _written(*entry)
            for entry in self.entries
            if entry[0] == who and entry[1] not in without
        )

    def seen(self, who: str, event: str) -> int:
        """Count the entries of one kind."""
        return sum(entry[:2] == (who, event) for entry in self.entries)

    def received(self, who: str) -> bytes:
        """Return all bytes that a socket got."""
        return b"".join(
            args[0] for name, event, args in self.entries if (name, event) == (who, "data")
        )

    def clear(self) -> None:
        """Forget the entries."""
        self.entries.clear()


class Talk:
    """A listener, a client and the socket that the listener accepted."""

    def __init__(
        self,
        reactor: Reactor,
        *,
        unix: str | None = None,
        server: Handlers | None = None,
        client: Handlers | None = None,
        log: Log | None = None,
        listen_options: dict[str, Any] | None = None,
        connect_options: dict[str, Any] | None = None,
        **both: Any,
    ) -> None:
        self.reactor = reactor
        self.log = log or Log()
        self.accepted: list[Socket] = []
        handlers = dict(server or self.log.handlers("s"))
        opened = handlers.get("open")

        def open_(socket: Socket) -> Any:
            self.accepted.append(socket)
            return None if opened is None else opened(socket)

        handlers["open"] = open_
        where: dict[str, Any] = {"unix": unix} if unix else {"hostname": "127.0.0.1", "port": 0}
        given = {**where, **both, **(listen_options or {})}
        self.listener: Listener = listen(socket=handlers, reactor=reactor, **given)
        self._client_handlers = client or self.log.handlers("c")
        self._connect_options = {**both, **(connect_options or {})}
        self.client = self.connect().result(DEADLINE)
        self.until(lambda: self.accepted)

    @property
    def server(self) -> Socket:
        """The first accepted socket."""
        return self.accepted[0]

    def connect(self, **options: Any) -> Connecting:
        """Start another client, with the first one's handlers if none are given."""
        where: dict[str, Any] = (
            {"unix": self.listener.unix}
            if self.listener.unix
            else {"hostname": "127.0.0.1", "port": self.listener.port}
        )
        given = {"socket": self._client_handlers, **where, **self._connect_options, **options}
        return connect(reactor=self.reactor, **given)

    def until(self, condition: Callable[[], object]) -> None:
        """Run until a condition holds."""
        assert self.reactor.run_until(condition, DEADLINE), self.log.trace()

    def until_seen(self, who: str, event: str, times: int = 1) -> None:
        """Run until an event was logged so often."""
        self.until(lambda: self.log.seen(who, event) >= times)

    def settle(self) -> None:
        """Run until nothing happens any more."""
        settle(self.reactor, self.log)

    def trace(self) -> str:
        """Settle, and return what happened since `clear`."""
        self.settle()
        return self.log.trace()

    def fill(self, socket: Socket) -> int:
        """Write until the kernel takes no more for good; return how much it took."""
        total = taken = socket.write(bytes(8_000_000))
        while taken > 0:
            while taken > 0:
                taken = socket.write(bytes(65536))
                total += taken
            late = time.monotonic() + DEADLINE
            while not is_acknowledged(socket.fileno()):
                assert time.monotonic() < late, "the peer does not acknowledge what was sent"
                os.sched_yield()
            taken = socket.write(bytes(65536))
            total += taken
        return total


def settle(reactor: Reactor, log: Log) -> None:
    """Run a reactor until its log has not changed for some iterations."""
    quiet = 0
    while quiet < 5:
        before = log.calls
        wait_for_delivery()
        reactor.run_once(0)
        quiet = quiet + 1 if before == log.calls else 0


def _written(who: str, event: str, args: tuple[Any, ...]) -> str:
    if event == "data":
        return f"{who}.data({args[0].decode('latin-1')})"
    shown = [code_of(arg) if isinstance(arg, BaseException) else str(arg) for arg in args]
    return f"{who}.{event}({','.join(shown)})" if shown else f"{who}.{event}"
