"""The JSON Schema of each kind of value in the table.

Editors resolve YAML's types before they ask a schema: for them `64` is a number and `true` a truth
value, where a spec has texts. So a kind accepts each form in which its texts can arrive.
"""

from collections.abc import Iterable
from typing import Any

from sockharness.sockspec.decode import matcher_forms, scope, tls, tls_words, wire_checks, words
from sockharness.sockspec.decode.datagrams import MOST_AT_ONCE, OWN_GROUPS
from sockharness.sockspec.decode.networks import MOST as MOST_HOSTS
from sockharness.sockspec.model import GROUP, LINKS
from sockharness.sockspec.text.typed import MAX_SIZE

Schema = dict[str, Any]

NAME = f"^{words.NAME.pattern}$"
_VALUE_NAME = "^[A-Za-z][A-Za-z0-9_]*$"
_REFERENCE = rf"^{scope.REFERENCE.pattern}$".replace(r"\w", "[A-Za-z0-9_]")
_SIZE = "^[0-9]{1,10}(B|KiB|MiB)?$"
_ENGINE = "|".join(words.ENGINES)
_PEER_ENGINE = f"^({words.NAME.pattern}:)?({_ENGINE})$"
_RULE = "^(TCP|TLS|UDP)-[0-9]{3}$"


def ref(kind: str) -> Schema:
    """Return a reference to the definition of a kind, or of a section, of the table."""
    return {"$ref": f"#/definitions/{slug(kind)}"}


def slug(kind: str) -> str:
    """Return the name of a definition."""
    return kind.replace(" ", "-")


def one_of(*texts: str) -> Schema:
    """Return a kind of a few words; `true` and `false` also arrive as truth values."""
    truths = [text == "true" for text in texts if text in ("true", "false")]
    return {"enum": [*truths, *texts]}


def _text(pattern: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"pattern": pattern} if pattern else {"minLength": 1}), **more}


def _number(least: int, most: int, pattern: str = "") -> Schema:
    digits = len(str(most))
    sign = "-?" if least < 0 else ""
    whole = {"type": "integer", "minimum": least, "maximum": most}
    return {"anyOf": [whole, _text(pattern or f"^{sign}[0-9]{{1,{digits}}}$")]}


def _list(kind: Schema, least: int = 1, **more: Any) -> Schema:
    return {"type": "array", "items": kind, **({"minItems": least} if least else {}), **more}


def _by_name(kind: Schema, *, name: str = NAME, least: int = 0) -> Schema:
    more = {"minProperties": least} if least else {}
    names = {"propertyNames": {"pattern": name}}
    return {"type": "object", "additionalProperties": kind, **names, **more}


