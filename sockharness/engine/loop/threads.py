"""The error text for a call from a wrong thread.

The text is made when it is needed and finds out by itself which call was made, so that the check,
which nearly always passes, costs a comparison.
"""

import sys
import threading
from types import FrameType

_ENGINE = __name__.removesuffix(".loop.threads")


def elsewhere(owner: int) -> str:
    """Return the complaint about a call of the engine outside the thread with this identity."""
    name = next((each.name for each in threading.enumerate() if each.ident == owner), None)
    whose = f"{name!r}" if name is not None else "which has ended"
    return (
        f"{_called(sys._getframe(1))}: the reactor belongs to another thread, {whose}; here, in"  # noqa: SLF001 - the stack
        f" {threading.current_thread().name!r}, use reactor.call_soon_threadsafe"
    )


def _called(frame: FrameType | None) -> str:
    """Return the name of the engine's public function that the user called."""
    called = ""
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_ENGINE):
        if not frame.f_code.co_name.startswith("_"):
            called = frame.f_code.co_name
        frame = frame.f_back
    return called
