"""The JSON Schema of each section of the table: a mapping with the keys of its rows."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sockharness.sockspec import table
from sockharness.sockspec.decode import words
from sockharness.sockspec.schema.kinds import Schema, differences, ref
from sockharness.sockspec.table.row import Row

_WHO = f"{words.NAME.pattern}(@[1-9][0-9]{{0,3}})?"
_ARROW = rf"^\s*{_WHO}\s*->\s*{_WHO}\s*$"
_PEER = rf"^(?!(within|differs)$)\s*{_WHO}\s*$"
_STREAM_OR_UDP = ("stream", "udp")


_SIDES = {"backlog": ["listen"], "sni": ["listen"], "server_name": ["connect"]}
_VERIFIES = [
    {"required": ["listen"]},
    {"not": {"required": ["verify"], "properties": {"verify": {"const": "request"}}}},
]


_IN_GROUP = {"required": ["bind"], "properties": {"bind": {"const": "group"}}}
_UDP_PEER = {
    "properties": {
        "on": {"anyOf": [{"type": "string"}, {"propertyNames": {"enum": list(words.UDP_HANDLERS)}}]}
    },
    "anyOf": [{"required": ["multicast"]}, {"properties": {"udp": {"not": _IN_GROUP}}}],
}


def _described(row: Row) -> str:
    """Return the description of a key that an editor shows."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", row.does)
    default = f" Default: {row.default}." if row.default else ""
    return f"{text[0].upper()}{text[1:]}.{default}\n\nExample: `{row.example}`"


def _property(row: Row) -> Schema:
    return {**ref(row.takes), "description": _described(row)}


def _mapping(rows: Iterable[Row], *required: str, **more: Any) -> Schema:
    """Return a mapping with the keys of rows, and no other."""
    known = {row.key: row for row in rows if row.takes}
    needed = dict.fromkeys((*required, *(key for key, row in known.items() if row.required)))
    return {
        "type": "object",
        "properties": {key: _property(row) for key, row in known.items()},
        "additionalProperties": False,
        **({"required": list(needed)} if needed else {}),
        **more,
    }


def _section(name: str, **more: Any) -> Schema:
    return _mapping(table.rows(name), **more)


def _exactly_one(*keys: str) -> list[Schema]:
    return [{"required": [key]} for key in keys]


def _verb(row: Row, beside: tuple[Row, ...]) -> Schema:
    found = _mapping((row, *beside), row.key)
    if "differs" in found["properties"]:
        found["properties"]["differs"].pop("$ref")
        found["properties"]["differs"] |= differences((row.key, *words.beside(row.key)))
    return found


def _unlike(options: Iterable[Schema]) -> Schema:
    """Return the choice between schemas, each of them once."""
    kept: list[Schema] = []
    for each in options:
        if each not in kept:
            kept.append(each)
    return {"anyOf": kept}


def _actions(where: str) -> Iterator[Schema]:
    """Yield the schemas of actions in a step or inside a handler: the words, and the mappings."""
    sections = tuple(f"{kind} {where}" for kind in _STREAM_OR_UDP)
    yield {"enum": list(table.words(*sections))}
    for row in table.rows(*sections):
        if not row.takes:
            continue
        beside = table.rows(f"{where} {row.key}")
        said = [key for key in ("returns", "raises") if key in table.keys(f"{where} {row.key}")]
        yield _verb(row, tuple(each for each in beside if each.key not in said))
        for key in said:
            others = (each for each in beside if each.key not in said or each.key == key)
            found = _verb(row, (*others, *table.rows("expectation")))
            yield found | {"required": [*found["required"], key]}


def _expectations() -> Iterator[Schema]:
    """Yield the mappings of expectations; `sees` takes other keys for each event."""
    everywhere = table.rows("expectation")
    for row in table.rows("stream expectation"):
        beside = (*table.rows(f"step {row.key}"), *everywhere)
        if row.key != "sees":
            yield _verb(row, beside)
            continue
        for event in (*words.EVENTS, "uncaught_exception"):
            found = _verb(row, (*table.rows(f"sees {event}"), *beside))
            found["properties"]["sees"] = {"const": event, "description": _described(row)}
            yield found


def _form(row: Row, *, example: bool = False) -> Schema:
    """Return the mapping of a form of bytes; whether it has to have an `example`."""
    return _mapping((row, *table.rows(f"bytes {row.key}")), row.key, *(["example"] * example))


def _step() -> Schema:
    within, differs = ({"required": [key]} for key in ("within", "differs"))
    return {
        "type": "object",
        "properties": {row.key: _property(row) for row in table.rows("step")},
        "patternProperties": {_ARROW: ref("after an arrow"), _PEER: ref("after a peer")},
        "additionalProperties": False,
        "oneOf": [
            {"not": {"anyOf": [within, differs]}, "minProperties": 1, "maxProperties": 1},
            {**within, "not": differs, "minProperties": 2, "maxProperties": 2},
            {**differs, "not": within, "minProperties": 2, "maxProperties": 2},
            {"allOf": [within, differs], "minProperties": 3, "maxProperties": 3},
        ],
    }


def _bounds(section: str) -> Schema:
    return _section(section, minProperties=1)


def file() -> Schema:
    """Return the mapping that a file is."""
    return _section("file")


def sections() -> dict[str, Schema]:
    """Return the definition of each mapping, by its name."""
    plain, matchers = table.rows("bytes"), table.rows("matcher", "message matcher")
    stream = {"oneOf": _exactly_one("listen", "connect"), "dependencies": {"backlog": ["listen"]}}
    return {
        "peer": _section(
            "peer",
            oneOf=_exactly_one("tcp", "tls", "udp"),
            dependencies={"multicast": ["udp"]},
            **{"if": {"required": ["udp"]}, "then": _UDP_PEER},
        ),
        "tcp": _section("tcp", **stream),
        "tls": _section("tls", **stream | {"dependencies": _SIDES, "anyOf": _VERIFIES}),
        "udp": _section(
            "udp",
            anyOf=_exactly_one("bind", "connect"),
            **{
                "if": _IN_GROUP,
                "then": {"anyOf": [{"not": {"required": ["port"]}}, {"required": ["connect"]}]},
            },
        ),
        "multicast": _section("multicast"),
        "certificate": _section("certificate"),
        "check": _section("check", anyOf=_exactly_one("count", "each")),
        "upgrade_tls": _section("upgrade_tls"),
        "reload tls": _section("reload tls"),
        "reloaded tls": _mapping(table.rows("reload"), "tls"),
        "returns bounds": _bounds("returns"),
        "count bounds": _bounds("count"),
        "handlers of events": _mapping(table.rows("stream handlers", "udp handlers")),
        "handler action": _unlike(_actions("handler")),
        "action or expectation": _unlike((*_actions("step"), *_expectations())),
        "step": _step(),
        "after a peer": ref("action or expectation"),
        "after an arrow": {"anyOf": [ref("bytes"), ref("action or expectation")]},
        "described plain bytes": {"anyOf": [*map(_form, plain)]},
        "described bytes": {"anyOf": [_form(row) for row in (*plain, *matchers)]},
        "described bytes to write": {
            "anyOf": [*map(_form, plain), *(_form(row, example=True) for row in matchers)]
        },
        "received datagrams": _mapping(table.rows("received"), "unordered"),
    }
