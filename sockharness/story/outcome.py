"""What came of a conversation. Data only: telling it is the report's business."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from sockharness.location import Location
from sockharness.record import record
from sockharness.story.expectations import Mismatch
from sockharness.story.timeline import Timeline


class Verdict(StrEnum):
    """How a run ended. A spec that is wrong has no outcome: it raises `SpecError`."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    DIFFERS = "differs"


@record(kw_only=True)
class Wait:
    """How long a wait lasted, how long it might have, and where that limit came from. Seconds."""

    peer: str
    lasted: float
    limit: float
    origin: str = "default"
    scale: float = 1.0


@record(kw_only=True)
class Failure:
    """One thing that is not as it should be.

    Attributes:
        mismatch: what was expected and what came.
        location: the step or the line that expected it.
        wait: the wait that ran out, if one did.
        exception: what a handler raised, if that is the failure.
        inconclusive: something was lost, so what else is wrong may be wrong because of that.
    """

    mismatch: Mismatch
    location: Location | None = None
    wait: Wait | None = None
    exception: BaseException | None = None
    inconclusive: bool = False

    @property
    def headline(self) -> str:
        """What is wrong, in a line that stands alone."""
        where = f"line {self.location.line}: " if self.location is not None else ""
        return where + self.mismatch.headline


@record(kw_only=True)
class Outcome:
    """The end of a run: the verdict, the failures (the first is the cause), and all that
    happened. If it `DIFFERS`, as the spec says that it does on an engine, `row` says why, and the
    failures say how; if it passed, `row` may name a difference that the spec states and holds.
    `engines` names the engine of each peer that runs on another than ours, and `hint` says how to
    go on if what failed is meant."""

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
