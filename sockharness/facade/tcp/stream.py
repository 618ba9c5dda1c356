"""One connection: what came, what is expected, what goes out.

A stream exists from when somebody names its number; its socket comes with the accept, and
with TLS what goes out waits for the handshake. Methods marked *loop* run on the harness's thread,
the others anywhere; see `sockharness.facade.context` for the lock. It is one state that all of them
change, so the file is longer than others.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sockharness.engine.outbox import Outbox
from sockharness.facade.context import TIMEOUT, raised
from sockharness.facade.cuts import pieces
from sockharness.facade.script import (
    Answer,
    ConnectionScript,
    Exchange,
    Ruling,
    as_bytes,
    differs,
    unexpected,
)
from sockharness.facade.tcp.handshake import Handshake, reset_before
from sockharness.facade.tcp.home import Home
from sockharness.facade.tcp.pacing import Pacing
from sockharness.facade.wants import BytesWanted
from sockharness.printable import count
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import CLOSING, Mismatch
from sockharness.story.outcome import Failure, Wait
from sockharness.story.timeline import Channel

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True
GRACE = 0.25
"""Seconds that bytes may lie unread when nothing stated wants them, before their connection is
reset: the test may be about to state the next expectation, while the client is quick."""

Deed = Callable[[], None]


class Stream:
    """One connection, past or future.

    Attributes:
        number: from 1, in the order of accept.
        chunks: what was received, as it came.
        events: what happened and was not yet waited for.
        failed: it was reset because of a failure that was recorded.
        faults: the events that tell of a fault of TLS.
        finished: what still comes is not looked at: it failed, or an answer ended it.
        manual: somebody reads its bytes with `read_exactly` or `read_until`.
        handshake: how its handshake ended, once it has.
        paused: whether it is to be paused; `None`: as it was accepted.
        secure: whether it has TLS.
    """

    __slots__ = (
        "_grace",
        "_last",
        "_outbox",
        "_pacing",
        "_patient",
        "_to_send",
        "channel",
        "chunks",
        "context",
        "events",
        "failed",
        "faults",
        "finished",
        "handshake",
        "home",
        "lane",
        "manual",
        "number",
        "paused",
        "secure",
        "socket",
    )

    def __init__(self, home: Home, number: int) -> None:
        self.home = home
        self._grace = False
        self._patient = False
        self._last = 0.0
        self._outbox: Outbox | None = None
        self._pacing: Pacing | None = None
        self._to_send: deque[Callable[[Outbox], object]] = deque()
        self.context = home.context
        self.number = number
        self.channel: Channel = self.context.timeline.channel(home.name, number)
        self.chunks: list[bytes] = []
        self.events: list[Event] = []
        self.failed = False
        self.faults: list[Event] = []
        self.finished = False
        self.handshake: Handshake | None = None
        self.lane = ConnectionScript(home.script)
        self.manual = home.keeps
        self.paused: bool | None = None
        self.secure = home.secure
        self.socket: Socket | None = None

    @property
    def peer(self) -> str:
        """The server's name."""
        return self.home.name

    @property
    def title(self) -> str:
        """How a failure calls it: as its server, or by its number if it did not come."""
        return self.home.name if self.channel.opened is not None else f"connection {self.number}"

    @property
    def absent(self) -> str:
        """Say that it did not come, and how many did; empty if it did; lock held."""
        if self.channel.opened is not None:
            return ""
        return f"{count(self.home.accepted, 'connection') if self.home.accepted else 'none'} came"

    @property
    def other(self) -> str:
        """What the program at the other end is."""
        return self.home.other

    @property
    def over(self) -> Event | None:
        """The `close`, once it came."""
        return self.channel.closed

    @property
    def shut(self) -> bool:
        """Whether its server was closed."""
        return self.home.closed

    @property
    def busy(self) -> bool:
        """Whether exchanges are outstanding that have the first claim on the bytes."""
        return bool(self.lane.outstanding)

    def found(self) -> Sequence[Failure]:
        """Return the failures that its server has recorded."""
        return self.home.found()

    def record(
        self, name: str, *, data: bytes = b"", error: BaseException | None = None, note: str = ""
    ) -> Event:
        """Note that a handler was called."""
        event = Event(
            name=name,
            peer=self.home.name,
            connection=self.number,
            data=data,
            error=error,
            note=note,
        )
        with self.context.lock:
            self.context.timeline.add(event)
            self.events.append(event)
            if data:
                self._last = event.at
                self.chunks.append(data)
            self.home.happened(event)
        return event

    def claim_handshake(self) -> None:
        """Take note that a test has looked at how the handshake ended; lock held."""
        self.faults = [event for event in self.faults if event.name == "error"]

    def unclaimed_faults(self) -> list[Event]:
        """Return the faults that nobody has waited for or looked at; lock held."""
        lists = (self.events, self.home.events)
        return [event for event in self.faults if all(event in events for events in lists)]

    # What the engine tells; all of these: loop

    def opened(self, socket: "Socket") -> None:
        """Take the socket."""
        with self.context.lock:
            self.socket = socket
            paused = self.paused
            self.context.pairing.add(self.channel, *_ends(socket))
        self.record("open")
        if paused is not None:
            self.pause_now()
        if not self.secure:
            self._may_send(socket)

    def secured(self, handshake: Handshake) -> None:
        """Take in how the handshake ended; what was to be sent waited for it."""
        with self.context.lock:
            self.handshake = handshake
            socket = self.socket
            event = self.record("handshake", error=handshake.error, note=handshake.summary)
            if not handshake.established:
                self._blame(event)
        if handshake.established and socket is not None:
            self._may_send(socket)

    def broke(self, error: BaseException) -> None:
        """Take in that TLS failed after the handshake."""
        with self.context.lock:
            self._blame(self.record("error", error=error))

    def _blame(self, event: Event) -> None:
        """Note a fault of TLS, unless it comes of what was done here; lock held."""
        own = any(action.name in CLOSING for action in self.channel.actions)
        if not own and not self.home.closed:
            self.faults.append(event)

    def _may_send(self, socket: "Socket") -> None:
        later = self.context.runner.reactor.call_later
        self._outbox = Outbox(socket)
        self._pacing = Pacing(lambda: self._all_read(socket), later)

    def _all_read(self, socket: "Socket") -> bool:
        # After `end` with TLS its owner has no descriptor, and nothing is sent any more.
        fileno = socket.fileno()
        return fileno < 0 or self.context.queues.all_read(fileno, *_ends(socket))

    def got(self, data: bytes) -> None:
        """Take in bytes and do what follows."""
        self.record("data", data=data)
        self.advance()

    def ended(self, *, half_open: bool) -> None:
        """Take in that the client has sent its FIN, which was recorded; unless half-open
        connections are wanted, close when all is sent."""
        self._no_more_bytes()
        if not half_open:
            self.then(self.end_now)
            self.send_on()

    def closed(self, error: BaseException | None) -> None:
        """Take in the end of the connection."""
        event = self.record("close", error=error)
        with self.context.lock:
            self.send_no_more()
            self.socket = None
            self.context.pairing.discard(self.channel)
            if self.secure and self.handshake is None:  # a reset gives `close` alone (TLS-057)
                self.handshake = Handshake.failed(reset_before(error))
                self._blame(event)
        self._no_more_bytes()

    def raised(self, exception: BaseException, *, site: Exchange | None = None) -> None:
        """Record what a user's function raised, and reset the connection: nobody answers there."""
        self.record("uncaught_exception", error=exception)
        failure = raised(self.home.name, exception)
        self._fail(failure.mismatch, site, exception=exception)
        self.reset_now()

    # What goes out

    def write(self, data: bytes, *, after_read: bool = False) -> None:
        """Send bytes behind what waits, as soon as `send_on` is called and the socket may send.

        Args:
            data: the bytes.
            after_read: hold them back until the other program has read what came before them.
        """
        self._to_send.append(partial(self._write, data, after_read))

    def then(self, deed: Deed) -> None:
        """Do something when everything before it was sent."""
        self._to_send.append(lambda outbox: outbox.then(deed))

    def send_on(self) -> None:
        """Loop: hand what is to be sent to the socket, if that may send by now."""
        while self._to_send and self._outbox is not None:
            self._to_send.popleft()(self._outbox)

    def send_no_more(self) -> None:
        """Loop: drop what was not sent."""
        self._to_send.clear()
        if self._outbox is not None:
            self._outbox.drop()
            self._outbox = None

    def _write(self, data: bytes, after_read: bool, outbox: Outbox) -> None:  # noqa: FBT001 - partial
        action: Event | None = None

        def begin() -> bool:
            nonlocal action
            if after_read and not self._may_go_on(outbox):
                return False
            action = self._add_action("write", data)
            return True

        def progress(sent: int) -> None:
            if action is not None and sent >= 0:
                action.result = sent

        outbox.write(data, begin=begin, progress=progress)

    def _may_go_on(self, outbox: Outbox) -> bool:
        wrote = self.socket is not None and self.socket.bytes_written > 0
        return not wrote or self._pacing is None or self._pacing.may_go_on(outbox.flush)

    # What follows; all of these: loop

    def advance(self) -> None:
        """Match unread bytes as far as possible, and answer."""
        while (deed := self._next()) is not None:
            deed()
        self.send_on()
        with self.context.lock:
            self.context.waiters.notify()

    def end_now(self) -> None:
        """Close (FIN)."""
        self._act("end", lambda socket: socket.end())

    def shutdown_now(self) -> None:
        """Half-close (FIN, and go on reading)."""
        self._act("shutdown", lambda socket: socket.shutdown())

    def reset_now(self) -> None:
        """Reset (RST)."""
        self.send_no_more()
        self._act("terminate", lambda socket: socket.terminate())

    def pause_now(self) -> None:
        """Stop or go on reading, as is wished now."""
        with self.context.lock:
            socket, paused = self.socket, self.paused
        if socket is not None:
            if paused:
                socket.pause()
            else:
                socket.resume()

    def _next(self) -> Deed | None:
        """Return what is to be done about the unread bytes, or nothing."""
        with self.context.lock:
            unread = self.channel.unread
            if not unread or self.finished:
                return None
            if not self.busy and self.context.waiters.wanted(BytesWanted, self):
                return None
            judged = self.lane.judge(unread)
            exchange = judged.exchange
            if judged.ruling is Ruling.TAKE and exchange is not None:
                taken = bytes(unread[: judged.size])
                del unread[: judged.size]
                self.lane.take(exchange)
                return partial(self._answer, exchange, taken)
            ended = self.channel.ended is not None and exchange in self.lane.outstanding
            if exchange is not None and (judged.ruling is Ruling.DIFFER or ended):
                self._fail(differs(self.channel, exchange), exchange)
                return self.reset_now
            if judged.ruling is Ruling.NOBODY:
                self._wait_a_little()
            else:
                self._wait_for_more()
            return None

    def _answer(self, exchange: Exchange, taken: bytes) -> None:
        with self.context.lock:
            answer = exchange.answer
            if answer is None:
                self._later(exchange, self._answer, exchange, taken)
                if exchange not in self.home.bare:
                    self.home.bare.append(exchange)
        if answer is Answer.REPLY and not self._reply(exchange, taken):
            return
        self._end_as_stated(exchange)

    def _reply(self, exchange: Exchange, taken: bytes) -> bool:
        data = exchange.data
        try:
            reply = as_bytes(data(taken) if callable(data) else data)
        except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
            self.raised(error, site=exchange)
            return False
        with self.context.lock:
            for piece in pieces(reply, exchange.cuts):
                self.write(piece, after_read=exchange.cuts is not None)
            if exchange.then is None and exchange not in self.lane.all_rules:
                self._later(exchange, self._end_as_stated, exchange)
        return True

    def _end_as_stated(self, exchange: Exchange) -> None:
        if exchange.then is not None:
            self._finish(self.end_now if exchange.then is Answer.CLOSE else self.reset_now)

    def _later(self, exchange: Exchange, function: Callable[..., None], *args: object) -> None:
        """Go on when more is stated about the answer; lock held."""

        def go_on() -> None:
            function(*args)
            self.advance()

        exchange.when_stated(lambda: self.context.runner.post(go_on))

    def _finish(self, deed: Deed) -> None:
        with self.context.lock:
            if self.finished:
                return
            self.finished = True
            self.channel.unread.clear()
            self.then(deed)

    def _no_more_bytes(self) -> None:
        self.advance()
        with self.context.lock:
            released = bool(self.lane.claimed)
            self.lane.release()
        if released:
            self.home.look_again()

    def _wait_a_little(self) -> None:
        """Give the test time to state what it expects of these bytes; lock held."""
        if not self._grace and not self._kept and self.socket is not None:
            self._grace = True
            self.context.runner.reactor.call_later(GRACE * self.context.scale, self._lapse)

    @property
    def _kept(self) -> bool:
        """Whether bytes that nothing stated wants lie there for somebody to fetch."""
        return self.manual or (self.home.watched and not self.home.script.stated)

    def _lapse(self) -> None:
        with self.context.lock:
            self._grace = False
            if self._kept or self._ruling() is not Ruling.NOBODY:
                return
            self._fail(unexpected(self.channel, stated=self.home.script.stated), None)
        self.reset_now()

    def _wait_for_more(self) -> None:
        """Give the client time to send the rest of what was begun; lock held."""
        if not self._patient and self.socket is not None:
            self._patient = True
            self.context.runner.reactor.call_later(
                TIMEOUT * self.context.scale, self._out_of_patience
            )

    def _out_of_patience(self) -> None:
        limit = TIMEOUT * self.context.scale
        with self.context.lock:
            self._patient = False
            if self._ruling() is not Ruling.WAIT:
                return
            lasted = self.context.timeline.now() - self._last
            if lasted < limit:  # more came meanwhile, and that is not enough either
                self._patient = True
                later = self.context.runner.reactor.call_later
                later(limit - lasted, self._out_of_patience)
                return
            exchange = self.lane.judge(self.channel.unread).exchange
            if exchange is None and self.manual:
                return
            wait = self.context.waited(self.home.name, lasted, limit)
            if exchange is None:
                self._fail(unexpected(self.channel), None)
            else:
                self._fail(differs(self.channel, exchange), exchange, wait=wait)
        self.reset_now()

    def _ruling(self) -> Ruling | None:
        """Return what is to be done about the unread bytes, if anything may be; lock held."""
        if self.finished or self.socket is None or not self.channel.unread:
            return None
        return self.lane.judge(self.channel.unread).ruling

    def _fail(
        self,
        mismatch: Mismatch,
        exchange: Exchange | None,
        *,
        exception: BaseException | None = None,
        wait: Wait | None = None,
    ) -> None:
        location = exchange.site.location() if exchange is not None else None
        with self.context.lock:
            self.home.failures.append(
                Failure(mismatch=mismatch, location=location, exception=exception, wait=wait)
            )
            self.lane.abandon()
            self.failed = self.finished = True
            self.context.waiters.notify()

    def _act(self, name: str, call: Callable[["Socket"], object]) -> None:
        with self.context.lock:
            socket = self.socket
            if socket is not None:
                self._add_action(name)
        if socket is not None:
            call(socket)

    def _add_action(self, name: str, data: bytes = b"") -> Event:
        event = Event(
            name=name,
            peer=self.home.name,
            connection=self.number,
            kind=Kind.ACTION,
            data=data,
        )
        return self.context.timeline.add(event)

    def renumber(self, number: int) -> None:
        """Start anew under this number, as a connection that is open already; lock held."""
        old = self.channel
        self.number = number
        self.channel = self.context.timeline.channel(self.home.name, number)
        self.channel.opened, self.channel.ended = old.opened, old.ended
        self.channel.outside = old.outside
        self.context.pairing.replace(old, self.channel)
        self.faults.clear()
        self.chunks.clear()
        self.events.clear()
        self.lane.abandon()
        self.manual = self.home.keeps


def _ends(socket: "Socket") -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (str(socket.local_address), int(socket.local_port or 0)),
        (str(socket.remote_address), int(socket.remote_port or 0)),
    )
