"""Compares two checkouts on one machine: the same benchmarks, run in turn.

A machine's speed drifts, so neither checkout is measured for long: each round runs every benchmark
once in this checkout and once in the other one, and the two swap places from round to round. A
figure is the ratio of one round's two values, as a speed: 1.10 is ten per cent faster than the
other checkout. The median over all rounds counts. The peers (asyncio, uvloop, a bare `sendto`) are
the same code in both checkouts, so the ratios of their rows show how far noise alone moves one.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import as_table
from benchmarks.results import Results, median

COMPARED = ("engine", "tls", "udp", "fixture", "specs")
_NO_NAMES = ("rate", "rates", "seconds", "figures")
_OURS = ("sockharness", "fixture", "with a rule", "specs")

Figures = dict[str, float]


Ratios = dict[str, list[float]]


def ratios(other: Path, what: Sequence[str], *, rounds: int, seconds: float) -> Ratios:
    """Return for each figure its speed here divided by its speed in `other`, a value per round."""
    here = Path(__file__).parents[1]
    found: Ratios = {}
    for number in range(rounds):
        for name in what:
            order = (here, other) if number % 2 else (other, here)
            measured = {folder: _measure(folder, name, seconds) for folder in order}
            for figure, speed in measured[here].items():
                if figure in measured[other]:
                    found.setdefault(figure, []).append(speed / measured[other][figure])
        print(f"round {number + 1} of {rounds}", flush=True)
    return found


def text(found: Ratios) -> str:
    """Return the table of the ratios: our figures first, the peers' behind them."""
    rows = [
        (figure, f"{median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}")
        for figure, values in sorted(found.items(), key=lambda item: not _is_ours(item[0]))
    ]
    head = ("speed ÷ the other checkout's", "median", "lowest", "highest")
    return "\n".join(as_table(head, rows))


def _is_ours(figure: str) -> bool:
    return figure.split(": ")[-1].startswith(_OURS)


def _measure(folder: Path, what: str, seconds: float) -> Figures:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [str(folder / ".venv/bin/python"), "-m", "benchmarks", "run", what]
        options = ["--rounds", "1", "--seconds", str(seconds), "--json", file.name]
        subprocess.run([*command, *options], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return speeds(what, json.load(file)[what])


def speeds(what: str, results: Results) -> Figures:
    """Return the rates of one benchmark, durations turned into rates, by their names."""
    found = {}
    for path, values in _leaves(results):
        if path[-1] == "rate" or path[0] == "rates":
            speed = median(values)
        elif path[0] == "seconds":
            speed = 1 / median(values)
        else:
            continue
        names = [name for name in path if name not in _NO_NAMES]
        found[": ".join((what, *names))] = speed
    return found


def _leaves(tree: Results, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value
