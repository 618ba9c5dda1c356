r"""Deliberately wrong copies of a spec: a test suite that cannot fail would let them pass.

Several kinds, all made in the text of the file, so that a failure quotes the wrong copy:

- `byte`: one side expects a byte that the other does not send. With a scripted sender the
  arrow would write the wrong byte too, so it becomes a `write_all` of the right bytes and a
  `received` of the wrong ones;
- `datagram`: the same for datagrams: a `send` of the right bytes, and a `received` of wrong ones;
- `event`: `sees` names another event;
- `alert`, `alpn`, `authorized` and so on: a handshake came to something else;
- `raises`, `returns`: a call of a UDP socket raises or returns something else;
- `removed`: a step is gone. An arrow between scripted peers stays: without it nothing is sent, and
  nothing is missing. A step about a good handshake stays: a good handshake is never a finding. With
  UDP sockets a `never` stays, and so does a step with the result or exception of a call: the call
  may have no effect that another step could see;
- `count`: a wire check wants a frame more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sockharness.sockspec.decode.tls_words import FACTS
from sockharness.sockspec.decode.words import SEEN_WITH, VERBS
from sockharness.sockspec.text import nodes
from sockharness.sockspec.text.nodes import Mapping, Node, Scalar, Sequence

SWAPS = {
    "open": ("end",),
    "end": ("close", "timeout"),
    "close": ("end", "drain"),
    "drain": ("end",),
    "error": ("timeout",),
    "timeout": ("error",),
    "connect_error": ("close",),
    "uncaught_exception": ("error",),
    "handshake": ("timeout",),
}
"""For each event the nearest one in meaning, and one that is far."""
OTHERWISE = {
    "true": "false",
    "false": "true",
    "TLSv1.2": "TLSv1.3",
    "TLSv1.3": "TLSv1.2",
}
ANOTHER = {"certificate": ("default", "none"), "alert": ("user_canceled",), "error": ("EXDEV",)}
"""Other values of what can be said of a handshake."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong copy: its text, the line that is wrong (0: gone), and words of its report."""

    spec: str
    kind: str
    step: str
    text: str
    line: int = 0
    words: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name it for a test's id."""
        return f"{self.spec}:{self.kind}:{self.step}"


def mutants(path: Path, name: str) -> Iterator[Mutant]:
    """Yield the wrong copies of a spec, which are to be known by this name."""
    root = nodes.read(path)
    assert isinstance(root, Mapping)
    source = path.read_text().splitlines()
    exchange, wire = root.get("exchange"), root.get("wire")
    assert isinstance(exchange, Sequence)
    scripted, udp = _scripted(root), _udp(root)
    for step, last in _spans(exchange, source):
        first = step.location.line - 1
        if step.entries[0][0].text.partition("->")[0].strip() in udp:
            yield from _of_datagrams(name, source, step, (first, last), scripted & udp)
            continue
        yield from _of_step(name, source, step, (first, last), scripted)
    for check in wire.items if isinstance(wire, Sequence) else ():
        yield from _of_check(name, source, check)


def _scripted(root: Mapping) -> set[str]:
    peers = root.get("peers")
    assert isinstance(peers, Mapping)
    return {
        key.text for key, peer in peers.entries if isinstance(peer, Mapping) and not peer.get("on")
    }


def _udp(root: Mapping) -> set[str]:
    """Return the names of the peers with a UDP socket."""
    peers = root.get("peers")
    assert isinstance(peers, Mapping)
    return {
        key.text
        for key, peer in peers.entries
        if isinstance(peer, Mapping) and peer.get("udp") is not None
    }


def _spans(exchange: Sequence, source: list[str]) -> Iterator[tuple[Mapping, int]]:
    """Yield each step with the index of the line behind it."""
    starts = [item.location.line - 1 for item in exchange.items]
    end = next(
        (n for n in range(starts[-1] + 1, len(source)) if re.match(r"[a-z]", source[n])),
        len(source),
    )
    for item, behind in zip(exchange.items, [*starts[1:], end], strict=True):
        assert isinstance(item, Mapping)
        yield item, behind


