"""Text to nodes: the only door to YAML.

YAML's implicit types are never resolved (`on`, `22:22` and `12e4` mean what they look like), so
a node holds raw text, and the schema in `loader` types it. We build the nodes from the parser's
events ourselves, because a limit that is checked after the parse comes too late: aliases and
merge keys can grow a 300-byte file to a gibibyte, and PyYAML's own composer recurses. Refused
while reading: more than `MAX_BYTES` bytes, `MAX_EVENTS` events or `MAX_DEPTH` levels, a second
document, anchors, aliases, tags, merge keys, duplicate keys.

libyaml's parser is used where PyYAML has it; PyYAML's own parser is some twenty times slower, so
without libyaml a file may have only `MAX_BYTES_SLOW` bytes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sockharness.errors import Problem, SpecError
from sockharness.location import Location
from sockharness.printable import show

MAX_BYTES = 1024 * 1024
MAX_BYTES_SLOW = 32 * 1024
MAX_EVENTS = 20_000
MAX_DEPTH = 32

_PARSER: Any = getattr(yaml, "CSafeLoader", None) or yaml.SafeLoader
_FAST = hasattr(yaml, "CSafeLoader")
_NO_PRINTABLE_ASCII = re.compile("[^\t\n\r\x20-\x7e]")


class Scalar(NamedTuple):
    """A text. `style` is the quote around it, empty for a plain one; `raw` is as written."""

    text: str
    location: Location
    style: str = ""
    raw: str = ""


class Sequence(NamedTuple):
    """A list of nodes."""

    items: "tuple[Node, ...]"
    location: Location


class Mapping(NamedTuple):
    """Keys, which are scalars, with nodes, in the file's order."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    location: Location

    def get(self, key: str) -> "Node | None":
        """Return the node under a key, or `None`."""
        return next((node for name, node in self.entries if name.text == key), None)


Node = Scalar | Sequence | Mapping


def size_of(node: Node) -> int:
    """Return the number of nodes in a node, itself and its keys included."""
    if isinstance(node, Sequence):
        return 1 + sum(map(size_of, node.items))
    if isinstance(node, Mapping):
        return 1 + sum(1 + size_of(value) for _, value in node.entries)
    return 1


def names_something(node: Node) -> bool:
    """Return whether a node has a `$` anywhere: its meaning may then differ between cases."""
    if isinstance(node, Sequence):
        return any(map(names_something, node.items))
    if isinstance(node, Mapping):
        return any(names_something(value) for _, value in node.entries)
    return "$" in node.text


def read(path: Path, *, shown: str = "") -> Node:
    """Read a file into nodes.

    Args:
        path: the file.
        shown: the path as messages should show it.

    Raises:
        SpecError: with the location of any problem in the file.
    """
    shown = shown or str(path)
    start = Location(shown, 1, 1)
    try:
        if path.exists() and not path.is_file():
            raise SpecError([Problem(start, "is not a regular file")])
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError([Problem(start, f"cannot be read: {error.strerror}")]) from None
    limit = MAX_BYTES if _FAST else MAX_BYTES_SLOW
    if len(data) > limit:
        message = f"expected at most {limit // 1024} KiB, got more"
        raise SpecError([Problem(start, message, "split it into several files")])
    return parse(_decode(data, start), shown)


def parse(text: str, shown: str) -> Node:
    """Parse the text of a spec into nodes; `shown` is the path for messages.

    Raises:
        SpecError: with the location of any problem in the text.
    """
    if found := _unprintable(text):
        message = f"expected printable text, got U+{ord(found[0]):04X}"
        hint = "write it as an escape in double quotes, or as {hex: ...}"
        raise SpecError([Problem(_end_of(text[: found.start()], shown), message, hint)])
    builder = None
    try:
        builder = _Builder(text, shown)
        return builder.document()
    except yaml.MarkedYAMLError as error:
        last = builder.last if builder is not None else None
        raise SpecError([_yaml_problem(error, text, shown, last)]) from None


def _unprintable(text: str) -> re.Match[str] | None:
    """Find what YAML 1.1 §5.1 does not allow, or a line break that only YAML knows: readers
    do not see them. Most texts are ASCII, and the whole pattern takes long to compile."""
    if _NO_PRINTABLE_ASCII.search(text) is None:
        return None
    return re.search(
        "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]",
        text,
    )


def _decode(data: bytes, start: Location) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        location = _end_of(data[: error.start].decode("utf-8-sig"), start.path)
        byte = f"{data[error.start]:02x}"
        message = f"expected UTF-8, got the byte {byte}"
        hint = f"write bytes that are not text as {{hex: {byte}}}"
        raise SpecError([Problem(location, message, hint)]) from None


