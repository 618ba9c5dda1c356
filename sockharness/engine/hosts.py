"""Loops of others: which one is running here, and what a reactor asks of the one that drives it.

Nothing is imported to find out: a library that nobody has imported is not running. trio can run
inside asyncio (guest mode) and asyncio inside trio; then the one whose code is running counts.
"""

import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

# An exception that no handler took, and the object whose handler raised it, if it was one.
Failure = tuple[BaseException, object]


class Call:
    """A call of an `async def` handler, of which nothing has run yet.

    Attributes:
        coroutine: what to run.
        socket: whose handler it is.
        then: to be called when it has ended, however it did.
    """

    __slots__ = ("coroutine", "socket", "then")

    def __init__(self, coroutine: Coroutine[Any, Any, object], socket: object) -> None:
        self.coroutine = coroutine
        self.socket = socket
        self.then: Callable[[], object] | None = None


class Host(Protocol):
    """A loop that drives a reactor; its methods are called in the reactor's thread.

    Attributes:
        name: for messages.
    """

    name: str

    def rearm(self) -> None:
        """Look at `poll_timeout()` again: outside an iteration there came something to do."""
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
