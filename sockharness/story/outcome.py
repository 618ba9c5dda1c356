"""The outcome of a run: data only, which `report` turns into text."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from sockharness.location import Location
from sockharness.record import record
from sockharness.story.expectations import Mismatch
from sockharness.story.timeline import Timeline


class Verdict(StrEnum):
    """How a run ended. A spec with an error in its text has none: it raises `SpecError`."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    DIFFERS = "differs"


@record(kw_only=True)
class Wait:
    """A wait that ran out.

    Attributes:
        peer: the peer that waited.
        lasted: seconds it lasted.
        limit: seconds it was allowed to last.
        origin: what set that limit.
        scale: the factor of all limits of the run.
    """

    peer: str
    lasted: float
    limit: float
    origin: str = "default"
    scale: float = 1.0


@record(kw_only=True)
class Failure:
    """One thing that is wrong.

    Attributes:
        mismatch: what was expected and what came.
        location: the step or the line that expected it.
        wait: the wait that ran out, if any.
        exception: the exception that a handler raised, if that is the failure.
        inconclusive: whether frames or datagrams were lost, which may explain all other failures.
    """

    mismatch: Mismatch
    location: Location | None = None
    wait: Wait | None = None
    exception: BaseException | None = None
    inconclusive: bool = False

    @property
    def headline(self) -> str:
        """The failure in one line that stands alone."""
        where = f"line {self.location.line}: " if self.location is not None else ""
        return where + self.mismatch.headline


@record(kw_only=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        verdict: how the run ended. `DIFFERS`: in the way that the spec states for its engine.
        timeline: all events.
        failures: what is wrong; the first is the cause.
        row: the difference that the spec states for its engine, if it states one.
        engines: the engine of each peer that another engine than ours plays.
        hint: what to write in the spec if the failure is intended.
    """

    verdict: Verdict
    timeline: Timeline
    failures: Sequence[Failure] = field(default_factory=tuple)
    row: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""

    @property
    def headline(self) -> str:
        """The first failure's headline, marked if the run was inconclusive."""
        mark = "inconclusive: " if self.verdict is Verdict.INCONCLUSIVE else ""
        return mark + (self.failures[0].headline if self.failures else str(self.verdict))
