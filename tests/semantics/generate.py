"""Write docs/bun-semantics.md, and the proofs in docs/bun-differences.md.

    python -m tests.semantics.generate            write both pages
    python -m tests.semantics.generate --check    print what is wrong with them, and exit with 1

The rules are data (docs/semantics/*.toml). A proof names its rule: a spec with `shows: [TCP-022]`,
a test with `@pytest.mark.shows("TCP-022")`. This program collects the proofs: from specs with the
loader, from tests by reading their source without importing it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sockharness.sockspec import loader

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "docs" / "semantics"
PAGE = ROOT / "docs" / "bun-semantics.md"
DIFFERENCES = ROOT / "docs" / "bun-differences.md"
BEGIN, END = "<!-- proofs: begin -->", "<!-- proofs: end -->"
DETAILS = "<details><summary>All proofs of the rows that have more</summary>"
FEW = 3
"""The most proofs that a row of the differences shows; specs come first."""
GAP = "**gap**"
COMMAND = "python -m tests.semantics.generate"
INTRODUCTION = f"""\
# Bun's semantics, rule by rule

Made by `{COMMAND}`; do not edit. Each rule was seen in Bun 1.4.5.

- *same*: sockharness does so too; the proof, a spec or a test, fails if it does not.
- *different*: it does otherwise on purpose. The [row](bun-differences.md) says what, and the proof
  shows that.
- *not applicable*: the rule has no meaning in Python, or not in this version.
"""
Proofs = Mapping[str, Sequence["Proof"]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the catalogue."""

    id: str
    section: str
    text: str
    differs: tuple[str, ...]
    not_applicable: str
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A spec or a test, and the rules that it proves."""

    path: Path
    test: str
    shows: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return pytest's name for it, without the folders."""
        return f"{self.path.name}::{self.test}" if self.test else self.path.name

    @property
    def link(self) -> str:
        """Return a link to its file from a page in docs/."""
        return f"[{self.name}](../{self.path.relative_to(ROOT)})"


@dataclass(frozen=True, slots=True)
class Book:
    """All data of the pages."""

    rules: tuple[Rule, ...]
    differences: frozenset[str]
    proofs: Proofs

    @property
    def gaps(self) -> list[str]:
        """Return the rules without a proof that could have one."""
        asked = [rule.id for rule in self.rules if not rule.not_applicable]
        return [id_ for id_ in [*asked, *sorted(self.differences)] if id_ not in self.proofs]

    @property
    def problems(self) -> list[str]:
        """Return the errors in the data and the claims."""
        known = {rule.id for rule in self.rules} | self.differences
        found = [
            f"{proof.name}: no rule {id_}"
            for id_, proofs in self.proofs.items()
            for proof in proofs
            if id_ not in known
        ]
        for rule in self.rules:
            found += [f"{rule.id}: no row {id_}" for id_ in set(rule.differs) - self.differences]
            if rule.not_applicable and (rule.differs or rule.id in self.proofs):
                found.append(f"{rule.id}: not applicable, yet it differs or has a proof")
        return found


def read() -> Book:
    """Read rules, differences and proofs."""
    proofs: dict[str, list[Proof]] = {}
    for proof in [*_specs(ROOT / "specs"), *_tests(ROOT / "tests")]:
        for id_ in proof.shows:
            proofs.setdefault(id_, []).append(proof)
    rules = tuple(rule for path in sorted(RULES.glob("*.toml")) for rule in rules_of(path))
    rows = frozenset(_rows(DIFFERENCES.read_text()))
    return Book(rules, rows, proofs)


def rules_of(path: Path) -> list[Rule]:
    """Return the rules of a file; `ValueError` unless they are numbered without a hole."""
    data = tomllib.loads(path.read_text())
    starts = {section["first"]: section["title"] for section in data.pop("sections")}
    prefix = path.stem.upper()
    if list(data) != [f"{prefix}-{number:03}" for number in range(1, len(data) + 1)]:
        raise ValueError(f"{path}: expected rules from {prefix}-001 on, without a hole")
    rules, section = [], ""
    for id_, entry in data.items():
        section = starts.get(id_, section)
        differs = tuple(re.findall(r"\w+", entry.pop("differs", "")))
        text, reason = entry.pop("rule"), entry.pop("not_applicable", "")
        rules.append(Rule(id_, section, text, differs, reason, entry.pop("note", "")))
        if entry:
            raise ValueError(f"{path}: {id_}: unknown key {min(entry)!r}")
    return rules


