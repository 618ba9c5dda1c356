"""Waiting, within the limits of a step and of the whole case."""

from collections.abc import Callable

from sockharness.replay.setup import Setup
from sockharness.sockspec.text.typed import CASE_SECONDS
from sockharness.story.outcome import Wait

CASE_LIMIT = "the case's limit"
STEP = 5.0
"""Seconds that a step may take, unless it says otherwise."""


class Waiting:
    """Runs the reactor until something holds, or its time is over.

    Args:
        setup: what the replay owns.
        scale: multiplies every limit.
    """

    __slots__ = ("_scale", "_setup")

    def __init__(self, setup: Setup, scale: float) -> None:
        self._setup = setup
        self._scale = scale

    def wait(
        self, condition: Callable[[], bool], within: float | None, *, peer: str
    ) -> Wait | None:
        """Wait for a condition; return `None`, or the wait that ran out.

        Args:
            condition: is asked first and after each turn of the reactor.
            within: the seconds that the step has; `None` for the default.
            peer: who waits, for the report.

        Raises:
            EngineFailed: an engine that hangs or died is to blame.
        """
        return self._run(condition, *self._wanted(within), peer=peer)

    def last(self, condition: Callable[[], bool], seconds: float, *, peer: str) -> Wait | None:
        """Wait for `seconds`, the scale included, or until the case is over; see `wait`."""
        return self._run(condition, seconds, "for", peer=peer)

    def since(self, began: float, within: float | None, *, peer: str) -> Wait:
        """Return a wait that did not run out: what was waited for became impossible."""
        limit, origin = self._limit(began, *self._wanted(within))
        return self._made(peer, began, limit, origin)

    def _run(
        self, condition: Callable[[], bool], seconds: float, origin: str, *, peer: str
    ) -> Wait | None:
        began = self._setup.timeline.now()
        limit, origin = self._limit(began, seconds, origin)
        if self._setup.run_until(condition, limit):
            return None
        self._setup.driver.sync()
        return self._made(peer, began, limit, origin)

    @property
    def step(self) -> float:
        """The seconds that a step may take, the scale included."""
        return STEP * self._scale

    def _wanted(self, within: float | None) -> tuple[float, str]:
        """Return the seconds that a step asks for, and where that comes from."""
        if within is None:
            return self.step, "default"
        return within * self._scale, "within"

    def _limit(self, began: float, seconds: float, origin: str) -> tuple[float, str]:
        """Return the seconds that there are: no wait goes beyond the limit of the case."""
        left = max(0.0, CASE_SECONDS * self._scale - began)
        return (seconds, origin) if seconds <= left else (left, CASE_LIMIT)

    def _made(self, peer: str, began: float, limit: float, origin: str) -> Wait:
        lasted = self._setup.timeline.now() - began
        return Wait(peer=peer, lasted=lasted, limit=limit, origin=origin, scale=self._scale)
