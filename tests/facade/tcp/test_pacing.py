from collections.abc import Callable

from sockharness.facade.tcp.pacing import LONGEST_PAUSE, QUICK, Pacing


class Reader:
    """A program that reads on request, and a loop that keeps its scheduled calls."""

    def __init__(self) -> None:
        self.unread = True
        self.pauses: list[float] = []
        self.timers: list[Callable[[], None]] = []
        self.woken = 0
        self.pacing = Pacing(lambda: not self.unread, self._later)

    def _later(self, pause: float, function: Callable[[], None]) -> None:
        self.pauses.append(pause)
        self.timers.append(function)

    def ask(self) -> bool:
        return self.pacing.may_go_on(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def turn(self) -> None:
        timers, self.timers = self.timers, []
        for timer in timers:
            timer()


def test_what_was_read_holds_nothing_back() -> None:
    reader = Reader()
    reader.unread = False

    assert reader.ask()
    assert reader.timers == []


def test_whoever_is_held_back_is_woken_to_ask_again() -> None:
    reader = Reader()

    held = [reader.ask(), reader.ask()]
    reader.unread = False
    reader.turn()

    assert held == [False, False]
    assert reader.woken == 1, "two questions in one turn of the loop are one"
    assert reader.ask()


def test_questions_become_rarer_and_begin_anew_when_it_was_read() -> None:
    reader = Reader()
    for _ in range(8 * QUICK):
        reader.ask()
        reader.turn()
    pauses = list(reader.pauses)

    reader.unread = False
    reader.ask()
    reader.unread = True
    reader.ask()

    assert pauses[:QUICK] == [0.0] * QUICK
    assert pauses[QUICK:] == sorted(pauses[QUICK:])
    assert pauses[-1] == LONGEST_PAUSE
    assert reader.pauses[-1] == 0.0
