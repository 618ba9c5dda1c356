"""Hold a piece of a reply back until the other program has read everything before it.

Each such piece arrives in a read of its own. The other program cannot announce that it has read, so
the kernel is asked (`sockharness.facade.queues`): a few times in quick succession, because a
program that waits in `recv` needs some ten microseconds, then less and less often.

Free of sockets: it is given functions. It belongs to the harness's thread.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockharness.engine.loop.reactor import Reactor

__tracebackhide__ = True

QUICK = 20
"""The number of checks without a pause."""
PAUSE = 0.001
LONGEST_PAUSE = 0.016


class Pacing:
    """Asks whether everything was read, until it was.

    Args:
        all_read: whether the other program has read everything.
        later: calls a function after a number of seconds; 0: in the next turn of the loop.
    """

    __slots__ = ("_all_read", "_asked", "_later", "_waiting")

    def __init__(
        self,
        all_read: Callable[[], bool],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._all_read = all_read
        self._later = later
        self._asked = 0
        self._waiting = False

    def may_go_on(self, ask_again: Callable[[], None]) -> bool:
        """Return whether everything was read; if not, call `ask_again` a little later."""
        if self._all_read():
            self._asked = 0
            return True
        if not self._waiting:
            self._waiting = True
            self._asked += 1
            pause = min(PAUSE * 2 ** max(0, self._asked // QUICK - 1), LONGEST_PAUSE)
            self._later(0.0 if self._asked <= QUICK else pause, lambda: self._wake(ask_again))
        return False

    def _wake(self, ask_again: Callable[[], None]) -> None:
        self._waiting = False
        ask_again()


class Alarm:
    """Calls a function after some seconds, once; while it is set, to set it again does nothing."""

    __slots__ = ("_function", "_reactor", "_set")

    def __init__(self, reactor: "Reactor", function: Callable[[], None]) -> None:
        self._reactor = reactor
        self._function = function
        self._set = False

    def set(self, seconds: float) -> None:
        """Call the function after a number of seconds."""
        if not self._set:
            self._set = True
            self._reactor.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._set = False
        self._function()
