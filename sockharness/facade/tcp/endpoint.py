"""The connections of one side of a test: a `Service` accepts them, a `Dialer` makes them.

Methods marked *loop* run on the harness's thread, the others anywhere; for the lock see
`sockharness.facade.context`. The engine always allows connections to be half-open, and we close
them ourselves, so that a reply in pieces is sent whole after the other side's FIN.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sockharness.errors import TLSError
from sockharness.facade.context import HarnessContext, refuse_async
from sockharness.facade.ledger import Ledger
from sockharness.facade.script import Exchange
from sockharness.facade.tcp.dispatch import Dispatch
from sockharness.facade.tcp.stream import Stream
from sockharness.facade.tcp.wording import unexpected, unmet
from sockharness.handlers import CLIENT_ONLY, STREAM_EVENTS, names
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure
from sockharness.story.timeline import LISTENER

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True
HANDLED = names(STREAM_EVENTS, without=CLIENT_ONLY)
"""The handlers of the engine that a user may have called."""


class Endpoint:
    """The connections of one side.

    Args:
        context: the harness's.
        name: how failures call it.
        secure: whether connections have TLS.
        half_open: whether our end stays open when the other side has ended.

    Attributes:
        other: what the program at the other end is.
        keeps_unread: whether a test may read unread bytes at any time, so that they are kept.
        dispatch: the handlers for the engine.
    """

    other = "client"
    keeps_unread = False
    dispatch: Dispatch

    def __init__(
        self, context: HarnessContext, name: str, *, secure: bool = False, half_open: bool = False
    ) -> None:
        self.context = context
        self.ledger = Ledger(context, name, self)
        self._secure = secure
        self._half_open = half_open
        self._streams: dict[int, Stream] = {}

    def expect(self, want: object, *, number: int = 0, rule: bool = False) -> Exchange:
        """Add an expectation or a rule for one connection, or (0) for any."""
        if not number:
            return self.ledger.expect(want, rule=rule)
        with self.context.lock:
            self.ledger.refuse_closed()
            return self.ledger.expect(want, rule=rule, script=self.stream(number).script)

    def handle(self, handlers: Mapping[str, Any], *, merge: bool) -> None:
        """Put a user's handlers in charge, beside those there are (`merge`) or in their place."""
        from sockharness.engine.handlers import CheckedHandlers

        refuse_async(handlers)
        CheckedHandlers({"drain": lambda _socket: None, **handlers})  # raises for wrong ones
        for name in handlers:
            if name not in HANDLED:
                raise TypeError(f"socket: handler {name!r} is not called here")
        given = {name: handler for name, handler in handlers.items() if handler is not None}
        with self.context.lock:
            self.ledger.handlers = self.ledger.with_handlers(given, merge=merge)
            if "data" in self.ledger.handlers and any(self._with_unread()):
                self.context.runner.post(self._hand_over)

    def stream(self, number: int) -> Stream:
        """Return the stream with this number, made at the first call; lock held."""
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = Stream(
                self.ledger,
                number,
                half_open=self._half_open,
                other=self.other,
                keeps_unread=self.keeps_unread,
                secure=self._secure,
            )
        return stream

    def opened(self) -> list[Stream]:
        """Return the streams of connections that came, in that order; lock held."""
        return [self._streams[number] for number in range(1, self.ledger.came + 1)]

    def clear(self) -> None:
        """Forget events and expectations; rules, handlers and good connections stay.

        A connection that failed or has unread bytes is reset. The others are numbered anew.
        """
        with self.context.lock:
            old = [self._streams[number] for number in sorted(self._streams)]
            live = [each for each in old if each.sending.socket is not None]
            astray = [each for each in live if each.ledger.failed or each.channel.unread]
            kept = [each for each in live if each not in astray]
            future = [each for each in old if each not in live and each.number > self.ledger.came]
            self.ledger.clear()
            self._streams = dict(enumerate(kept, 1))
            self.ledger.came = len(kept)
            for number, stream in self._streams.items():
                stream.renumber(number)
            for stream in (*astray, *future):
                stream.finished = True
        if astray:
            self.context.call(_reset, astray)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        if not self.ledger.closed:
            self.ledger.closed = True
            self.context.call(self._close)

    # What the ledger asks; lock held

    def outstanding(self) -> Iterator[Exchange]:
        """Yield the expectations that are not met: those of connections first."""
        for stream in self._streams.values():
            yield from stream.script.outstanding
        yield from self.ledger.script.queue

    def unmet(self, exchange: Exchange) -> Mismatch:
        """Describe why an expectation is not met, by the connection that was to meet it."""
        streams = self._streams.values()
        last = self._streams.get(self.ledger.came)
        stream = next((each for each in streams if exchange in each.script.outstanding), last)
        if stream is None:
            channel = self.context.timeline.channel(self.ledger.name, LISTENER)
        else:
            channel = stream.channel
        return unmet(channel, exchange, came=self.ledger.came if channel.opened is None else None)

    def unread(self, *, final: bool) -> list[Failure]:
        """Return the connections with unread bytes that no outstanding expectation explains."""
        script = self.ledger.script
        if not final and any(exchange.deferred for exchange in script.queue):
            return []
        return [
            Failure(mismatch=unexpected(stream.channel, expecting=script.in_use))
            for stream in self._with_unread()
            if not stream.ledger.failed and not stream.script.outstanding
        ]

    def look_again(self) -> None:
        """Let the connections with unread bytes try again, soon."""
        if any(self._with_unread()):
            self.context.runner.post(self._look_again)

    # Called on the harness's thread

    def on_error(self, socket: "Socket", exception: BaseException, stream: Stream | None) -> None:
        """Take a failure of TLS, or what a handler raised: call the user's `error`, or fail the
        test."""
        handler = self.ledger.handlers.get("error")
        if handler is not None:
            if stream is not None:
                stream.ledger.record("error", error=exception)
            try:
                handler(socket, exception)
            except Exception as second:  # noqa: BLE001 - a user's function; it fails the test
                exception = second
            else:
                return
        if stream is None:
            self.ledger.raised(exception)
        elif isinstance(exception, TLSError) and exception is socket.authorization_error:
            stream.broke(exception)
        else:
            stream.raised(exception)

    def _with_unread(self) -> Iterator[Stream]:
        return (stream for stream in self._streams.values() if stream.channel.unread)

    def _look_again(self) -> None:
        with self.context.lock:
            waiting = list(self._with_unread())
        for stream in waiting:
            stream.advance()

    def _hand_over(self) -> None:
        """Give the user's handler bytes that came before it."""
        for socket, stream in list(self.dispatch.streams.items()):
            with self.context.lock:
                unread = bytes(stream.channel.unread)
            if unread:
                stream.hand_over(socket, unread)

    def _close(self) -> None:
        self.ledger.handlers = {}  # the user's handlers do not see what closes now
        for socket in list(self.dispatch.streams):
            socket.close()
        for socket in list(self.dispatch.streams):  # with TLS, some are closed for their owner only
            socket.hang_up()


def _reset(streams: Iterable[Stream]) -> None:
    for stream in streams:
        stream.sending.reset()
