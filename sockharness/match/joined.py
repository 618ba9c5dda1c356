"""Matchers that are made of other matchers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.record import record

__tracebackhide__ = True


@record
class Capture(Matcher):
    """Takes what another matcher takes, and captures it under a name."""

    name: str
    inner: Matcher

    def match(self, data: bytes | bytearray) -> Result:
        """Judge as the inner matcher does, and capture the bytes."""
        return self._keep(self.inner.match(data), data, 0)

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Judge as the inner matcher does, and capture the message."""
        return self._keep(self.inner.whole(message, start), message, start)

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield the matches of the inner matcher, each with its capture."""
        inner = self.inner.beginnings(message, start, before)
        return (self._keep(result, message, start) for result in inner)

    def expected(self) -> bytes | None:
        """Return the bytes that the inner matcher expects."""
        return self.inner.expected()

    def names(self) -> set[str]:
        """Return this name, and those of the inner matcher."""
        return {self.name} | self.inner.names()

    def costly(self) -> list[str]:
        """Describe what is costly in the inner matcher."""
        return self.inner.costly()

    @property
    def takes_any_more(self) -> bool:
        """Whether the inner matcher does."""
        return self.inner.takes_any_more

    @property
    def needs_message(self) -> bool:
        """Whether the inner matcher does."""
        return self.inner.needs_message

    def describe(self) -> str:
        """Describe the inner matcher and the name."""
        return f"{self.inner.describe()} as {self.name}"

    def _keep(self, result: Result, data: bytes | bytearray, start: int) -> Result:
        if result.verdict is not Verdict.MATCH:
            return result
        taken = bytes(data[start : start + result.size])
        return replace(result, captures=result.captures | {self.name: taken})


@record
class Concat(Matcher):
    """Takes the bytes of one part after another."""

    parts: Sequence[Matcher]

    def match(self, data: bytes | bytearray) -> Result:
        """Judge part after part, each from the end of the one before."""
        position = 0
        captures: dict[str, bytes] = {}
        for part in self.parts:
            result = part.match(data[position:] if position else data)
            position += result.size
            captures |= result.captures
            if result.verdict is not Verdict.MATCH:
                return Result(result.verdict, position, None, captures, result.because)
        return Result(Verdict.MATCH, position, position, captures)

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Divide the message among the parts."""
        search = _Search(self.parts, message, start)
        for result in search.results(whole=True):
            return result
        return search.failure()

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield each beginning that can be divided among the parts, in no order of size."""
        return _Search(self.parts, message, start).results(whole=False)

    def expected(self) -> bytes | None:
        """Return the bytes of all parts, if each part knows its own."""
        parts = [part.expected() for part in self.parts]
        return None if None in parts else b"".join(part for part in parts if part is not None)

    def names(self) -> set[str]:
        """Return the names of all parts."""
        return set().union(*(part.names() for part in self.parts))

    def costly(self) -> list[str]:
        """Describe what is costly in each part."""
        return [each for part in self.parts for each in part.costly()]

    @property
    def takes_any_more(self) -> bool:
        """Whether all parts do."""
        return bool(self.parts) and all(part.takes_any_more for part in self.parts)

    @property
    def needs_message(self) -> bool:
        """Whether any part does."""
        return any(part.needs_message for part in self.parts)

    def describe(self) -> str:
        """Describe each part."""
        return " then ".join(part.describe() for part in self.parts)


class _Search:
    """Looks for the ways to divide a message among parts.

    It goes forward from part to part, and back where a part has nothing more to take. What can
    follow depends on the offset alone, whatever the parts before took: so each part is asked once
    at each offset. A part that takes any more is asked only at the first offset where it takes
    something: from a later one it ends nowhere else.
    """

    __slots__ = ("_asked", "_enough", "_furthest", "_message", "_parts", "_start")

    def __init__(self, parts: Sequence[Matcher], message: bytes, start: int) -> None:
        self._parts = parts
        self._message = message
        self._start = start
        self._asked: set[tuple[int, int]] = set()  # offset and part
        self._enough: dict[int, int] = {}  # by part: from this offset on it need not be asked
        self._furthest = (start, 0)

    def results(self, *, whole: bool) -> Iterator[Result]:
        """Yield a match for each way.

        Args:
            whole: whether the last part has to end where the message ends.
        """
        if not self._parts and not (whole and self._start < len(self._message)):
            yield _joined([])
        offsets = [self._start]  # where each part that is being asked begins
        asking = [self._ask(self._start, 0, whole=whole)] if self._parts else []
        taken: list[Result] = []
        while asking:
            result = next(asking[-1], None)
            if result is None:
                asking.pop()
                offsets.pop()
                del taken[-1:]
                continue
            end, number = offsets[-1] + result.size, len(asking)
            if number == len(self._parts):
                yield _joined([*taken, result])
            elif end >= self._enough.get(number, end + 1):
                self._pass_over(end, number, asking)
            elif (end, number) not in self._asked:
                taken.append(result)
                offsets.append(end)
                asking.append(self._ask(end, number, whole=whole))

    def failure(self) -> Result:
        """Return a mismatch that counts the right bytes on the way that leads furthest."""
        if not self._parts:
            return Result(Verdict.MISMATCH, 0)
        offset, number = self._furthest
        right = self._parts[number].match(self._message[offset:]).size
        return Result(Verdict.MISMATCH, offset - self._start + right)

    def _pass_over(self, end: int, number: int, asking: list[Iterator[Result]]) -> None:
        """Do not ask a part again; do not ask the one before it for greater sizes either."""
        if self._parts[number - 1].takes_any_more:
            asking[-1] = iter(())
            end = len(self._message)
        self._furthest = max(self._furthest, (end, number))

    def _ask(self, offset: int, number: int, *, whole: bool) -> Iterator[Result]:
        self._asked.add((offset, number))
        self._furthest = max(self._furthest, (offset, number))
        part = self._parts[number]
        if part.takes_any_more and next(part.beginnings(self._message, offset), None) is not None:
            self._enough[number] = offset
        if number < len(self._parts) - 1:
            # One byte is enough: where it stands is where a difference can be reported.
            before = (self._parts[number + 1].expected() or b"")[:1]
            return part.beginnings(self._message, offset, before)
        if not whole:
            return part.beginnings(self._message, offset)
        result = part.whole(self._message, offset)
        return iter([result] if result.verdict is Verdict.MATCH else [])


def _joined(taken: Sequence[Result]) -> Result:
    size = sum(each.size for each in taken)
    captures: dict[str, bytes] = {}
    for each in taken:
        captures |= each.captures
    return Result(Verdict.MATCH, size, size, captures)
