"""Matchers for `expect` and `when`: they describe bytes.

On a stream a matcher takes the first unread bytes, as few as satisfy it, however they were cut. A
datagram satisfies it as a whole or not at all. A reply that is a function gets the bytes that the
matcher took.
"""

import re

from sockharness.match.exact import Exact, StartsWith
from sockharness.match.exact import as_matcher as _as_matcher
from sockharness.match.joined import Concat
from sockharness.match.matcher import Matcher
from sockharness.match.regex import Regex
from sockharness.match.sized import AnyBytes, Length, Sha256

__tracebackhide__ = True  # for pytest: a wrong argument is shown where it was written


def exact(data: bytes) -> Matcher:
    """Match these bytes and no others, as bytes alone do."""
    return Exact(data)


def length(size: int) -> Matcher:
    """Match any bytes of a given number, at least one."""
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size: expected a whole number, got {size!r}")
    if size < 1:
        raise ValueError(f"size: expected 1 or more, got {size!r}")
    return Length(size)


def regex(pattern: "bytes | str | re.Pattern[bytes] | re.Pattern[str]") -> Matcher:
    """Match bytes that a pattern matches as a whole; `.` matches every byte.

    On a stream it takes the shortest run of bytes, so end the pattern in the bytes that end the
    message: `rb"[0-9]+\\n"`. A datagram has to match from its first byte to its last.

    Args:
        pattern: bytes, text (UTF-8), or a compiled pattern, whose flags are kept.

    Raises:
        ValueError: the pattern is not a regular expression.
    """
    flags = re.DOTALL
    text: object = pattern
    if isinstance(pattern, re.Pattern):
        text, flags = pattern.pattern, flags | pattern.flags & ~re.UNICODE
    if not isinstance(text, bytes | str):
        raise TypeError(f"pattern: expected bytes, str or a compiled pattern, got {pattern!r}")
    try:
        return Regex(re.compile(text.encode() if isinstance(text, str) else text, flags))
    except re.error as error:
        raise ValueError(f"pattern: {text!r} is not a regular expression: {error}") from None


def sha256(digest: str, size: int) -> Matcher:
    """Match `size` bytes whose SHA-256 is `digest`, in hexadecimal digits."""
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise ValueError(f"digest: expected 64 hexadecimal digits, got {digest!r}")
    return Sha256(digest.lower(), size)


def concat(*parts: bytes | str | Matcher) -> Matcher:
    """Match one part after another.

    On a stream each part takes the bytes that it takes alone. In a datagram the parts may divide
    the bytes in any way: `concat(regex("a+"), "ab")` takes `aaab`.
    """
    return Concat([_as_matcher(part) for part in parts])


def starts_with(data: bytes | str) -> Matcher:
    """Match a datagram that begins with these bytes, or this text (UTF-8)."""
    return StartsWith(data.encode() if isinstance(data, str) else bytes(data))


def any() -> Matcher:
    """Match every datagram."""
    return AnyBytes()
