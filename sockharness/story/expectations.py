"""Judges the events of a channel against expectations.

An expectation belongs to a `Channel`. Its `check` returns a `Progress`: satisfied (it has claimed
the bytes or the event), pending, or failed. It fails as soon as no later event can satisfy it: a
byte differs, or the connection has ended. The caller checks again after each turn of the loop, and
calls `give_up` when the time is over.
"""

from collections.abc import Callable
from dataclasses import field
from enum import Enum, auto
from typing import Protocol

from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.printable import count, show
from sockharness.record import record
from sockharness.story.events import Event
from sockharness.story.timeline import Channel

NO_ERROR = "none"
"""As the expected error code: there must be no error."""
ANY_ERROR = "any"
"""As the expected error code: any error, or none."""
AFTER_CLOSE = ("error", "uncaught_exception")
"""The events that may still come when a connection is closed (TCP-035, D17)."""
CLOSING = ("end", "close", "terminate")
"""The actions after which a peer has closed its connection itself."""
SHORT = 14
"""The most characters of each of two texts that fit in one headline."""
ROOM = 50
"""The most characters of a headline: with a line number before it, it ends within 60 columns."""
NAMED = 4
"""The most events that a headline names as having come instead."""


class State(Enum):
    """How far an expectation is."""

    SATISFIED = auto()
    PENDING = auto()
    FAILED = auto()


@record(kw_only=True)
class Mismatch:
    """Why an expectation is not satisfied.

    Attributes:
        headline: what happened instead, in a few words that stand alone.
        note: the same in more words.
        expected: the expected bytes; `None` if they are not known, or bytes are not the difference.
        received: the received bytes.
        waiting_for: what was still missing; empty if no wait ran out.
        details: more lines for the report.
        events: the events that it is about.
    """

    headline: str
    note: str = ""
    expected: bytes | None = None
    received: bytes = b""
    waiting_for: str = ""
    details: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


@record(kw_only=True)
class Progress:
    """The state of an expectation; `event` and `captures` if satisfied, `mismatch` if failed."""

    state: State
    event: Event | None = None
    captures: dict[str, bytes] = field(default_factory=dict)
    mismatch: Mismatch | None = None


PENDING = Progress(state=State.PENDING)


class Expectation(Protocol):
    """Something that should happen on a channel."""

    channel: Channel

    def check(self) -> Progress:
        """Judge the events so far, and claim what satisfies the expectation."""
        ...

    def give_up(self) -> Mismatch:
        """Report what is missing when the time is over."""
        ...


