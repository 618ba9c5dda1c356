"""Matchers that decide how many bytes they take, and accept any bytes, or a hash of them."""

import hashlib
from collections.abc import Iterator

from sockharness.match.matcher import Matcher, OpenEnded, Result, Verdict, sizes_before
from sockharness.printable import count, show
from sockharness.record import record

__tracebackhide__ = True


@record
class Length(Matcher):
    """Takes a number of bytes, whatever they are."""

    size: int

    def match(self, data: bytes | bytearray) -> Result:
        """Count the bytes."""
        if len(data) >= self.size:
            return Result(Verdict.MATCH, self.size, self.size)
        return Result(Verdict.MORE, len(data), self.size)

    def describe(self) -> str:
        """Return the count."""
        return count(self.size, "byte")


@record
class Sha256(Matcher):
    """Takes a number of bytes with this SHA-256 (FIPS 180-4)."""

    digest: str
    size: int

    def match(self, data: bytes | bytearray) -> Result:
        """Hash the bytes when there are enough."""
        if len(data) < self.size:
            return Result(Verdict.MORE, len(data), self.size)
        found = hashlib.sha256(memoryview(data)[: self.size]).hexdigest()
        verdict = Verdict.MATCH if found == self.digest else Verdict.MISMATCH
        return Result(verdict, self.size if verdict is Verdict.MATCH else 0, self.size)

    def describe(self) -> str:
        """Return the count and the digest."""
        return f"{count(self.size, 'byte')} with SHA-256 {self.digest[:12]}…"


@record
class AnyBytes(OpenEnded):
    """Takes any message."""

    def match(self, data: bytes | bytearray) -> Result:
        """Take all bytes."""
        return Result(Verdict.MATCH, len(data))

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Take all bytes."""
        return Result(Verdict.MATCH, len(message) - start)

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield no bytes, then more and more."""
        return (Result(Verdict.MATCH, size) for size in sizes_before(message, start, before))

    def describe(self) -> str:
        """Return those words."""
        return "any bytes"


class Until(Matcher):
    """Takes any bytes up to a separator, which it takes too."""

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
        """Return the separator."""
        return f'bytes up to "{show(self.separator, limit=20)}"'
