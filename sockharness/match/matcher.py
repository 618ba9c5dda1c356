"""The interface of matchers: they judge a stream and a whole message.

**A stream has no messages.** So `match` is asked again and again about the bytes received so far.
It gives one of three answers: the bytes match (and how many it takes), they may match when more
come, or they cannot match (and where they differ). The answer depends on the bytes alone, never on
how they were cut. A matcher takes the fewest bytes that satisfy it. In a `Concat` each part keeps
the bytes that it took: wrong bytes behind it fail at once, and it never takes the next line too.

**A datagram is a message.** `whole` asks whether a matcher takes all of it. In a `Concat` the parts
divide the message in any way that satisfies all of them: `beginnings` yields what a part may take.

To add a matcher, write a class with `match` and `describe`. Override the other methods where the
default is not right. `sockharness.match` names it for fixtures, the language table for specs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import field
from enum import Enum, auto

from sockharness.record import record

__tracebackhide__ = True


class Verdict(Enum):
    """What a matcher says about the bytes so far."""

    MATCH = auto()
    MORE = auto()
    MISMATCH = auto()


@record
class Result:
    """A matcher's answer.

    Attributes:
        verdict: see `Verdict`.
        size: for a match the bytes taken; otherwise how many bytes from the start are right.
        needed: how many bytes are needed in all, if that is known.
        captures: the captured bytes, by name.
        because: why no further bytes can help, if none of the bytes so far is wrong.
    """

    verdict: Verdict
    size: int
    needed: int | None = None
    captures: dict[str, bytes] = field(default_factory=dict)
    because: str = ""


class Matcher(ABC):
    """Judges whether bytes are what was expected."""

    __slots__ = ()

    @abstractmethod
    def match(self, data: bytes | bytearray) -> Result:
        """Judge the bytes from the start of `data`; there may be more than it takes."""

    @abstractmethod
    def describe(self) -> str:
        """Return in a few words what is expected."""

    def resume(self, data: bytes | bytearray, right: int) -> Result:
        """Judge as `match` does.

        Args:
            data: the bytes, from the start.
            right: the `size` of an earlier answer `MORE` about the beginning of the same bytes.
        """
        return self.match(data)

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Judge a message from an offset to its end, as a whole; never `MORE`."""
        size = len(message) - start
        for result in self.beginnings(message, start):
            if result.size == size:
                return result
        return Result(Verdict.MISMATCH, self.match(message[start:]).size)

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield each match at an offset of a message, the shortest first where that is cheap.

        Args:
            message: the message.
            start: the offset.
            before: the bytes that the next part expects, if they are known. A match that they do
                not follow may be left out.
        """
        result = self.match(message[start:] if start else message)
        if result.verdict is Verdict.MATCH:
            yield result

    def expected(self) -> bytes | None:
        """Return the expected bytes, if they are known."""
        return None

    def names(self) -> set[str]:
        """Return the names under which it captures bytes."""
        return set()

    def costly(self) -> list[str]:
        """Return descriptions of the parts that may take long to judge."""
        return []

    @property
    def takes_any_more(self) -> bool:
        """Whether it takes every greater size too where it takes one, as any bytes do.

        Its `beginnings` rise in size. From a later offset it never ends where it does not end from
        an earlier one, if it takes anything there. So a `Concat` need not ask it again.
        """
        return False

    @property
    def needs_message(self) -> bool:
        """Whether it takes all bytes to the end of a message, so that a stream cannot have it."""
        return False


class OpenEnded(Matcher):
    """A matcher that takes all bytes to the end of a message, however many there are."""

    __slots__ = ()

    def costly(self) -> list[str]:
        """Return its description: in a `Concat` it may take any of many sizes."""
        return [self.describe()]

    @property
    def takes_any_more(self) -> bool:
        """True: it takes as many bytes more as there are."""
        return True

    @property
    def needs_message(self) -> bool:
        """True: it takes all bytes to the end."""
        return True


def sizes_before(message: bytes, start: int, before: bytes) -> Iterable[int]:
    """Return how many bytes from an offset on may stand before some bytes, in rising order."""
    if not before:
        return range(len(message) - start + 1)
    return _sizes_before(message, start, before)


def _sizes_before(message: bytes, start: int, before: bytes) -> Iterator[int]:
    position = message.find(before, start)
    while position >= 0:
        yield position - start
        position = message.find(before, position + 1)
