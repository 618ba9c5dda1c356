"""The errors for wrong arguments, as a text: one golden file for a whole table of them."""

import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def complaint(error: type[Exception], call: Callable[..., object], *args: Any, **named: Any) -> str:
    """Call; return the kind and the text of the exception that it has to raise."""
    with pytest.raises(error) as caught:
        call(*args, **named)
    return f"{type(caught.value).__name__}: {caught.value}"


def table(rows: Iterable[tuple[Any, type[Exception]]], call: Callable[[Any], object]) -> str:
    """Return each wrong argument with its error below it."""
    return "\n\n".join(
        f"{_short(wrong)}\n  {complaint(error, call, wrong)}" for wrong, error in rows
    )


def _short(wrong: object) -> str:
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 60
    return shortener.repr(wrong)
