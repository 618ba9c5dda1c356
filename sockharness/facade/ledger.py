"""The ledger of one participant: what is expected of it, what happened to it, and what failed.

A server, each of its connections, a UDP socket and a multicast group have one. The ledger judges
them by the same rules; what differs between bytes of a stream and whole datagrams it asks of its
`Owner`.

A connection's ledger has a `parent`, the server's: its events go to both, because a test may wait
for an event of one connection or of any; its failures go to the parent, in the order in which they
happened, because the first is the cause. A group's ledger has `parts`, one for each of its sockets.

Every method takes the lock of the harness (`sockharness.facade.context`) where it needs it, unless
it says "lock held".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.facade.callsite import CallSite, call_site
from sockharness.facade.context import LAST_LOOK, HarnessContext
from sockharness.facade.script import ConnectionScript, Exchange, Script, matcher, unanswered
from sockharness.printable import count
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure, Wait
from sockharness.story.timeline import LISTENER, Channel

__tracebackhide__ = True
Handler = Callable[..., object]


class Owner(Protocol):
    """A receiver of bytes or of datagrams; every method is called with the lock
    held."""

    def outstanding(self) -> Iterable[Exchange]:
        """Yield the expectations that are not met, in order."""
        ...

    def unmet(self, exchange: Exchange) -> Mismatch:
        """Describe why an expectation is not met."""
        ...

    def unread(self, *, final: bool) -> list[Failure]:
        """Return a failure for what was received and never expected or read, or was lost.

        Args:
            final: also while expectations wait for tear-down.
        """
        ...

    def look_again(self) -> None:
        """Judge anew what is unread, soon, on the harness's thread."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A fault of TLS; a test claims it by looking at the connection's handshake, or by waiting
    for the event."""

    event: Event
    failure: Failure
    ledger: "Ledger"


class Ledger:
    """Expectations, events and failures of one participant.

    Args:
        context: the harness's.
        name: the participant in the timeline.
        owner: who receives; `None`: nobody does, as of a group.
        parent: the server's ledger, of a connection's.
        number: which connection, or which socket of that name; 0 for a server itself.
        title: what failures call it; the name if absent.
        participant: the participant of the harness, if its name is another.

    Attributes:
        script: what is expected, and the rules.
        failures: what went wrong, the cause first.
        unanswered: exchanges that were met before they had an answer.
        events: the events that no test has waited for yet.
        faults: faults of TLS, claimed or not.
        handlers: a user's, by name.
        came: how many connections came.
        watched: a test waits for events or has looked at what was received.
        failed: something received was wrong; that is recorded.
        closed: the participant was closed, so that nothing can happen to it any more.
        parts: the ledgers of a group's sockets.
    """

    __slots__ = (
        "_parent",
        "came",
        "closed",
        "context",
        "events",
        "failed",
        "failures",
        "faults",
        "handlers",
        "name",
        "number",
        "owner",
        "participant",
        "parts",
        "root",
        "script",
        "title",
        "unanswered",
        "watched",
    )

    def __init__(
        self,
        context: HarnessContext,
        name: str,
        owner: Owner | None = None,
        *,
        parent: "Ledger | None" = None,
        number: int = LISTENER,
        title: str = "",
        participant: str = "",
    ) -> None:
        self.context = context
        self.name = name
        self.owner = owner
        self._parent = parent
        self.root: Ledger = parent or self
        self.number = number
        self.title = title or name
        self.participant = participant or name
        self.script: Script = Script() if parent is None else parent.script
        self.failures: list[Failure] = []
        self.unanswered: list[Exchange] = []
        self.events: list[Event] = []
        self.faults: list[Fault] = []
        self.handlers: Mapping[str, Handler] = {}
        self.came = 0
        self.watched = False
        self.failed = False
        self.closed = False
        self.parts: list[Ledger] = []

    # Expectations

    def expect(
        self,
        want: object,
        *,
        rule: bool,
        script: ConnectionScript | None = None,
        whole: bool = False,
    ) -> Exchange:
        """State an expectation, or a rule.

        Args:
            want: what is expected.
            rule: it may be met any number of times.
            script: of the one connection that is meant; else any may meet it.
            whole: it is a datagram.
        """
        lock = self.context.lock
        made = matcher(want, whole=whole)
        exchange = Exchange(made, call_site(), lock, whole=whole, rule=rule)
        with lock:
            self.refuse_closed()
            if "data" in self.handlers:
                raise UsageError("expect and when cannot be used beside on(data=…)")
            self.script.in_use = True
            (script or self.script).add(exchange)
            if self.owner is not None:
                self.owner.look_again()
        return exchange

    def with_handlers(
        self, handlers: Mapping[str, Handler], *, merge: bool
    ) -> Mapping[str, Handler]:
        """Return a user's handlers beside those there are (`merge`), or in their place; lock
        held."""
        self.refuse_closed()
        chosen = {**self.handlers, **handlers} if merge else dict(handlers)
        if "data" in chosen and (self.script.in_use or self._outstanding(final=True)):
            raise UsageError("on(data=…) cannot be used beside expect and when")
        return chosen

    def call_handler(self, name: str, *args: object) -> None:
        """Call a user's handler, if there is one."""
        handler = self.handlers.get(name)
        if handler is not None:
            handler(*args)

    def answer_later(self, exchange: Exchange, answer: Callable[[], None]) -> None:
        """Note that an exchange was met without an answer, and answer when it has one; lock
        held."""
        exchange.late.append(partial(self.context.runner.post, answer))
        if exchange not in self.root.unanswered:
            self.root.unanswered.append(exchange)

    def refuse_closed(self) -> None:
        """Raise if it was closed."""
        if self.closed:
            raise ClosedError(f"{self.title} is closed")

    # Events and failures

    def record(
        self,
        name: str,
        *,
        data: bytes = b"",
        error: BaseException | None = None,
        note: str = "",
        source: str = "",
    ) -> Event:
        """Record that the engine called a handler."""
        event = Event(
            name=name,
            peer=self.name,
            connection=self.number,
            data=data,
            error=error,
            note=note,
            source=source,
        )
        context = self.context
        with context.lock:
            context.timeline.add(event)
            context.happened += 1
            self.events.append(event)
            if self._parent is not None:
                self._parent.events.append(event)
            if context.waiters.waiting:
                context.waiters.notify()
        return event

    def record_action(
        self, name: str, data: bytes = b"", *, result: int | None = None, note: str = ""
    ) -> Event:
        """Record that a method of the engine is called for the test."""
        event = Event(
            name=name,
            peer=self.name,
            connection=self.number,
            kind=Kind.ACTION,
            data=data,
            result=result,
            note=note,
        )
        with self.context.lock:
            return self.context.timeline.add(event)

    def fail(
        self,
        mismatch: Mismatch,
        exchange: Exchange | None = None,
        *,
        exception: BaseException | None = None,
        wait: Wait | None = None,
    ) -> None:
        """Record a failure.

        Args:
            mismatch: what was expected and what came.
            exchange: the expectation that was not met.
            exception: what a user's function raised.
            wait: the wait that ran out.
        """
        location = exchange.site.location() if exchange is not None else None
        failure = Failure(mismatch=mismatch, location=location, exception=exception, wait=wait)
        with self.context.lock:
            self.failed = True
            self.root.failures.append(failure)
            self.context.waiters.notify()

    def raised(self, exception: BaseException, exchange: Exchange | None = None) -> None:
        """Record what a user's handler or reply function raised."""
        headline = f"{self.title} handler raised {type(exception).__name__}"
        self.record("uncaught_exception", error=exception)
        self.fail(Mismatch(headline=headline, note=headline), exchange, exception=exception)

    # Judging

    def found(self) -> list[Failure]:
        """Return the failures known by now, the cause first; lock held."""
        root = self.root
        return [
            *root.failures,
            *(
                fault.failure
                for fault in root.faults
                if fault.event in root.events and fault.event in fault.ledger.events
            ),
        ]

    def certain(self) -> list[Failure]:
        """Return the failures that no later event can undo; lock held."""
        return [*self._certain(), *(found for part in self.parts for found in part.certain())]

    @property
    def deferred(self) -> bool:
        """Whether an expectation that was left to tear-down is unmet; lock held."""
        own = any(exchange.deferred for exchange in self._outstanding(final=True))
        return own or any(part.deferred for part in self.parts)

    def judge(self, *, final: bool) -> list[Failure]:
        """Return everything that is wrong: losses, then the cause, then the rest.

        Args:
            final: count what was left to tear-down, too.
        """
        settled = Settled(lambda: self._missing(final=final))
        if not settled.ready() and self.context.wait_quietly(settled, LAST_LOOK):
            self.context.settle()
        with self.context.lock:
            failures = self._certain()
            if self.owner is not None:
                failures += [
                    Failure(mismatch=self.owner.unmet(each), location=each.site.location())
                    for each in self._outstanding(final=final)
                ]
                failures += self.owner.unread(final=final)
        failures.sort(key=lambda failure: not failure.inconclusive)
        return failures + [found for part in self.parts for found in part.judge(final=final)]

    def check(self, clear: Callable[[], None]) -> None:
        """Raise what is wrong up to now, after calling `clear`."""
        self.context.settle()
        failures = self.judge(final=False)
        if failures:
            with self.context.lock:
                error = self.context.report(failures, by=self.name)
            clear()
            raise error

    def clear(self) -> None:
        """Forget what happened and what was expected; rules and handlers stay. Lock held."""
        self.script.clear()
        for noted in (self.failures, self.unanswered, self.events, self.faults):
            noted.clear()
        self.watched = self.failed = False
        self.context.timeline.forget(self.name)

    def waited_in_vain(
        self, mismatch: Mismatch, site: CallSite, wait: tuple[float, float] | None
    ) -> ExpectationFailed:
        """Return the exception for a wait: what it missed, and before it what explains that.

        Args:
            mismatch: what did not come.
            site: the call that waited.
            wait: how long it lasted and might last, in seconds; `None`: it was over before.
        """
        described = self.context.described(self.title, *wait) if wait is not None else None
        failure = Failure(mismatch=mismatch, location=site.location(), wait=described)
        return self.context.report([*self.found(), failure], by=self.participant)

    @property
    def channel(self) -> Channel:
        """The channel of this connection or socket in the timeline."""
        return self.context.timeline.channel(self.name, self.number)

    @property
    def absent(self) -> str:
        """A note that this connection did not come, and how many did; empty if it did."""
        if self._parent is None or self.channel.opened is not None:
            return ""
        came = self._parent.came
        return f"{count(came, 'connection') if came else 'none'} came"

    @property
    def over(self) -> Event | None:
        """The end of this connection, if it ended; to a server something can always happen."""
        return None if self._parent is None else self.channel.closed

    def _outstanding(self, *, final: bool) -> list[Exchange]:
        """Return the unmet expectations; `final`: also those that were left to tear-down."""
        if self.owner is None:
            return []
        return [each for each in self.owner.outstanding() if final or not each.deferred]

    def _missing(self, *, final: bool) -> bool:
        """Return whether an expectation is unmet, and no failure explains it."""
        with self.context.lock:
            return bool(self._outstanding(final=final)) and not self.found()

    def _certain(self) -> list[Failure]:
        open_ended = [
            Failure(mismatch=unanswered(exchange), location=exchange.site.location())
            for exchange in self.unanswered
            if exchange.answer is None
        ]
        return [*self.found(), *open_ended]


@dataclass(frozen=True, slots=True)
class Settled:
    """Waits until nothing is missing any more."""

    missing: Callable[[], bool]

    def ready(self) -> bool:
        """Return whether nothing is missing."""
        return not self.missing()

    def take(self) -> bool:
        """Return true."""
        return True

    def give_up(self, lasted: float, limit: float) -> TimeoutError:
        """Return the exception that says that it did not."""
        return TimeoutError(f"not settled after {lasted:.2f} of {limit:.2f} s")
