"""The recorded run is of this corpus, and the page is what it makes."""

import subprocess
import sys
from dataclasses import replace

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
    complaints,
    page,
)


@pytest.fixture
def recorded() -> Matrix:
    return Matrix.load()


def test_the_recorded_run_is_of_this_corpus(recorded: Matrix) -> None:
    assert complaints(recorded) == [], "run 'make conformance', with Bun"


def test_the_page_is_what_the_recorded_run_makes_of_it(recorded: Matrix) -> None:
    assert PAGE.read_text() == page(recorded), "run 'make conformance', with Bun"


def test_ours_holds_everywhere(recorded: Matrix) -> None:
    ours = next(iter(CASTINGS))

    assert {row[ours].verdict for row in recorded.rows.values()} == {HOLDS}


def test_a_changed_a_new_and_a_vanished_spec_are_told(recorded: Matrix) -> None:
    rows, digests = dict(recorded.rows), dict(recorded.digests)
    rows["tcp/gone"] = rows.pop("tcp/echo")
    digests["tcp/reset"] = "another"

    assert complaints(replace(recorded, rows=rows, digests=digests)) == [
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
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance", "--bun", "/nowhere/bun"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    told = [line for line in done.stdout.splitlines() if line.startswith("conformance:")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert told[:2] == [
        "conformance: Bun cannot be had here: no Bun at /nowhere/bun: No such file or directory",
        "conformance: ours is run alone; what is told of Bun is of the RECORDED RUN",
    ]
    assert told[-1].endswith("is of this corpus, and ours agrees")
