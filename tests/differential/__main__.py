"""Compare our engine with real Bun on random programs: `python -m tests.differential --help`.

A difference shrinks to a minimal program, which the command prints as a spec with both stories.
Exit codes: 1 for a difference or a crash of Bun, 2 without Bun. `SOCKHARNESS_BUN` names the Bun to
use; otherwise it is the one on PATH.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from sockharness.drivers.driver import Engines
from sockharness.drivers.engine import EngineFailed
from tests.differential.comparing import Comparison, Death, Difference
from tests.differential.programs import Program, programs

ROUND = 200
"""The number of programs per seed."""


class Differ(Exception):
    """The engines produce different stories; the argument is the `Difference`."""


class Died(BaseException):
    """Bun died; the argument is the `Death`.

    It is no `Exception`: Hypothesis would catch one and shrink the program, and Bun would die or
    hang again at each attempt.
    """


def compare(comparison: Comparison, *, start: int, count: int) -> Difference | Death | None:
    """Compare `count` programs of a seed.

    Returns:
        A minimal program that differs, or the first program at which Bun died, if any.
    """

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def holds(program: Program) -> None:
        try:
            found = comparison.difference(program)
        except EngineFailed as failed:
            raise Died(Death(program, failed)) from None
        if found is not None:
            raise Differ(found)

    try:
        holds()
    except Differ as differ:
        found: Difference = differ.args[0]
        return found
    except Died as died:
        death: Death = died.args[0]
        return death
    return None


def main() -> int:
    """Compare until the time is up; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on (60)")
    parser.add_argument("--seed", type=int, help="begin with this one; a random one if absent")
    parser.add_argument("--programs", type=int, help="stop after so many")
    arguments = parser.parse_args()
    start = random.randrange(10**6) if arguments.seed is None else arguments.seed
    found = None
    with tempfile.TemporaryDirectory() as folder, Engines() as engines:
        if missing := engines.bun.missing():
            print(f"cannot compare: {missing}", file=sys.stderr)
            return 2
        try:
            engines.bun.child()
        except EngineFailed as failed:
            print(f"cannot compare: {failed}", file=sys.stderr)
            return 2
        print(f"comparing with Bun {engines.bun.version}, from seed {start} on", flush=True)
        comparison = Comparison(engines, Path(folder))
        ends = time.monotonic() + arguments.seconds
        most = arguments.programs or sys.maxsize
        while found is None and time.monotonic() < ends and comparison.programs < most:
            count = min(ROUND, most - comparison.programs)
            found = compare(comparison, start=start, count=count)
            start += 1
            _progress(f"{comparison.programs} programs")
    _progress("")
    for kind, number in sorted(comparison.kinds.items(), key=lambda item: -item[1]):
        print(f"{number:8} {kind}")
    print(f"{comparison.programs:8} programs, {comparison.again} of them played more than once")
    print(_verdict(found, start - 1))
    return int(found is not None)


def _verdict(found: Difference | Death | None, seed: int) -> str:
    """Return the verdict as text, with the program if there is one."""
    if found is None:
        return "no difference"
    what = "The engines differ" if isinstance(found, Difference) else "Bun failed"
    return f"\n{what} (seed {seed}):\n\n{found}"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
