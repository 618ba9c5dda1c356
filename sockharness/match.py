"""Matchers for `expect` and `when`: what bytes will do.

On a stream a matcher takes its bytes from the start of what is unread, and its answer never depends
on how they were cut.
"""

import re

from sockharness.spec.matchers import Capture, Concat, Exact, Length, Matcher, Regex, Sha256
from sockharness.spec.matchers import as_matcher as _as_matcher


def exact(data: bytes) -> Matcher:
    """Match these bytes and no others, as bytes alone do."""
    return Exact(data)


def length(size: int) -> Matcher:
    """Match so many bytes, whatever they are; at least one."""
    if size < 1:
        raise ValueError(f"size: expected 1 or more, got {size!r}")
    return Length(size)


def regex(pattern: bytes | str) -> Matcher:
    """Match the shortest run of bytes that a pattern matches as a whole; `.` matches every byte.

    End the pattern in what ends the message (`rb"[0-9]+\\n"`), not in something that could go on.

    Raises:
        re.error: if it is no pattern.
    """
    text = pattern.encode() if isinstance(pattern, str) else pattern
    return Regex(re.compile(text, re.DOTALL))


def sha256(digest: str, size: int) -> Matcher:
    """Match `size` bytes whose SHA-256 is `digest`, in hexadecimal digits."""
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise ValueError(f"digest: expected 64 hexadecimal digits, got {digest!r}")
    return Sha256(digest.lower(), size)


def capture(name: str, want: bytes | str | Matcher) -> Matcher:
    """Match what `want` does, and remember it under a name."""
    return Capture(name, _as_matcher(want))


def concat(*parts: bytes | str | Matcher) -> Matcher:
    """Match one thing after another."""
    return Concat([_as_matcher(part) for part in parts])
