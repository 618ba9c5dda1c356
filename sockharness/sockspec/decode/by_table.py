"""Decodes a mapping by the rows of the language's table."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sockharness.sockspec import table
from sockharness.sockspec.text.nodes import Node
from sockharness.sockspec.text.problems import Decoder
from sockharness.sockspec.text.typed import as_bool, as_int, as_seconds, as_size, as_text

PLAIN: dict[str, Decoder] = {
    "boolean": as_bool,
    "duration": as_seconds,
    "number": as_size,
    "buffer size": lambda node: as_size(node, least=1),
    "port": lambda node: as_int(node, least=0, most=65535, what="a port"),
    "backlog": lambda node: as_int(node, least=0, most=65535, what="a backlog"),
    "ttl": lambda node: as_int(node, least=1, most=255, what="a number of hops"),
    "multicast ttl": lambda node: as_int(node, least=0, most=255, what="a number of hops"),
    "peer or address": lambda node: as_text(node, "a peer's name or an IP address"),
}
"""The decoders of values that need only their own text, by the kind of value."""


def decoders(section: str, own: Mapping[str, Decoder]) -> dict[str, Decoder]:
    """Return the decoder of each key of a section of the table.

    Args:
        section: the section.
        own: for the keys whose kind of value is not among the plain ones, or needs more.

    Raises:
        LookupError: if `own` has a key that the table has not, or a key has no decoder.
    """
    plain = _plain(section)
    if not own.keys() <= plain.keys():
        raise LookupError(f"no such key in '{section}': {own.keys() - plain.keys()}")
    found = {**plain, **own}
    if None in found.values():
        raise LookupError(f"a key in '{section}' has no decoder")
    return found  # type: ignore[return-value]  # none of them is None


@cache
def _plain(section: str) -> dict[str, Callable[[Node], Any] | None]:
    return {row.key: PLAIN.get(row.takes) for row in table.rows(section)}