_NO_STRING: Schema = {"type": ["number", "boolean"]}
"""A text that an editor resolves to another type, such as `17` or `true`."""
_SCALAR: Schema = {"anyOf": [_text(), _NO_STRING]}
_ANY_TEXT: Schema = {"anyOf": [{"type": "string"}, _NO_STRING]}
_ADDRESS = "^([0-9]{1,3}([.][0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$"
_ERROR = "^(none|any|[A-Z][A-Z0-9_]*)$"
_HOST_NAME = _text(r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", maxLength=253)


def _address(*wordy: str) -> Schema:
    return {"anyOf": [{"enum": ["loopback", "loopback6", *wordy]}, _text(_ADDRESS)]}


_DIFFERENCES: Schema = {
    "type": "object",
    "patternProperties": {_PEER_ENGINE: ref("difference row")},
    "not": {"propertyNames": {"not": {"pattern": _PEER_ENGINE}}},
}


def differences(keys: Iterable[str]) -> Schema:
    """Return the schema of `differs` in a mapping with these keys."""
    others = {"properties": {key: {} for key in keys}, "additionalProperties": False}
    return {**_DIFFERENCES, **others}


KINDS: dict[str, Schema] = {
    "version": {"enum": [1, "1"]},
    "text": _SCALAR,
    "any text": _ANY_TEXT,
    "name": _text(_VALUE_NAME),
    "boolean": one_of("true", "false"),
    "true": one_of("true"),
    "read": one_of("read"),
    "number": _number(0, MAX_SIZE, _SIZE),
    "buffer size": _number(1, MAX_SIZE, _SIZE),
    "count of bytes": _number(1, MAX_SIZE, _SIZE),
    "times": _number(1, MAX_SIZE),
    "port": _number(0, 65535),
    "backlog": _number(0, 65535),
    "ttl": _number(1, 255),
    "multicast ttl": _number(0, 255),
    "duration": _text(r"^(?![0.]+[ms])([0-9]+(\.[0-9]+)?m?s|([0-9](\.[0-9]+)?|10)m)$"),
    "difference row": {"enum": list(words.ROWS)},
    # ---- at the top
    "list of rules": _list({"anyOf": [_text(_RULE), ref("difference row")]}, 0),
    "peers by name": _by_name(ref("peer"), least=1),
    "list of steps": _list(ref("step")),
    "bytes by name": _by_name(ref("bytes"), name=_VALUE_NAME),
    "cases by name": _by_name(ref("bytes by name"), least=1),
    "handlers by name": _by_name(ref("handlers of events")),
    "list of checks": _list(ref("check")),
    "list of needs": _list({"enum": list(words.NEEDS)}, 0),
    "list of findings": _list({"enum": list(words.FINDINGS)}, 0),
    "list of engines": _list({"enum": list(words.ENGINES)}),
    "rows by engine": {
        "type": "object",
        "patternProperties": {_PEER_ENGINE: ref("difference row")},
        "additionalProperties": False,
    },
    "differences": {
        **_DIFFERENCES,
        "propertyNames": {"anyOf": [{"pattern": _PEER_ENGINE}, {"not": {"pattern": ":"}}]},
    },
    "list of hosts": _list(_text(NAME), maxItems=MOST_HOSTS, uniqueItems=True),
    "certificates by name": {
        **_by_name(ref("certificate")),
        "propertyNames": {"pattern": NAME, "not": {"enum": list(tls.RESERVED)}},
    },
    "list of host names": _list({"anyOf": [_text("^[A-Za-z0-9_*.:-]+$"), _NO_STRING]}),
    "defect": {"enum": list(tls_words.BAD)},
    "fields": {"type": "object", "additionalProperties": _SCALAR},
    "some fields": {"type": "object", "additionalProperties": _SCALAR, "minProperties": 1},
    "count": {"anyOf": [_number(0, wire_checks.MOST_FRAMES), ref("count bounds")]},
    # ---- peers
    "handlers": {"anyOf": [_text(NAME), ref("handlers of events")]},
    "host": _text(NAME),
    "address": _address(*LINKS),
    "bind address": _address(*LINKS, GROUP),
    "interface": _address("link"),
    "peer or address": _text(),
    "udp peer": _text(NAME),
    "group": {"anyOf": [{"enum": list(OWN_GROUPS)}, _text(NAME)]},
    "own group": one_of(GROUP),
    "source": _text(),
    "list of sources": _list(_text()),
    "certificate name": _text(NAME),
    "certificate names by host name": {
        "type": "object",
        "additionalProperties": _text(NAME),
        "propertyNames": _HOST_NAME,
        "minProperties": 1,
    },
    "list of protocols": _list({"anyOf": [_text(maxLength=255), _NO_STRING]}),
    "verify": {"enum": list(tls_words.VERIFY)},
    "host name": {"anyOf": [_HOST_NAME, _NO_STRING]},
    "tls version": {"enum": list(tls_words.VERSIONS)},
    # ---- steps
    "list of actions": _list({"allOf": [ref("handler action"), {"not": {"const": "echo"}}]}, 0),
    "list of replies": _list(ref("handler action"), 0),
    "reload": {"anyOf": [ref("handlers"), ref("reloaded tls")]},
    "returns": {
        "anyOf": [
            _number(-1, MAX_SIZE, "^(-1|true|false|[0-9]{1,10}(B|KiB|MiB)?)$"),
            {"type": "boolean"},
            ref("returns bounds"),
        ],
    },
    "raised": {"allOf": [_text(_ERROR), {"not": {"enum": ["none"]}}]},
    "error": _text(_ERROR),
    "alert": {"enum": [tls_words.NO_ONE, *tls_words.ALERTS]},
    "certificate seen": _text(NAME),
    "event or data": {"enum": ["data", *words.EVENTS]},
    # ---- bytes
    "plain bytes": {"anyOf": [_ANY_TEXT, ref("described plain bytes")]},
    "bytes": {"anyOf": [_ANY_TEXT, ref("described bytes")]},
    "bytes to write": {"anyOf": [_ANY_TEXT, ref("described bytes to write")]},
    "datagram to write": ref("bytes to write"),
    "list of bytes": _list(ref("bytes")),
    "list of datagrams to write": _list(ref("bytes to write"), 0, maxItems=MOST_AT_ONCE),
    "received": {"anyOf": [ref("bytes"), ref("list of bytes"), ref("received datagrams")]},
    "hex": {"anyOf": [_text(r"^\s*([0-9a-fA-F]{2}\s*)+$"), {"type": "number"}]},
    "base64": {"anyOf": [_text(r"^[A-Za-z0-9+/\s]+={0,2}\s*$"), {"type": "number"}]},
    "sha256": _text("^[0-9a-fA-F]{64}$"),
    "regex": {"anyOf": [_text(maxLength=matcher_forms.MAX_PATTERN), {"type": "number"}]},
    "pattern": one_of("counter", "zero"),
    "captured count": _text(_REFERENCE),
}
"""By the name that the table gives each."""
