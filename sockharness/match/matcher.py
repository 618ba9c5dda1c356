r"""Matchers: what bytes satisfy an expectation.

A stream has no messages, so a matcher is asked again and again about the bytes that are there, and
answers one of three: they match (and how many it takes), they may yet match (more is needed), they
cannot match (and where they differ). The answer depends on the bytes alone, never on how they were
cut, so segmentation does not change a verdict:

- `Exact` takes just as many bytes as it names;
- `Regex` takes the shortest run of bytes that the pattern matches as a whole, so it should end in
  what ends the message (`\r\n`), not in something that could go on. If the pattern ends in literal
  bytes, only runs that end in them are tried;
- `Length` and `Sha256` take a stated number of bytes.

A datagram is a message: `whole` asks whether a matcher takes all of it. `AnyBytes` and `StartsWith`
are for messages only, because on a stream there is nothing that ends what they take.
"""

from dataclasses import field
from enum import Enum, auto
from typing import Protocol

from sockharness.record import record


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
        size: for a match the bytes taken; else how many bytes from the start are as they should be.
        wanted: how many bytes are needed in all, where that is known.
        captures: what was captured by name.
        because: why nothing that may come will do, if no byte of it is wrong.
    """

    verdict: Verdict
    size: int
    wanted: int | None = None
    captures: dict[str, bytes] = field(default_factory=dict)
    because: str = ""


class Matcher(Protocol):
    """Says whether bytes are what was expected."""

    def match(self, data: bytes | bytearray) -> Result:
        """Judge the bytes from the start of `data`; there may be more than it takes."""
        ...

    def expected(self) -> bytes | None:
        """Return the very bytes wanted, where they are known."""
        ...

    def describe(self) -> str:
        """Say in a few words what is wanted."""
        ...
