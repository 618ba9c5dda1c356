"""The matcher for a regular expression.

On a stream it tries ever longer runs of bytes. If the pattern ends in literal bytes, only runs that
end in them are tried. Limits keep the cost of a pattern that does not match within bounds.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from sockharness.match.matcher import Matcher, Result, Verdict, sizes_before
from sockharness.printable import show
from sockharness.record import record

__tracebackhide__ = True

REGEX_WINDOW = 64 * 1024
"""The most bytes of a stream that a pattern looks at, if it ends in literal bytes."""
OPEN_WINDOW = 4 * 1024
"""The most bytes that any other pattern looks at: it is tried at every byte, at quadratic cost."""

REGEX_WORK = 64 * 1024 * 1024
"""The most bytes that a pattern looks at in all runs together."""


@record
class Regex(Matcher):
    """Takes the shortest run of bytes that a regular expression matches as a whole."""

    pattern: re.Pattern[bytes]

    def match(self, data: bytes | bytearray) -> Result:
        """Try ever longer runs from the start."""
        last = literal_end(self.pattern)
        window = REGEX_WINDOW if last else OPEN_WINDOW
        looked_at = 0
        for end in _ends(data, last, min(len(data), window)):
            found = self.pattern.fullmatch(data, 0, end)
            if found is not None:
                return _matched(found)
            looked_at += end
            if looked_at > REGEX_WORK:
                return _no_match_in(end)
        return Result(Verdict.MORE, 0) if len(data) < window else _no_match_in(window)

    def whole(self, message: bytes, start: int = 0) -> Result:
        """Match the pattern against all bytes, without a limit."""
        found = self.pattern.fullmatch(message[start:] if start else message)
        return Result(Verdict.MISMATCH, 0) if found is None else _matched(found)

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        """Yield each run of bytes that the pattern matches as a whole."""
        rest = message[start:] if start else message  # `^` matches where the part begins
        last = literal_end(self.pattern)
        ends = sizes_before(rest, 0, before) if before else _ends(rest, last, len(rest), shortest=0)
        for end in ends:
            found = self.pattern.fullmatch(rest, 0, end)
            if found is not None:
                yield _matched(found)

    def names(self) -> set[str]:
        """Return the names of the pattern's groups."""
        return set(self.pattern.groupindex)

    def costly(self) -> list[str]:
        """Describe the pattern."""
        return [self.describe()]

    def describe(self) -> str:
        """Return the pattern."""
        return f"/{show(self.pattern.pattern, limit=40)}/"


def _matched(found: re.Match[bytes]) -> Result:
    named = {name: text for name, text in found.groupdict().items() if text is not None}
    return Result(Verdict.MATCH, found.end(), captures=named)


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
    """Return the bytes in which every whole match of a pattern ends; empty if not certain."""
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


def _ends(
    data: bytes | bytearray, last: bytes, longest: int, *, shortest: int = 1
) -> Iterator[int]:
    """Yield the lengths, up to `longest`, at which a run may end that ends in `last`."""
    if not last:
        yield from range(shortest, longest + 1)
        return
    position = data.find(last, 0, longest)
    while position >= 0:
        yield position + len(last)
        position = data.find(last, position + 1, longest)
