"""One datagram socket of a test: what came, what is expected of it, what goes out.

A endpoint is a `udp_peer`, a member of a multicast group, or what a group sends from. Datagrams are
judged when they come, one by one and whole (`sockharness.facade.messages`); what nothing stated
wants lies unread for somebody to fetch, and is a finding when nobody has fetched it or looked at
it. After a mismatch nothing is judged any more: what follows is out of step.

There is no connection to reset, so a client that waits without a time-out goes on waiting.

**Loss.** The kernel drops what comes while the receive buffer is full, and counts it. A endpoint
that has lost something makes the verdict inconclusive: what else is wrong may be wrong because of
that.

Methods marked *loop* run on the harness's thread, the others anywhere; for the lock see
`sockharness.facade.context`. A user's handlers are called by ours, after the event was noted.

Longer than other files because all of it shares the letters and the lock; what is pure is in
`messages`, what a test holds in `udp` and `group`.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sockharness.errors import ClosedError, UsageError
from sockharness.facade import messages
from sockharness.facade.callsite import call_site
from sockharness.facade.context import LAST_LOOK, HarnessContext, raised, refuse_async
from sockharness.facade.queues import datagrams, make_room
from sockharness.facade.script import (
    Answer,
    Exchange,
    Ruling,
    Script,
    as_bytes,
    matcher,
    unstated,
)
from sockharness.facade.udp.datagram import Address, Datagram
from sockharness.facade.wants import DatagramWanted, Settled
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure

if TYPE_CHECKING:
    from sockharness.engine.udp.handlers import DatagramFlags, DatagramHandlers
    from sockharness.engine.udp.socket import UDPSocket

__tracebackhide__ = True
Handler = Callable[..., object]


@dataclass(slots=True)
class Letter:
    """An unread datagram; `looked_at`: a test has seen it, so it is nobody's finding."""

    datagram: Datagram
    looked_at: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send, and the exchange that it answers, if it answers one."""

    data: bytes
    address: Address
    answers: Exchange | None = None


class UdpEndpoint:
    """A datagram socket, its script and its letters.

    Args:
        context: the harness's.
        name: how failures call it.
        make: makes the engine's socket, given its handlers; called on the harness's thread.
        number: which of the sockets of this name, from 1.
        belongs_to: the participant to which it belongs, if that has another name.
        recv_buffer: size of the kernel's buffer in bytes; `None`: for long bursts.

    Attributes:
        failed: something came that was not as expected; that was recorded.
        hint: what may explain that nothing came, for people.
        source: names the sender of what comes from an address, for the picture.
    """

    def __init__(
        self,
        context: HarnessContext,
        name: str,
        make: Callable[[Mapping[str, Handler]], "UDPSocket"],
        *,
        number: int = 1,
        belongs_to: str = "",
        recv_buffer: int | None = None,
    ) -> None:
        self.context = context
        self.name = name
        self.number = number
        self.peer = belongs_to or name  # the participant
        self.title = name if number < 2 else f"{name}@{number}"
        self.hint = ""
        self.source: Callable[[Address], str] = lambda _address: ""
        self.script = Script()
        self.failures: list[Failure] = []
        self.bare: list[Exchange] = []
        self.events: list[Event] = []
        self.given: dict[str, Handler] = {}
        self.failed = False
        self.closed = False
        self.came: list[Datagram] = []
        self._handlers: DatagramHandlers | None = None
        self._letters: list[Letter] = []
        self._judged = 0  # so many letters, from the first, were judged as things stand
        self._outgoing: deque[Outgoing] = deque()
        self._lost = 0  # when last read
        self._forgiven = 0  # so many of these were told, or are of a test before
        self.udp: UDPSocket
        self._call(self._open, make, recv_buffer)
        self.host, self.port = self.udp.address

    # Stating

    def state(self, want: object, *, rule: bool) -> Exchange:
        """State an expectation or a rule."""
        made = matcher(want, empty=True)
        exchange = Exchange(made, call_site(), self.context.lock, whole=True)
        with self.context.lock:
            self._refuse_closed()
            if "data" in self.given:
                raise UsageError("expect and when cannot be used beside on(data=…)")
            self.script.stated = True
            (self.script.rules if rule else self.script.queue).append(exchange)
            self._judged = 0
            if self._letters:
                self.context.runner.post(self.advance)
        return exchange

    def handle(self, handlers: Mapping[str, Handler], *, merge: bool) -> None:
        """Put a user's handlers in charge, beside those there are or in their place."""
        from sockharness.engine.udp.handlers import DatagramHandlers

        refuse_async(handlers)
        with self.context.lock:
            self._refuse_closed()
            chosen = {**self.given, **handlers} if merge else dict(handlers)
            checked = DatagramHandlers(self.context.runner.reactor, chosen)
            if "data" in chosen and self.script.stated:
                raise UsageError("on(data=…) cannot be used beside expect and when")
            self.given, self._handlers = chosen, checked
            if "data" in chosen and self._letters:
                self.context.runner.post(self._hand_over)

    # What a handle asks for

    def send(self, data: bytes, address: Address, *, note: str = "") -> None:
        """Send a datagram behind what waits to be sent; raises what the system says at once."""
        self._refuse_closed()
        self._call(self._send, Outgoing(data, address), note)

    def look(self) -> list[Datagram]:
        """Return all that came; what lies unread is nobody's finding any more."""
        with self.context.lock:
            for letter in self._letters:
                letter.looked_at = True
            return list(self.came)

    def fetch(self) -> Datagram:
        """Take the oldest unread datagram; lock held."""
        datagram = self._remove(0)
        if self._letters and self.script.rules:
            self.context.runner.post(self.advance)
        return datagram

    # For what waits

    @property
    def absent(self) -> str:
        """Nothing: it is there."""
        return ""

    @property
    def over(self) -> Event | None:
        """Nothing: another datagram may always come."""
        return None

    @property
    def shut(self) -> bool:
        """Whether it was closed."""
        return self.closed

    @property
    def busy(self) -> bool:
        """Whether expectations have the first claim on what comes."""
        return bool(self.script.queue)

    def unread(self, *, new: bool = False) -> Sequence[Datagram]:
        """Return the datagrams that nobody has taken; `new`: nor looked at. Lock held."""
        return [each.datagram for each in self._letters if not (new and each.looked_at)]

    def has_unread(self, *, new: bool = False) -> bool:
        """Say whether there are any; lock held."""
        return any(not (new and each.looked_at) for each in self._letters)

    def found(self) -> list[Failure]:
        """Return the failures recorded so far."""
        return self.failures

    @property
    def deferred(self) -> bool:
        """Whether an expectation that was left to tear-down is unmet; lock held."""
        return any(exchange.deferred for exchange in self.script.queue)

    def missing(self) -> bool:
        """Say whether expectations are unmet, and nothing has failed that explains it."""
        return not self.failures and bool(self.script.queue)

    # Judging

    @property
    def untouched(self) -> bool:
        """Whether no datagram has come, not even into the kernel's queue."""
        # In this order, as for connections: what was read before the queue was found empty is
        # either counted, or its turn of the loop goes on.
        return (
            not self.closed
            and datagrams(self.udp.fileno()) == (0, 0)
            and self.context.runner.reactor.asleep
            and self.context.happened == 0
        )

    def judge(self, *, final: bool) -> list[Failure]:
        """Return everything that is wrong, the cause first.

        Args:
            final: count what was left to tear-down, too.
        """
        with self.context.lock:
            missing = not self.failures and bool(self._unmet(final=final))
        if missing and self.context.wait_quietly(Settled(self), LAST_LOOK):
            self.context.settle()
        with self.context.lock:
            loss = self._loss()
            return [*loss, *self.certain(), *self._unmet(final=final), *self._unasked(final=final)]

    def certain(self) -> list[Failure]:
        """Return what is wrong whatever may yet come; lock held."""
        return [*self.failures, *unstated(self.bare)]

    def clear(self) -> None:
        """Forget what happened and what was expected; rules and handlers stay."""
        with self.context.lock:
            self.script.clear()
            self.failures.clear()
            self.bare.clear()
            self.events.clear()
            self.came.clear()
            self._letters.clear()
            self._judged = 0
            self.failed = False
            self._forgiven = self.dropped()
            self.context.timeline.forget(self.name)

    def close(self) -> None:
        """Close the socket; what came stays readable."""
        if not self.closed:
            self._call(self._close)

    def dropped(self) -> int:
        """Return how many datagrams the kernel has dropped in all; lock held."""
        if not self.closed:
            self._lost = datagrams(self.udp.fileno()).dropped
        return self._lost

    def stray(self, exception: BaseException) -> None:
        """Record an exception that belongs to no datagram."""
        self._raised(exception, None)

    # The engine's handlers; all of these: loop

    def on_data(
        self, socket: "UDPSocket", data: bytes, port: int, host: str, flags: "DatagramFlags"
    ) -> None:
        address = (host, port)
        with self.context.lock:
            event = self._note("data", data=data, source=self.source(address))
            datagram = Datagram(
                data, address=address, ttl=flags.ttl, at=event.at, truncated=flags.truncated
            )
            self.came.append(datagram)
            self._letters.append(Letter(datagram))
        if "data" in self.given:
            self._hand_over()
        else:
            self.advance()

    def on_drain(self, socket: "UDPSocket") -> None:
        with self.context.lock:
            self._note("drain")
        self._pump()
        self._user("drain", socket)

    def on_error(self, socket: "UDPSocket", exception: BaseException) -> None:
        """The network said something about what was sent; or a handler of ours raised."""
        if not isinstance(exception, OSError):
            self._raised(exception, None)
            return
        with self.context.lock:
            self._note("error", error=exception)
        self._user("error", socket, exception)

    # What follows; all of these: loop

    def advance(self) -> None:
        """Judge what is unread, and answer."""
        while (deed := self._next()) is not None:
            deed()
        with self.context.lock:
            self.context.waiters.notify()

    def _next(self) -> Callable[[], None] | None:
        """Return what is to be done about the next datagram that something wants."""
        with self.context.lock:
            script = self.script
            if self.failed or not (script.queue or script.rules):
                return None
            if not self.busy and self.context.waiters.wanted(DatagramWanted, self):
                return None
            while self._judged < len(self._letters):
                letter = self._letters[self._judged]
                judged = messages.judge(script, letter.datagram)
                if judged.ruling is Ruling.TAKE and judged.exchange is not None:
                    self._remove(self._judged)
                    if judged.exchange in script.queue:
                        self._judged = 0  # the next one may want what was only looked at
                    script.take(judged.exchange)
                    return partial(self._answer, judged.exchange, letter.datagram)
                if judged.ruling is Ruling.DIFFER and not letter.looked_at:
                    assert judged.exchange is not None, "it differs from something"
                    self._fail(
                        messages.differs(self.title, letter.datagram, judged.exchange),
                        judged.exchange,
                    )
                    return None
                self._judged += 1
        return None

    def _answer(self, exchange: Exchange, datagram: Datagram) -> None:
        with self.context.lock:
            answer = exchange.answer
            if answer is None:
                late = partial(self.context.runner.post, self._answer, exchange, datagram)
                exchange.when_stated(late)
                if exchange not in self.bare:
                    self.bare.append(exchange)
        if answer is Answer.REPLY:
            self._reply(exchange, datagram)

    def _reply(self, exchange: Exchange, datagram: Datagram) -> None:
        data = exchange.data
        try:
            reply = as_bytes(data(datagram) if callable(data) else data)
        except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
            self._raised(error, exchange)
        else:
            self._outgoing.append(Outgoing(reply, datagram.address, exchange))
            self._pump()

    def _send(self, outgoing: Outgoing, note: str = "") -> None:
        """Send now, or behind what waits."""
        if self._outgoing or not self._give(outgoing, note):
            self._outgoing.append(outgoing)

    def _pump(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        while self._outgoing and not self.closed:
            outgoing = self._outgoing[0]
            try:
                if not self._give(outgoing):
                    return
            except (OSError, ValueError) as error:  # too long, no way there
                self._raised(error, outgoing.answers)
            self._outgoing.popleft()

    def _give(self, outgoing: Outgoing, note: str = "") -> bool:
        """Give a datagram to the kernel; say whether it was taken."""
        host, port = outgoing.address
        if not self.udp.send(outgoing.data, port, host):
            return False
        with self.context.lock:
            event = Event(
                name="send",
                peer=self.name,
                connection=self.number,
                kind=Kind.ACTION,
                data=outgoing.data,
                result=len(outgoing.data),
                note=note,
            )
            self.context.timeline.add(event)
        return True

    def _hand_over(self) -> None:
        """Give what is unread to the user's handler."""
        from sockharness.engine.udp.handlers import DatagramFlags

        while True:
            with self.context.lock:
                if not self._letters or "data" not in self.given:
                    return
                came = self._remove(0)
            host, port = came.address
            flags = DatagramFlags(came.truncated, ":" in host, came.ttl)
            self._user("data", self.udp, bytes(came), port, host, flags)

    def _user(self, name: str, *args: Any) -> None:
        """Call a user's handler; what it raises goes to his `error`, or fails the test."""
        handlers = self._handlers
        handler = getattr(handlers, name, None)
        if handler is None:
            return
        try:
            handler(*args)
        except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
            taker = self.given.get("error")
            if taker is None or name == "error":
                self._raised(error, None)
            else:
                self._user("error", self.udp, error)

    def _raised(self, exception: BaseException, exchange: Exchange | None) -> None:
        with self.context.lock:
            self._note("uncaught_exception", error=exception)
            self._fail(raised(self.title, exception).mismatch, exchange, exception=exception)

    def _fail(
        self,
        mismatch: Mismatch,
        exchange: Exchange | None,
        *,
        exception: BaseException | None = None,
    ) -> None:
        """Record a failure; nothing that comes later is judged. Lock held."""
        location = exchange.site.location() if exchange is not None else None
        self.failures.append(Failure(mismatch=mismatch, location=location, exception=exception))
        self.script.queue.clear()
        self.failed = True
        self.context.waiters.notify()

    def _note(
        self, name: str, *, data: bytes = b"", error: BaseException | None = None, source: str = ""
    ) -> Event:
        """Note that a handler was called; lock held."""
        event = Event(
            name=name,
            peer=self.name,
            connection=self.number,
            data=data,
            error=error,
            source=source,
        )
        self.context.timeline.add(event)
        self.context.happened += 1
        self.events.append(event)
        self.context.waiters.notify()
        return event

    def _remove(self, index: int) -> Datagram:
        """Take a letter away; the channel's bytes are those of the unread ones. Lock held."""
        datagram = self._letters.pop(index).datagram
        self._judged -= index < self._judged
        unread = self.context.timeline.channel(self.name, self.number).unread
        if index == 0:
            del unread[: len(datagram)]
        else:
            unread[:] = b"".join(letter.datagram for letter in self._letters)
        return datagram

    # Findings; lock held

    def _loss(self) -> list[Failure]:
        number = self.dropped() - self._forgiven
        if number <= 0:
            return []
        return [Failure(mismatch=messages.lost(self.title, number), inconclusive=True)]

    def _unmet(self, *, final: bool) -> list[Failure]:
        missing = [each for each in self.script.queue if final or not each.deferred]
        came = len(self.came)
        return [
            Failure(
                mismatch=messages.unmet(self.title, exchange, came=came, hint=self.hint),
                location=exchange.site.location(),
            )
            for exchange in missing
        ]

    def _unasked(self, *, final: bool) -> list[Failure]:
        new = self.unread(new=True)
        if not new or self.failed or self.busy or (self.deferred and not final):
            return []
        mismatch = messages.unexpected(self.title, new, stated=self.script.stated)
        return [Failure(mismatch=mismatch)]

    # Life

    def _open(
        self, make: Callable[[Mapping[str, Handler]], "UDPSocket"], recv_buffer: int | None
    ) -> None:
        udp = make({"data": self.on_data, "drain": self.on_drain, "error": self.on_error})
        try:
            make_room(udp.fileno(), recv_buffer)
        except BaseException:
            udp.close()
            raise
        self.udp = udp

    def _close(self) -> None:
        with self.context.lock:
            if self.closed:
                return
            self.dropped()
            self.closed = True
            self.given, self._handlers = {}, None  # what comes now is not the user's affair
            self.context.waiters.notify()
        self.udp.close()

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ClosedError(f"{self.title} is closed")

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.context.runner.call(function, *args, timeout=self.context.patience)
