"""The failure of a step."""

from sockharness.location import Location
from sockharness.story.events import Event
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure, Wait


class StepFailed(Exception):
    """A step failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.headline)
        self.failure = failure


def failed(
    location: Location,
    headline: str,
    note: str = "",
    *,
    wait: Wait | None = None,
    waiting_for: str = "",
    events: tuple[Event, ...] = (),
) -> StepFailed:
    """Return the failure of the step at `location`."""
    mismatch = Mismatch(
        headline=headline, note=note or headline, waiting_for=waiting_for, events=events
    )
    return StepFailed(Failure(mismatch=mismatch, location=location, wait=wait))
