"""Time as a parameter.

A *timeout* is a length and a *deadline* a point, both in seconds as `float`, on the monotonic
clock: the wall clock jumps. Code that needs the time is given a `Clock`; a test gives a
    `ManualClock`.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return seconds since an arbitrary point; never goes back."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    __slots__ = ()

    now = staticmethod(time.monotonic)


class ManualClock:
    """A clock that stands still until `advance` moves it."""

    __slots__ = ("_now",)

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def now(self) -> float:
        """Return the time that was set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the time on by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        self._now += seconds
