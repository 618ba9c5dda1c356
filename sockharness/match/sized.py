"""Matchers that take any bytes, or as many as they state."""

import hashlib
from collections.abc import Iterator

from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.printable import count, show
from sockharness.record import record


@record
class Length(Matcher):
    """Any bytes, so many of them."""

    size: int

    def match(self, data: bytes | bytearray) -> Result:
        """Count."""
        if len(data) >= self.size:
            return Result(Verdict.MATCH, self.size, self.size)
        return Result(Verdict.MORE, len(data), self.size)

    def describe(self) -> str:
        """Return the count."""
        return count(self.size, "byte")


@record
class Sha256(Matcher):
    """So many bytes with this SHA-256 (FIPS 180-4)."""

    digest: str
    size: int

    def match(self, data: bytes | bytearray) -> Result:
        """Hash when enough bytes are there."""
        if len(data) < self.size:
            return Result(Verdict.MORE, len(data), self.size)
        found = hashlib.sha256(memoryview(data)[: self.size]).hexdigest()
        verdict = Verdict.MATCH if found == self.digest else Verdict.MISMATCH
        return Result(verdict, self.size if verdict is Verdict.MATCH else 0, self.size)

    def describe(self) -> str:
        """Return count and digest."""
        return f"{count(self.size, 'byte')} with SHA-256 {self.digest[:12]}…"


@record
class AnyBytes(Matcher):
    """A message, whatever it is."""

    def match(self, data: bytes | bytearray) -> Result:
        """Take all."""
        return Result(Verdict.MATCH, len(data))

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Take all."""
        return Result(Verdict.MATCH, len(message) - start)

    def beginnings(self, message: bytes, start: int = 0) -> Iterator[Result]:
        """Yield nothing, then more and more bytes."""
        return (Result(Verdict.MATCH, size) for size in range(len(message) - start + 1))

    def costly(self) -> list[str]:
        """Describe itself: in a `Concat` it may take many sizes."""
        return [self.describe()]

    @property
    def needs_message(self) -> bool:
        """It does: it ends where the message ends."""
        return True

    def describe(self) -> str:
        """Say so."""
        return "any bytes"


class Until(Matcher):
    """Any bytes up to and including a separator."""

    __slots__ = ("separator",)

    def __init__(self, separator: bytes) -> None:
        if not separator:
            raise ValueError("separator: expected at least one byte")
        self.separator = separator

    def match(self, data: bytes | bytearray) -> Result:
        """Look for the separator."""
        found = data.find(self.separator)
        if found < 0:
            return Result(Verdict.MORE, len(data))
        return Result(Verdict.MATCH, found + len(self.separator))

    def describe(self) -> str:
        """Name the separator."""
        return f'bytes up to "{show(self.separator, limit=20)}"'
