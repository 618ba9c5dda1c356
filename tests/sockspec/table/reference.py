"""Writes the tables of `docs/spec-reference.md` between their markers, from the language's table.

`make language` calls it, and prints the JSON Schema into its file.
"""

import re
from pathlib import Path

from sockharness.sockspec import table
from sockharness.sockspec.schema import FILE, printed
from sockharness.sockspec.table.row import Row

PAGE = Path(__file__).parents[3] / "docs" / "spec-reference.md"
FIRST = "0.1"
"""The version whose rows say nothing of when they came."""
_MARKED = re.compile(r"(<!-- rows of ([\w, ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FORMS = ("bytes", "matcher", "message matcher", "received")


def renewed(page: str) -> str:
    """Return the page with its tables as the rows are now."""
    return _MARKED.sub(lambda found: f"{found[1]}{_table(found[2])}{found[3]}", page)


def shown(page: str) -> set[str]:
    """Return the sections that the page has tables of."""
    return {section for found in _MARKED.finditer(page) for section in found[2].split(", ")}


def _table(sections: str) -> str:
    rows = table.rows(*sections.split(", "))
    cells = ["written", *(["default"] if any(row.default for row in rows) else []), "means"]
    lines = [cells, ["---"] * len(cells)]
    for row in rows:
        default = [row.default] if "default" in cells else []
        lines.append([_written(row), *default, _means(row)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _written(row: Row) -> str:
    if any(section in _FORMS for section in row.at):
        return f"`{{{row.example}}}`"
    word = f"`{row.key}`, " if row.bare and row.takes else ""
    return f"{word}`{row.example}`"


def _means(row: Row) -> str:
    required = ". Required" if row.required else ""
    since = f". Since {row.since}" if row.since != FIRST else ""
    return f"{row.does}{required}{since}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
    FILE.write_text(printed())
