"""The table of the language: each key has one row in a section, and the decoders know no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sockharness.handlers import DATAGRAM_HANDLERS, STREAM_EVENTS
from sockharness.sockspec import decode, loader, table
from sockharness.sockspec.decode import payloads
from sockharness.sockspec.decode.actions import ActionDecoder
from sockharness.sockspec.decode.by_table import decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.datagrams import OWN_GROUPS, DatagramActions
from sockharness.sockspec.decode.scope import Uses
from sockharness.sockspec.decode.tls import FactsDecoder
from sockharness.sockspec.decode.tls_words import BAD, FACTS, VERIFY
from sockharness.sockspec.decode.words import EVENTS, FINDINGS, NEEDS
from sockharness.sockspec.text.problems import Problems


def test_a_key_has_one_row_in_a_section() -> None:
    places = [(section, row.key) for row in table.ROWS for section in row.at]

    assert len(places) == len(set(places))


def test_a_row_says_what_its_key_does_and_shows_it() -> None:
    for row in table.ROWS:
        assert row.does, row
        assert not row.does.endswith("."), row
        assert row.example == row.key or row.example.startswith(f"{row.key}: "), row
        assert row.takes or row.bare, row


def test_a_decoder_of_a_key_without_a_row_is_refused() -> None:
    with pytest.raises(LookupError, match="no such key in 'udp'"):
        decoders("udp", {"bind": str, "reuse": str})


def test_a_row_without_a_decoder_is_refused() -> None:
    with pytest.raises(LookupError, match="a key in 'udp' has no decoder"):
        decoders("udp", {})


def test_a_row_that_there_is_not_is_not_found() -> None:
    with pytest.raises(LookupError, match="no 'reuse' in 'udp'"):
        table.row("reuse", "udp")


def test_each_form_of_bytes_has_a_row() -> None:
    assert tuple(payloads.FORMS) == table.keys("bytes", "matcher", "message matcher", "received")


def test_the_handlers_are_those_of_the_engine() -> None:
    assert set(table.keys("stream handlers")) == set(STREAM_EVENTS)
    assert set(table.keys("udp handlers")) == set(DATAGRAM_HANDLERS)


def test_each_action_with_a_value_has_a_decoder() -> None:
    decoded = {*ActionDecoder._ACTIONS, *DatagramActions._ACTIONS}
    kinds = ("stream step", "stream handler", "udp step", "udp handler")
    others = [word for word in table.verbs(*kinds) if not word.startswith(table.SETTING)]

    assert decoded == set(others)


def test_each_fact_of_a_handshake_has_a_decoder() -> None:
    context = Context(Problems(), {}, Path(), Uses(), "")

    assert set(FactsDecoder(context)._keys) == set(FACTS)


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("file", "needs", NEEDS),
        ("file", "allow", FINDINGS),
        ("certificate", "bad", BAD),
        ("tls", "verify", VERIFY),
        ("multicast", "group", OWN_GROUPS),
        ("stream expectation", "sees", (*EVENTS, "uncaught_exception")),
    ],
)
def test_a_row_names_each_word_that_its_key_takes(
    section: str, key: str, words: tuple[str, ...]
) -> None:
    row = table.row(key, section)

    assert [word for word in words if f"`{word}`" not in row.does] == []


def test_the_decoders_ask_a_mapping_for_no_key_without_a_row() -> None:
    keys = {row.key for row in table.ROWS}

    for path in (*Path(decode.__path__[0]).glob("*.py"), Path(str(loader.__file__))):
        asked = {key for node in ast.walk(ast.parse(path.read_text())) for key in _asked(node)}
        assert asked <= keys, path


def _asked(node: ast.AST) -> Iterator[str]:
    """Yield the key that a mapping is asked for, as in `get("within")` and `known["on"]`."""
    key: ast.AST | None = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        key = node.args[0] if node.func.attr in ("get", "need", "pop") else None
    elif isinstance(node, ast.Subscript):
        key = node.slice
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        yield key.value
