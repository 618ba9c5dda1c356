"""The numbers that the tables and the plot derive from the results of a run.

Results are plain data, written as JSON: `about` describes the machine and the run, and each
benchmark has the values of all rounds. Only this module and its users turn them into medians.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.engine import Figures

Results = dict[str, Any]

OURS = "sockharness"
EMBEDDED = "sockharness in asyncio"
PLAIN = "asyncio"


def median(values: Sequence[float]) -> float:
    """Return the median of the rounds."""
    return statistics.median(values)


def cpu(figures: Figures) -> float:
    """Return the CPU, user and system, of one unit in µs."""
    pairs = zip(figures["user"], figures["system"], strict=True)
    return median([user + system for user, system in pairs])


def costs(scaling: Results, server: str) -> list[tuple[int, float]]:
    """Return what one message on each of the connections costs: (connections, CPU µs)."""
    return [(int(count), int(count) * cpu(each[server])) for count, each in scaling.items()]


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Return the power of x with which y grows: 1 is linear (least squares on logarithms)."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    return statistics.linear_regression(xs, ys).slope


def servers(comparisons: Results) -> list[str]:
    """Return the servers of a set of comparisons, such as those of `scaling`."""
    return list(next(iter(comparisons.values())))
