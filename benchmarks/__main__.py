"""Run the measurements: `python -m benchmarks`, `--help` for the choice."""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks import engine, fixtures, specs

CHOICE = ("start", "fixture", "specs", "engine")


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="*", default=list(CHOICE), help=", ".join(CHOICE) + "; all by default"
    )
    parser.add_argument("--count", type=int, default=1000, help="tests in a run (1000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, each time (2)")
    parser.add_argument("--json", type=Path, help="write the engine's figures there too")
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
        case "engine":
            lines, data = engine.measure(folder, rounds=arguments.rounds, seconds=arguments.seconds)
            if arguments.json is not None:
                arguments.json.write_text(json.dumps(data, indent=1) + "\n")
            return lines
        case _:
            raise SystemExit(f"expected one of {', '.join(CHOICE)}, got {what!r}")


if __name__ == "__main__":
    main()
