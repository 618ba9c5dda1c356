"""Matchers that decide how many bytes they take."""

import hashlib

from sockharness.match.matcher import Result, Verdict
from sockharness.match.sized import Length, Sha256


def test_a_length_takes_any_bytes() -> None:
    assert Length(2).match(b"a") == Result(Verdict.MORE, 1, 2)
    assert Length(2).match(b"abc") == Result(Verdict.MATCH, 2, 2)


def test_a_hash_is_judged_when_all_bytes_are_there() -> None:
    matcher = Sha256(hashlib.sha256(b"abc").hexdigest(), 3)

    assert matcher.match(b"xy") == Result(Verdict.MORE, 2, 3)
    assert matcher.match(b"xyz") == Result(Verdict.MISMATCH, 0, 3)
    assert matcher.match(b"abcd") == Result(Verdict.MATCH, 3, 3)
