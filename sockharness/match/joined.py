"""Matchers that are made of others, and what is asked of a matcher with all that is in it."""

from collections.abc import Sequence
from dataclasses import replace

from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.match.regex import Regex
from sockharness.record import record


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
