"""The event loop: ready descriptors, timers that are due, posted calls.

One iteration (`run_once`), always in this order:

1. timers that are due, earliest first, equal times in the order they were made;
2. posted calls in order; what they post waits for the next iteration;
3. poll: sleeps until a descriptor is ready, a timer is due, a call is posted or `timeout` passes;
   does not sleep when step 1 or 2 called anything, so that `run_until` looks at its condition;
4. callbacks of the ready descriptors, in the order in which they became ready;
5. exceptions of all those callbacks are raised: one unchanged, several as an `ExceptionGroup`.

**Events of a closed descriptor.** A callback may close any descriptor and the kernel gives its
number to the next one. So events of the running batch are dropped when their descriptor was
unregistered or registered since the batch was fetched. epoll is level-triggered here: an event
dropped wrongly comes again.

**Exceptions.** A callback's exception never unwinds the engine call in whose course it was raised;
`report` keeps it until step 5. `KeyboardInterrupt` and its like come out before others.

**Threads.** A reactor belongs to one thread. Only `call_soon_threadsafe` may be called elsewhere:
`deque.append` is atomic, and the loop is woken through an eventfd, which exists from the first
such call on. No wake-up is lost: the poster appends and then looks at `_awake`; the loop clears
`_awake` and then looks at the queue.

**Forks.** An epoll instance is shared with a forked child: the child's `epoll_ctl` would change
the parent's interest. So a child may not use it at all; `_forks` counts forks to find out.

**Embedding** in another loop needs three names: watch `fileno()` for readability, wake up after
`poll_timeout()` seconds at the latest, then call `run_once(0)`. For asyncio and trio `embed` does
it: then the reactor has an outer loop, which calls `turn` in place of `run_once` and gets the
exceptions of step 5. The reactor calls its `rearm` when a call or a timer is added outside an
iteration, since no descriptor shows that.

Longer than other files because all of this shares one state; the heap of timers does not, and is in
`timers`.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from sockharness.engine import options
from sockharness.engine.loop import current, outer, threads
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.outer import Failure, OuterLoop
from sockharness.engine.loop.timers import Callback, Timer, Timers
from sockharness.errors import ClosedError, UsageError

_EVENTS_PER_POLL = 256
_LONGEST_SLEEP = 86_400.0  # epoll_wait(2) takes 24 days at most, outer loops less or more


_FORKED = "the reactor belongs to the parent process; make one after the fork"
_thread_now = threading.get_ident


class Abandoned(Protocol):
    """A handle that a reactor abandons when it is closed."""

    def abandon(self) -> None:
        """Release the descriptor and call no handler."""
        ...


class Reactor:
    """An event loop of its own; `with Reactor() as reactor:` closes it.

    Args:
        kernel: the door to the operating system, if not the ordinary one.
        debug: check in the hot methods too that the calling thread owns this reactor.
    """

    __slots__ = (
        "__weakref__",
        "_awake",
        "_failures",
        "_fresh",
        "_generation",
        "_handles",
        "_monotonic",
        "_outer",
        "_poller",
        "_posted",
        "_references",
        "_running",
        "_sources",
        "_thread",
        "_timers",
        "_unclaimed",
        "_wakeup",
        "_wakeup_lock",
        "_woken",
        "debug",
        "kernel",
        "on_exception",
        "segment_offload",
    )

    def __init__(self, kernel: Kernel | None = None, debug: bool = False) -> None:  # noqa: FBT001, FBT002 - api
        self.kernel = kernel or Kernel()
        self.debug = debug
        # Gets the exceptions of step 5 in place of the caller of `run_once`.
        self.on_exception: Callable[[BaseException], object] | None = None
        # Whether `UDPSocket.send_many` may; off while a capture looks at what is sent.
        self.segment_offload = True
        self._monotonic = self.kernel.monotonic
        self._poller: select.epoll | None = self.kernel.poller()
        self._sources: dict[int, Callable[[int], object]] = {}
        self._fresh: set[int] = set()
        self._handles: set[Abandoned] = set()
        self._timers = Timers()
        self._posted: deque[tuple[Callback, Any]] = deque()
        self._failures: list[Failure] = []
        self._unclaimed: list[Callable[[], BaseException | None]] = []
        self._references = 0
        self._running = False
        self._outer: OuterLoop | None = None
        self._awake = False
        self._woken = False
        self._wakeup = -1
        self._wakeup_lock = threading.Lock()
        self._thread = threading.get_ident()
        _forks.register()
        self._generation = _forks.count

    def __repr__(self) -> str:
        state = "closed" if self._poller is None else "running" if self._running else "idle"
        return (
            f"<Reactor {state} descriptors={len(self._sources)} timers={len(self._timers)}"
            f" posted={len(self._posted)} references={self._references + self._timers.references}>"
        )

    def __enter__(self) -> "Reactor":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # An epoll object closes itself; the eventfd is a bare number.
        if getattr(self, "_wakeup", -1) >= 0 and self._generation == _forks.count:
            os.close(self._wakeup)

    @staticmethod
    def current() -> "Reactor":
        """Return the calling thread's reactor, made on first use.

        Inside asyncio that is the running loop's, inside trio that of `attached()`.

        Raises:
            UsageError: inside trio, but not inside `attached()`.
        """
        library = outer.running()
        if library:
            inside: Reactor = current.of_outer_loop(library)
            return inside
        reactor: Reactor | None = current.of_thread()
        if reactor is None or reactor.closed or reactor.is_foreign:
            reactor = Reactor()
            current.make_current(reactor)
        return reactor

    def adopt_thread(self) -> None:
        """Let the calling thread own this reactor; nothing else may be using it."""
        self._thread = threading.get_ident()

    def make_current(self) -> None:
        """Make `Reactor.current()` return this reactor in the calling thread, which owns it now."""
        self.adopt_thread()
        current.make_current(self)

    # Descriptors

    def register(self, fd: int, mask: int, callback: Callable[[int], object]) -> None:
        """Call `callback(events)` whenever `fd` is ready for an event in `mask` (`select.EPOLL*`).

        EPOLLERR and EPOLLHUP are always reported. The descriptor stays the caller's; a
        registration does not keep `run()` from returning, `ref()` does.

        Raises:
            OSError: the kernel refuses (EBADF; EEXIST: registered already; EPERM: a plain file).
        """
        self._open_poller().register(fd, mask)
        self._sources[fd] = callback
        if self._running:
            self._fresh.add(fd)

    def modify(self, fd: int, mask: int) -> None:
        """Change the events for which a registered descriptor waits."""
        if self.debug:
            self.check()
        poller = self._poller
        if poller is None:
            raise ClosedError("the reactor is closed")
        self._check_process()
        poller.modify(fd, mask)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor; call this before it is closed. Unknown ones raise `KeyError`."""
        poller = self._open_poller()
        del self._sources[fd]
        poller.unregister(fd)

    # Calls

    def now(self) -> float:
        """Return the monotonic time in seconds, the scale of `call_at`."""
        return self._monotonic()

    def call_soon(self, function: Callback, *args: Any) -> None:
        """Call `function(*args)` in the next iteration; order is kept."""
        if self.debug:
            self.check()
        self._posted.append((function, args))
        if self._outer is not None:
            self._rearm()

    def call_soon_threadsafe(self, function: Callback, *args: Any) -> None:
        """Do the same from any thread, and wake the loop.

        Raises:
            ClosedError: the reactor is closed.
            UsageError: this process is a forked child of the reactor's.
        """
        if self._poller is None:
            raise ClosedError("the reactor is closed")
        self._check_process()
        self._posted.append((function, args))
        if not self._awake:
            self._wake()

    def call_later(self, delay: float, function: Callback, *args: Any) -> Timer:
        """Call `function(*args)` after `delay` seconds; return a timer that can cancel it.

        Raises as `call_at`.
        """
        return self.call_at(self._monotonic() + options.moment("delay", delay), function, *args)

    def call_at(self, when: float, function: Callback, *args: Any) -> Timer:
        """Call `function(*args)` when `now()` is `when`; a time in the past means soon.

        Raises:
            TypeError, ValueError: `when` is no number.
            ClosedError: the reactor is closed.
            UsageError: in another thread, in a forked child.
        """
        self._open_poller()
        timer = self._timers.add(options.moment("when", when), function, args)
        if self._outer is not None:
            self._rearm()
        return timer

    # Running

    def run_once(self, timeout: float | None = None) -> None:
        """Run one iteration; sleep at most `timeout` seconds (`None`: until something happens).

        A `timeout` below 0 means 0. Raises whatever the callbacks raised, when all of them are
        done, unless `on_exception` is set. Raises `UsageError` inside a callback, in a foreign
        thread, in a forked child, and for a reactor that runs inside another loop.
        """
        self._check_may_run("run_once")
        if timeout is not None:
            timeout = options.moment("timeout", timeout)
        self._iterate(timeout if timeout is None or timeout > 0 else 0.0)

    def turn(self) -> None:
        """Run one iteration without sleeping; for the outer loop alone."""
        self._iterate(0.0)

    def _iterate(self, timeout: float | None) -> None:
        poller = self._open_poller()
        self._running = self._awake = True
        try:
            busy = self._run_timers() + self._run_posted()
            self._awake = False
            pause = 0.0 if busy else self._sleep(timeout)
            events = poller.poll(-1 if pause is None else pause, _EVENTS_PER_POLL)
            self._awake = True
            if events:
                self._dispatch(events)
        finally:
            self._running = self._awake = False
        if self._failures:
            self.raise_failures()

    def run_until(self, condition: Callable[[], object], timeout: float | None = None) -> bool:
        """Run until `condition()` is true (returns `True`) or `timeout` seconds passed (`False`).

        The condition is looked at first and after every iteration. At least one iteration is run
        before the answer is `False`. Raises what callbacks raise, as `run_once`.
        """
        self._check_may_run("run_until")
        if timeout is not None:
            timeout = options.moment("timeout", timeout)
        deadline = None if timeout is None else self._monotonic() + timeout
        remaining = timeout if timeout is None or timeout > 0 else 0.0
        while not condition():
            self._iterate(remaining)
            if deadline is not None:
                remaining = deadline - self._monotonic()
                if remaining <= 0.0:
                    return bool(condition())
        return True

    def run(self) -> None:
        """Run until no referenced handle, no pending timer and no posted call is left.

        Raises what callbacks raise, and at the end the errors of failed connects that were not
        reported before (TCP-139).
        """
        self._check_may_run("run")
        while self._references or self._timers.references or self._posted or self._failures:
            self._iterate(None)
        self.report_unclaimed()
        if self._failures:
            self.raise_failures()

    def fileno(self) -> int:
        """Return the poller's descriptor: readable when a descriptor of this reactor is ready."""
        return self._open_poller().fileno()

    def poll_timeout(self) -> float | None:
        """Return the seconds until `run_once(0)` has work of its own (`None`: never)."""
        return self._sleep(None)

    @property
    def outer_loop(self) -> OuterLoop | None:
        """The loop of another library that drives this reactor."""
        return self._outer

    def attach(self, outer: OuterLoop) -> None:
        """Let an outer loop drive this reactor from now on, until it is closed."""
        self.check_inline("attach")
        self._outer = outer

    @property
    def running(self) -> bool:
        """Whether an iteration is under way, so that callbacks may be on the stack."""
        return self._running

    @property
    def asleep(self) -> bool:
        """Whether it waits or is about to, so that all it has begun is done; for any thread."""
        return not self._awake

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._poller is None

    @property
    def in_thread(self) -> bool:
        """Whether the calling thread owns this reactor."""
        return self._thread == threading.get_ident()

    @property
    def is_foreign(self) -> bool:
        """Whether this process is a forked child of the one to which the reactor belongs."""
        return self._generation != _forks.count

    def close(self) -> None:
        """Abandon all handles, calling no handler, as when a process ends; release the poller.

        Idempotent. Raises `UsageError` inside a callback, in another thread, in a forked child.
        """
        if self._poller is None:
            return
        self.check()
        if self._running:
            raise UsageError("close: the reactor is running; return from the callback first")
        for handle in list(self._handles):
            handle.abandon()
        outer_loop, self._outer = self._outer, None
        if outer_loop is not None:
            outer_loop.detach()
        with self._wakeup_lock:
            self._poller.close()
            self._poller = None
            if self._wakeup >= 0:
                os.close(self._wakeup)
                self._wakeup = -1
        self._sources.clear()
        self._timers.clear()
        self._posted.clear()

    def check(self) -> None:
        """Raise `UsageError` unless the calling thread and process own this reactor."""
        if self._thread != _thread_now():
            raise UsageError(threads.elsewhere(self._thread))
        if self._generation != _forks.count:
            raise UsageError(_FORKED)

    def _check_may_run(self, function: str) -> None:
        self.check_inline(function)
        if self._poller is None:
            raise ClosedError(f"{function}: the reactor is closed")
        if self._running:
            raise UsageError(
                f"{function}: the reactor is running already; return from the callback"
            )

    def check_inline(self, function: str) -> None:
        """Raise `UsageError` unless the calling thread may run this itself."""
        self.check()
        if self._outer is not None:
            raise UsageError(
                f"{function}: the reactor runs inside {self._outer.name}; await instead"
            )

    # For the handles

    def add(self, handle: Abandoned) -> None:
        """Abandon this handle when the reactor is closed."""
        self._handles.add(handle)

    def discard(self, handle: Abandoned) -> None:
        """Forget a handle that was closed."""
        self._handles.discard(handle)

    def ref(self) -> None:
        """Keep `run()` from returning until `unref()` was called as often."""
        self._references += 1

    def unref(self) -> None:
        """Take back one `ref()`."""
        self._references -= 1

    def report(self, error: BaseException, source: object = None) -> None:
        """Keep an exception that no handler of `source` took until the callbacks are done."""
        self._failures.append((error, source))
        if self._outer is not None:
            self._rearm()

    def add_unclaimed(self, claim: Callable[[], BaseException | None]) -> None:
        """Keep the error of a failed connect; `claim()` returns it when `run()` ends, or `None`."""
        self._unclaimed.append(claim)

    def report_unclaimed(self) -> None:
        """Report the errors of failed connects that no caller has got."""
        claims, self._unclaimed = self._unclaimed, []
        for claim in claims:
            error = claim()
            if error is not None:
                self.report(error)

    # Parts of an iteration

    def _run_timers(self) -> int:
        timers = self._timers
        return timers.fire_due(self._monotonic(), self._guard) if timers.heap else 0

    def _run_posted(self) -> int:
        posted = self._posted
        count = len(posted)
        for _ in range(count):
            function, args = posted.popleft()
            self._guard(function, *args)
        return count

    def _guard(self, function: Callback, *args: Any) -> None:
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - kept, and raised by `run_once`
            self._failures.append((error, None))

    def _sleep(self, timeout: float | None) -> float | None:
        if self._posted or self._failures:
            return 0.0
        when = self._timers.next_time() if self._timers.heap else None
        if when is None:
            return None if timeout is None else min(timeout, _LONGEST_SLEEP)
        due = max(0.0, when - self._monotonic())
        return min(due, _LONGEST_SLEEP if timeout is None else timeout, _LONGEST_SLEEP)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        sources = self._sources
        fresh = self._fresh
        fresh.clear()
        for fd, mask in events:
            callback = sources.get(fd)
            if callback is None or fd in fresh:
                continue
            try:
                callback(mask)
            except BaseException as error:  # noqa: BLE001 - kept, and raised by `run_once`
                self._failures.append((error, None))

    def raise_failures(self) -> None:
        """Raise what was reported, or give it to `on_exception`, or to the outer loop."""
        failures, self._failures = self._failures, []
        if self.on_exception is not None:
            for failure, _ in failures:
                self.on_exception(failure)
        elif self._outer is not None:
            self._outer.take(failures)
        elif failures:
            raise_together([failure for failure, _ in failures])

    def _rearm(self) -> None:
        if self._outer is not None and not self._running:
            self._outer.rearm()

    # Ownership

    def _open_poller(self) -> select.epoll:
        if self._poller is None:
            raise ClosedError("the reactor is closed")
        self.check()
        return self._poller

    def _check_process(self) -> None:
        if self._generation != _forks.count:
            raise UsageError(_FORKED)

    def _wake(self) -> None:
        with self._wakeup_lock:
            if self._poller is None or self._woken:
                return
            if self._wakeup < 0:
                self._wakeup = self.kernel.wakeup()
                self._sources[self._wakeup] = self._on_woken
                self._poller.register(self._wakeup, select.EPOLLIN)
            self._woken = True
            os.eventfd_write(self._wakeup, 1)

    def _on_woken(self, _mask: int) -> None:
        os.eventfd_read(self._wakeup)
        self._woken = False


def raise_together(errors: list[BaseException]) -> NoReturn:
    """Raise one exception unchanged, several as a group, `KeyboardInterrupt` and its like first."""
    urgent = next((each for each in errors if not isinstance(each, Exception)), None)
    ordinary = [each for each in errors if isinstance(each, Exception)]
    if len(errors) == 1:
        raise errors[0]
    if urgent is None:
        raise ExceptionGroup("exceptions in handlers", ordinary)
    raise urgent from (ExceptionGroup("exceptions in handlers", ordinary) if ordinary else None)


class _Forks:
    """Counts how often this process became a forked child, from the first reactor on."""

    __slots__ = ("_registered", "count")

    def __init__(self) -> None:
        self.count = 0
        self._registered = False

    def register(self) -> None:
        if not self._registered:
            self._registered = True
            os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self.count += 1


_forks = _Forks()
