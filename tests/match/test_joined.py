"""Matchers that are made of other matchers."""

import random
import re
import time
from collections.abc import Iterator

import pytest

from sockharness.match.exact import Exact, StartsWith
from sockharness.match.joined import Capture, Concat
from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.match.regex import Regex
from sockharness.match.sized import AnyBytes, Length

TEXT = b"PING 42\r\nPING 43\r\n+rest"
LINE = Regex(re.compile(rb"(?P<word>\w+) (?P<number>\d+)\r\n", re.DOTALL))


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


def test_what_a_message_captures_is_all_of_it() -> None:
    matcher = Concat([Capture("id", Length(2)), Capture("rest", AnyBytes())])

    assert matcher.whole(b"12 and more").captures == {"id": b"12", "rest": b" and more"}


PIECES = ["a", "b", "a+", "a*", "b?", "(?:ab)+", "a|ab", "[ab]", ".", ".*", ".*", "a.*", "ab"]


def part(piece: str) -> Matcher:
    if piece == ".*":
        return AnyBytes()
    if piece == "a.*":
        return StartsWith(b"a")
    data = piece.encode()
    return Exact(data) if piece.isalpha() else Regex(re.compile(data, re.DOTALL))


def test_parts_divide_a_message_as_one_pattern_of_all_of_them_does() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        pieces = chance.choices(PIECES, k=chance.randint(1, 5))
        message = bytes(chance.choices(b"ab", k=chance.randint(0, 7)))
        parts = [part(piece) for piece in pieces]
        cut = chance.randint(0, len(parts))
        nested = Concat([Concat(parts[:cut]), Concat(parts[cut:])])

        together = re.compile("".join(f"(?:{piece})" for piece in pieces).encode(), re.DOTALL)
        expected = Verdict.MATCH if together.fullmatch(message) else Verdict.MISMATCH
        assert Concat(parts).whole(message).verdict is expected, (pieces, message)
        assert nested.whole(message).verdict is expected, (pieces, message)


def test_a_message_that_cannot_be_divided_tells_how_many_bytes_are_right() -> None:
    matcher = Concat([Exact(b"n="), Regex(re.compile(rb"[0-9]+")), Exact(b";end")])

    assert matcher.whole(b"n=12;enX") == Result(Verdict.MISMATCH, 7)
    assert matcher.whole(b"n=12;end!") == Result(Verdict.MISMATCH, 8)
    assert matcher.whole(b"m=12;end").size == 0


def test_a_long_message_is_divided_fast() -> None:
    any_bytes = Concat([AnyBytes(), Exact(b"b"), AnyBytes(), Exact(b"b"), AnyBytes(), Exact(b"c")])
    letters = Concat([Regex(re.compile(rb"[a-z]*")), Exact(b"!")])
    message = b"a" * 60_000 + b"b" * 20
    began = time.thread_time()

    assert any_bytes.whole(message).verdict is Verdict.MISMATCH
    assert letters.whole(message).verdict is Verdict.MISMATCH
    assert time.thread_time() - began < 0.5


class CountedAny(AnyBytes):
    """Counts the offsets at which it is asked and the sizes that it yields."""

    calls = 0

    def beginnings(self, message: bytes, start: int = 0, before: bytes = b"") -> Iterator[Result]:
        CountedAny.calls += 1
        for result in super().beginnings(message, start, before):
            CountedAny.calls += 1
            yield result


ANY = CountedAny()
NEIGHBOURS: list[list[Matcher]] = [
    [ANY] * 20,
    [Capture("x", ANY)] * 20,
    [Concat([ANY, ANY])] * 10,
    [ANY, StartsWith(b"a")] * 10,
]


@pytest.mark.parametrize("parts", NEIGHBOURS, ids=["any", "captures", "concats", "starts with"])
def test_neighbours_that_take_any_more_are_not_asked_at_every_offset(parts: list[Matcher]) -> None:
    message = b"a" * 2_000
    CountedAny.calls = 0

    assert Concat([*parts, Exact(b"z")]).whole(message) == Result(Verdict.MISMATCH, len(message))
    assert CountedAny.calls < 20 * len(message)


def test_neighbours_that_take_any_more_leave_the_bytes_to_the_last() -> None:
    first, second = Capture("first", AnyBytes()), Capture("second", StartsWith(b"b"))
    matcher = Concat([first, second, Capture("third", AnyBytes()), Exact(b"z")])

    captures = {"first": b"a", "second": b"b", "third": b"bcz"}
    assert matcher.whole(b"abbczz").captures == captures
