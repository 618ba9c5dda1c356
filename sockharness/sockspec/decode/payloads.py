r"""Decodes bytes: `"text\r\n"`, `{hex: ff}`, `{bytes: 4MiB}`, `{regex: …}`, `$name`.

A scalar is text in UTF-8. Escapes work in double quotes, where YAML has them, and only up to
`\x7f`: beyond, a reader cannot tell whether a byte or a character is meant. A backslash anywhere
else is an escape that somebody hoped for, and refused with the mend. A reference is a whole
scalar; nothing inside longer text is replaced.

The mapping forms are rows of `table.data`. Adding a form is a row there, and a function here that
decodes it.
"""

import base64
import binascii
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sockharness.location import Location, state_of
from sockharness.match.exact import StartsWith
from sockharness.match.joined import Capture
from sockharness.match.matcher import Matcher
from sockharness.match.regex import Regex
from sockharness.match.sized import AnyBytes, Length, Sha256
from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.record import record
from sockharness.sockspec import model, table
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar, Sequence
from sockharness.sockspec.text.problems import Problems
from sockharness.sockspec.text.typed import (
    MAX_SIZE,
    Known,
    Refusal,
    as_int,
    as_sequence,
    as_size,
    as_text,
    as_word,
    unexpected,
)

MAX_FILE = 16 * 1024 * 1024
MAX_PARTS = 1000
"""The most parts of a `concat`, those of the names in it included."""
MAX_PATTERN = 1000
"""The most characters of a regular expression: compiling is dear."""
REFERENCE = re.compile(r"\$([A-Za-z]\w*(?:\.\w+)*)", re.ASCII)
_HIGH_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\(x[89a-fA-F]|u(?!00[0-7])|U(?!000000[0-7])|[NLP_])")

PEER_FACTS = ("host", "port")
"""What `$peer.fact` can ask of a peer that listens or has a UDP socket."""
GROUP_FACTS = (*PEER_FACTS, "group")
"""What it can ask of one that has to do with a multicast group."""


@record
class Uses:
    """Which names a file uses, over all of its cases: whoever decodes it notes them here.

    Attributes:
        read: the names that are read.
        captures: the names that are captured, each with its first place.
        handlers: the handler sets that are used.
        certs: the certificates that are used.
        in_cases: the names that any case defines.
    """

    read: set[str] = field(default_factory=set)
    captures: dict[str, Location] = field(default_factory=dict)
    handlers: set[str] = field(default_factory=set)
    certs: set[str] = field(default_factory=set)
    in_cases: set[str] = field(default_factory=set)


@record
class Scope:
    """What names mean at a place in the file.

    Attributes:
        let: the names that `let` and the case define.
        captured: the names that an earlier step captures.
        peers: the peers of which there are facts, for `$server.port`, each with their names.
        folder: where `file:` looks, and no further.
        problems: where what is wrong goes, if more than one thing is.
        uses: where it is noted which names are used.
        case: the case's name; empty outside of cases.
        messages: whether the bytes are a message of their own, as a datagram is.
    """

    let: Mapping[str, Payload]
    captured: set[str]
    peers: Mapping[str, tuple[str, ...]]
    folder: Path
    problems: Problems
    uses: Uses = field(default_factory=Uses)
    case: str = ""
    messages: bool = False


def decode(node: Node, scope: Scope) -> Payload:
    """Return the payload that a node describes.

    Raises:
        Refusal: with the place, if it describes none.
    """
    if isinstance(node, Scalar):
        return reference(node, scope) or _literal(node, scope)
    if isinstance(node, Sequence):
        stream = "on a stream there are no messages; use {concat: [...]}"
        hint = (
            "it is one datagram; use 'send_many', or a step for each" if scope.messages else stream
        )
        raise unexpected(node, "bytes", hint)
    return _form(node, scope)


def reference(node: Scalar, scope: Scope) -> Payload | None:
    """Return what a scalar `$name` refers to; `None` if it is no reference."""
    found = REFERENCE.fullmatch(node.text)
    if found is None:
        return None
    name = found[1]
    scope.uses.read.add(name)
    if name in scope.let:
        scope.captured.update(_captures(scope.let[name]))
        return scope.let[name]
    if name not in scope.captured and not _is_fact(name, scope):
        if scope.case and name in scope.uses.in_cases:
            message = f"${name} is not defined in case '{scope.case}'"
            raise Refusal(node.location, message, "define it there too, or under 'let'")
        known = [*scope.let, *scope.captured, *(f"{peer}.port" for peer in scope.peers)]
        hint = did_you_mean(name, known) or "define it under 'let', or capture it"
        raise Refusal(node.location, f"${name} is not defined here", hint)
    return model.Reference(name)


