"""Matchers that know their bytes; a user may write the bytes themselves in place of a matcher."""

from collections.abc import Iterator

from sockharness.match.matcher import Matcher, OpenEnded, Result, Verdict, sizes_before
from sockharness.printable import show
from sockharness.record import record

__tracebackhide__ = True


@record
class Exact(Matcher):
    """Takes these bytes and no others."""

    data: bytes

    def match(self, data: bytes | bytearray) -> Result:
        """Compare byte by byte."""
        return self.resume(data, 0)

    def resume(self, data: bytes | bytearray, right: int) -> Result:
        """Compare from an offset on; the bytes before it are right."""
        size = len(self.data)
        same = common_prefix(self.data, data, right)
        if same == size:
            return Result(Verdict.MATCH, size, size)
        verdict = Verdict.MORE if same == len(data) else Verdict.MISMATCH
        return Result(verdict, same, size)

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield a match if the message has these bytes at that offset."""
        if message.startswith(self.data, start):
            yield Result(Verdict.MATCH, len(self.data), len(self.data))

    def expected(self) -> bytes:
        """Return the bytes."""
        return self.data

    def describe(self) -> str:
        """Return the bytes, printable."""
        return f'"{show(self.data, limit=40)}"'


@record
class StartsWith(OpenEnded):
    """Takes a message that begins with these bytes."""

    data: bytes

    def match(self, data: bytes | bytearray) -> Result:
        """Compare the beginning, and take all bytes."""
        result = Exact(self.data).match(data)
        if result.verdict is not Verdict.MATCH:
            return Result(Verdict.MISMATCH, result.size)
        return Result(Verdict.MATCH, len(data))

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Compare the beginning."""
        return self.match(message[start:])

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield these bytes alone, then with more and more of the bytes behind them."""
        if message.startswith(self.data, start):
            known = len(self.data)
            for size in sizes_before(message, start + known, before):
                yield Result(Verdict.MATCH, known + size)

    def describe(self) -> str:
        """Return the beginning."""
        return f'"{show(self.data, limit=40)}" and more'


def as_matcher(want: object) -> Matcher:
    """Return a matcher for bytes or text (UTF-8); return a matcher as it is.

    Raises:
        TypeError: `want` is something else.
    """
    if isinstance(want, str):
        return Exact(want.encode())
    if isinstance(want, bytes | bytearray | memoryview):
        return Exact(bytes(want))
    if isinstance(want, Matcher):
        return want
    raise TypeError(f"want: expected bytes, str or a matcher, got {want!r}")


def common_prefix(left: bytes, right: bytes | bytearray, known: int = 0) -> int:
    """Return how many bytes two byte strings have in common from their start.

    Args:
        left: the first.
        right: the second.
        known: how many bytes are known to be common; they are not compared.
    """
    wanted = memoryview(left)  # a slice of bytes would be a copy, perhaps of megabytes
    low, high = known, min(len(left), len(right))
    if right.startswith(wanted[low:high], low):
        return high
    while high - low > 1:  # left[:low] is common, left[:high] is not
        middle = (low + high) // 2
        if right.startswith(wanted[low:middle], low):
            low = middle
        else:
            high = middle
    return low
