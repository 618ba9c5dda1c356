"""Compare the stories of a program on our engine and on real Bun; each engine plays both sides.

(If each engine played one side, the system would schedule two processes, and a program whose sides
act at once, in `open` for example, would have several stories.)

Timing alone can change a story on one engine: a reset overtakes data, or a connection opens one
turn later on a busy machine. So a program with two different stories is played again. It is a
difference only if the two engines never produce the same story.
"""

from dataclasses import dataclass
from pathlib import Path

from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.drivers.engine import EngineFailed
from tests.differential.programs import Program
from tests.differential.running import Stories, run

OURS, BUN = EngineChoice("sockharness"), EngineChoice("bun")
TRIES = 6


@dataclass(frozen=True)
class Difference:
    """A program with different stories on the two engines."""

    program: Program
    ours: frozenset[Stories]
    theirs: frozenset[Stories]

    def __str__(self) -> str:
        return "\n".join(
            (
                self.program.spec(),
                *(f"on sockharness\n{story}" for story in sorted(map(str, self.ours))),
                *(f"on Bun\n{story}" for story in sorted(map(str, self.theirs))),
            )
        )


@dataclass(frozen=True)
class Death:
    """A program at which Bun died or hung, so there is no story to compare."""

    program: Program
    failed: EngineFailed

    def __str__(self) -> str:
        return f"{self.program.spec()}\n{self.failed}"


class Comparison:
    """Compare programs one by one, and count them.

    Args:
        engines: the engines of the run.
        folder: where the program that is played is written.

    Attributes:
        engines: the engines.
        programs: the number of programs compared.
        again: the number of programs played more than once.
        kinds: the number of programs with each special feature.
    """

    def __init__(self, engines: Engines, folder: Path) -> None:
        self.engines = engines
        self._folder = folder
        self.programs = 0
        self.again = 0
        self.kinds: dict[str, int] = {}

    def difference(self, program: Program) -> Difference | None:
        """Play a program on both engines; return the difference, if there is one every time."""
        self.programs += 1
        for kind in program.kinds:
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
        ours: set[Stories] = set()
        theirs: set[Stories] = set()
        for attempt in range(TRIES):
            ours.add(run(program, OURS, self.engines, self._folder))
            theirs.add(run(program, BUN, self.engines, self._folder))
            if ours & theirs:
                self.again += attempt > 0
                return None
        return Difference(program, frozenset(ours), frozenset(theirs))