def _literal(node: Scalar, scope: Scope) -> Payload:
    """Return a text's bytes; a name inside it would not be replaced, so it is refused."""
    for name in dict.fromkeys(REFERENCE.findall(node.text)):
        first = name.partition(".")[0]
        if _is_fact(name, scope) or first in scope.let or first in scope.captured:
            message = f"${name} inside longer text is not replaced"
            hint = f'write {{concat: ["…", ${name}]}}, or {{text: …}} if just that is meant'
            raise Refusal(node.location, message, hint)
    return model.Literal(text_bytes(node))


def text_bytes(node: Scalar) -> bytes:
    """Return the bytes of a text."""
    if node.style == '"':
        if _HIGH_ESCAPE.search(node.raw):
            hint = "write {hex: ff} for a byte, or the character itself for text"
            raise Refusal(node.location, "an escape above \\x7f may be a byte or a character", hint)
    elif "\\" in node.text:
        hint = "use double quotes for escapes, or {hex: 5c} for a backslash"
        raise Refusal(node.location, "a backslash outside double quotes is no escape", hint)
    if not node.text and not node.style:
        raise unexpected(node, "bytes")
    return node.text.encode()


def can_be_written(payload: Payload) -> bool:
    """Say whether there are bytes to write: what is only described needs an example."""
    if isinstance(payload, model.Joined):
        return all(map(can_be_written, payload.parts))
    return not isinstance(payload, model.Wanted) or payload.example is not None


def is_empty(payload: Payload) -> bool:
    """Say whether a payload is no byte at all."""
    if isinstance(payload, model.Joined):
        return all(map(is_empty, payload.parts))
    return isinstance(payload, model.Literal | model.Repeated) and not _size(payload)


def _captures(payload: Payload) -> set[str]:
    """Return the names that a payload captures when it comes."""
    if isinstance(payload, model.Joined):
        return set().union(*map(_captures, payload.parts))
    return payload.want.names() if isinstance(payload, model.Wanted) else set()


def _size(payload: Payload) -> int:
    """Return how many bytes a payload is, as far as that is known before the run."""
    match payload:
        case model.Literal(content):
            return len(content)
        case model.Repeated(once, times):
            return len(once) * times
        case model.Pattern(size):
            return size
        case model.Joined(parts):
            return sum(map(_size, parts))
    return 0


def _bytes_of(node: Node, scope: Scope) -> Payload:
    """Return the payload of a node that may not be a mere description."""
    payload = decode(node, scope)
    parts = payload.parts if isinstance(payload, model.Joined) else (payload,)
    if any(isinstance(part, model.Wanted) for part in parts):
        raise Refusal(node.location, "expected bytes, got a description of bytes")
    return payload


def _is_fact(name: str, scope: Scope) -> bool:
    peer, dot, fact = name.partition(".")
    return bool(dot) and fact in scope.peers.get(peer, ())


# ---- the mapping forms


def _form(node: MappingNode, scope: Scope) -> Payload:
    keys = [key.text for key, _ in node.entries]
    names = [name for name in FORMS if name in keys]
    if not names:
        hint = next((did_you_mean(key, FORMS) for key in keys), "")
        streams = [name for name in FORMS if name not in MESSAGES or scope.messages]
        hint = hint or f"known: {', '.join(streams)}"
        got = f"'{show(' '.join(keys), limit=40)}'" if keys else "an empty mapping"
        raise Refusal(_first_key(node), f"expected bytes, got {got}", hint)
    known = scope.problems.entries(node, (names[0], *table.keys(f"bytes {names[0]}")))
    payload = FORMS[names[0]](_Form(node, names[0], scope))
    if len(known) < len(node.entries):
        raise Known
    return payload


def _first_key(node: MappingNode) -> Location:
    return node.entries[0][0].location if node.entries else node.location


