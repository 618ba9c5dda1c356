"""Waiting for an event of a server, of one of its connections, or of a datagram socket."""

from sockharness.errors import ExpectationFailed
from sockharness.facade.callsite import call_site
from sockharness.facade.ledger import Ledger
from sockharness.nearest import did_you_mean
from sockharness.story.events import HANDLER_EVENTS, Event
from sockharness.story.expectations import AFTER_CLOSE, Mismatch

__tracebackhide__ = True


class EventWait:
    """Waits for the oldest event of a name that no wait has taken yet."""

    __slots__ = ("_ledger", "_name", "_site")

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._name = event_name(name)
        self._site = call_site()

    def ready(self) -> bool:
        """Return whether the event came, or cannot come any more."""
        return self._find() is not None or self._too_late()

    def take(self) -> Event:
        """Take it."""
        event = self._find()
        if event is None:
            over = self._ledger.over
            why = "it is closed" if over is None else f"it saw {over.name}"
            raise self._failure(why, None)
        self._ledger.events.remove(event)
        return event

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Return a failure: it did not come in time."""
        return self._failure("", (lasted, limit))

    def _find(self) -> Event | None:
        return next((event for event in self._ledger.events if event.name == self._name), None)

    def _too_late(self) -> bool:
        if self._ledger.root.closed:
            return True
        return self._ledger.over is not None and self._name not in AFTER_CLOSE

    def _failure(self, instead: str, wait: tuple[float, float] | None) -> ExpectationFailed:
        instead = self._ledger.absent or instead
        said = f"{self._ledger.title} saw no {self._name}" + (f"; {instead}" if instead else "")
        mismatch = Mismatch(headline=said, note=said, waiting_for=self._name)
        return self._ledger.waited_in_vain(mismatch, self._site, wait)


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
