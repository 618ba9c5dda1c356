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

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Protocol

from sockharness.printable import count, show
from sockharness.record import record

REGEX_WINDOW = 64 * 1024
"""The most bytes that a regular expression looks at, if it ends in literal bytes."""
OPEN_WINDOW = 4 * 1024
"""The most that any other looks at: it is tried at every byte, so its cost grows with the square.
"""

REGEX_WORK = 64 * 1024 * 1024
"""The most bytes that it looks at in all, over the runs that it tries."""


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


@record
class Exact:
    """These bytes and no others."""

    data: bytes

    def match(self, data: bytes | bytearray) -> Result:
        """Compare byte by byte."""
        return self.go_on(data, 0)

    def go_on(self, data: bytes | bytearray, right: int) -> Result:
        """Compare from an offset on: the bytes before it are known to be as they should be."""
        size = len(self.data)
        same = common_prefix(self.data, data, right)
        if same == size:
            return Result(Verdict.MATCH, size, size)
        verdict = Verdict.MORE if same == len(data) else Verdict.MISMATCH
        return Result(verdict, same, size)

    def expected(self) -> bytes:
        """Return the bytes."""
        return self.data

    def describe(self) -> str:
        """Return the bytes, printable."""
        return f'"{show(self.data, limit=40)}"'


@record
class Length:
    """Any bytes, so many of them."""

    size: int

    def match(self, data: bytes | bytearray) -> Result:
        """Count."""
        if len(data) >= self.size:
            return Result(Verdict.MATCH, self.size, self.size)
        return Result(Verdict.MORE, len(data), self.size)

    def expected(self) -> None:
        """Return nothing: any bytes will do."""

    def describe(self) -> str:
        """Return the count."""
        return count(self.size, "byte")


@record
class Sha256:
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

    def expected(self) -> None:
        """Return nothing: a hash does not tell the bytes."""

    def describe(self) -> str:
        """Return count and digest."""
        return f"{count(self.size, 'byte')} with SHA-256 {self.digest[:12]}…"


@record
class Regex:
    """The shortest run of bytes that a regular expression matches as a whole."""

    pattern: re.Pattern[bytes]

    def match(self, data: bytes | bytearray) -> Result:
        """Try ever longer runs from the start."""
        last = literal_end(self.pattern)
        window = REGEX_WINDOW if last else OPEN_WINDOW
        looked_at = 0
        for end in _ends(data, last, min(len(data), window)):
            found = self.pattern.fullmatch(data, 0, end)
            if found is not None:
                named = {name: text for name, text in found.groupdict().items() if text is not None}
                return Result(Verdict.MATCH, end, captures=named)
            looked_at += end
            if looked_at > REGEX_WORK:
                return _no_match_in(end)
        return Result(Verdict.MORE, 0) if len(data) < window else _no_match_in(window)

    def expected(self) -> None:
        """Return nothing: a pattern has many readings."""

    def describe(self) -> str:
        """Return the pattern."""
        return f"/{show(self.pattern.pattern, limit=40)}/"


@record
class Capture:
    """What another matcher takes, remembered under a name."""

    name: str
    inner: Matcher

    def match(self, data: bytes | bytearray) -> Result:
        """Judge as the inner matcher does, and keep what it took."""
        result = self.inner.match(data)
        if result.verdict is not Verdict.MATCH:
            return result
        captures = result.captures | {self.name: bytes(data[: result.size])}
        return Result(result.verdict, result.size, result.wanted, captures)

    def expected(self) -> bytes | None:
        """Return what the inner matcher wants."""
        return self.inner.expected()

    def describe(self) -> str:
        """Describe the inner matcher and the name."""
        return f"{self.inner.describe()} as {self.name}"


@record
class Concat:
    """One matcher's bytes after another's."""

    parts: Sequence[Matcher]

    def match(self, data: bytes | bytearray) -> Result:
        """Judge part after part, each from where the one before ended."""
        position = 0
        captures: dict[str, bytes] = {}
        for part in self.parts:
            result = part.match(data[position:])
            position += result.size
            captures |= result.captures
            if result.verdict is not Verdict.MATCH:
                return Result(result.verdict, position, None, captures, result.because)
        return Result(Verdict.MATCH, position, position, captures)

    def expected(self) -> bytes | None:
        """Return the bytes of all parts, if each part knows its own."""
        parts = [part.expected() for part in self.parts]
        return None if None in parts else b"".join(part for part in parts if part is not None)

    def describe(self) -> str:
        """Describe each part."""
        return " then ".join(part.describe() for part in self.parts)


@record
class AnyBytes:
    """A message, whatever it is."""

    def match(self, data: bytes | bytearray) -> Result:
        """Take all."""
        return Result(Verdict.MATCH, len(data))

    def expected(self) -> None:
        """Return nothing: any bytes will do."""

    def describe(self) -> str:
        """Say so."""
        return "any bytes"


