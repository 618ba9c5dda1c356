import hashlib
import re
import time

import pytest

from sockharness.match.exact import Exact, StartsWith, as_matcher, common_prefix
from sockharness.match.joined import Capture, Concat
from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.match.regex import OPEN_WINDOW, REGEX_WINDOW, Regex, literal_end
from sockharness.match.sized import AnyBytes, Length, Sha256
from sockharness.printable import count

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


@pytest.mark.parametrize("size", [1, 2, 3, 64, 1000, 4097])
def test_exact_bytes_differ_where_they_differ(size: int) -> None:
    wanted = bytes(range(256)) * 17
    for offset in {0, size // 2, size - 1}:
        got = bytearray(wanted[:size])
        got[offset] ^= 0xFF

        assert Exact(wanted[:size]).match(got) == Result(Verdict.MISMATCH, offset, size)


def test_exact_bytes_that_are_not_all_there_need_more() -> None:
    assert Exact(b"abc").match(b"") == Result(Verdict.MORE, 0, 3)
    assert Exact(b"abc").match(b"ab") == Result(Verdict.MORE, 2, 3)
    assert Exact(b"abc").match(b"abcd") == Result(Verdict.MATCH, 3, 3)


def test_a_length_takes_any_bytes() -> None:
    assert Length(2).match(b"a") == Result(Verdict.MORE, 1, 2)
    assert Length(2).match(b"abc") == Result(Verdict.MATCH, 2, 2)


def test_a_hash_is_judged_when_all_bytes_are_there() -> None:
    matcher = Sha256(hashlib.sha256(b"abc").hexdigest(), 3)

    assert matcher.match(b"xy") == Result(Verdict.MORE, 2, 3)
    assert matcher.match(b"xyz") == Result(Verdict.MISMATCH, 0, 3)
    assert matcher.match(b"abcd") == Result(Verdict.MATCH, 3, 3)


def test_a_regex_takes_the_shortest_run_that_it_matches_as_a_whole() -> None:
    assert Regex(re.compile(rb".*\n", re.DOTALL)).match(b"a\nb\n").size == 2
    assert Regex(re.compile(rb"[0-9]+")).match(b"123").size == 1
    assert Regex(re.compile(rb"[0-9]+\r\n")).match(b"123\r\n4").size == 5


def test_a_regex_captures_its_named_groups_that_took_part() -> None:
    matcher = Regex(re.compile(rb"(?P<a>x)?(?P<b>y)\n"))

    assert matcher.match(b"y\n").captures == {"b": b"y"}


def test_a_regex_waits_until_its_window_is_full() -> None:
    matcher = Regex(re.compile(rb"!"))

    assert matcher.match(b"").verdict is Verdict.MORE
    assert matcher.match(b"." * (REGEX_WINDOW - 1)).verdict is Verdict.MORE
    assert matcher.match(b"." * REGEX_WINDOW).verdict is Verdict.MISMATCH


def test_a_regex_with_an_anchor_matches_however_much_came_at_once() -> None:
    matcher = Regex(re.compile(rb"ab$"))

    assert matcher.match(b"ab" + b"." * REGEX_WINDOW) == matcher.match(b"ab")


def test_a_capture_remembers_what_was_taken() -> None:
    result = Capture("whole", LINE).match(TEXT)

    assert result.captures == {"whole": b"PING 42\r\n", "word": b"PING", "number": b"42"}
    assert Capture("x", Length(3)).match(b"ab") == Result(Verdict.MORE, 2, 3)


def test_a_concat_begins_each_part_where_the_one_before_ended() -> None:
    matcher = Concat([Capture("a", Length(2)), Exact(b"-"), Capture("b", Length(1))])

    assert matcher.match(b"ab-cd") == Result(Verdict.MATCH, 4, 4, {"a": b"ab", "b": b"c"})
    assert matcher.match(b"ab+cd").size == 2
    assert matcher.match(b"ab+cd").verdict is Verdict.MISMATCH
    assert matcher.match(b"ab-").verdict is Verdict.MORE


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


@pytest.mark.parametrize("want", ["é", "é".encode(), bytearray("é".encode())])
def test_text_and_bytes_are_matched_exactly(want: object) -> None:
    assert as_matcher(want) == Exact("é".encode())


def test_a_matcher_is_taken_as_it_is() -> None:
    assert as_matcher(LINE) is LINE
    assert as_matcher(memoryview(b"a")) == Exact(b"a")


@pytest.mark.parametrize("want", [None, 5, ["a"], re.compile(b"a")])
def test_nothing_else_is_an_expectation(want: object) -> None:
    with pytest.raises(TypeError, match="want: expected bytes, str or a matcher, got "):
        as_matcher(want)


def test_the_common_prefix_is_found_at_every_offset() -> None:
    for size in range(70):
        assert common_prefix(b"a" * size, b"a" * size + b"b") == size
        assert common_prefix(b"a" * size + b"b", b"a" * size + b"c") == size


def test_what_is_known_to_be_common_is_not_looked_at_again() -> None:
    assert common_prefix(b"xbcd", b"abce", 1) == 3
    assert common_prefix(b"xbcd", bytearray(b"abcd"), 4) == 4
    assert Exact(b"abcd").resume(b"xbcd", 1).verdict is Verdict.MATCH


def test_a_number_goes_with_its_noun() -> None:
    assert [count(number, "byte") for number in (0, 1, 2)] == ["0 bytes", "1 byte", "2 bytes"]
    assert count(2, "match", "matches") == "2 matches"


@pytest.mark.parametrize(
    ("pattern", "end"),
    [
        (rb"[0-9]+\r\n", b"\r\n"),
        (rb"(a|b)\r\n", b"\r\n"),
        (rb".*;", b";"),
        (rb"a\.b\x00", b"a.b\x00"),
        (b"a\r\n", b"a\r\n"),
        (rb"a*b+c\n", b"c\n"),
        (rb"x{2}y", b"y"),
        (rb"x{2}", b""),
        (rb"x{2,}", b""),
        (rb"ab?", b""),
        (rb"ab??", b""),
        (rb"a\n+", b""),
        (rb"a\n$", b""),
        (rb"a\n\Z", b""),
        (rb"a|b\n", b""),
        (rb"(a|b)", b""),
        (rb"(\n)", b""),
        (rb"\n(?=b)", b""),
        (rb"(?i)end", b""),
        (rb"(?x)a b", b""),
        (rb"(?i:a)end", b"end"),
        (rb"(?#\n)a(?#b)", b""),
        (rb"[])]\n", b"\n"),
        (rb"[^]|(]\n", b"\n"),
        (rb"[\]|]\n", b"\n"),
        (rb"([)]|\()\n", b"\n"),
        (rb"\(\n", b"(\n"),
        (rb"(a)\1", b""),
        (rb"\d", b""),
        (rb"a{", b""),
        (rb"a{b}c", b"b}c"),
        (rb"\101\n", b"\n"),
        (rb"", b""),
    ],
)
def test_the_literal_bytes_at_the_end_of_a_pattern_are_known(pattern: bytes, end: bytes) -> None:
    compiled = re.compile(pattern, re.DOTALL)

    assert literal_end(compiled) == end


def test_a_line_that_does_not_end_is_judged_fast_however_it_was_cut() -> None:
    matcher = Regex(re.compile(rb"(?P<line>.*)\r\n", re.DOTALL))
    data = bytearray()
    began = time.thread_time()

    while len(data) < REGEX_WINDOW - 64:
        data += b"x" * 64
        assert matcher.match(data).verdict is Verdict.MORE

    assert time.thread_time() - began < 1
    assert matcher.match(data + b"\r\n").size == len(data) + 2


def test_a_pattern_without_a_literal_end_looks_at_less() -> None:
    matcher = Regex(re.compile(rb"[0-9]"))

    assert matcher.match(b"." * (OPEN_WINDOW - 1)).verdict is Verdict.MORE
    assert matcher.match(b"." * OPEN_WINDOW).because == "no match in the first 4 KiB"


@pytest.mark.slow
def test_a_pattern_that_very_many_runs_may_end_is_given_up_in_time() -> None:
    matcher = Regex(re.compile(rb"[^:]*:.*\n", re.DOTALL))
    data = b"\n" * REGEX_WINDOW
    began = time.thread_time()

    result = matcher.match(data)

    assert time.thread_time() - began < 3
    assert result.because == "no match in the first 11 KiB"
    assert matcher.match(data[:11_000]).verdict is Verdict.MORE
    assert matcher.match(data[:12_000]) == result


def test_what_a_message_captures_is_all_of_it() -> None:
    matcher = Concat([Capture("id", Length(2)), Capture("rest", AnyBytes())])

    assert matcher.whole(b"12 and more").captures == {"id": b"12", "rest": b" and more"}


def test_matchers_of_messages_say_what_they_want() -> None:
    assert AnyBytes().describe() == "any bytes"
    assert StartsWith(b"ab").describe() == '"ab" and more'
