"""The known word nearest to a misspelt one."""

import pytest

from sockharness.nearest import did_you_mean, nearest, suggestion


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("clsoe", "; did you mean 'close'?"),
        ("close", "; did you mean 'close'?"),
        ("xyz", ""),
        ("", ""),
        ("close" * 100, ""),
    ],
)
def test_a_misspelt_word_gets_the_nearest_known_one(word: str, expected: str) -> None:
    assert suggestion(word, ["open", "close"]) == expected
    assert suggestion(word, ("open", "close")) == expected
    assert suggestion(word, {"open": 1, "close": 2}) == expected


def test_only_the_first_of_very_many_words_are_compared() -> None:
    many = [f"word{number}" for number in range(1000)]

    assert suggestion("word999x", many) != "; did you mean 'word999'?"


def test_all_words_are_compared_on_request() -> None:
    many = [f"word{number}" for number in range(1000)]

    assert nearest("word999x", many, most=None) == "word999"


def test_case_can_be_ignored() -> None:
    assert nearest("SPROT", ["sport"]) == ""
    assert nearest("SPROT", ["sport"], ignore_case=True) == "sport"


def test_a_hint_is_a_question() -> None:
    assert did_you_mean("clsoe", ["open", "close"]) == "did you mean 'close'?"
    assert did_you_mean("xyz", ["open", "close"]) == ""
