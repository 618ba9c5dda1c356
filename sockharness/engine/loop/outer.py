"""Outer loops (asyncio, trio): detection, the interface for a reactor, and waiting in a task.

It imports nothing to find out: a library that is not imported is not running. trio can run
inside asyncio (guest mode) and asyncio inside trio; then the one whose code is running counts.
"""

import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

# An exception that no handler took, and the object whose handler raised it, if it was one.
Failure = tuple[BaseException, object]
Ring = Callable[[], object]


class Call:
    """A call of an `async def` handler that has not begun to run.

    Attributes:
        coroutine: the coroutine to run.
        socket: the owner of the handler.
        then: called when the coroutine has ended, in whatever way.
    """

    __slots__ = ("coroutine", "socket", "then")

    def __init__(self, coroutine: Coroutine[Any, Any, object], socket: object) -> None:
        self.coroutine = coroutine
        self.socket = socket
        self.then: Callable[[], object] | None = None


class OuterLoop(Protocol):
    """A loop that drives a reactor; its methods are called in the reactor's thread.

    Attributes:
        name: for messages.
    """

    name: str

    def rearm(self) -> None:
        """Look at `poll_timeout()` again: work was added outside an iteration."""
        ...

    def spawn(self, call: Call) -> Call:
        """Begin the call after the iteration, those of one iteration in order; return it."""
        ...

    def take(self, failures: list[Failure]) -> None:
        """Report the exceptions of an iteration, or raise them."""
        ...

    def detach(self) -> None:
        """Forget the reactor, whose descriptor is closed when this has returned."""
        ...


def running() -> str:
    """Return `"asyncio"` or `"trio"` when its loop is running in this thread, else `""`."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return "trio"
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            return "asyncio"
    return "trio" if trio is not None and trio.lowlevel.in_trio_run() else ""


async def until_rung(listening: Callable[[Ring], AbstractContextManager[object]]) -> None:
    """Suspend this task of asyncio or trio until a function is called, in any thread.

    Args:
        listening: gets the function; it is called inside the context manager that this returns.
    """
    ring, wait = _trio_bell() if running() == "trio" else _asyncio_bell()
    with listening(ring):
        await wait()


def _asyncio_bell() -> tuple[Ring, Callable[[], Awaitable[object]]]:
    import asyncio

    loop, event, here = asyncio.get_running_loop(), asyncio.Event(), threading.get_ident()

    def ring() -> None:
        if threading.get_ident() == here:
            event.set()
        else:
            with suppress(RuntimeError):  # the loop has ended, and with it the waiting task
                loop.call_soon_threadsafe(event.set)

    return ring, event.wait


def _trio_bell() -> tuple[Ring, Callable[[], Awaitable[object]]]:
    import trio

    token, event = trio.lowlevel.current_trio_token(), trio.Event()

    def ring() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(event.set)

    return ring, event.wait
