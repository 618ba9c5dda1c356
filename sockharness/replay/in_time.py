"""A limit for what is computed: a pattern can take exponential time, and it may be a stranger's.

Python's `re` looks for signals while it matches, so a signal's handler that raises ends it. The
timer is the one of `ITIMER_VIRTUAL`, which counts what this process computes: a busy machine
takes nothing from it, and nobody's `SIGALRM` is in the way. Python handles signals in the main
thread, which is where pytest runs tests; in another thread there is no limit.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from sockharness.location import Location
from sockharness.match.matcher import Matcher
from sockharness.printable import count
from sockharness.replay.failed import StepFailed, failed
from sockharness.story.expectations import BytesExpected, Expectation
from sockharness.story.messages import DatagramsExpected

T = TypeVar("T")

PATTERN_SECONDS = 1.0
"""Seconds that the patterns of a step may compute each time that they are asked. A scale below 1
does not shorten them: it is no waiting."""


class TooLong(Exception):
    """The limit is over."""


class Judge:
    """Lets an expectation judge what came, no longer than the patterns in it may take."""

    __slots__ = ("_location", "_peer", "_seconds", "_slow")

    def __init__(self, expectation: Expectation, location: Location, *, scale: float) -> None:
        self._slow = [each for matcher in _matchers(expectation) for each in matcher.costly()]
        self._peer = expectation.channel.peer
        self._location = location
        self._seconds = PATTERN_SECONDS * max(1.0, scale)

    def ask(self, question: Callable[[], T]) -> T:
        """Return what one of the expectation's methods returns.

        Raises:
            StepFailed: the patterns take longer.
        """
        if not self._slow:
            return question()
        try:
            return in_time(question, self._seconds)
        except TooLong:
            raise _too_slow(self._peer, self._slow, self._location, self._seconds) from None


def in_time(compute: Callable[[], T], seconds: float) -> T:
    """Return what a function returns; its signals have to be looked for, as `re` does.

    Raises:
        TooLong: it computed for so long.
    """
    if threading.current_thread() is not threading.main_thread():
        return compute()
    running = True

    def over(_signal: int, _frame: FrameType | None) -> None:
        if running:  # else it is done already
            raise TooLong

    before = signal.signal(signal.SIGVTALRM, over)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        result = compute()
        running = False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *timer)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)
    return result


def _matchers(expectation: Expectation) -> list[Matcher]:
    match expectation:
        case BytesExpected():
            return [expectation.matcher]
        case DatagramsExpected():
            return list(expectation.matchers)
    return []


def _too_slow(peer: str, slow: list[str], location: Location, seconds: float) -> StepFailed:
    what = "a pattern" if len(slow) == 1 else count(len(slow), "pattern")
    words = f"{peer}: {what} took longer than {seconds:g} s"
    hint = "write no repetition inside a repetition, as in (a+)+, nor two ways to match the same"
    return failed(location, words, f"{words}: {', '.join(slow)}; {hint}")