@record
class StartsWith:
    """A message that begins with these bytes."""

    data: bytes

    def match(self, data: bytes | bytearray) -> Result:
        """Compare the beginning; take all."""
        result = Exact(self.data).match(data)
        if result.verdict is not Verdict.MATCH:
            return Result(Verdict.MISMATCH, result.size)
        return Result(Verdict.MATCH, len(data))

    def expected(self) -> None:
        """Return nothing: it may end in any bytes."""

    def describe(self) -> str:
        """Return the beginning."""
        return f'"{show(self.data, limit=40)}" and more'


def whole(matcher: Matcher, message: bytes) -> Result:
    """Judge a message: it matches if the matcher takes all of it. Never `MORE`.

    In a `Concat` every part but the last one takes what it takes on a stream.
    """
    match matcher:
        case Regex(pattern):
            found = pattern.fullmatch(message)
            if found is None:
                return Result(Verdict.MISMATCH, 0)
            named = {name: text for name, text in found.groupdict().items() if text is not None}
            return Result(Verdict.MATCH, len(message), captures=named)
        case Capture(name, inner):
            result = whole(inner, message)
            return replace(result, captures=result.captures | {name: message})
        case Concat(parts):
            return _whole_in_turn(parts, message)
    result = matcher.match(message)
    if result.verdict is Verdict.MATCH and result.size == len(message):
        return result
    return replace(result, verdict=Verdict.MISMATCH)


def _whole_in_turn(parts: Sequence[Matcher], message: bytes) -> Result:
    *first, last = parts
    begun = Concat(first).match(message)
    if begun.verdict is not Verdict.MATCH:
        return replace(begun, verdict=Verdict.MISMATCH)
    rest = whole(last, message[begun.size :])
    return replace(rest, size=begun.size + rest.size, captures=begun.captures | rest.captures)


def patterns(matcher: Matcher) -> list[str]:
    """Return the regular expressions in a matcher, as they are described."""
    match matcher:
        case Regex():
            return [matcher.describe()]
        case Capture(_, inner):
            return patterns(inner)
        case Concat(parts):
            return [each for part in parts for each in patterns(part)]
    return []


def _no_match_in(size: int) -> Result:
    because = f"no match in the first {size // 1024} KiB"
    return Result(Verdict.MISMATCH, 0, because=because)


_TOKEN = re.compile(
    rb"""
    (?P<quantifier> [*+?] | \{[0-9]*,?[0-9]*\} )
  | (?P<group> \( ) | (?P<close> \) )
  | (?P<set> \[ \^? \]? (?: \\. | [^\]\\] )* \] )
  | (?P<escape> \\ [rntfv] ) | \\x (?P<hex> [0-9a-fA-F]{2} ) | \\ (?P<escaped> [^a-zA-Z0-9] )
  | (?P<other> \\[0-9]+ | \\. | [.^$|{] )
  | (?P<literal> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"f": b"\f", b"v": b"\v"}
# with these flags a literal stands for other bytes than itself
_LOOSE = re.IGNORECASE | re.VERBOSE


@lru_cache(maxsize=1024)
def literal_end(pattern: re.Pattern[bytes]) -> bytes:
    """Return bytes in which every whole match of a pattern ends; empty if that is not certain."""
    if pattern.flags & _LOOSE or b"(?#" in pattern.pattern:
        return b""
    run: list[bytes] = []
    depth = 0
    for token in _TOKEN.finditer(pattern.pattern):
        depth += (token.lastgroup == "group") - (token.lastgroup == "close")
        if depth:
            run.clear()
        elif token[0] == b"|":
            return b""
        elif (literal := _literal(token)) is None:
            run.clear()
        else:
            run.append(literal)
    return b"".join(run)


def _literal(token: re.Match[bytes]) -> bytes | None:
    """Return the byte that a token stands for, or nothing."""
    match token.lastgroup:
        case "literal" | "escaped":
            return token[token.lastgroup]
        case "escape":
            return _ESCAPES[token[0][1:]]
        case "hex":
            return bytes.fromhex(token["hex"].decode())
    return None


def _ends(data: bytes | bytearray, last: bytes, longest: int) -> Iterator[int]:
    """Yield the lengths, up to `longest`, at which a run may end that ends in `last`."""
    if not last:
        yield from range(1, longest + 1)
        return
    position = data.find(last, 0, longest)
    while position >= 0:
        yield position + len(last)
        position = data.find(last, position + 1, longest)


def as_matcher(want: object) -> Matcher:
    """Return a matcher for what a user may write as an expectation: bytes, text (UTF-8) or a
    matcher.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(want, str):
        return Exact(want.encode())
    if isinstance(want, bytes | bytearray | memoryview):
        return Exact(bytes(want))
    if all(callable(getattr(want, name, None)) for name in ("match", "expected", "describe")):
        return want  # type: ignore[return-value]  # the line above is what Matcher asks for
    raise TypeError(f"want: expected bytes, str or a matcher, got {want!r}")


def common_prefix(left: bytes, right: bytes | bytearray, known: int = 0) -> int:
    """Return how many bytes two byte strings have in common from their start.

    Args:
        left: one of them.
        right: the other.
        known: how many are known to be common, and are not looked at.
    """
    wanted = memoryview(left)  # a slice of bytes would be a copy, of megabytes perhaps
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
