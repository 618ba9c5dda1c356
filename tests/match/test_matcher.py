"""Properties of every matcher."""

import hashlib
import re

import pytest

from sockharness.match.exact import Exact, StartsWith
from sockharness.match.joined import Capture, Concat
from sockharness.match.matcher import Matcher, Verdict
from sockharness.match.regex import Regex
from sockharness.match.sized import AnyBytes, Length, Sha256, Until

TEXT = b"PING 42\r\nPING 43\r\n+rest"
LINE = Regex(re.compile(rb"(?P<word>\w+) (?P<number>\d+)\r\n", re.DOTALL))
MATCHERS: dict[str, Matcher] = {
    "exact": Exact(b"PING 42\r\n"),
    "exact of nothing": Exact(b""),
    "other bytes": Exact(b"PING 4x"),
    "more than there is": Exact(TEXT + b"!"),
    "length": Length(7),
    "too long": Length(100),
    "hash": Sha256(hashlib.sha256(TEXT[:9]).hexdigest(), 9),
    "other hash": Sha256("0" * 64, 9),
    "until": Until(b"\r\n"),
    "until in vain": Until(b"!"),
    "regex": LINE,
    "greedy regex": Regex(re.compile(rb".*\n", re.DOTALL)),
    "anchored regex": Regex(re.compile(rb"PING$")),
    "looking ahead": Regex(re.compile(rb"PING(?= 42)")),
    "looking ahead in vain": Regex(re.compile(rb"PING(?! 42)")),
    "empty regex": Regex(re.compile(rb"x*")),
    "capture": Capture("line", LINE),
    "concat": Concat([Exact(b"PING "), Capture("n", Length(2)), Exact(b"\r\n"), LINE]),
    "concat that differs": Concat([LINE, Exact(b"PONG")]),
    "concat of concats": Concat([Concat([LINE, LINE]), Concat([Length(5)])]),
    "concat of nothing": Concat([]),
}


@pytest.mark.parametrize("matcher", MATCHERS.values(), ids=MATCHERS)
def test_a_verdict_never_depends_on_how_the_bytes_were_cut(matcher: Matcher) -> None:
    whole = matcher.match(TEXT)

    for end in range(len(TEXT) + 1):
        part = matcher.match(TEXT[:end])
        assert part.verdict is Verdict.MORE or part == whole, f"with {end} bytes"


@pytest.mark.parametrize("matcher", MATCHERS.values(), ids=MATCHERS)
def test_a_bytearray_is_judged_as_bytes_are(matcher: Matcher) -> None:
    assert matcher.match(bytearray(TEXT)) == matcher.match(TEXT)


@pytest.mark.parametrize(
    ("matcher", "expected", "words"),
    [
        (Exact(b"a\r\n"), b"a\r\n", '"a␍␊"'),
        (Exact(b"a" * 50), b"a" * 50, '"' + "a" * 39 + '…"'),
        (Length(1), None, "1 byte"),
        (Length(2), None, "2 bytes"),
        (Sha256("ab" * 32, 4), None, "4 bytes with SHA-256 abababababab…"),
        (Regex(re.compile(rb"\x1b.")), None, "/\\x1b./"),
        (Regex(re.compile(b"\x1b.")), None, "/␛./"),
        (Capture("name", Exact(b"a")), b"a", '"a" as name'),
        (Concat([Exact(b"a"), Exact(b"b")]), b"ab", '"a" then "b"'),
        (Concat([Exact(b"a"), Length(2)]), None, '"a" then 2 bytes'),
    ],
)
def test_a_matcher_says_what_it_wants(matcher: Matcher, expected: bytes | None, words: str) -> None:
    assert matcher.expected() == expected
    assert matcher.describe() == words


def test_matchers_of_messages_say_what_they_want() -> None:
    assert AnyBytes().describe() == "any bytes"
    assert StartsWith(b"ab").describe() == '"ab" and more'
