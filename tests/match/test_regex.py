"""The matcher for a regular expression."""

import re
import time

import pytest

from sockharness.match.matcher import Verdict
from sockharness.match.regex import OPEN_WINDOW, REGEX_WINDOW, Regex, literal_end


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
