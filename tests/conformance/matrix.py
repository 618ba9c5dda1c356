"""The matrix behaviour x engine: its cells, their file, and the page that shows them.

A *behaviour* is a case of a spec; a *cell* is its result with one choice of engines.
`recorded.json` keeps the cells with a digest of each spec, so a machine without Bun sees whether a
record belongs to the present spec. No value depends on time.

Only a machine with Bun can record. So a new or changed spec counts as "not recorded yet", which is
reported and fails nothing, unless `SOCKHARNESS_RECORDED=all` says that every spec must be
recorded, as `.ci/run` does.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sockharness.drivers.choice import EngineChoice
from sockharness.sockspec import loader

ROOT = Path(__file__).parent.parent.parent
SPECS = ROOT / "specs"
PAGE = ROOT / "docs" / "conformance.md"
DIFFERENCES = ROOT / "docs" / "bun-differences.md"
RECORD = Path(__file__).with_name("recorded.json")
CASTINGS = {
    "sockharness": "sockharness",
    "Bun": "bun",
    "server Bun, client ours": "server:bun,client:sockharness",
    "server ours, client Bun": "server:sockharness,client:bun",
}
"""The columns: a title, and what `--sock-engine` says for it."""
HOLDS, DIFFERS, IMPOSSIBLE = "holds", "differs", "not possible"
VERDICTS = (HOLDS, DIFFERS, IMPOSSIBLE)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A case of a spec."""

    key: str
    title: str
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Cell:
    """The outcome of a behaviour with a choice; `why` is a differences row or a reason."""

    verdict: str
    why: str = ""


Row = Mapping[str, Cell]
"""A cell for each column."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells of all behaviours, and the version of Bun."""

    bun: str
    rows: Mapping[str, Row]
    digests: Mapping[str, str]

    @classmethod
    def load(cls) -> "Matrix":
        """Read the recorded matrix."""
        data = json.loads(RECORD.read_text())
        rows = {
            key: {title: Cell(*cell) for title, cell in row["cells"].items()}
            for key, row in data["behaviours"].items()
        }
        digests = {key: row["digest"] for key, row in data["behaviours"].items()}
        return cls(data["bun"], rows, digests)

    def save(self) -> None:
        """Write this matrix as the recorded one."""
        behaviours = {
            key: {
                "digest": self.digests[key],
                "cells": {title: [cell.verdict, cell.why] for title, cell in row.items()},
            }
            for key, row in self.rows.items()
        }
        text = json.dumps({"bun": self.bun, "behaviours": behaviours}, indent=1, sort_keys=True)
        RECORD.write_text(text + "\n")


def behaviours() -> list[Behaviour]:
    """Return the behaviours of all specs."""
    return [each for path in sorted(SPECS.rglob("*.yaml")) for each in _of_file(path)]