def _of_step(
    spec: str, source: list[str], step: Mapping, span: tuple[int, int], scripted: set[str]
) -> Iterator[Mutant]:
    first, last = span
    said = " ".join(line.strip() for line in source[first:last])

    def copy(kind: str, lines: list[str], line: int = 0, *words: str) -> Mutant:
        text = "\n".join([*source[:first], *lines, *source[last:]]) + "\n"
        return Mutant(spec, kind, said, text, line, words)

    key, value = step.entries[0]
    left, arrow, right = (part.strip() for part in key.text.partition("->"))
    between = {name.partition("@")[0] for name in (left, right)}
    unheard = arrow and between <= scripted and not _is_about(value)
    if not unheard and not _is_good_handshake(value):
        yield copy("removed", [])
    rest = source[first][: step.location.column - 1]
    if isinstance(value, Mapping) and (sees := value.get("sees")) is not None:
        assert isinstance(sees, Scalar)
        for other in SWAPS[sees.text]:
            swapped = _flow(_with_event(value, other))
            yield copy(f"event to {other}", [f"{rest}{key.text}: {swapped}"], first + 1, other)
        for word, other in _other_facts(value) if sees.text == "handshake" else ():
            changed = _flow(_with(value, word, other))
            yield copy(f"{word} to {other}", [f"{rest}{key.text}: {changed}"], first + 1, other)
    elif arrow:
        receiver = f"{right} -> {left}" if left in scripted or "@" not in right else right
        wrong = f"{rest}{receiver}: {{received: {_wrong(value, source)}}}"
        right_bytes = f"{rest}{left} -> {right}: {{write_all: {_raw(value, source)}}}"
        lines = [right_bytes, wrong] if left in scripted else [wrong]
        yield copy("byte", lines, first + len(lines), "expected")
    elif isinstance(value, Mapping) and (received := value.get("received")) is not None:
        changed = source[first].replace(_raw(received, source), _wrong(received, source))
        yield copy("byte", [changed], first + 1, "expected")


def _of_datagrams(
    spec: str, source: list[str], step: Mapping, span: tuple[int, int], scripted: set[str]
) -> Iterator[Mutant]:
    """Yield the wrong copies of a step of UDP sockets, which stands on one line."""
    first, last = span
    said = " ".join(line.strip() for line in source[first:last])
    line = source[first]

    def copy(kind: str, lines: list[str], at: int = 0, *words: str) -> Mutant:
        text = "\n".join([*source[:first], *lines, *source[first + 1 :]]) + "\n"
        return Mutant(spec, kind, said, text, at, words)

    key, value = step.entries[0]
    left, arrow, right = (part.strip() for part in key.text.partition("->"))
    if arrow:
        if not {left, right} <= scripted:
            yield copy("removed", [])
        indent = line[: step.location.column - 1]
        lines = [f"{indent}{right}: {{received: {_wrong(value, source)}}}"]
        if left in scripted:
            connected = re.search(rf"{left}: {{(host: \w+, )?udp: {{connect", "\n".join(source))
            to = "" if connected else f", to: {right}"
            lines.insert(0, f"{indent}{left}: {{send: {_raw(value, source)}{to}}}")
        yield copy("datagram", lines, first + len(lines), "expected")
        return
    words = ("send", "send_many", "reload", "sees", "received")
    effects = not isinstance(value, Mapping) or any(value.get(word) for word in words)
    if effects and not _call(value, line)[0]:
        yield copy("removed", [])
    if isinstance(value, Mapping):
        for kind, changed, word in (_call(value, line), _seen(value, line)):
            if kind:
                yield copy(kind, [changed], first + 1, word)


def _call(value: Node, line: str) -> tuple[str, str, str]:
    """Return the kind, the wrong line and its word, if a step says what a call returns or raises;
    else nothing."""
    for word, other in (("raises", "EXDEV"), ("returns", "77")):
        stated = value.get(word) if isinstance(value, Mapping) else None
        if not isinstance(stated, Scalar):
            continue
        if stated.text == "any":  # whatever it raises is right: then it must not return
            return word, line.replace("raises: any", "returns: 77"), "cannot"
        return word, line.replace(f"{word}: {stated.raw}", f"{word}: {other}"), other
    return "", "", ""


