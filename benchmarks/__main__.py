"""Run the measurements: `python -m benchmarks`, `--help` for the choice."""

import argparse
import tempfile
from pathlib import Path

from benchmarks import fixtures, specs


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        default=["start", "fixture", "specs"],
        help="start, fixture, specs; all by default",
    )
    parser.add_argument("--count", type=int, default=1000, help="tests in a run (1000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    arguments = parser.parse_args()
    for what in arguments.what:
        with tempfile.TemporaryDirectory() as name:
            print("\n".join(_measure(what, Path(name), arguments)), flush=True)


def _measure(what: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    match what:
        case "specs":
            return specs.measure(folder, count=arguments.count, rounds=arguments.rounds)
        case "fixture":
            return fixtures.measure(folder, count=arguments.count, rounds=arguments.rounds)
        case "start":
            return fixtures.measure_start(folder, rounds=4 * arguments.rounds)
        case _:
            raise SystemExit(f"expected start, fixture or specs, got {what!r}")


if __name__ == "__main__":
    main()
