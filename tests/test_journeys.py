"""Limits for the way of a byte through the package; lower a limit, never raise it."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import journeys


def test_a_return_is_a_call_into_a_file_that_was_left() -> None:
    journey = journeys.Journey(journeys.never)
    journey.calls = [
        ("a", "f"),
        ("a", "g"),
        ("b", "f"),
        ("a", "f"),
        ("a", "f"),
        ("c", "f"),
        ("b", "f"),
    ]

    assert (journey.files, journey.returns) == (3, 2)


@pytest.mark.parametrize(
    ("name", "calls", "files", "returns"),
    [
        ("byte", 15, 3, 1),
        ("tls", 21, 5, 4),
        ("batch", 25, 4, 4),
        ("fixture", 47, 9, 9),
        ("replay", 720, 46, 370),
    ],
)
def test_a_journey_stays_short(name: str, calls: int, files: int, returns: int) -> None:
    journey = journeys.JOURNEYS[name][1]()

    assert 0 < len(journey.calls) <= calls
    assert journey.files <= files
    assert journey.returns <= returns


def test_the_table_has_a_row_for_each_journey() -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "benchmarks.journeys", "--calls", "byte"]

    shown = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout

    assert all(f"| {title} |" in shown for title, _ in journeys.JOURNEYS.values())
    assert "engine/loop/reactor.py run_once" in shown
