"""The spec language as one table: its keys, their places, their values and their meanings.

A *section* is a kind of mapping: `file`, `peer`, `tcp`, `check`, `stream step`. The decoders ask
this table which keys a section has, so a key that has no row does not exist. The reference's
tables and the JSON Schema for editors are made from the same rows.
"""

from functools import cache

from sockharness.sockspec.table import actions, data, files, peers, steps
from sockharness.sockspec.table.row import Row

ROWS: tuple[Row, ...] = (*files.ROWS, *peers.ROWS, *actions.ROWS, *steps.ROWS, *data.ROWS)
"""All rows, in the order in which hints and the reference name them."""

SETTING = "set_"
"""The prefix of an action that sets an option: the method of that name gets the value."""


@cache
def rows(*sections: str) -> tuple[Row, ...]:
    """Return the rows of sections, each row once."""
    return tuple(row for row in ROWS if not set(sections).isdisjoint(row.at))


@cache
def keys(*sections: str) -> tuple[str, ...]:
    """Return the keys that mappings of these sections may have, each key once."""
    return tuple(dict.fromkeys(row.key for row in rows(*sections)))


@cache
def words(*sections: str) -> tuple[str, ...]:
    """Return the keys of these sections that may stand as a word of their own."""
    return tuple(dict.fromkeys(row.key for row in rows(*sections) if row.bare))


@cache
def verbs(*sections: str) -> tuple[str, ...]:
    """Return the keys of these sections that take a value."""
    return tuple(dict.fromkeys(row.key for row in rows(*sections) if row.takes))


@cache
def row(key: str, *sections: str) -> Row:
    """Return the row of a key that one of the sections has.

    Raises:
        LookupError: if none has it.
    """
    for each in rows(*sections):
        if each.key == key:
            return each
    raise LookupError(f"no '{key}' in '{', '.join(sections)}'")
