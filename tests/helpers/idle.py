"""Time that passes only while a reactor waits and nothing comes.

Some replays have short limits, so that a wait in vain ends soon. They must not fail because the
machine was busy or the replay had much work: this time does not count as waiting. All peers run on
the reactor, so bytes under way have arrived when the poller is asked.
"""

import select
import time
from typing import Any, cast

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.replay.setup import Setup
from sockharness.story.timeline import Timeline

TICK = 1e-6
"""The time that a look at the clock takes: no two events are simultaneous, and every wait ends."""


class IdleTime(Kernel):
    """A kernel, and a clock, whose time is that of waiting in vain."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        """Return the seconds that were waited in vain."""
        self.time += TICK
        return self.time

    now = monotonic  # of a clock

    def poller(self) -> select.epoll:
        """Return a poller that makes the time pass."""
        return cast("select.epoll", _Poller(self))


class _Poller:
    def __init__(self, idle: IdleTime) -> None:
        self._idle = idle
        self._poller = select.epoll()

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        began = time.monotonic()
        events = self._poller.poll(timeout, maxevents)
        waited = 0.0 if events else max(timeout, time.monotonic() - began)
        self._idle.time += waited
        return events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


def let_only_idle_time_pass(setup: Setup) -> None:
    """Give a setup that was not entered yet a reactor and a timeline of such a time."""
    idle = IdleTime()
    setup.reactor.close()
    setup.reactor = Reactor(idle)
    setup.timeline = Timeline(idle)
