"""What one can wait for: an event, or bytes. See `sockharness.facade.waiting` for the mechanism."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sockharness.errors import ExpectationFailed
from sockharness.facade.callsite import CallSite
from sockharness.facade.context import HarnessContext
from sockharness.facade.messages import unexpected
from sockharness.facade.tcp.handshake import Handshake
from sockharness.match.matcher import Matcher, Verdict
from sockharness.nearest import did_you_mean
from sockharness.story.events import HANDLER_EVENTS, Event
from sockharness.story.expectations import AFTER_CLOSE, BytesExpected, Mismatch, ending
from sockharness.story.outcome import Failure
from sockharness.story.timeline import Channel

__tracebackhide__ = True


class Eventful(Protocol):
    """Whoever has events: a server or a connection."""

    context: HarnessContext
    events: list[Event]

    @property
    def peer(self) -> str:
        """The name of the server."""
        ...

    @property
    def title(self) -> str:
        """Its name in a failure."""
        ...

    @property
    def absent(self) -> str:
        """Say in a few words that it did not come, and who did; empty if it did."""
        ...

    @property
    def over(self) -> Event | None:
        """What happened after which nothing else can, or nothing."""
        ...

    @property
    def shut(self) -> bool:
        """Whether it was closed from here, so that nothing can happen to it any more."""
        ...

    def found(self) -> Sequence[Failure]:
        """Return the failures known so far, which may be the cause."""
        ...


class EventWanted:
    """The oldest event of a name that was not yet waited for."""

    __slots__ = ("_name", "_site", "owner")

    def __init__(self, owner: Eventful, name: str, site: CallSite) -> None:
        self.owner = owner
        self._name = event_name(name)
        self._site = site

    def ready(self) -> bool:
        """Say whether it came, or cannot come any more."""
        return self._find() is not None or self._too_late()

    def take(self) -> Event:
        """Take it."""
        event = self._find()
        if event is None:
            over = self.owner.over
            why = "it is closed" if over is None else f"it saw {over.name}"
            raise self._failure(why, None)
        self.owner.events.remove(event)
        return event

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Say that it did not come in time."""
        return self._failure("", (lasted, limit))

    def _find(self) -> Event | None:
        return next((event for event in self.owner.events if event.name == self._name), None)

    def _too_late(self) -> bool:
        if self.owner.shut:
            return True
        return self.owner.over is not None and self._name not in AFTER_CLOSE

    def _failure(self, instead: str, wait: tuple[float, float] | None) -> ExpectationFailed:
        instead = self.owner.absent or instead
        said = f"{self.owner.title} saw no {self._name}" + (f"; {instead}" if instead else "")
        mismatch = Mismatch(headline=said, note=said, waiting_for=self._name)
        return _told(self.owner, mismatch, self._site, wait)


class Secured(Eventful, Protocol):
    """A connection with TLS."""

    handshake: Handshake | None

    def claim_handshake(self) -> None:
        """Take note that somebody knows how it ended."""
        ...


class HandshakeWanted:
    """How a handshake ended."""

    __slots__ = ("_event", "owner")

    def __init__(self, owner: Secured, site: CallSite) -> None:
        self.owner = owner
        self._event = EventWanted(owner, "handshake", site)

    def ready(self) -> bool:
        """Say whether it has ended; with the connection it has."""
        return self.owner.handshake is not None

    def take(self) -> Handshake:
        """Return how, and claim it."""
        handshake = self.owner.handshake
        assert handshake is not None, "it is ready"
        self.owner.claim_handshake()
        return handshake

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Say that it did not end in time."""
        return self._event.give_up(lasted, limit)


class Readable(Eventful, Protocol):
    """A connection whose unread bytes can be taken."""

    channel: Channel

    @property
    def busy(self) -> bool:
        """Whether stated exchanges have the first claim on its bytes."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it was reset because its bytes were wrong."""
        ...