def _seen(value: Mapping, line: str) -> tuple[str, str, str]:
    """The same, if a step says what a peer sees or has received."""
    sees, received = value.get("sees"), value.get("received")
    if isinstance(sees, Scalar):
        other = "error" if sees.text != "error" else "drain"
        changed = line.replace(f"sees: {sees.text}", f"sees: {other}")
        return f"event to {other}", _without_misfits(changed, other), other
    if received is not None:
        begin = received.location.column - 1
        wrong = re.sub(r'"(?=[^"])', '"~', line[begin:], count=1)
        if wrong == line[begin:]:
            wrong = wrong.replace("bytes: ", "bytes: 1", 1)
        return "datagram", line[:begin] + wrong, "expected"
    return "", "", ""


def _without_misfits(step: str, event: str) -> str:
    """Take the keys out of a step that do not go with its new event: it must load."""
    for key, fitting in SEEN_WITH.items():
        if event not in fitting:
            step = re.sub(rf", {key}: [^,}}]+", "", step)
    return step


def _is_about(value: Node) -> bool:
    """Return whether the value of an arrow is an action or an expectation, not bytes."""
    return isinstance(value, Mapping) and any(key.text in VERBS for key, _ in value.entries)


def _is_good_handshake(value: Node) -> bool:
    sees = value.get("sees") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(sees, Scalar) or sees.text != "handshake":
        return False
    success, error = value.get("success"), value.get("error")
    if isinstance(success, Scalar):
        return success.text == "true"
    if value.get("alert") is not None:
        return False
    return error is None or (isinstance(error, Scalar) and error.text == "none")


def _other_facts(value: Mapping) -> Iterator[tuple[str, str]]:
    """Yield each word of a handshake's step with a value that is wrong."""
    for key, said in value.entries:
        if key.text not in (*FACTS, "alert", "error"):
            continue
        assert isinstance(said, Scalar)
        others = ANOTHER.get(key.text, (OTHERWISE.get(said.text, "another"),))
        yield key.text, next(other for other in others if other != said.text)


def _with_event(value: Mapping, event: str) -> Mapping:
    """Return a step about another event, without the keys that do not go with it."""
    misfits = {key for key, fitting in SEEN_WITH.items() if event not in fitting}
    kept = tuple(entry for entry in value.entries if entry[0].text not in misfits)
    return _with(Mapping(kept, value.location), "sees", event)


def _with(value: Mapping, word: str, text: str) -> Mapping:
    entries = (
        (key, Scalar(text, key.location, "", text) if key.text == word else old)
        for key, old in value.entries
    )
    return Mapping(tuple(entries), value.location)


def _flow(node: Node) -> str:
    """Return a node as it can be written on one line."""
    if isinstance(node, Scalar):
        return node.raw
    if isinstance(node, Sequence):
        return f"[{', '.join(_flow(item) for item in node.items)}]"
    entries = (f"{key.raw}: {_flow(value)}" for key, value in node.entries)
    return f"{{{', '.join(entries)}}}"


def _of_check(spec: str, source: list[str], check: Node) -> Iterator[Mutant]:
    assert isinstance(check, Mapping)
    count = check.get("count")
    if isinstance(count, Mapping):
        yield from _of_bounds(spec, source, count, check.location.line)
        return
    assert isinstance(count, Scalar)
    number, line = int(count.text), count.location.line - 1
    changed = source[line].replace(f"count: {number}", f"count: {number + 1}")
    text = "\n".join([*source[:line], changed, *source[line + 1 :]]) + "\n"
    yield Mutant(spec, "count", source[line].strip(), text, line + 1, (f"expected {number + 1}",))


def _of_bounds(spec: str, source: list[str], count: Mapping, reported: int) -> Iterator[Mutant]:
    least = count.get("at_least")
    assert isinstance(least, Scalar)
    line = least.location.line - 1
    changed = source[line].replace(f"at_least: {least.text}", "at_least: 77")
    text = "\n".join([*source[:line], changed, *source[line + 1 :]]) + "\n"
    yield Mutant(spec, "count", source[line].strip(), text, reported, ("at least 77",))


def _raw(node: Node, source: list[str]) -> str:
    """Return the source of a value that stands on one line."""
    if isinstance(node, Scalar):
        return node.raw
    line = source[node.location.line - 1]
    return line[node.location.column - 1 :]


def _wrong(node: Node, source: list[str]) -> str:
    """Return the source of a value that differs in a byte."""
    raw = _raw(node, source)
    if isinstance(node, Scalar) and re.match(r'"[A-Za-z0-9+]', raw):
        return f'"~{raw[2:]}'
    return f'{{concat: ["~", {raw}]}}'