@record
class _Form:
    """A mapping that describes bytes, its form being `name`."""

    node: MappingNode
    name: str
    scope: Scope

    @property
    def value(self) -> Node:
        found = self.node.get(self.name)
        assert found is not None, "a form is chosen by the key that is there"
        return found

    def need(self, key: str, because: str) -> Node:
        found = self.node.get(key)
        if found is None:
            known, message = (
                (self.name, *table.keys(f"bytes {self.name}")),
                f"'{self.name}' needs '{key}'",
            )
            raise self.scope.problems.missing(self.node, known, message, because)
        return found

    def each(self, *parts: Callable[[], Any]) -> list[Any]:
        """Decode parts; of several that are wrong all are told."""
        decoded = []
        for part in parts:
            with self.scope.problems.collect():
                decoded.append(part())
        if len(decoded) < len(parts):
            raise Known
        return decoded

    def example(self) -> Payload | None:
        node = self.node.get("example")
        return _bytes_of(node, self.scope) if node is not None else None


def _hex(form: _Form) -> Payload:
    text = as_text(form.value, "hexadecimal digits such as ff 00")
    try:
        return model.Literal(bytes.fromhex(text))
    except ValueError:
        raise unexpected(form.value, "pairs of hexadecimal digits such as ff 00") from None


