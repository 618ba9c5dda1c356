"""The reactor of the calling thread, or of the outer loop that runs in it.

`Reactor.current()` asks here. A thread has at most one reactor of its own. A reactor inside asyncio
or trio is found by `embed`, which imports the reactor: so it registers itself here.
"""

import threading
from collections.abc import Callable
from typing import Any

_thread = threading.local()
_finders: list[Callable[[str], Any]] = []


def of_thread() -> Any:
    """Return the reactor of the calling thread, `None` if it has none."""
    return getattr(_thread, "reactor", None)


def make_current(reactor: object) -> None:
    """Let this be the reactor of the calling thread."""
    _thread.reactor = reactor


def of_outer_loop(library: str) -> Any:
    """Return the reactor of the loop of `library`, `"asyncio"` or `"trio"`, in this thread."""
    return _finders[-1](library)


def register_finder(find: Callable[[str], Any]) -> None:
    """Let `find(library)` answer for outer loops."""
    _finders.append(find)
