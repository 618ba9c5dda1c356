"""Places in a text file, for messages that a person can click on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file: line and column count from 1, columns in characters.

    `width` is the number of characters that the thing at this place occupies on its line.
    """

    path: str
    line: int
    column: int
    width: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


def source_lines(path: str) -> list[str]:
    """Return the lines of a text file, or nothing if it can no longer be read.

    Messages quote the source; a file that vanished meanwhile must not hide the message.
    """
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def excerpt(location: Location, *, note: str = "", before: int = 1) -> list[str]:
    """Quote the line at `location` with `before` lines above it, and point at the place.

    Returns the lines of the quotation; the last one holds carets and `note`. Empty if the file is
    gone.
    """
    lines = source_lines(location.path)
    if not 0 < location.line <= len(lines):
        return []
    first = max(1, location.line - before)
    quoted = [
        f"{number:>4} | {lines[number - 1].rstrip()}" for number in range(first, location.line + 1)
    ]
    line = lines[location.line - 1]
    width = max(1, min(location.width, len(line) - location.column + 1))
    pointer = " " * (location.column - 1) + "^" * width
    return [*quoted, f"     | {pointer}  {note}".rstrip()]