class BytesWanted:
    """The next unread bytes, as far as a matcher takes them, when no expectation wants them."""

    __slots__ = ("_matcher", "_site", "owner")

    def __init__(self, owner: Readable, matcher: Matcher, site: CallSite) -> None:
        self.owner = owner
        self._matcher = matcher
        self._site = site

    def ready(self) -> bool:
        """Say whether they are there, or cannot come any more."""
        ended = self.owner.channel.ended is not None or self.owner.failed
        return ended or self._size() is not None

    def take(self) -> bytes:
        """Take them."""
        size = self._size()
        if size is None:
            raise self._failure(f", then {ending(self.owner.channel)}", None)
        unread = self.owner.channel.unread
        taken = bytes(unread[:size])
        del unread[:size]
        return taken

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Say how many are missing."""
        return self._failure("", (lasted, limit))

    def _size(self) -> int | None:
        if self.owner.busy or self.owner.failed:
            return None
        result = self._matcher.match(self.owner.channel.unread)
        return result.size if result.verdict is Verdict.MATCH else None

    def _failure(self, then: str, wait: tuple[float, float] | None) -> ExpectationFailed:
        if self.owner.failed:
            said = f"{self.owner.title} was reset before these bytes were read"
            return _told(self.owner, Mismatch(headline=said, note=said), self._site, wait)
        expected = BytesExpected(self.owner.channel, self._matcher)
        mismatch = expected.check().mismatch if then else expected.give_up()
        assert mismatch is not None, "it was not satisfied, and the channel has ended"
        return _told(self.owner, mismatch, self._site, wait)


class Receiver(Eventful, Protocol):
    """A datagram socket whose unread datagrams can be taken."""

    failed: bool
    closed: bool

    @property
    def busy(self) -> bool:
        """Whether stated exchanges have the first claim on what comes."""
        ...

    @property
    def hint(self) -> str:
        """What may explain that nothing came."""
        ...

    def unread(self, *, new: bool = False) -> Sequence[bytes]:
        """Return the datagrams that nobody has taken; `new`: nor looked at."""
        ...

    def has_unread(self, *, new: bool = False) -> bool:
        """Say whether there are any."""
        ...


D = TypeVar("D", bound=bytes)


class DatagramWanted(Generic[D]):
    """The next unread datagram, when no expectation wants it."""

    __slots__ = ("_fetch", "_site", "owner")

    def __init__(self, owner: Receiver, fetch: Callable[[], D], site: CallSite) -> None:
        self.owner = owner
        self._fetch = fetch
        self._site = site

    def ready(self) -> bool:
        """Say whether it is there, or cannot come any more."""
        owner = self.owner
        return owner.failed or owner.closed or (not owner.busy and owner.has_unread())

    def take(self) -> D:
        """Take it."""
        if not self.owner.has_unread() or self.owner.busy or self.owner.failed:
            raise self._failure(None)
        return self._fetch()

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Say that none came."""
        return self._failure((lasted, limit))

    def _failure(self, wait: tuple[float, float] | None) -> ExpectationFailed:
        owner = self.owner
        because = "; it is closed" if owner.closed else ""
        said = f"{owner.title} got no datagram{because}"
        hint = "what was expected comes first, and is outstanding" if owner.busy else owner.hint
        mismatch = Mismatch(
            headline=said,
            note=said,
            waiting_for="a datagram",
            details=(f"hint: {hint}",) if hint else (),
        )
        return _told(owner, mismatch, self._site, wait)


class SilenceWanted:
    """A datagram that is not to come: it can be had as soon as one is unread, and then it raises.

    The end of the time is what was hoped for: `give_up` returns `Silence`.
    """

    __slots__ = ("_site", "owner")

    def __init__(self, owner: Receiver, site: CallSite) -> None:
        self.owner = owner
        self._site = site

    def ready(self) -> bool:
        """Say whether one is there that nobody has looked at."""
        return self.owner.has_unread(new=True)

    def take(self) -> None:
        """Say that it came."""
        came = self.owner.unread(new=True)
        mismatch = unexpected(self.owner.title, came, stated=True)
        raise _told(self.owner, mismatch, self._site, None)

    def give_up(self, lasted: float, limit: float) -> "Silence":
        """Return what says that none came."""
        return Silence(f"nothing in {lasted:.2f} of {limit:.2f} s")


class Silence(Exception):
    """Nothing came, as was wished."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is missing any more."""

    owner: "Missing"

    def ready(self) -> bool:
        """Say whether nothing is missing."""
        return not self.owner.missing()

    def take(self) -> bool:
        """Say that it came true."""
        return True

    def give_up(self, lasted: float, limit: float) -> TimeoutError:
        """Return the exception that says that it did not."""
        return TimeoutError(f"not settled after {lasted:.2f} of {limit:.2f} s")


class Missing(Protocol):
    """Whoever may still be waiting for something."""

    def missing(self) -> bool:
        """Say whether it is."""
        ...


def event_name(name: str) -> str:
    """Return the name of an event, if it is one.

    Raises:
        ValueError: it suggests the right name.
    """
    if name in HANDLER_EVENTS:
        return name
    near = did_you_mean(str(name), HANDLER_EVENTS)
    hint = near or f"expected one of {', '.join(HANDLER_EVENTS)}"
    raise ValueError(f"event: there is no {name!r}; {hint}")


def _told(
    owner: Eventful, mismatch: Mismatch, site: CallSite, wait: tuple[float, float] | None
) -> ExpectationFailed:
    failure = Failure(
        mismatch=mismatch,
        location=site.location(),
        wait=owner.context.waited(owner.title, *wait) if wait is not None else None,
    )
    return owner.context.failed([*owner.found(), failure], by=owner.peer)
