"""Compares what our engine and real Bun tell of a program, each playing both sides.

(With a side each, two processes take turns as the system likes, and a program whose sides act at
once, in `open` say, has several stories.)

What depends on the moment (a reset that overtakes data, a connection that opens a turn later on a
busy machine) tells two stories on one engine, too. So a program on which they differ is played
again; only when no story of the one is ever told by the other it is a difference.
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
    """A program of which the engines tell different stories."""

    program: Program
    ours: frozenset[Stories]
    theirs: frozenset[Stories]

    def __str__(self) -> str:
        return "\n".join(
            (
                self.program.spec(),
                *(f"sockharness tells\n{story}" for story in sorted(map(str, self.ours))),
                *(f"Bun tells\n{story}" for story in sorted(map(str, self.theirs))),
            )
        )


@dataclass(frozen=True)
class Death:
    """A program at which Bun died, or hung: that is no story to compare."""

    program: Program
    failed: EngineFailed

    def __str__(self) -> str:
        return f"{self.program.spec()}\n{self.failed}"


class Comparison:
    """Compares program after program, and counts.

    Args:
        engines: the engines of the run.
        folder: where the program that is played is written.

    Attributes:
        engines: the engines.
        programs: how many were compared.
        again: how many of them had to be played more than once.
        kinds: how many had something special.
    """

    def __init__(self, engines: Engines, folder: Path) -> None:
        self.engines = engines
        self._folder = folder
        self.programs = 0
        self.again = 0
        self.kinds: dict[str, int] = {}

    def difference(self, program: Program) -> Difference | None:
        """Play a program on both engines; return what differs, if it does every time."""
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
