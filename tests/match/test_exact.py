"""Matchers that know their bytes."""

import re

import pytest

from sockharness.match.exact import Exact, as_matcher, common_prefix
from sockharness.match.matcher import Result, Verdict
from sockharness.match.regex import Regex

LINE = Regex(re.compile(rb"(?P<word>\w+) (?P<number>\d+)\r\n", re.DOTALL))


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