def _end_of(text: str, shown: str) -> Location:
    """Return the location behind a text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Location(shown, len(lines), len(lines[-1]) + 1)


class _Builder:
    """Builds nodes from events; recursion goes no deeper than `MAX_DEPTH`."""

    def __init__(self, text: str, shown: str) -> None:
        self._text = text
        self._shown = shown
        self._count = 0
        self._depth = 0
        self.last: Any = None
        """The scalar read last: if its quote was not closed, it swallowed what follows."""
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_PARSER))

    def document(self) -> Node:
        """Return the one document of the file."""
        self._next()  # stream start
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise self._refusal(event, "the file is empty", "begin with 'sockspec: 1'")
        root = self._node(self._next())
        self._next()  # document end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refusal(event, "expected one document, got a second", "use one file each")
        return root

    def _next(self) -> Any:
        event = next(self._events)
        self._count += 1
        if self._count > MAX_EVENTS:
            raise self._refusal(event, f"expected at most {MAX_EVENTS} nodes, got more")
        return event

    def _node(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            raise self._refusal(event, "aliases are refused", "write the value out, or use 'let'")
        if event.anchor is not None:
            raise self._refusal(event, "anchors are refused", "use 'let' for what repeats")
        if event.tag is not None:
            raise self._refusal(event, f"tags are refused, got {show(event.tag, limit=40)}")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refusal(event, f"expected at most {MAX_DEPTH} levels, got more")
        is_list = isinstance(event, yaml.SequenceStartEvent)
        node = self._sequence(event) if is_list else self._mapping(event)
        self._depth -= 1
        return node

    def _scalar(self, event: Any) -> Scalar:
        self.last = event
        raw = self._text[event.start_mark.index : event.end_mark.index]
        return Scalar(event.value, self._place(event), event.style or "", raw)

    def _sequence(self, start: Any) -> Sequence:
        items = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event))
        return Sequence(tuple(items), self._place(start))

    def _mapping(self, start: Any) -> Mapping:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event)
            if not isinstance(key, Scalar):
                raise self._refusal(event, "expected a word as key, got a list or mapping")
            if key.text == "<<" and not key.style:
                raise self._refusal(event, "merge keys are refused", "use 'let' for what repeats")
            if key.text in seen:
                first = seen[key.text].location.line
                word = show(key.text, limit=40)
                raise self._refusal(event, f"duplicate key '{word}', first on line {first}")
            seen[key.text] = key
            entries.append((key, self._node(self._next())))
        return Mapping(tuple(entries), self._place(start))

    def _place(self, event: Any) -> Location:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if start.line == end.line else 1
        return Location(self._shown, start.line + 1, start.column + 1, max(1, width))

    def _refusal(self, event: Any, message: str, hint: str = "") -> SpecError:
        return SpecError([Problem(self._place(event), message, hint)])


def _yaml_problem(error: yaml.MarkedYAMLError, text: str, shown: str, last: Any) -> Problem:
    mark: Any = error.problem_mark or error.context_mark
    if opened := _open_quote(error, mark, last):
        location = Location(shown, opened.line + 1, opened.column + 1)
        return Problem(
            location, f"the quote opened at {location.line}:{location.column} is not closed"
        )
    message = f"not YAML: {show(error.problem or error.context or '', limit=200)}"
    lines = text.splitlines()
    if mark.line >= len(lines) and error.context_mark is not None:
        mark = error.context_mark  # what began there was not closed
    source = lines[mark.line] if mark.line < len(lines) else ""
    location = Location(shown, mark.line + 1, mark.column + 1)
    if "\t" in source[: len(source) - len(source.lstrip())]:
        return Problem(location, "a tab indents this line", "use spaces")
    return Problem(location, message, _yaml_hint(source, message))


def _open_quote(error: yaml.MarkedYAMLError, mark: Any, last: Any) -> Any:
    """Return the location of an unclosed quote, if any."""
    if "quoted scalar" in (error.context or "") and "stream" in (error.problem or ""):
        return error.context_mark
    swallowed = last is not None and last.style in ('"', "'")
    if swallowed and last.start_mark.line < last.end_mark.line == mark.line:
        return last.start_mark
    return None


def _yaml_hint(source: str, message: str) -> str:
    """Suggest a fix for the most common traps of YAML."""
    if "nesting" in message:
        return f"at most {MAX_DEPTH} levels are allowed"
    if "escape" in message:
        return "in double quotes a backslash begins an escape; put a pattern in single quotes"
    if re.search(r"[:-]\s+[0-9a-fA-F:]*::", source):
        return "put an IPv6 address in quotes, or write 'loopback6'"
    if re.search(r"[\[,]\s*[0-9a-fA-F:]*::", source):
        return "put an IPv6 address in quotes"
    if re.search(r"[\[{,:]\s*\*\.", source):
        return "put a name with '*' in quotes"
    if re.search(r"[:-]\s+\[", source):
        return "put text that begins with a bracket in quotes"
    if "mapping values" in message:
        return "put text that holds ': ' in quotes"
    if "token" in message or "alphabetic" in message:
        return "put text that begins with a special character in quotes"
    return ""
