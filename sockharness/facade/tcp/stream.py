"""One connection of a server or client: bytes received, bytes expected, bytes to send.

A `Stream` is made when a test or an accept first names its number; it gets its socket at the
accept, and with TLS it sends nothing before the end of the handshake. The engine calls our handlers
only; ours call a user's handlers, after they have recorded the event.

Methods marked *loop* run on the harness's thread, the others anywhere; for the lock see
`sockharness.facade.context`.

**TLS.** The engine is always given a `handshake` handler, so its `open` comes before the handshake.
A user's `open` is called then only if there is a user's `handshake`, too; else it is called when
the handshake is over, as in Bun (TLS-001, TLS-002).

`Sending` is in this file, which makes it longer than others, because a reply crosses from one to
the other twice.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sockharness.engine.outbox import Outbox
from sockharness.facade.context import TIMEOUT
from sockharness.facade.cuts import pieces
from sockharness.facade.ledger import Ledger
from sockharness.facade.script import Answer, ConnectionScript, Exchange, Ruling, as_bytes
from sockharness.facade.tcp.handshake import Handshake, blame, reset_before
from sockharness.facade.tcp.pacing import Alarm, Pacing
from sockharness.facade.tcp.wording import differs, unexpected
from sockharness.story.events import Event
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Wait
from sockharness.story.timeline import Channel

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True
GRACE = 0.25
"""Seconds before a connection is reset for bytes that nothing expects: a client may be quicker than
the test, which may be about to expect them."""

Step = Callable[[], None]


class Stream:
    """One connection, past or future.

    Args:
        server: the ledger of the server or client to which it belongs.
        number: from 1, in the order of accept or connect.
        half_open: whether our end stays open when the other side has ended.
        other: what the program at the other end is.
        keeps_unread: whether a test may read unread bytes at any time, so that they are kept.
        secure: whether it has TLS.

    Attributes:
        chunks: what was received, as it came.
        finished: what still comes is ignored: the connection failed, or an answer ended it.
        handshake: how its handshake ended, once it has.
        manual: the test reads its bytes with `read_exactly` or `read_until`.
    """

    __slots__ = (
        "_grace",
        "_half_open",
        "_keeps_unread",
        "_last",
        "_other",
        "_patience",
        "channel",
        "chunks",
        "context",
        "finished",
        "handshake",
        "ledger",
        "manual",
        "script",
        "secure",
        "sending",
    )

    def __init__(
        self,
        server: Ledger,
        number: int,
        *,
        half_open: bool,
        other: str,
        keeps_unread: bool,
        secure: bool,
    ) -> None:
        title = f"connection {number}"
        self.context = server.context
        self.ledger = Ledger(self.context, server.name, parent=server, number=number, title=title)
        self.channel: Channel = self.ledger.channel
        self.script = ConnectionScript(server.script)
        self.sending = Sending(self.ledger)
        self.chunks: list[bytes] = []
        self.finished = False
        self.handshake: Handshake | None = None
        self.manual = keeps_unread
        self.secure = secure
        self._half_open = half_open
        self._keeps_unread = keeps_unread
        self._other = other
        self._last = 0.0
        self._grace = Alarm(self.context.runner.reactor, self._grace_is_over)
        self._patience = Alarm(self.context.runner.reactor, self._out_of_patience)

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return self.ledger.number

    # What the engine reports; all of these: loop

    def opened(self, socket: "Socket") -> None:
        """Take the socket."""
        with self.context.lock:
            self.sending.socket = socket
            self.context.pairing.add(self.channel, *_addresses(socket))
            self.ledger.title = self.ledger.name
        self.ledger.record("open")
        self.sending.pause_or_resume()
        if not self.secure:
            self.sending.open(socket)
        if not self.secure or "handshake" in self.ledger.root.handlers:
            self.ledger.root.call_handler("open", socket)
        self.advance()

    def shook_hands(self, socket: "Socket", success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        """Take the end of the handshake; what was to be sent waited for it."""
        handshake = Handshake.of(socket, error)
        with self.context.lock:
            self.handshake = handshake
            event = self.ledger.record("handshake", error=handshake.error, note=handshake.summary)
            if not handshake.established:
                blame(self.ledger, event, other=self._other)
        if handshake.established:
            self.sending.open(socket)
        if "handshake" in self.ledger.root.handlers:
            self.ledger.root.call_handler("handshake", socket, success, error)
        else:
            self.ledger.root.call_handler("open", socket)
        self.advance()

    def got(self, socket: "Socket", data: bytes) -> None:
        """Take bytes, and answer them or hand them to the user's handler."""
        with self.context.lock:
            self._last = self.ledger.record("data", data=data).at
            self.chunks.append(data)
        if "data" in self.ledger.root.handlers:
            self.hand_over(socket, data)
        else:
            self.advance()

    def hand_over(self, socket: "Socket", data: bytes) -> None:
        """Give unread bytes to the user's handler."""
        with self.context.lock:
            self.channel.unread.clear()
        self.ledger.root.call_handler("data", socket, data)

    def drained(self, socket: "Socket") -> None:
        """Take note that the kernel has room again."""
        self.ledger.record("drain")
        self.ledger.root.call_handler("drain", socket)

    def timed_out(self, socket: "Socket") -> None:
        """Take note that the time-out passed."""
        self.ledger.record("timeout")
        self.ledger.root.call_handler("timeout", socket)

    def ended(self, socket: "Socket") -> None:
        """Take the other side's FIN; close when everything is sent, unless it may be half-open."""
        self.ledger.record("end")
        self.ledger.root.call_handler("end", socket)
        self._no_more_bytes()
        if not self._half_open:
            self.sending.then(self.sending.end)
            self.sending.go_on()

    def closed(self, socket: "Socket", error: BaseException | None) -> None:
        """Take the end of the connection."""
        event = self.ledger.record("close", error=error)
        with self.context.lock:
            self.sending.drop()
            self.sending.socket = None
            self.context.pairing.discard(self.channel)
            if self.secure and self.handshake is None:  # a reset gives `close` alone (TLS-057)
                self.handshake = Handshake.failed(reset_before(error))
                blame(self.ledger, event, other=self._other)
        self._no_more_bytes()
        self.ledger.root.call_handler("close", socket, error)

    def broke(self, error: BaseException) -> None:
        """Take a failure of TLS after the handshake."""
        with self.context.lock:
            event = self.ledger.record("error", error=error)
            blame(self.ledger, event, other=self._other)

    def raised(self, exception: BaseException, exchange: Exchange | None = None) -> None:
        """Record what a user's function raised, and reset the connection, which has no answer."""
        with self.context.lock:
            self.script.abandon()
            self.finished = True
            self.ledger.raised(exception, exchange)
        self.sending.reset()

    # What follows; all of these: loop

    def advance(self) -> None:
        """Match unread bytes as far as possible, and answer."""
        while (step := self._next()) is not None:
            step()
        self.sending.go_on()
        if self.context.waiters.waiting:
            with self.context.lock:
                self.context.waiters.notify()

    def _next(self) -> Step | None:
        """Return the next step for the unread bytes, if there is one."""
        with self.context.lock:
            unread = self.channel.unread
            if not unread or self.finished:
                return None
            waiters = self.context.waiters
            if waiters.waiting and not self.script.outstanding and waiters.is_read(self):
                return None
            judged = self.script.judge(unread)
            exchange = judged.exchange
            if judged.ruling is Ruling.TAKE and exchange is not None:
                taken = bytes(unread[: judged.size])
                del unread[: judged.size]
                self.script.take(exchange)
                return partial(self._answer, exchange, taken)
            ended = self.channel.ended is not None and exchange in self.script.outstanding
            if exchange is not None and (judged.ruling is Ruling.DIFFER or ended):
                self._fail(differs(self.channel, exchange), exchange)
                return self.sending.reset
            if judged.ruling is not Ruling.NOBODY:
                self._wait(self._patience, TIMEOUT)
            elif not self._kept:
                self._wait(self._grace, GRACE)
            return None

    def _answer(self, exchange: Exchange, taken: bytes) -> None:
        with self.context.lock:
            if exchange.answer is None:
                self.ledger.answer_later(exchange, partial(self._go_on, exchange, taken))
        if exchange.answer is Answer.REPLY and not self._reply(exchange, taken):
            return
        self._end_if_asked(exchange)

    def _reply(self, exchange: Exchange, taken: bytes) -> bool:
        data = exchange.data
        try:
            reply = data if isinstance(data, bytes) else as_bytes(data(taken))
        except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
            self.raised(error, exchange)
            return False
        with self.context.lock:
            if exchange.cuts is None:
                self.sending.write(reply)
            else:
                for piece in pieces(reply, exchange.cuts):
                    self.sending.write(piece, after_read=True)
            if exchange.then is None and not exchange.rule:
                ending = partial(self._go_on, exchange, None)
                exchange.late.append(partial(self.context.runner.post, ending))
        return True

    def _go_on(self, exchange: Exchange, taken: bytes | None) -> None:
        """Go on when the test says more about an answer; `taken`: bytes without an answer yet."""
        if taken is None:
            self._end_if_asked(exchange)
        else:
            self._answer(exchange, taken)
        self.advance()

    def _end_if_asked(self, exchange: Exchange) -> None:
        with self.context.lock:
            if exchange.then is None or self.finished:
                return
            self.finished = True
            self.channel.unread.clear()
            close = exchange.then is Answer.CLOSE
            self.sending.then(self.sending.end if close else self.sending.reset)

    def _no_more_bytes(self) -> None:
        self.advance()
        with self.context.lock:
            released = bool(self.script.claimed)
            self.script.release()
            owner = self.ledger.root.owner
            if released and owner is not None:
                owner.look_again()

    def _fail(
        self, mismatch: Mismatch, exchange: Exchange | None = None, wait: Wait | None = None
    ) -> None:
        """Record a failure; the caller resets the connection after that. Lock held."""
        self.script.abandon()
        self.finished = True
        self.ledger.fail(mismatch, exchange, wait=wait)

    # How long bytes may stay unread

    def _wait(self, alarm: Alarm, seconds: float) -> None:
        if self.sending.socket is not None:
            alarm.set(seconds * self.context.scale)

    @property
    def _kept(self) -> bool:
        """Whether bytes that nothing expects are kept, because the test may read them."""
        root = self.ledger.root
        return self.manual or (root.watched and not root.script.in_use)

    def _ruling(self) -> Ruling | None:
        """Return the ruling on the unread bytes, if there are any and it is open; lock held."""
        if self.finished or self.sending.socket is None or not self.channel.unread:
            return None
        return self.script.judge(self.channel.unread).ruling

    def _grace_is_over(self) -> None:
        """Reset the connection if still nothing expects its bytes."""
        with self.context.lock:
            if self._kept or self._ruling() is not Ruling.NOBODY:
                return
            expecting = self.ledger.root.script.in_use
            self._fail(unexpected(self.channel, expecting=expecting))
        self.sending.reset()

    def _out_of_patience(self) -> None:
        """Reset the connection if the rest of a begun message has not come."""
        limit = TIMEOUT * self.context.scale
        with self.context.lock:
            if self._ruling() is not Ruling.WAIT:
                return
            lasted = self.context.timeline.now() - self._last
            if lasted < limit:  # more bytes came meanwhile, but not enough
                self._patience.set(limit - lasted)
                return
            exchange = self.script.judge(self.channel.unread).exchange
            if exchange is None and self.manual:
                return
            wait = self.context.described(self.ledger.name, lasted, limit)
            if exchange is None:
                self._fail(unexpected(self.channel))
            else:
                self._fail(differs(self.channel, exchange), exchange, wait)
        self.sending.reset()

    def renumber(self, number: int) -> None:
        """Begin anew as an open connection with this number; lock held."""
        old = self.channel
        self.ledger.number = number
        self.channel = self.ledger.channel
        self.channel.opened, self.channel.ended = old.opened, old.ended
        self.channel.unseen = old.unseen
        self.context.pairing.replace(old, self.channel)
        self.chunks.clear()
        self.ledger.events.clear()
        self.script.abandon()
        self.manual = self._keeps_unread


