import pytest

from sockharness.clock import ManualClock, MonotonicClock


def test_the_clock_of_the_machine_never_goes_back() -> None:
    clock = MonotonicClock()

    times = [clock.now() for _ in range(100)]

    assert times == sorted(times)


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(5.0)
    assert clock.now() == clock.now() == 5.0

    clock.advance(1.5)
    clock.advance(0)

    assert clock.now() == 6.5


def test_a_manual_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="expected 0 or more, got -1"):
        ManualClock().advance(-1)
