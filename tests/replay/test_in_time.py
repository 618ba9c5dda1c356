"""The limit for what patterns compute."""

import gc
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from sockharness.match.exact import Exact
from sockharness.match.joined import Concat
from sockharness.match.sized import AnyBytes
from sockharness.replay.in_time import TooLong, in_time

SLOW = [
    (rb"(a+)+b|(a|aa)+d", b"a" * 60 + b"c"),
    (rb"(.*)*(.*)*(.*)*x", b"a" * 60_000),
    (rb"((a*)*)*b", b"a" * 60),
    (rb"(?:a|aa)+?b", b"a" * 60),
    (rb"(?>(a|aa)+b)", b"a" * 60),
]


def slow(pattern: bytes = SLOW[0][0], data: bytes = SLOW[0][1]) -> Callable[[], object]:
    return partial(re.compile(pattern, re.DOTALL).fullmatch, data)


@pytest.mark.parametrize(("pattern", "data"), SLOW)
def test_a_pattern_that_backtracks_without_end_is_cut_short(pattern: bytes, data: bytes) -> None:
    with pytest.raises(TooLong):
        in_time(slow(pattern, data), 0.01)


def test_a_datagram_that_parts_can_divide_in_very_many_ways_is_cut_short() -> None:
    wanted = Concat([AnyBytes(), Exact(b"a"), AnyBytes(), Exact(b"a"), AnyBytes(), Exact(b"b")])
    assert wanted.costly() == ["any bytes"] * 3

    with pytest.raises(TooLong):
        in_time(partial(wanted.whole, b"a" * 60_000), 0.01)


def test_a_limit_that_is_lost_once_comes_again() -> None:
    def compute() -> None:
        with suppress(TooLong):  # as in a destructor
            slow()()
        slow()()

    with pytest.raises(TooLong):
        in_time(compute, 0.01)


def test_no_garbage_is_collected_meanwhile_since_what_its_callbacks_raise_is_lost() -> None:
    phases: list[str] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        phases.append(phase)

    def compute() -> int:
        gc.callbacks.append(note)
        kept = [[index] for index in range(100_000)]  # the collector looks after each 700
        gc.callbacks.remove(note)
        return len(kept)

    assert in_time(compute, 60.0) == 100_000
    assert phases == []
    assert gc.isenabled()


def test_what_is_done_in_time_is_returned() -> None:
    assert in_time(lambda: 5, 1.0) == 5


def test_what_is_raised_in_time_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 // 0, 1.0)


@pytest.mark.parametrize("compute", [slow(), lambda: 5], ids=["too long", "in time"])
def test_the_handler_and_the_timer_of_others_are_theirs_again(
    compute: Callable[[], object],
) -> None:
    def theirs(*_: object) -> None:
        """Do nothing."""

    before = signal.signal(signal.SIGVTALRM, theirs)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 1000.0, 2000.0)
        with suppress(TooLong):
            in_time(compute, 0.01)
        left, interval = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        assert (left > 900, interval) == (True, 2000.0)
        assert signal.getsignal(signal.SIGVTALRM) is theirs
    finally:
        signal.signal(signal.SIGVTALRM, before)


def test_in_another_thread_there_is_no_limit() -> None:
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(in_time(lambda: 5, 1e-6)))

    thread.start()
    thread.join(10)

    assert done == [5]
