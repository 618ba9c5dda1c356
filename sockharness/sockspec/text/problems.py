"""Collects the problems of a file, to report all of them at once."""

from collections.abc import Callable, Container, Mapping
from types import TracebackType
from typing import Any

from sockharness.errors import Problem
from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Known, Refusal

Decoder = Callable[[Node], Any]
"""Types a node, or raises a `Refusal`."""

MOST = 100
"""The most problems reported of one file."""


class TooMany(Exception):
    """There are more problems than a report shows."""


class Problems:
    """The problems of a file so far."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def in_order(self) -> list[Problem]:
        """Return each problem once, in the order of the file."""
        return sorted(self._found, key=lambda problem: problem.location)

    def collect(self) -> "Problems":
        """Return a context that records a refusal of its `with` body; the code after it goes on.

        Raises:
            TooMany: if it is the last that is reported.
        """
        return self

    def __enter__(self) -> None:
        """Begin a body; bodies nest, and each node of a file is decoded in one."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Refusal):
            return False
        if not isinstance(error, Known):
            self._found[error.problem] = None
            if len(self._found) >= MOST:
                raise TooMany from None
        return True

    def entries(self, node: MappingNode, keys: tuple[str, ...]) -> dict[str, Node]:
        """Return the entries of a mapping, with a problem for each unknown key."""
        entries: dict[str, Node] = {}
        for key, value in node.entries:
            with self.collect():
                known_key(key, keys)
                entries[key.text] = value
        return entries

    def decode(self, node: MappingNode, table: Mapping[str, Decoder]) -> dict[str, Any]:
        """Decode a mapping by a table of its keys; collect problems, and omit wrong values."""
        values = {}
        for key, value in self.entries(node, tuple(table)).items():
            with self.collect():
                values[key] = table[key](value)
        return values

    def missing(
        self, node: MappingNode, decoded: Container[str], message: str, hint: str
    ) -> Refusal:
        """Return the refusal of a mapping that lacks a key; one that is wrong is known already."""
        wrong = any(key.text not in decoded for key, _ in node.entries)
        return Known() if wrong else Refusal(node.location, message, hint)


def known_key(key: Scalar, keys: tuple[str, ...]) -> None:
    """Refuse a key that is not among the known ones."""
    if key.text not in keys:
        near = did_you_mean(key.text, keys)
        hint = near or f"known: {', '.join(keys)}"
        raise Refusal(key.location, f"unknown key '{show(key.text, limit=40)}'", hint)