class BytesExpected:
    """Expects that a matcher takes the next unread bytes of a channel, and claims them."""

    __slots__ = ("_judged", "_result", "_taken", "channel", "matcher")

    def __init__(self, channel: Channel, matcher: Matcher) -> None:
        self.channel = channel
        self.matcher = matcher
        self._judged = (-1, -1)
        self._taken = -1  # how many bytes came before the unread ones
        self._result: Result | None = None

    def check(self) -> Progress:
        """Match the unread bytes."""
        channel = self.channel
        result = self._match()
        if result.verdict is Verdict.MATCH:
            del channel.unread[: result.size]
            return Progress(state=State.SATISFIED, captures=result.captures)
        if result.verdict is Verdict.MISMATCH:
            return _failed(self._differs(result))
        if channel.ended is not None:
            return _failed(self._missing(result, f", then {ending(channel)}"))
        return PENDING

    def give_up(self) -> Mismatch:
        """Report how many bytes are missing."""
        return self._missing(self._match(), "")

    def _match(self) -> Result:
        """Judge the unread bytes, unless no byte has come since the last time."""
        unread = self.channel.unread
        bytes_of = (self.channel.received, len(unread))
        if self._result is None or self._judged != bytes_of:
            self._result = self._judge(self._result)
            self._judged = bytes_of
        return self._result

    def _judge(self, before: Result | None) -> Result:
        unread, matcher = self.channel.unread, self.matcher
        taken = self.channel.received - len(unread)
        if before is not None and taken == self._taken:
            return matcher.resume(unread, before.size)
        self._taken = taken
        return matcher.match(unread)

    def _missing(self, result: Result, then: str) -> Mismatch:
        got = len(self.channel.unread)
        needed = result.needed
        if got == 0:
            amount = "got nothing"
        elif needed is not None:
            amount = f"got {got} of {count(needed, 'byte')}"
        else:
            amount = f"got {count(got, 'byte')} and no match"
        missing = count(needed - got, "byte") if needed is not None else self.matcher.describe()
        peer, less = self.channel.peer, f"lacks {missing}" if needed is not None else "got no match"
        ended = ending(self.channel)
        who = f", then {_who_ended(self.channel)}" if then else ""
        return Mismatch(
            headline=first_that_fits(
                f"{peer} {amount}{then}", f"{peer} {less}{then}", f"{peer} saw {ended}"
            ),
            note=f"{peer} {amount}{who}; expected {self.matcher.describe()}",
            expected=self.matcher.expected(),
            received=bytes(self.channel.unread),
            waiting_for=missing,
            events=how_it_ended(self.channel) if then else (),
        )

    def _gave_up(self, because: str) -> Mismatch:
        peer, description = self.channel.peer, self.matcher.describe()
        return Mismatch(
            headline=first_that_fits(f"{peer} got {because}", f"{peer} got no match"),
            note=f"{peer}: {because}, the most that a pattern looks at; expected {description}",
            received=bytes(self.channel.unread),
        )

    def _differs(self, result: Result) -> Mismatch:
        if result.because:
            return self._gave_up(result.because)
        peer, unread, expected = self.channel.peer, self.channel.unread, self.matcher.expected()
        received = bytes(unread[: result.needed] if result.needed is not None else unread)
        shown = show(received, limit=SHORT)
        more = "…" if len(unread) > len(received) and not shown.endswith("…") else ""
        description, got = self.matcher.describe(), f'"{shown}{more}"'
        if len(description) <= SHORT and len(got) <= SHORT:
            headline = f"{peer} got {got}, expected {description}"
        else:
            headline = f"{peer} data differs at byte {result.size}"
        return Mismatch(
            headline=headline,
            note=f"{peer} got other bytes from offset {result.size}"
            + (f"; expected {description}" if expected is None else ""),
            expected=expected,
            received=received,
        )


class EventExpected:
    """Expects an event of a name with a certain error, and claims it.

    Args:
        channel: the channel of the event.
        name: the handler's name.
        error: the expected code (`"ECONNRESET"`), `NO_ERROR` or `ANY_ERROR`.
        message: text that the error's message must contain, if any.
        judge: a further check, made first; it returns `None` for an event that is right.
    """

    __slots__ = ("channel", "error", "judge", "message", "name")

    def __init__(
        self,
        channel: Channel,
        name: str,
        *,
        error: str = ANY_ERROR,
        message: str = "",
        judge: Callable[[Event], Mismatch | None] | None = None,
    ) -> None:
        self.channel = channel
        self.name = name
        self.error = error
        self.message = message
        self.judge = judge

    def check(self) -> Progress:
        """Look for the event."""
        event = self.channel.next_unclaimed(self.name)
        if event is not None:
            return self._judge(event)
        if self.channel.closed is not None and self.name not in AFTER_CLOSE:
            ended = how_it_ended(self.channel)
            return _failed(self._never_came(f"it saw {ending(self.channel)}", ended))
        return PENDING

    def give_up(self) -> Mismatch:
        """Report that the event never came, and which events came instead."""
        names = list(dict.fromkeys(event.name for event in self.channel.unclaimed))
        others = [name for name in names if name != "open"]
        instead = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
        return self._never_came(f"it saw {instead}" if instead else "")

    def _judge(self, event: Event) -> Progress:
        complaint = self.judge(event) if self.judge is not None else None
        if complaint is not None:
            return _failed(complaint)
        got = event.code or NO_ERROR
        if self.error not in (ANY_ERROR, got):
            return _failed(self._other_error(event, got))
        if self.message and self.message not in str(event.error):
            return _failed(self._other_message(event))
        self.channel.claim(event)
        return Progress(state=State.SATISFIED, event=event)

    def _other_error(self, event: Event, got: str) -> Mismatch:
        peer, expected = self.channel.peer, self.error
        did = "closed" if self.name == "close" else f"saw {self.name}"
        with_it = f"with {got}" if event.code else "without error"
        hint = "; write `error: " + event.code + "` if that is meant" if event.code else ""
        return Mismatch(
            headline=first_that_fits(
                f"{peer} {did} {with_it}, expected {expected}",
                f"{peer} {self.name}: {got}, expected {expected}",
                f"{peer} {self.name} is not as expected",
            ),
            note=f"{peer} {did} {with_it}, expected {expected}{hint}",
            events=(event,),
        )

    def _other_message(self, event: Event) -> Mismatch:
        peer = self.channel.peer
        got, expected = show(str(event.error), limit=40), show(self.message, limit=40)
        headline = f'{peer} {self.name}: "{got}", expected "{expected}"'
        return Mismatch(
            headline=first_that_fits(headline, f"{peer} {self.name} is not as expected"),
            note=f'{peer} saw {self.name} "{got}", expected a message with "{expected}"',
            events=(event,),
        )

    def _never_came(self, instead: str, events: tuple[Event, ...] = ()) -> Mismatch:
        peer = self.channel.peer
        because = f"; {instead}" if instead else ""
        return Mismatch(
            headline=first_that_fits(
                f"{peer} saw no {self.name}{because}", f"{peer} saw no {self.name}"
            ),
            note=f"{peer} saw no {self.name}{because}",
            waiting_for=self.name,
            events=events,
        )