def _specs(folder: Path) -> Iterator[Proof]:
    for path in sorted(folder.rglob("*.yaml")):
        if shows := loader.load(path).shows:
            yield Proof(path, "", shows)


def _tests(folder: Path) -> Iterator[Proof]:
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                shows = tuple(_shown(path, node.decorator_list))
                if shows and node.name.startswith("test_"):
                    yield Proof(path, node.name, shows)


def _shown(path: Path, decorators: list[ast.expr]) -> Iterator[str]:
    for call in decorators:
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.shows":
            for argument in call.args:
                if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                    raise ValueError(f"{path}:{call.lineno}: expected ids as plain text")
                yield argument.value


# The pages


def page(book: Book) -> str:
    """Return docs/bun-semantics.md."""
    counts = [_state(rule, book.proofs)[0] for rule in book.rules]
    told = ", ".join(f"{counts.count(state)} {state}" for state in dict.fromkeys(counts))
    lines = [INTRODUCTION, f"{len(counts)} rules: {told}."]
    section = ""
    for rule in book.rules:
        if rule.section != section:
            section = rule.section
            lines += ["", f"## {section}", "", "| id | rule | here | proof |", "|---|---|---|---|"]
        lines.append(_line(rule, book.proofs))
    return "\n".join(lines) + "\n"


def _line(rule: Rule, proofs: Proofs) -> str:
    state, why = _state(rule, proofs)
    text = f"{rule.text}. ({rule.note})" if rule.note else rule.text
    cells = [rule.id, text, f"{state}{why}", _links(proofs.get(rule.id, []))]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _state(rule: Rule, proofs: Proofs) -> tuple[str, str]:
    if rule.not_applicable:
        return "not applicable", f": {rule.not_applicable}"
    if rule.id not in proofs:
        return GAP, ""
    return ("different", f" ({', '.join(rule.differs)})") if rule.differs else ("same", "")


def _links(proofs: Sequence[Proof]) -> str:
    return "<br>".join(proof.link for proof in proofs)


def differences(text: str, proofs: Proofs) -> str:
    """Return docs/bun-differences.md with a new last cell in each row."""
    head, table, tail = _parts(text)
    lines = []
    for line in table.partition(f"\n{DETAILS}")[0].splitlines():
        if row := re.match(r"\| (D\d+) \|", line):
            cells = line[: line.rindex(" | ")]
            line = f"{cells} | {_first_links(row[1], proofs)} |"
        lines.append(line)
    return head + "\n".join([*lines, *_all_links(_rows(text), proofs)]) + tail


def _first_links(row: str, proofs: Proofs) -> str:
    """Return the first proofs of a row and the number of the others, to keep the table readable."""
    found = proofs.get(row, [])
    more = len(found) - FEW
    shown = _links(found[:FEW]) or GAP
    return f"{shown}<br>and {more} more" if more > 0 else shown


def _all_links(rows: Sequence[str], proofs: Proofs) -> list[str]:
    """Return the list of all proofs, for rows that show only some."""
    long = [row for row in rows if len(proofs.get(row, [])) > FEW]
    if not long:
        return []
    lines = ["", DETAILS, ""]
    for row in long:
        lines += [f"- {row}", *(f"  - {proof.link}" for proof in proofs[row])]
    return [*lines, "", "</details>"]


def _rows(text: str) -> list[str]:
    return re.findall(r"^\| (D\d+) \|", _parts(text)[1], re.MULTILINE)


def _parts(text: str) -> tuple[str, str, str]:
    head, begin, rest = text.partition(BEGIN)
    table, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{DIFFERENCES}: expected the table between {BEGIN} and {END}")
    return head + begin, table, ("\n" if table.endswith("\n") else "") + end + tail


# The command


def complaints(book: Book) -> list[str]:
    """Return the complaints of `--check`."""
    stale = [
        f"{path.relative_to(ROOT)} is stale: run {COMMAND}"
        for path, text in _made(book).items()
        if not path.exists() or path.read_text() != text
    ]
    return [*book.problems, *stale]


def _made(book: Book) -> dict[Path, str]:
    return {PAGE: page(book), DIFFERENCES: differences(DIFFERENCES.read_text(), book.proofs)}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them; return the exit status."""
    book = read()
    told = complaints(book) if arguments == ["--check"] else book.problems
    if arguments != ["--check"]:
        for path, text in _made(book).items():
            path.write_text(text)
    sys.stdout.writelines(f"{line}\n" for line in [*told, f"gaps: {book.gaps or 'none'}"])
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