def _of_file(path: Path) -> Iterator[Behaviour]:
    spec = loader.load(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    for case in spec.cases:
        case_id = f"[{case.id}]" if case.id else ""
        key = f"{path.parent.name}/{path.stem}{case_id}"
        title = (spec.title or path.stem) + (f", {case.id}" if case.id else "")
        yield Behaviour(key, title, path, digest)


def labels() -> Mapping[str, str]:
    """Return the title of the column for the engines in an item's id."""
    return {EngineChoice.parse(text).label: title for title, text in CASTINGS.items()}


def must_be_recorded() -> bool:
    """Return whether a spec that is not recorded yet is a failure."""
    return os.environ.get("SOCKHARNESS_RECORDED") == "all"


def recorded_keys(matrix: Matrix) -> set[str]:
    """Return the behaviours whose record is of the spec's present text."""
    return {each.key for each in behaviours() if matrix.digests.get(each.key) == each.digest}


def not_recorded_yet(matrix: Matrix) -> list[str]:
    """Return a sentence for each spec that was added, changed or removed since the record."""
    now = {each.key: each.digest for each in behaviours()}
    gone = [f"{key} is recorded, and no spec any more" for key in matrix.rows if key not in now]
    new = [f"{key} is a new spec" for key in now if key not in matrix.rows]
    changed = [
        f"{key} has changed since"
        for key, digest in now.items()
        if key in matrix.rows and matrix.digests[key] != digest
    ]
    return [*gone, *new, *changed]


def page(matrix: Matrix) -> str:
    """Return the page with all behaviours of a matrix."""
    known = [each for each in behaviours() if each.key in matrix.rows]
    return "\n".join(
        [
            *_introduction(matrix),
            *_counts(matrix),
            *_differences(matrix, known),
            *_impossible(matrix, known),
            *_table(matrix, known),
        ],
    )


def _introduction(matrix: Matrix) -> list[str]:
    return [
        "# Conformance",
        "",
        "Made by `make conformance`; do not edit. The specs in `specs/` are replayed four times:",
        f"with the engine of this package, with real Bun {matrix.bun}, and with one side of each,",
        "so that our client talks to Bun's server and the other way round.",
        "",
    ]


def _counts(matrix: Matrix) -> list[str]:
    counts = {
        title: Counter(row[title].verdict for row in matrix.rows.values()) for title in CASTINGS
    }
    lines = ["| | " + " | ".join(CASTINGS) + " |", "|---|" + "---|" * len(CASTINGS)]
    for verdict in VERDICTS:
        cells = " | ".join(str(counts[title][verdict]) for title in CASTINGS)
        lines.append(f"| {verdict} | {cells} |")
    total = " | ".join(str(sum(counts[title].values())) for title in CASTINGS)
    return [*lines, f"| in all | {total} |", ""]


def _differences(matrix: Matrix, known: list[Behaviour]) -> list[str]:
    told = _rows_of_differences()
    lines = [
        "## Differences",
        "",
        "A spec states what is otherwise on Bun by naming a row of the",
        "[deliberate differences](bun-differences.md): what holds there instead, or that a step",
        "does not hold. If the step holds after all, the run fails.",
        "",
        "| behaviour | row | Bun | sockharness | seen with |",
        "|---|---|---|---|---|",
    ]
    for each in known:
        seen = {title: cell.why for title, cell in matrix.rows[each.key].items() if _differs(cell)}
        for row in dict.fromkeys(seen.values()):
            with_it = "; ".join(title for title, why in seen.items() if why == row)
            lines.append(f"| {_link(each)} | {row} | {' | '.join(told[row])} | {with_it} |")
    return [*lines, ""]


def _differs(cell: Cell) -> bool:
    return cell.verdict == DIFFERS


def _impossible(matrix: Matrix, known: list[Behaviour]) -> list[str]:
    lines = ["## What cannot be compared", "", "| behaviour | with | why |", "|---|---|---|"]
    for each in known:
        cells = matrix.rows[each.key]
        reasons = {title: cell.why for title, cell in cells.items() if cell.verdict == IMPOSSIBLE}
        for reason in dict.fromkeys(reasons.values()):
            titles = "; ".join(title for title, why in reasons.items() if why == reason)
            lines.append(f"| {_link(each)} | {titles} | {reason} |")
    return [*lines, ""]


def _table(matrix: Matrix, known: list[Behaviour]) -> list[str]:
    lines = [
        "## Behaviour by behaviour",
        "",
        "| behaviour | " + " | ".join(CASTINGS) + " |",
        "|---|" + "---|" * len(CASTINGS),
    ]
    for each in known:
        cells = matrix.rows[each.key]
        shown = " | ".join(_shown(cells[title]) for title in CASTINGS)
        lines.append(f"| {_link(each)} | {shown} |")
    return [*lines, ""]


def _shown(cell: Cell) -> str:
    return {HOLDS: "holds", DIFFERS: cell.why, IMPOSSIBLE: "-"}[cell.verdict]


def _link(behaviour: Behaviour) -> str:
    return f"[{behaviour.title}](../{behaviour.path.relative_to(ROOT)})"


def _rows_of_differences() -> Mapping[str, tuple[str, str]]:
    """Return each row of the differences: the behaviour of Bun, and ours."""
    row = re.compile(r"^\| (D\d+) \| (.+?) \| (.+?) \| ", re.MULTILINE)
    return {found[1]: (found[2], found[3]) for found in row.finditer(DIFFERENCES.read_text())}
