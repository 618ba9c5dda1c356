"""A time limit for patterns: one can take exponential time, and a stranger may have written it.

Python's `re` checks for signals while it matches, so a signal handler that raises ends it. The
timer is `ITIMER_VIRTUAL`, which counts the time that this process computes: a busy machine takes
nothing from it, and a user's `SIGALRM` is not affected. Python handles signals in the main thread,
which is where pytest runs tests; in another thread there is no limit.

Python drops what is raised inside a callback of the garbage collector or a destructor. So nothing
is collected meanwhile, and the signal comes again and again.
"""

import gc
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
"""The seconds that the patterns of a step may compute each time they are asked. A scale below 1
does not shorten them, because computing is not waiting."""


class TooLong(Exception):
    """The limit is over."""


class Judge:
    """Asks an expectation, with a time limit for the patterns in it."""

    __slots__ = ("_location", "_peer", "_seconds", "_slow")

    def __init__(self, expectation: Expectation, location: Location, *, scale: float) -> None:
        self._slow = [each for matcher in _matchers(expectation) for each in matcher.costly()]
        self._peer = expectation.channel.peer
        self._location = location
        self._seconds = PATTERN_SECONDS * max(1.0, scale)

    def ask(self, question: Callable[[], T]) -> T:
        """Call one of the expectation's methods; return its result.

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
    """Call a function that checks for signals, as `re` does; return its result.

    Raises:
        TooLong: it computed for so long.
    """
    if threading.current_thread() is not threading.main_thread():
        return compute()
    running = True

    def over(_signal: int, _frame: FrameType | None) -> None:
        if running:  # else it is done already
            raise TooLong

    collects = gc.isenabled()
    gc.disable()
    before = signal.signal(signal.SIGVTALRM, over)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        result = compute()
    finally:
        running = False
        signal.setitimer(signal.ITIMER_VIRTUAL, *timer)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)
        if collects:
            gc.enable()
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
