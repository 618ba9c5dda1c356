"""The recorded run belongs to the present specs, and the page shows it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sockharness.sockspec import loader
from tests.conformance import __main__ as command
from tests.conformance.matrix import (
    CASTINGS,
    DIFFERENCES,
    DIFFERS,
    HOLDS,
    IMPOSSIBLE,
    PAGE,
    ROOT,
    SPECS,
    Cell,
    Matrix,
    must_be_recorded,
    not_recorded_yet,
    page,
)


@pytest.fixture
def recorded() -> Matrix:
    return Matrix.load()


def test_the_recorded_run_is_of_this_corpus(recorded: Matrix) -> None:
    missing = not_recorded_yet(recorded)
    if missing and not must_be_recorded():
        pytest.skip(f"not recorded yet: {'; '.join(missing)} ('make conformance', with Bun)")

    assert missing == [], "run 'make conformance', with Bun"


def test_the_page_is_what_the_recorded_run_makes_of_it(recorded: Matrix) -> None:
    assert PAGE.read_text() == page(recorded), "run 'make conformance', with Bun"


def test_ours_holds_everywhere(recorded: Matrix) -> None:
    ours = next(iter(CASTINGS))

    assert {row[ours].verdict for row in recorded.rows.values()} == {HOLDS}


def test_a_changed_a_new_and_a_vanished_spec_are_not_recorded_yet(recorded: Matrix) -> None:
    rows, digests = dict(recorded.rows), dict(recorded.digests)
    rows["tcp/gone"] = rows.pop("tcp/echo")
    digests["tcp/reset"] = "another"

    missing = not_recorded_yet(replace(recorded, rows=rows, digests=digests))

    assert [line for line in missing if line not in not_recorded_yet(recorded)] == [
        "tcp/gone is recorded, and no spec any more",
        "tcp/echo is a new spec",
        "tcp/reset has changed since",
    ]


def test_every_difference_that_a_spec_states_is_a_row() -> None:
    rows = DIFFERENCES.read_text()
    for path in SPECS.rglob("*.yaml"):
        for case in loader.load(path).cases:
            steps = (each for differing in case.differing.values() for each in differing.values())
            for difference in (*case.differs.values(), *steps):
                assert f"| {difference.row} |" in rows, path


@pytest.mark.parametrize(
    ("cell", "machine"),
    [
        (Cell(IMPOSSIBLE, "'recv_buffer' of server (line 8): Bun's interface sets no sizes"), ""),
        (Cell(IMPOSSIBLE, "'one_process' (line 5): between two processes"), ""),
        (Cell(IMPOSSIBLE, "nothing is mixed here: every peer would run on bun"), ""),
        (Cell(IMPOSSIBLE, "captures are off"), "captures are off"),
        (Cell(IMPOSSIBLE, "no Bun at /nowhere: …"), "no Bun at /nowhere: …"),
        (Cell(DIFFERS, "D1"), ""),
        (Cell(HOLDS), ""),
    ],
)
def test_what_this_machine_lacks_is_known_from_what_is_stated(cell: Cell, machine: str) -> None:
    assert command._of_machine(cell) == machine


def test_what_failed_alike_is_told_in_one_line() -> None:
    died = [
        command.Ran(f"tcp/{name}", "Bun", Cell("failed", f"line {line}: bun died: SIGSEGV"), 0.1)
        for line, name in enumerate(("echo", "reset", "drain"), start=5)
    ]
    other = command.Ran("tcp/end", "Bun", Cell("failed", "line 6: client got nothing"), 0.1)

    assert command._told([*died, other]) == [
        "tcp/echo with Bun: line 5: bun died: SIGSEGV, and 2 more alike",
        "tcp/end with Bun: line 6: client got nothing",
    ]


@pytest.mark.slow
def test_without_bun_the_recorded_run_is_held_against_ours() -> None:
    done, said = _without_bun(ROOT)

    assert done.returncode == 0, done.stdout + done.stderr
    assert said[:2] == [
        "conformance: Bun cannot be had here: no Bun at /nowhere/bun: No such file or directory",
        "conformance: ours is run alone; what is told of Bun is of the RECORDED RUN",
    ]
    assert said[-1].endswith(", and ours agrees")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small copy of the project: a few specs with records, and a new one."""
    for folder in ("tests", "docs", "sockharness"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(SPECS / "tcp", tmp_path / "specs" / "tcp")
    for path in sorted((tmp_path / "specs" / "tcp").glob("*.yaml"))[5:]:
        path.unlink()
    shutil.copy(SPECS / "tcp" / "echo.yaml", tmp_path / "specs" / "tcp" / "a-new-one.yaml")
    record = tmp_path / "tests" / "conformance" / "recorded.json"
    data = json.loads(record.read_text())
    here = {f"tcp/{path.stem}" for path in (tmp_path / "specs" / "tcp").glob("*.yaml")}
    rows = {key: row for key, row in data["behaviours"].items() if key in here}
    record.write_text(json.dumps({**data, "behaviours": rows}))
    write = "from tests.conformance.matrix import *; PAGE.write_text(page(Matrix.load()))"
    _python(tmp_path, "-c", write).check_returncode()
    return tmp_path


@pytest.mark.slow
def test_a_new_spec_is_not_recorded_yet_and_fails_nothing(clone: Path) -> None:
    tests = _python(clone, "-m", "pytest", "-rs", "tests/conformance", "-k", "corpus or the_page")
    done, said = _without_bun(clone)

    assert tests.returncode == 0, tests.stdout
    assert "1 passed, 1 skipped" in tests.stdout
    assert "not recorded yet: tcp/a-new-one is a new spec ('make conf" in tests.stdout
    assert done.returncode == 0, done.stdout
    assert said[2] == "conformance: not recorded yet; 'make conformance' with Bun records it:"
    assert "\n  tcp/a-new-one is a new spec\n" in done.stdout
    assert said[-1].endswith("is of 5 of 6 behaviours, and ours agrees")


@pytest.mark.slow
def test_where_all_must_be_recorded_a_new_spec_fails(clone: Path) -> None:
    tests = _python(clone, "-m", "pytest", "tests/conformance", "-k", "corpus", recorded="all")
    done, said = _without_bun(clone, recorded="all")

    assert tests.returncode == 1, tests.stdout
    assert "AssertionError: run 'make conformance', with Bun" in tests.stdout
    assert done.returncode == 1
    assert said[-1] == "conformance: not recorded yet; 'make conformance' with Bun records it:"


def _without_bun(
    root: Path, recorded: str = ""
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the command without Bun; return the process and its own output lines."""
    done = _python(root, "-m", "tests.conformance", "--bun", "/nowhere/bun", recorded=recorded)
    return done, [line for line in done.stdout.splitlines() if line.startswith("conformance:")]


def _python(root: Path, *arguments: str, recorded: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "SOCKHARNESS_RECORDED": recorded},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
