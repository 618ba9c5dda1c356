"""Find the known word nearest to a misspelt one, for the hints of error texts.

The words may come from a stranger's file and a comparison is slow (some 20 µs), so the work has a
bound: a very long word has no neighbour, and one word is compared with a few known words only.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

CANDIDATES = 50
"""The most known words that one word is compared with."""
LONGEST_WORD = 80
"""The most characters of a word that is compared."""


def nearest(
    word: str,
    known: Iterable[str],
    *,
    most: int | None = CANDIDATES,
    ignore_case: bool = False,
) -> str:
    """Return the known word nearest to a misspelt one, or the empty text.

    Args:
        word: the misspelt word.
        known: the words to choose from.
        most: how many of `known` are compared; `None` for all, if no stranger wrote them.
        ignore_case: whether to compare in lower case.
    """
    if len(word) > LONGEST_WORD:
        return ""
    words = islice(known, most)
    if not ignore_case:
        return next(iter(get_close_matches(word, list(words), n=1)), "")
    by_lower = {each.lower(): each for each in words}
    close = get_close_matches(word.lower(), list(by_lower), n=1)
    return by_lower[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str], *, most: int | None = CANDIDATES) -> str:
    """Return `did you mean 'x'?` for the known word nearest to a misspelt one, or nothing.

    `most` is that of `nearest`.
    """
    near = nearest(word, known, most=most)
    return f"did you mean {near!r}?" if near else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the text of `did_you_mean` after a `; `, for the end of an error text."""
    hint = did_you_mean(word, known)
    return f"; {hint}" if hint else ""
