"""Measure, and show the results.

`run` measures and prints tables; with `--json` it also writes the values of all rounds. From these,
`plot` draws the scaling and `table` fills in the figures of a page. `compare` measures this
checkout and another one in turn and prints the ratios.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import compare, engine, fixtures, networks, plot, report, specs, tls, udp
from benchmarks.results import Results

CHOICE = ("start", "fixture", "specs", "networks", "engine", "udp", "tls", "scaling")


def main() -> None:
    """Parse the arguments and do what they say."""
    arguments = _parser().parse_args()
    arguments.do(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure and print tables")
    run.set_defaults(do=_run)
    run.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(CHOICE)}; all by default")
    run.add_argument("--count", type=int, default=1000, help="tests in a run of pytest (1000)")
    run.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    run.add_argument("--seconds", type=float, default=2.0, help="of load, each time (2)")
    run.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")

    versus = commands.add_parser("compare", help="measure this checkout and another one in turn")
    versus.set_defaults(do=_compare)
    versus.add_argument("other", type=Path, help="the other checkout, with its own .venv")
    versus.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(compare.COMPARED)}")
    versus.add_argument("--rounds", type=int, default=5, help="rounds of both checkouts (5)")
    versus.add_argument("--seconds", type=float, default=1.0, help="of load, each time (1)")

    draw = commands.add_parser("plot", help="draw the scaling from 1 to 10,000 connections")
    draw.set_defaults(do=_plot)
    draw.add_argument("results", type=Path, help="what `run --json` wrote")
    draw.add_argument("svg", type=Path, help="the drawing to write")

    table = commands.add_parser("table", help="put the tables into a page, between its marks")
    table.set_defaults(do=_table)
    table.add_argument("results", type=Path, help="what `run --json` wrote")
    table.add_argument("page", type=Path, help="the Markdown page")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    wanted = _known(arguments.what or CHOICE, CHOICE)
    results: Results = {"about": _about(arguments)}
    for what in wanted:
        with tempfile.TemporaryDirectory() as name:
            results[what] = _measure(what, Path(name), arguments)
        print(report.text({what: results[what]}), flush=True)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def _compare(arguments: argparse.Namespace) -> None:
    other = arguments.other.resolve()
    if not (other / ".venv/bin/python").exists():
        raise SystemExit(f"{other} has no .venv: run `make .venv/ready` there")
    what = _known(arguments.what or compare.COMPARED, compare.COMPARED)
    found = compare.ratios(other, what, rounds=arguments.rounds, seconds=arguments.seconds)
    print(compare.text(found))


def _known(what: Sequence[str], choice: Sequence[str]) -> Sequence[str]:
    if unknown := [name for name in what if name not in choice]:
        raise SystemExit(f"expected some of {', '.join(choice)}, got {', '.join(unknown)}")
    return what


def _measure(what: str, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    count, rounds, seconds = arguments.count, arguments.rounds, arguments.seconds
    match what:
        case "start":
            return fixtures.measure_start(folder, rounds=4 * rounds)
        case "fixture":
            return fixtures.measure(folder, count=count, rounds=rounds)
        case "specs":
            return specs.measure(folder, count=count, rounds=rounds)
        case "networks":
            return networks.measure(rounds=20 * rounds)
        case "udp":
            return udp.measure(folder, rounds=rounds, seconds=seconds)
        case "tls":
            return tls.measure(folder, rounds=rounds, seconds=seconds)
    load, servers = engine.build_load(folder), engine.peers()
    if what == "engine":
        return engine.measure(load, servers, rounds=rounds, seconds=seconds)
    return engine.measure_scaling(load, servers, rounds=rounds, seconds=seconds)


def _about(arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "versions": engine.versions(),
    }


def _plot(arguments: argparse.Namespace) -> None:
    arguments.svg.write_text(plot.draw(_read(arguments.results)["scaling"]))


def _table(arguments: argparse.Namespace) -> None:
    page = arguments.page.read_text()
    arguments.page.write_text(report.put_into(page, _read(arguments.results)))


def _read(path: Path) -> Results:
    results: Results = json.loads(path.read_text())
    return results


if __name__ == "__main__":
    main()
