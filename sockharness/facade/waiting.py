"""Wait for something that the harness's thread sees: one mechanism for every method that waits.

An `Awaited` says, under the lock, whether it can be had (`ready`) and takes it (`take`). A waiter
is registered with `Waiters` under that lock. Whenever something happens on the harness's thread,
the waiters that are ready are woken. Each takes for itself, in its own thread or task, so a wait
that was cancelled meanwhile has taken nothing and leaves nothing behind.

`wait_here` blocks the thread; `wait_async` suspends a task of asyncio or trio. To find out which of
them runs, only libraries that are imported already are asked.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Literal, Protocol, TypeVar

from sockharness.errors import UsageError

__tracebackhide__ = True

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Awaited(Protocol[T_co]):
    """Something to wait for. Every method is called with the lock held."""

    def ready(self) -> bool:
        """Return whether it is there, or cannot come any more."""
        ...

    def take(self) -> T_co:
        """Take it; raises if it cannot come any more."""
        ...

    def give_up(self, lasted: float, limit: float) -> BaseException:
        """Return the exception to raise when the time is over."""
        ...


class Waiters:
    """The waits that are going on. Every method is called with the lock held.

    Attributes:
        waiting: what each waits for, and the function that wakes it.
    """

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[tuple[Awaited[object], Callable[[], None]]] = []

    def notify(self) -> None:
        """Wake the waits that are ready."""
        for wanted, wake in self.waiting:
            if wanted.ready():
                wake()

    def add(self, wanted: Awaited[object], wake: Callable[[], None]) -> None:
        """Call `wake` when `wanted` is ready; sometimes in vain."""
        self.waiting.append((wanted, wake))

    def remove(self, wanted: Awaited[object]) -> None:
        """Forget a wait."""
        self.waiting = [entry for entry in self.waiting if entry[0] is not wanted]

    def is_read(self, owner: object) -> bool:
        """Return whether a test waits for bytes or datagrams of this stream or socket."""
        return any(getattr(wanted, "reads", None) is owner for wanted, _ in self.waiting)

    def __len__(self) -> int:
        return len(self.waiting)


class Waiting(Generic[T]):
    """One wait: for what, and how long."""

    __slots__ = ("_began", "_limit", "_lock", "_waiters", "_wanted")

    def __init__(
        self, wanted: Awaited[T], *, limit: float, lock: threading.RLock, waiters: Waiters
    ) -> None:
        self._wanted = wanted
        self._limit = limit
        self._lock = lock
        self._waiters = waiters
        self._began = time.monotonic()

    @contextmanager
    def registered(self, wake: Callable[[], None]) -> Iterator[None]:
        """Be among the waiters within the block."""
        with self._lock:
            self._waiters.add(self._wanted, wake)
        try:
            yield
        finally:
            with self._lock:
                self._waiters.remove(self._wanted)

    def left(self) -> float:
        """Return the seconds left, not less than 0."""
        return max(0.0, self._began + self._limit - time.monotonic())

    def try_take(self) -> tuple[T] | None:
        """Return the result of the wait in a tuple, or `None` while there is none.

        A result that is there when the time is over still counts. Raises if the time is over or
        the result cannot come any more.
        """
        late = self.left() == 0
        with self._lock:
            if self._wanted.ready():
                return (self._wanted.take(),)
            if late:
                raise self._wanted.give_up(time.monotonic() - self._began, self._limit)
        return None


def wait_here(waiting: Waiting[T]) -> T:
    """Block this thread until the wait is over."""
    bell = threading.Event()
    with waiting.registered(bell.set):
        while True:
            bell.clear()
            taken = waiting.try_take()
            if taken is not None:
                return taken[0]
            bell.wait(waiting.left())


async def wait_async(waiting: Waiting[T]) -> T:
    """Suspend this task of asyncio or trio until the wait is over."""
    library = running_library()
    if not library:
        raise UsageError("this await needs a running asyncio or trio loop")
    bell: _Bell = _TrioBell() if library == "trio" else _AsyncioBell()
    with waiting.registered(bell.ring):
        while True:
            bell.clear()
            taken = waiting.try_take()
            if taken is not None:
                return taken[0]
            await bell.wait(waiting.left())


def refuse_in_loop(method: str) -> None:
    """Raise if a loop runs in this thread, which the plain form of `method` would block.

    The awaitable form is a method, also if the plain form is a property.

    Raises:
        UsageError: it names the awaitable form.
    """
    library = running_library()
    if library:
        raise UsageError(f"{method} would block the {library} loop: await .aio.{method}() instead")


def running_library() -> Literal["asyncio", "trio", ""]:
    """Return the library whose task runs in this thread, or the empty text."""
    if "trio" in sys.modules:
        import trio

        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            pass
        else:
            return "trio"
    if "asyncio" in sys.modules:
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            return "asyncio"
    return ""


class _Bell(Protocol):
    def clear(self) -> None: ...

    def ring(self) -> None: ...

    async def wait(self, seconds: float) -> None: ...


class _AsyncioBell:
    __slots__ = ("_event", "_loop")

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def clear(self) -> None:
        self._event.clear()

    def ring(self) -> None:
        if not self._loop.is_closed():  # closed: a task that was never finished waits for nothing
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> None:
        handle = self._loop.call_later(seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            handle.cancel()


class _TrioBell:
    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def clear(self) -> None:
        import trio

        self._event = trio.Event()

    def ring(self) -> None:
        self._token.run_sync_soon(self._event.set, idempotent=True)

    async def wait(self, seconds: float) -> None:
        import trio

        with trio.move_on_after(seconds):
            await self._event.wait()
