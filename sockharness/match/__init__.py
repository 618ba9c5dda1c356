"""Matchers for `expect` and `when`: what bytes will do.

On a stream a matcher takes its bytes from the start of what is unread, and its answer never depends
on how they were cut. The bytes that it took are given to a reply that is a function.
"""

import re

from sockharness.match.exact import Exact
from sockharness.match.exact import as_matcher as _as_matcher
from sockharness.match.joined import Concat
from sockharness.match.matcher import Matcher
from sockharness.match.regex import Regex
from sockharness.match.sized import Length, Sha256

__tracebackhide__ = True  # for pytest: a wrong argument is shown where it was written


def exact(data: bytes) -> Matcher:
    """Match these bytes and no others, as bytes alone do."""
    return Exact(data)


def length(size: int) -> Matcher:
    """Match so many bytes, whatever they are; at least one."""
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size: expected a whole number, got {size!r}")
    if size < 1:
        raise ValueError(f"size: expected 1 or more, got {size!r}")
    return Length(size)


def regex(pattern: "bytes | str | re.Pattern[bytes] | re.Pattern[str]") -> Matcher:
    """Match the shortest run of bytes that a pattern matches as a whole; `.` matches every byte.

    End the pattern in what ends the message (`rb"[0-9]+\\n"`), not in something that could go on.

    Args:
        pattern: bytes, text (UTF-8), or a compiled one, whose flags hold.

    Raises:
        ValueError: if it is no pattern.
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
        raise ValueError(f"pattern: {text!r} is no regular expression: {error}") from None


def sha256(digest: str, size: int) -> Matcher:
    """Match `size` bytes whose SHA-256 is `digest`, in hexadecimal digits."""
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise ValueError(f"digest: expected 64 hexadecimal digits, got {digest!r}")
    return Sha256(digest.lower(), size)


def concat(*parts: bytes | str | Matcher) -> Matcher:
    """Match one thing after another."""
    return Concat([_as_matcher(part) for part in parts])
