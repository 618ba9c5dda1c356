"""Whoever has connections: what is stated for any of them, and a user's handlers.

A `Service` accepts its connections, a `Dialer` makes them; this is what they have in common.
Methods marked *loop* run on the harness's thread, the others anywhere; for the lock see
`sockharness.facade.context`. The engine calls our handlers only; a user's handlers are called by
ours, after the event was noted. Connections are always allowed to be half-open, and we close in the
engine's stead, so that a reply in pieces is still sent whole after the other side's FIN.

**TLS.** The engine is always given a `handshake` handler, so its `open` comes before the handshake.
A user's `open` comes then only if he has a `handshake` of his own, and else when it is over, as in
Bun (TLS-001, TLS-002).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sockharness.errors import ClosedError, TLSError, UsageError
from sockharness.facade.callsite import call_site
from sockharness.facade.context import LAST_LOOK, HarnessContext, raised, refuse_async
from sockharness.facade.script import Exchange, Script, matcher, unexpected, unmet, unstated
from sockharness.facade.tcp.handshake import Handshake, fault
from sockharness.facade.tcp.stream import Stream
from sockharness.facade.wants import Settled
from sockharness.story.events import Event
from sockharness.story.outcome import Failure
from sockharness.story.timeline import LISTENER

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True
Handler = Callable[..., object]
HANDLED = ("open", "data", "drain", "end", "close", "error", "timeout", "handshake")
"""The handlers of the engine that a user may have called."""


class Endpoint:
    """The connections of one side.

    Attributes:
        other: what the program at the other end is.
        keeps: whether unread bytes lie there, for somebody to read them when he likes.
        secure: whether connections have TLS.
        half_open: whether an end that the other side has ended stays open.
        accepted: how many connections there were.
    """

    other = "client"
    keeps = False

    def __init__(
        self, context: HarnessContext, name: str, *, secure: bool = False, half_open: bool = False
    ) -> None:
        self.context = context
        self.name = name
        self.secure = secure
        self.half_open = half_open
        self.script = Script()
        self.failures: list[Failure] = []
        self.bare: list[Exchange] = []
        self.watched = False
        self.events: list[Event] = []
        self.handlers: Mapping[str, Handler] = {}
        self.accepted = 0
        self.closed = False
        self._streams: dict[int, Stream] = {}
        self._live: dict[Socket, Stream] = {}

    # Stating

    def state(self, want: object, *, number: int = 0, rule: bool = False) -> Exchange:
        """State an expectation or a rule for one connection, or (0) for whichever comes."""
        exchange = Exchange(matcher(want), call_site(), self.context.lock)
        with self.context.lock:
            self._refuse_closed()
            if "data" in self.handlers:
                raise UsageError("expect and when cannot be used beside on(data=…)")
            self.script.stated = True
            if number:
                lane = self.stream(number).lane
                (lane.rules if rule else lane.own).append(exchange)
            else:
                (self.script.rules if rule else self.script.queue).append(exchange)
            if self._unread():
                self.context.runner.post(self.look_again)
        return exchange

    def handle(self, handlers: Mapping[str, Handler], *, merge: bool) -> None:
        """Put a user's handlers in charge, beside those there are or in their place."""
        from sockharness.engine.handlers import Handlers

        refuse_async(handlers)
        Handlers({"drain": lambda _socket: None, **handlers})  # refuses what cannot be
        for name in handlers:
            if name not in HANDLED:
                raise TypeError(f"socket: handler {name!r} is not called here")
        with self.context.lock:
            self._refuse_closed()
            chosen = {**self.handlers, **handlers} if merge else dict(handlers)
            if "data" in chosen and (self.script.stated or self._outstanding()):
                raise UsageError("on(data=…) cannot be used beside expect and when")
            self.handlers = chosen
            if "data" in chosen and self._unread():
                self.context.runner.post(self._hand_over)

    def stream(self, number: int) -> Stream:
        """Return a connection by its number, made when it is first asked for; lock held."""
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = Stream(self, number)
        return stream

    def opened(self) -> list[Stream]:
        """Return the connections that were accepted, in that order; lock held."""
        return [self._streams[number] for number in range(1, self.accepted + 1)]

    # For what waits

    @property
    def peer(self) -> str:
        """Its name."""
        return self.name

    @property
    def title(self) -> str:
        """Its name."""
        return self.name

    @property
    def absent(self) -> str:
        """Nothing: it is there."""
        return ""

    @property
    def over(self) -> Event | None:
        """Nothing: another connection may always come."""
        return None

    @property
    def shut(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def found(self) -> list[Failure]:
        """Return the failures recorded so far."""
        return [*self.failures, *self._faults()]

    @property
    def deferred(self) -> bool:
        """Whether an expectation that was left to tear-down is unmet; lock held."""
        lanes = [stream.lane.outstanding for stream in self._streams.values()]
        return any(each.deferred for stated in (self.script.queue, *lanes) for each in stated)

    def missing(self) -> bool:
        """Say whether expectations are unmet, and nothing has failed that explains it; lock
        held."""
        return not self.found() and bool(self._unmet(final=True))

    # Judging

    def judge(self, *, final: bool) -> list[Failure]:
        """Return everything that is wrong, the cause first.

        Args:
            final: count what was left to tear-down, too.
        """
        with self.context.lock:
            missing = not self.found() and bool(self._unmet(final=final))
        if missing and self.context.wait_quietly(Settled(self), LAST_LOOK):
            self.context.settle()
        with self.context.lock:
            return [*self.certain(), *self._unmet(final=final), *self._unasked(final=final)]

    def certain(self) -> list[Failure]:
        """Return what is wrong whatever may yet come; lock held."""
        return [*self.found(), *unstated(self.bare)]

    def clear(self) -> None:
        """Forget what happened and what was expected; rules, handlers and good connections stay.

        A connection that failed or has unread bytes is out of step: it is reset. The numbers begin
        anew with the connections that are open.
        """
        with self.context.lock:
            self.script.clear()
            self.failures.clear()
            self.bare.clear()
            self.watched = False
            self.events.clear()
            old = [self._streams[n] for n in sorted(self._streams)]
            astray = [c for c in old if c.socket is not None and (c.failed or c.channel.unread)]
            kept = [c for c in old if c.socket is not None and c not in astray]
            future = [c for c in old if c.socket is None and c.number > self.accepted]
            self.context.timeline.forget(self.name)
            self._streams = dict(enumerate(kept, 1))
            self.accepted = len(kept)
            for number, stream in self._streams.items():
                stream.renumber(number)
            for stream in (*astray, *future):
                stream.finished = True
        if astray:
            self._call(_reset, astray)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        if not self.closed:
            self.closed = True
            self._call(self._close)

    # Acting

    def happened(self, event: Event) -> None:
        """Take in an event of a connection; lock held."""
        self.context.happened += 1
        self.events.append(event)
        self.context.waiters.notify()

    def look_again(self) -> None:
        """Loop: let the connections with unread bytes try again."""
        with self.context.lock:
            waiting = [c for c in self._streams.values() if c.channel.unread]
        for stream in waiting:
            stream.advance()

    # The engine's handlers; all of these: loop

    def on_open(self, socket: "Socket") -> None:
        stream = self._live[socket] = self._admit(socket)
        stream.opened(socket)
        if not stream.secure or "handshake" in self.handlers:
            self._user("open", socket)
        stream.advance()

    def on_handshake(self, socket: "Socket", success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        stream = self._live[socket]
        stream.secured(Handshake.of(socket, error))
        if "handshake" in self.handlers:
            self._user("handshake", socket, success, error)
        else:
            self._user("open", socket)
        stream.advance()

    def on_data(self, socket: "Socket", data: bytes) -> None:
        stream = self._live[socket]
        if "data" not in self.handlers:
            stream.got(data)
            return
        stream.record("data", data=data)
        self._hand(stream, socket, data)

    def on_drain(self, socket: "Socket") -> None:
        stream = self._live[socket]
        stream.record("drain")
        self._user("drain", socket)

    def on_end(self, socket: "Socket") -> None:
        stream = self._live[socket]
        stream.record("end")
        self._user("end", socket)
        stream.ended(half_open=self.half_open)

    def on_close(self, socket: "Socket", error: BaseException | None) -> None:
        self._live.pop(socket).closed(error)
        self._user("close", socket, error)

    def on_timeout(self, socket: "Socket") -> None:
        self._live[socket].record("timeout")
        self._user("timeout", socket)

    def on_error(self, socket: "Socket", exception: BaseException) -> None:
        """TLS failed, or a handler raised, a user's or ours: his `error` takes it, or the test
        fails."""
        handler = self.handlers.get("error")
        stream = self._live.get(socket)
        if handler is not None:
            if stream is not None:
                stream.record("error", error=exception)
            try:
                handler(socket, exception)
            except Exception as second:  # noqa: BLE001 - a user's function; it fails the test
                exception = second
            else:
                return
        if stream is None:
            self.stray(exception)
        elif isinstance(exception, TLSError) and exception is socket.authorization_error:
            stream.broke(exception)
        else:
            stream.raised(exception)

    def stray(self, exception: BaseException) -> None:
        """Record an exception that belongs to no open connection."""
        with self.context.lock:
            event = Event(name="uncaught_exception", peer=self.name, error=exception)
            self.happened(self.context.timeline.add(event))
            self.failures.append(raised(self.name, exception))

    def _user(self, name: str, *args: Any) -> None:
        handler = self.handlers.get(name)
        if handler is not None:
            handler(*args)

    def _hand_over(self) -> None:
        """Give bytes that came before the handlers to them."""
        for socket, stream in list(self._live.items()):
            with self.context.lock:
                unread = bytes(stream.channel.unread)
            if unread:
                self._hand(stream, socket, unread)

    def _hand(self, stream: Stream, socket: "Socket", data: bytes) -> None:
        with self.context.lock:
            stream.channel.unread.clear()
        self._user("data", socket, data)

    def _close(self) -> None:
        self.handlers = {}  # what closes now is not the user's affair
        for socket in list(self._live):
            socket.close()
        for socket in list(self._live):  # with TLS, some are closed for their owner only
            socket.hang_up()

    def _admit(self, socket: "Socket") -> Stream:
        """Return the stream to which a new connection belongs."""
        raise NotImplementedError

    # Findings

    def _faults(self) -> list[Failure]:
        """Return a failure for each fault of TLS that nobody has claimed; lock held."""
        return [
            fault(stream, event)
            for stream in self._streams.values()
            for event in stream.unclaimed_faults()
        ]

    def _outstanding(self) -> bool:
        return any(stream.busy for stream in self._streams.values())

    def _unread(self) -> bool:
        return any(stream.channel.unread for stream in self._streams.values())

    def _unmet(self, *, final: bool) -> list[Failure]:
        failures = []
        for stream in self._streams.values():
            for exchange in stream.lane.outstanding:
                if final or not exchange.deferred:
                    failures.append(self._miss(stream, exchange))
        last = self._streams.get(self.accepted)
        for exchange in self.script.queue:
            if final or not exchange.deferred:
                failures.append(self._miss(last, exchange))
        return failures

    def _miss(self, stream: Stream | None, exchange: Exchange) -> Failure:
        connected = stream is not None and stream.channel.opened is not None
        channel = (
            stream.channel
            if stream is not None
            else self.context.timeline.channel(self.name, LISTENER)
        )
        return Failure(
            mismatch=unmet(channel, exchange, came=None if connected else self.accepted),
            location=exchange.site.location(),
        )

    def _unasked(self, *, final: bool) -> list[Failure]:
        """Return the connections with unread bytes that no outstanding exchange accounts for."""
        deferred = any(exchange.deferred for exchange in self.script.queue)
        return [
            Failure(mismatch=unexpected(stream.channel, stated=self.script.stated))
            for stream in self._streams.values()
            if stream.channel.unread
            and not stream.failed
            and not stream.busy
            and (final or not deferred)
        ]

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ClosedError(f"{self.name} is closed")

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.context.runner.call(function, *args, timeout=self.context.patience)


def _reset(streams: Iterable[Stream]) -> None:
    for stream in streams:
        stream.reset_now()
