"""Find the line of a user's own file that called this package.

A failure quotes the line that a person wrote, not ours. To note the call costs next to nothing (a
code object and an offset); the file, line and columns are worked out when a failure needs them.
"""

import os
import sys
from dataclasses import dataclass
from itertools import islice
from types import CodeType

from sockharness.location import Location

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call that is being made: its code and the offset of its instruction."""

    code: CodeType
    offset: int

    def location(self) -> Location:
        """Return its location; the path is relative if the file is below this folder."""
        line, last_line, column, last_column = next(
            islice(self.code.co_positions(), self.offset // 2, None), (None,) * 4
        )
        # columns are counted in bytes of UTF-8; they are only where the carets go
        first = (column or 0) + 1
        width = (last_column or first) - (column or 0) if last_line == line else 1000
        return Location(
            _short(self.code.co_filename), line or self.code.co_firstlineno, first, max(1, width)
        )


def call_site() -> CallSite:
    """Return the call in the first frame outside this package, or the outermost one."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented, and the only way to ask for a frame
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return CallSite(frame.f_code, frame.f_lasti)


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