def _base64(form: _Form) -> Payload:
    text = "".join(as_text(form.value, "base64 text").split())
    try:
        return model.Literal(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise unexpected(form.value, "base64 text", str(error)) from None


def _text(form: _Form) -> Payload:
    if not isinstance(form.value, Scalar):
        raise unexpected(form.value, "a text")
    return model.Literal(text_bytes(form.value))


def _file(form: _Form) -> Payload:
    name = as_text(form.value, "a file's name")
    folder = form.scope.folder.resolve()
    place = form.value.location
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise Refusal(place, f"'{show(name, limit=40)}' is outside the spec's folder")
        if not path.is_file():
            raise Refusal(place, f"'{show(name, limit=40)}' is not a regular file here")
        content = _content(path, state_of(path))
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        because = getattr(error, "strerror", None) or "not a name of a file"
        raise Refusal(place, f"'{show(name, limit=40)}' cannot be read: {because}") from None
    if len(content) > MAX_FILE:
        raise Refusal(place, f"expected a file of at most {MAX_FILE} bytes")
    return model.Literal(content)


@lru_cache(maxsize=4)
def _content(path: Path, _state: object) -> bytes:
    """Read a file, once for all that mention it."""
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _bytes(form: _Form) -> Payload:
    pattern = form.node.get("pattern")
    size, kind = form.each(
        lambda: as_size(form.value, least=1),
        lambda: as_word(pattern, ("counter", "zero"), "a pattern") if pattern else "counter",
    )
    return model.Pattern(size, kind)


def _repeat(form: _Form) -> Payload:
    once, times = form.each(
        lambda: decode(form.value, form.scope),
        lambda: as_int(form.need("times", "how often"), least=1, most=MAX_SIZE, what="a count"),
    )
    if isinstance(once, model.Literal):
        once = model.Repeated(once.content, 1)
    if not isinstance(once, model.Repeated):
        raise unexpected(form.value, "bytes that stand here")
    if len(once.once) * once.times * times > MAX_SIZE:
        raise Refusal(form.value.location, f"expected at most {MAX_SIZE} bytes in all, got more")
    return model.Repeated(once.once, once.times * times)


def _concat(form: _Form) -> Payload:
    parts = as_sequence(form.value, "a list of bytes").items
    if not parts:
        raise Refusal(form.value.location, "expected at least one part, got none")
    joined: list[Payload] = []
    size = right = 0
    for part in parts:  # flat: names within names grow without bound
        with form.scope.problems.collect():
            payload = decode(part, form.scope)
            joined += payload.parts if isinstance(payload, model.Joined) else (payload,)
            size += _size(payload)
            right += 1
        if size > MAX_SIZE or len(joined) > MAX_PARTS:
            limits = f"at most {MAX_SIZE} bytes in {MAX_PARTS} parts"
            raise Refusal(part.location, f"expected {limits} in all, got more")
    if right < len(parts):
        raise Known
    return model.Joined(tuple(joined))


def _regex(form: _Form) -> Payload:
    pattern, example = form.each(lambda: _pattern(form.value, form.scope), form.example)
    return model.Wanted(pattern, example)


def _pattern(node: Node, scope: Scope) -> Regex:
    text = as_text(node, "a regular expression")
    if len(text) > MAX_PATTERN:
        message = f"expected a regular expression of at most {MAX_PATTERN} characters, got more"
        raise Refusal(node.location, message)
    try:
        pattern = _compiled(text.encode())
    except (re.error, OverflowError, RecursionError, Warning) as error:
        because = "nested too deep" if isinstance(error, RecursionError) else error
        raise Refusal(node.location, f"not a regular expression: {because}") from None
    for name in pattern.groupindex:
        _free(name, node, scope)
    scope.captured.update(pattern.groupindex)
    return Regex(pattern)


def _free(name: str, node: Node, scope: Scope) -> None:
    """Refuse to capture under a name of `let`, which would win."""
    if name in scope.let:
        raise Refusal(node.location, f"'{name}' is a name under 'let' already", "choose another")


@lru_cache(maxsize=4096)
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern; what Python would only warn of is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return re.compile(pattern, re.DOTALL)


def _length(form: _Form) -> Payload:
    size, example = form.each(lambda: as_size(form.value, least=1), form.example)
    return model.Wanted(Length(size), example)


def _sha256(form: _Form) -> Payload:
    because = "a stream does not say where the bytes end"
    digest, size, example = form.each(
        lambda: _digest(form.value),
        lambda: as_size(form.need("length", because), least=1),
        form.example,
    )
    return model.Wanted(Sha256(digest, size), example)


def _digest(node: Node) -> str:
    digest = as_text(node, "64 hexadecimal digits").lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise unexpected(node, "64 hexadecimal digits")
    return digest


def _capture(form: _Form) -> Payload:
    name, inner, example = form.each(
        lambda: _capture_name(form.value, form.scope), lambda: _captured(form), form.example
    )
    return model.Wanted(Capture(name, inner), example)


def _capture_name(node: Node, scope: Scope) -> str:
    name = as_text(node, "a name")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise unexpected(node, "a name of letters, digits and _")
    _free(name, node, scope)
    scope.captured.add(name)
    scope.uses.captures.setdefault(name, node.location)
    return name


def _captured(form: _Form) -> Matcher:
    """Return what takes the bytes that are captured."""
    regex, length = form.node.get("regex"), form.node.get("length")
    if regex is not None:
        return _pattern(regex, form.scope)
    if form.scope.messages and length is None:
        return AnyBytes()
    because = "or 'regex': a stream does not say where the bytes end"
    return Length(as_size(form.need("length", because), least=1))


def _rest_of(form: _Form) -> Payload:
    whole, after = form.each(
        lambda: _bytes_of(form.value, form.scope), lambda: _captured_count(form)
    )
    return model.RestOf(whole, after)


def _captured_count(form: _Form) -> str:
    node = form.need("after", "the captured count")
    found = REFERENCE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if found is None or found[1] not in form.scope.captured:
        raise unexpected(node, "a captured count such as $first")
    form.scope.uses.read.add(found[1])
    return found[1]


def _starts_with(form: _Form) -> Payload:
    _needs_messages(form)
    start = _bytes_of(form.value, form.scope)
    if not isinstance(start, model.Literal):
        raise unexpected(form.value, "bytes that stand here")
    return model.Wanted(StartsWith(start.content), form.example())


def _any(form: _Form) -> Payload:
    _needs_messages(form)
    as_word(form.value, ("true",), "true")
    return model.Wanted(AnyBytes(), form.example())


def _unordered(form: _Form) -> Payload:
    _needs_messages(form)
    raise Refusal(form.node.location, "'unordered' is for 'received'", "one datagram has no order")


def _needs_messages(form: _Form) -> None:
    if not form.scope.messages:
        hint = "a stream has no messages: give the bytes, a 'length' or a 'regex'"
        raise Refusal(form.node.location, f"'{form.name}' needs a peer that gets messages", hint)


_FORMS: dict[str, Callable[[_Form], Payload]] = {
    "hex": _hex,
    "base64": _base64,
    "text": _text,
    "file": _file,
    "bytes": _bytes,
    "repeat": _repeat,
    "concat": _concat,
    "rest_of": _rest_of,
    "capture": _capture,
    "sha256": _sha256,
    "regex": _regex,
    "length": _length,
    "starts_with": _starts_with,
    "any": _any,
    "unordered": _unordered,
}
MESSAGES = table.keys("message matcher", "received")
"""The forms that need a peer that gets messages."""
FORMS = {key: _FORMS[key] for key in table.keys("bytes", "matcher", "message matcher", "received")}
"""What decodes each form of the table, in its order: the first whose key is there is meant."""
