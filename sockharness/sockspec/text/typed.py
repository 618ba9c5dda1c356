"""Types the raw text of scalars: durations, sizes, numbers, words, booleans.

The schema decides what a text means, never its look. Each function returns the value or raises a
`Refusal` with the location, what was expected and what was got.
"""

import re
from collections.abc import Iterable

from sockharness.errors import Problem
from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec.text.nodes import Mapping, Node, Scalar, Sequence

ROOM = 50
"""The most characters of a message that a summary does not cut."""
MAX_SECONDS = 600.0
CASE_SECONDS = 30.0
"""Seconds that a case may take in all; as every limit, the run may scale them."""
MAX_SIZE = 64 * 1024 * 1024

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB)?")
_NEARLY = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(ms|s|m)[a-z]*")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024 * 1024}


class Refusal(Exception):
    """A node is not what it should be."""

    def __init__(self, location: Location, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(location, show(message), show(hint))


class Known(Refusal):
    """A node cannot be decoded, for a reason that is among the problems already."""

    def __init__(self) -> None:
        Exception.__init__(self)


def kind_of(node: Node) -> str:
    """Name a node for a message."""
    if isinstance(node, Scalar):
        return f"'{show(node.text, limit=40)}'" if node.text else "nothing"
    return "a mapping" if isinstance(node, Mapping) else "a list"


def unexpected(node: Node, expected: str, hint: str = "") -> Refusal:
    """Return the refusal of a node where something else was expected."""
    return Refusal(node.location, expected_got(expected, kind_of(node)), hint)


def expected_got(expected: str, got: str) -> str:
    """Return the words for both; a summary cuts long lines, so in those what was got is first."""
    message = f"expected {expected}, got {got}"
    return message if len(message) <= ROOM else f"got {got}, expected {expected}"


def as_text(node: Node, what: str = "a text") -> str:
    """Return a scalar's text, which may not be empty."""
    if not isinstance(node, Scalar) or not node.text:
        raise unexpected(node, what)
    return node.text


def as_mapping(node: Node, what: str = "a mapping") -> Mapping:
    """Return the node if it is a mapping."""
    if not isinstance(node, Mapping):
        raise unexpected(node, what)
    return node


def as_sequence(node: Node, what: str = "a list", hint: str = "") -> Sequence:
    """Return the node if it is a list."""
    if not isinstance(node, Sequence):
        if not hint and isinstance(node, Scalar) and _PLAIN.fullmatch(node.text):
            hint = f"write [{node.text}]"
        raise unexpected(node, what, hint)
    return node


def as_word(node: Node, known: Iterable[str], what: str) -> str:
    """Return a scalar that must be one of the known words."""
    words = list(known)
    text = as_text(node, what)
    if text not in words:
        known = f"known: {', '.join(words)}" if words else ""
        hint = did_you_mean(text, words) or known
        message = expected_got(what, f"'{show(text, limit=40)}'")
        raise Refusal(node.location, message, hint)
    return text


def as_bool(node: Node) -> bool:
    """Return `true` or `false`."""
    return as_word(node, ("true", "false"), "true or false") == "true"


def as_seconds(node: Node) -> float:
    """Return a duration in seconds: `250ms`, `1.5s`, `2m`; more than 0, at most 10 minutes."""
    what = "a duration such as 250ms or 1.5s"
    text = as_text(node, what)
    found = _DURATION.fullmatch(text)
    if found is None:
        nearly = _NEARLY.fullmatch(text)
        hint = f"write {nearly[1]}{nearly[2]}" if nearly else ""
        if text.isdigit() and text.isascii():
            hint = f"write {text}s or {text}ms"
        raise unexpected(node, what, hint)
    seconds = float(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= MAX_SECONDS:
        raise unexpected(node, f"a duration of more than 0 and at most {MAX_SECONDS:g}s")
    return seconds


def as_size(node: Node, *, least: int = 0, most: int = MAX_SIZE) -> int:
    """Return a number of bytes: `512`, `64KiB`, `4MiB`."""
    what = "a size such as 512 or 64KiB"
    text = as_text(node, what)
    found = _SIZE.fullmatch(text)
    if found is None or len(found[1]) > 10:
        raise unexpected(node, what)
    size = int(found[1]) * _BYTES[found[2] or ""]
    if not least <= size <= most:
        raise unexpected(node, f"a size from {least} to {most}")
    return size


def as_int(node: Node, *, least: int, most: int, what: str = "a number") -> int:
    """Return a decimal number within a range."""
    text = as_text(node, what)
    expected = f"{what} from {least} to {most}"
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise unexpected(node, expected)
    return int(text)
