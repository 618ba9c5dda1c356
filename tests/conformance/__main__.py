"""`python -m tests.conformance [--bun PATH]`: run the corpus everywhere, write docs/conformance.md.

Without Bun, only our engine runs, and is compared with the recorded run. A spec without a record
is reported as "not recorded yet"; with `SOCKHARNESS_RECORDED=all` that is a failure. Exit status: 0
if every result is as expected, otherwise 1.
"""

import argparse
import io
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sockharness.drivers.bun.program import BunProgram
from sockharness.drivers.engine import EngineFailed
from tests.conformance.matrix import (
    CASTINGS,
    DIFFERS,
    HOLDS,
    IMPOSSIBLE,
    PAGE,
    ROOT,
    SPECS,
    Behaviour,
    Cell,
    Matrix,
    behaviours,
    labels,
    must_be_recorded,
    not_recorded_yet,
    page,
    recorded_keys,
)

OURS = next(iter(CASTINGS))
STATED = re.compile(r"'[a-z_]+'( of \w+)? \(line \d+\): |nothing is mixed here: ")
"""The beginning of a reason from a spec or an engine; other reasons come from this machine."""
PLACE = re.compile(r"^line \d+: ")
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of an item in the JUnit report."""

    key: str
    title: str
    cell: Cell
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Run the specs and write the page."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # pytest writes to the same stream
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--bun", default="", metavar="PATH", help="the Bun program")
    program = BunProgram(parser.parse_args(arguments).bun)
    if reason := program.missing():
        return _without_bun(reason)
    with program:
        try:
            program.child()
        except EngineFailed as failed:
            return _fail("Bun cannot be used:", str(failed).splitlines())
    ran = _run(CASTINGS, program.path)
    _say_times(ran)
    return _take(ran, program.version)


def _take(ran: list[Ran], version: str) -> int:
    """Write the results, unless one of them is wrong."""
    known = behaviours()
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    for each in ran:
        cells[each.key][each.title] = each.cell
    wrong = _told([each for each in ran if _is_bad(each)])
    wrong += [
        f"{each.key} with {title}: did not run"
        for each in known
        for title in CASTINGS
        if title not in cells[each.key]
    ]
    if wrong:
        return _fail("not all is as stated, so nothing was written:", wrong)
    _fill_in(cells)
    matrix = Matrix(version, dict(sorted(cells.items())), _digests(known))
    matrix.save()
    PAGE.write_text(page(matrix))
    print(f"conformance: {PAGE.relative_to(ROOT)} is written, of Bun {version}")
    return 0


def _told(bad: Sequence[Ran]) -> list[str]:
    """Print the failures: one line for all items with the same failure."""
    alike: dict[str, list[Ran]] = defaultdict(list)
    for each in bad:
        alike[PLACE.sub("", each.cell.why)].append(each)
    lines = []
    for items in alike.values():
        first, more = items[0], len(items) - 1
        others = f", and {more} more alike" if more else ""
        lines.append(f"{first.key} with {first.title}: {first.cell.why}{others}")
    return lines


def _is_bad(ran: Ran) -> bool:
    return ran.cell.verdict == FAILED or "bun" in _of_machine(ran.cell).lower()


def _of_machine(cell: Cell) -> str:
    """Return why this machine cannot run an item, or an empty text."""
    return cell.why if cell.verdict == IMPOSSIBLE and not STATED.match(cell.why) else ""


def _fill_in(cells: dict[str, dict[str, Cell]]) -> None:
    """Copy results that this machine cannot produce from the recorded run."""
    for key, row in cells.items():
        for title, cell in row.items():
            if reason := _of_machine(cell):
                print(f"conformance: {key} with {title} is of the recorded run: {reason}")
                row[title] = Matrix.load().rows[key][title]


def _without_bun(reason: str) -> int:
    """Run our engine, and compare with the records of unchanged specs."""
    print(f"conformance: Bun cannot be had here: {reason}")
    print("conformance: ours is run alone; what is told of Bun is of the RECORDED RUN")
    recorded = Matrix.load()
    if missing := not_recorded_yet(recorded):
        _fail("not recorded yet; 'make conformance' with Bun records it:", missing)
        if must_be_recorded():
            return 1
    known = recorded_keys(recorded)
    ran = _run([OURS], "")
    wrong = [f"{each.key}: {each.cell.why}" for each in ran if each.cell.verdict == FAILED]
    wrong += [
        f"{each.key}: recorded as {recorded.rows[each.key][OURS].verdict}, now {each.cell.verdict}"
        for each in ran
        if each.key in known
        and not _of_machine(each.cell)
        and each.cell.verdict != FAILED
        and each.cell != recorded.rows[each.key][OURS]
    ]
    if PAGE.read_text() != page(recorded):
        wrong.append(f"{PAGE.relative_to(ROOT)} is not what the recorded run makes of it")
    if wrong:
        return _fail("the recorded run does not fit:", wrong)
    extent = f"{len(known)} of {len(behaviours())} behaviours" if missing else "this corpus"
    print(f"conformance: the recorded run, of Bun {recorded.bun}, is of {extent}, and ours agrees")
    return 0


def _fail(what: str, wrong: Sequence[str]) -> int:
    print(f"conformance: {what}", *wrong, sep="\n  ")
    return 1


def _digests(known: Sequence[Behaviour]) -> Mapping[str, str]:
    return {each.key: each.digest for each in known}


# ---- running


def _run(titles: Sequence[str] | Mapping[str, str], bun: str) -> list[Ran]:
    """Replay the corpus with some choices."""
    engines = [f"--sock-engine={CASTINGS[title]}" for title in titles]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider",
            "--sockspec", str(SPECS), *engines, f"--sock-bun={bun}", f"--junitxml={report}",
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=False)
        return list(_read(report, only="" if len(titles) > 1 else OURS))


def _read(report: Path, *, only: str) -> Iterator[Ran]:
    for case in ElementTree.parse(report).iter("testcase"):
        name, title = _split(case.attrib["name"], only)
        topic = case.attrib["classname"].split(".")[1]
        seconds = float(case.attrib["time"])
        yield Ran(f"{topic}/{name}", title, _cell(case), seconds)


def _split(name: str, only: str) -> tuple[str, str]:
    """Return an item's name without its engines, and the title of its engines."""
    if only:
        return name, only
    stem, _, inside = name.removesuffix("]").partition("[")
    case, _, label = inside.rpartition("-")
    return (f"{stem}[{case}]" if case else stem), labels()[label]


def _cell(case: ElementTree.Element) -> Cell:
    for verdict in ("failure", "error"):
        if (found := case.find(verdict)) is not None:
            return Cell(FAILED, found.attrib.get("message", ""))
    told = case.iter("property")
    row = next((each.attrib["value"] for each in told if each.attrib["name"] == "differs"), "")
    if row:
        return Cell(DIFFERS, row)
    skipped = case.find("skipped")
    return Cell(HOLDS) if skipped is None else Cell(IMPOSSIBLE, skipped.attrib["message"])


def _say_times(ran: Sequence[Ran]) -> None:
    """Print the time per item with each choice of engines, and the ratio to ours."""
    times: dict[str, dict[str, float]] = defaultdict(dict)
    for each in ran:
        if each.cell.verdict == HOLDS:
            times[each.title][each.key] = each.seconds
    for title, mine in times.items():
        ours = times[OURS]
        more = [mine[key] - ours[key] for key in mine if key in ours]
        print(
            f"conformance: {title}: median item {statistics.median(mine.values()) * 1000:.1f} ms,"
            f" {statistics.median(more) * 1000:+.1f} ms beside ours",
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
