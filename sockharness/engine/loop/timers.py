"""Timers, in a heap: calls at a time.

Equal times fire in the order in which the timers were made. A cancelled timer stays in the heap
until its time has come, or until more than half of the heap is such scrap: cancelling is then
cheap on average, and a program that arms and cancels for ever does not grow.

A pending timer counts as a reference that keeps `Reactor.run()` from returning, unless `unref()`.
"""

import heapq
from collections.abc import Callable
from typing import Any

Callback = Callable[..., object]

_SCRAP = 64  # so few cancelled timers are not worth a sweep


class Timer:
    """A call at a time; what `Reactor.call_later` and `Reactor.call_at` return.

    Attributes:
        when: seconds on the scale of `Reactor.now()`.
    """

    __slots__ = ("_args", "_function", "_referenced", "_timers", "when")

    def __init__(self, timers: "Timers", when: float, function: Callback, args: Any) -> None:
        self.when = when
        self._timers = timers
        self._function: Callback | None = function
        self._args: Any = args
        self._referenced = False
        self.ref()

    def __repr__(self) -> str:
        return f"<Timer {'pending' if self.pending else 'done'} when={self.when:.3f}>"

    @property
    def pending(self) -> bool:
        """Whether it will still be called."""
        return self._function is not None

    def cancel(self) -> None:
        """Do not call it; no effect once it was called."""
        if self._function is not None:
            self._settle()
            self._timers.count_scrap()

    def ref(self) -> None:
        """Keep `run()` from returning while this is pending, as a new timer does."""
        if self._function is not None and not self._referenced:
            self._referenced = True
            self._timers.references += 1

    def unref(self) -> None:
        """Let `run()` return while this is pending."""
        if self._referenced:
            self._referenced = False
            self._timers.references -= 1

    def fire(self) -> None:
        """Call the function now, unless it was called or cancelled before."""
        function, args = self._function, self._args
        if function is not None:
            self._settle()
            function(*args)

    def _settle(self) -> None:
        self.unref()
        self._function = None
        self._args = ()


class Timers:
    """All timers of a reactor.

    Attributes:
        heap: when, a serial number and the timer, cancelled ones too; if it is empty, nothing is
            due.
        references: how many pending timers keep `run()` from returning.
    """

    __slots__ = ("_made", "_scrap", "heap", "references")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Timer]] = []
        self._made = 0
        self._scrap = 0
        self.references = 0

    def __len__(self) -> int:
        return len(self.heap) - self._scrap

    def add(self, when: float, function: Callback, args: Any) -> Timer:
        """Return a new timer."""
        timer = Timer(self, when, function, args)
        self._made += 1
        heapq.heappush(self.heap, (when, self._made, timer))
        return timer

    def fire_due(self, now: float, guard: Callable[[Callback], object]) -> int:
        """Call `guard(timer.fire)` for each timer whose time has come; return how many.

        A timer that one of them makes waits for the next time.
        """
        newest = self._made
        fired = 0
        while self.heap and self.heap[0][0] <= now and self.heap[0][1] <= newest:
            timer = heapq.heappop(self.heap)[2]
            if timer.pending:
                fired += 1
                guard(timer.fire)
            else:
                self._scrap -= 1
        return fired

    def next_time(self) -> float | None:
        """Return when the earliest pending timer is due."""
        heap = self.heap
        while heap and not heap[0][2].pending:
            heapq.heappop(heap)
            self._scrap -= 1
        return heap[0][0] if heap else None

    def clear(self) -> None:
        """Forget all timers."""
        self.heap.clear()
        self._scrap = self.references = 0

    def count_scrap(self) -> None:
        """Count a cancelled timer; sweep when most of the heap is scrap."""
        self._scrap += 1
        if self._scrap >= _SCRAP and self._scrap * 2 > len(self.heap):
            self.heap = [entry for entry in self.heap if entry[2].pending]
            heapq.heapify(self.heap)
            self._scrap = 0