class NothingExpected:
    """Expects no event of a name; for `data`, no unread byte or datagram.

    A `drain` comes whenever a writer goes on, so those that came before do not count.
    """

    __slots__ = ("_before", "channel", "name")

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self.name = name
        self._before = list(channel.unclaimed) if name == "drain" else []

    def check(self) -> Progress:
        """Fail if it came; otherwise stay pending: only the end of the time satisfies it."""
        peer = self.channel.peer
        if self.name == "data" and self.channel.datagrams:
            came = self.channel.datagrams[:1]
            said = f'"{show(came[0].data, limit=SHORT)}"'
            headline = first_that_fits(
                f"{peer} got {said}, expected no datagram", f"{peer} got {said}"
            )
            return _failed(
                Mismatch(headline=headline, note=headline, expected=b"", received=came[0].data)
            )
        if self.name == "data":
            if not self.channel.unread:
                return PENDING
            got = bytes(self.channel.unread)
            headline = f"{peer} got {count(len(got), 'byte')}, expected no data"
            return _failed(Mismatch(headline=headline, note=headline, expected=b"", received=got))
        unclaimed = tuple(
            event
            for event in self.channel.unclaimed
            if event.name == self.name and event not in self._before
        )
        if not unclaimed:
            return PENDING
        headline = f"{peer} saw {self.name}, expected none"
        note = f"{peer} saw {self.name}"
        return _failed(Mismatch(headline=headline, note=note, events=unclaimed[:1]))

    def give_up(self) -> Mismatch:
        """Never called: the end of the time satisfies the expectation."""
        raise AssertionError("the end of the time satisfies a negative expectation")


def ending(channel: Channel) -> str:
    """Return how a channel ended: `end`, `close`, `close (ECONNRESET)`."""
    event = channel.ended or channel.closed
    if event is None:
        return "nothing"
    return f"{event.name} ({event.code})" if event.code else event.name


def how_it_ended(channel: Channel) -> tuple[Event, ...]:
    """Return the event that `ending` names."""
    event = channel.ended or channel.closed
    return (event,) if event is not None else ()


def _who_ended(channel: Channel) -> str:
    """Return how a channel ended, and which peer ended it, if that is certain."""
    event, remote = channel.ended, channel.remote
    own = any(action.name in CLOSING for action in channel.actions)
    if own or event is None or event.error is not None or remote is None:
        return ending(channel)
    return f"the {remote.peer} {'closed' if event.name == 'close' else 'ended'}"


def first_that_fits(*headlines: str) -> str:
    """Return the first headline that fits in `ROOM` characters, or the last."""
    return next((each for each in headlines if len(each) <= ROOM), headlines[-1])


def _failed(mismatch: Mismatch) -> Progress:
    return Progress(state=State.FAILED, mismatch=mismatch)