class Sending:
    """The outgoing side of a stream: in order, and not before its socket may send.

    Attributes:
        socket: the engine's, while it is open.
        paused: whether the test has paused reading; `None`: as it was accepted.
    """

    __slots__ = ("_ledger", "_outbox", "_pacing", "_steps", "paused", "socket")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._outbox: Outbox | None = None
        self._pacing: Pacing | None = None
        self._steps: deque[Callable[[Outbox], object]] = deque()
        self.paused: bool | None = None
        self.socket: Socket | None = None

    def write(self, data: bytes, *, after_read: bool = False) -> None:
        """Send bytes behind what waits, at the next `go_on`.

        Args:
            data: the bytes.
            after_read: hold them back until the other program has read what came before them.
        """
        if data:
            self._steps.append(partial(self._write, data, after_read))

    def then(self, step: Step) -> None:
        """Do something when everything before it was sent."""
        self._steps.append(lambda outbox: outbox.then(step))

    def open(self, socket: "Socket") -> None:
        """Loop: let the socket send from now on."""
        context = self._ledger.context

        def all_read() -> bool:
            # After `end` with TLS its owner has no descriptor, and nothing is sent any more.
            fileno = socket.fileno()
            return fileno < 0 or context.queues.all_read(fileno, *_addresses(socket))

        self._outbox = Outbox(socket)
        self._pacing = Pacing(all_read, context.runner.reactor.call_later)

    def go_on(self) -> None:
        """Loop: pass everything that waits to the socket, if that may send by now."""
        while self._steps and self._outbox is not None:
            self._steps.popleft()(self._outbox)

    def drop(self) -> None:
        """Loop: drop what was not sent; nothing is sent any more."""
        self._steps.clear()
        if self._outbox is not None:
            self._outbox.drop()
            self._outbox = None

    def end(self) -> None:
        """Loop: close (FIN)."""
        self._act("end", lambda socket: socket.end())

    def shutdown(self) -> None:
        """Loop: half-close (FIN, and go on reading)."""
        self._act("shutdown", lambda socket: socket.shutdown())

    def reset(self) -> None:
        """Loop: reset (RST)."""
        self.drop()
        self._act("terminate", lambda socket: socket.terminate())

    def pause_or_resume(self) -> None:
        """Loop: stop or go on reading, if the test has asked for it."""
        with self._ledger.context.lock:
            socket, paused = self.socket, self.paused
        if socket is None or paused is None:
            return
        if paused:
            socket.pause()
        else:
            socket.resume()

    def _act(self, name: str, call: Callable[["Socket"], object]) -> None:
        with self._ledger.context.lock:
            socket = self.socket
            if socket is not None:
                self._ledger.record_action(name)
        if socket is not None:
            call(socket)

    def _write(self, data: bytes, after_read: bool, outbox: Outbox) -> None:  # noqa: FBT001 - partial
        action: Event | None = None

        def begin() -> bool:
            nonlocal action
            if after_read and not self._may_go_on(outbox):
                return False
            action = self._ledger.record_action("write", data)
            return True

        def progress(sent: int) -> None:
            if action is not None and sent >= 0:
                action.result = sent

        outbox.write(data, begin=begin, progress=progress)

    def _may_go_on(self, outbox: Outbox) -> bool:
        wrote = self.socket is not None and self.socket.bytes_written > 0
        return not wrote or self._pacing is None or self._pacing.may_go_on(outbox.flush)


def _addresses(socket: "Socket") -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (str(socket.local_address), int(socket.local_port or 0)),
        (str(socket.remote_address), int(socket.remote_port or 0)),
    )
