"""Places in a text file, for messages that a person can click on."""

import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

WIDTH = 120
"""The most characters of a source line that are quoted."""
_TICKS = 50_000_000  # ns; the longest tick is 10 ms


class Location(NamedTuple):  # every node of every spec has one: a dataclass takes thrice as long
    """A place in a file: line and column count from 1, columns in characters.

    `width` is the number of characters that the thing at this place occupies on its line.
    """

    path: str
    line: int
    column: int
    width: int = 1

    def __str__(self) -> str:
        return f"{_visible(self.path)}:{self.line}:{self.column}"


def source_lines(path: str) -> list[str]:
    """Return the lines of a text file, or nothing if it can no longer be read.

    Messages quote the source; a file that vanished meanwhile must not hide the message.
    """
    try:
        return _lines(path, state_of(Path(path)))
    except (OSError, ValueError):
        return []


def excerpt(location: Location, *, note: str = "", before: int = 1) -> list[str]:
    """Quote the line at `location` with `before` lines above it, and point at the place.

    Returns the lines of the quotation; the last one holds carets and `note`. Empty if the file is
    gone. If the line is long, only the part around the place is quoted.
    """
    lines = source_lines(location.path)
    if not 0 < location.line <= len(lines):
        return []
    line = lines[location.line - 1]
    cut = max(0, location.column - WIDTH // 2) if len(line) > WIDTH else 0
    first = max(1, location.line - before)
    quoted = [
        f"{number:>4} | {_visible(lines[number - 1][cut : cut + WIDTH])}".rstrip()
        for number in range(first, location.line + 1)
    ]
    column = location.column - cut
    width = max(1, min(location.width, len(line[: cut + WIDTH]) - location.column + 1))
    return [*quoted, f"     | {' ' * (column - 1)}{'^' * width}  {note}".rstrip()]


def state_of(path: Path) -> object:
    """Return a key of a file's state: two keys are equal if the file did not change in between.

    The time of a change is the time of the kernel's last tick. So a file that changed just now may
    change again with the same time. Its key then equals no other key.

    Raises:
        OSError: as of stat(2).
    """
    found = path.stat()
    if time.time_ns() - found.st_mtime_ns < _TICKS:
        return object()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1)
def _lines(path: str, _state: object) -> list[str]:
    """Split a file where editors do; many messages may quote the same one."""
    return Path(path).read_text(encoding="utf-8-sig", errors="replace").split("\n")


def _visible(text: str) -> str:
    """Replace control and invisible characters, one by one: the carets must stay in place."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _stand_in(each) for each in text)


def _stand_in(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return " "
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
