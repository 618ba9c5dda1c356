"""Decodes what a peer is told to do: the actions of steps and of handlers, with what they return.

Adding an action is a line in `words.ACTIONS` (or `PLAIN_ACTIONS`) and a branch in `action`.
"""

from sockharness.printable import show
from sockharness.spec import model, words
from sockharness.spec.bindings import suggestion
from sockharness.spec.context import Context
from sockharness.spec.model import Payload
from sockharness.spec.nodes import Mapping as MappingNode
from sockharness.spec.nodes import Node, Scalar
from sockharness.spec.problems import Decoder
from sockharness.spec.typed import (
    Refusal,
    as_bool,
    as_mapping,
    as_seconds,
    as_sequence,
    as_size,
    as_text,
    as_word,
    expected_got,
    kind_of,
)


class ActionDecoder:
    """Decodes actions, handlers and bounds."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def action(self, verb: Scalar, value: Node) -> model.Action:
        """Decode an action that takes a value."""
        place = verb.location
        match verb.text:
            case "write":
                return model.Write(self._writable(value), place)
            case "write_all":
                return model.WriteAll(self._writable(value), place)
            case "end":
                return model.End(self._writable(value), place)
            case "timeout":
                return model.SetTimeout(as_seconds(value), place)
            case "reload":
                return model.Reload(self.handlers_or_name(value), place)
            case "shutdown":
                as_word(value, ("read",), "'read' (or the bare word 'shutdown')")
                return model.Call("shutdown", place, flag=True)
            case _:  # stop
                return model.Call("stop", place, flag=as_bool(value))

    def verb(self, node: Node, verbs: tuple[str, ...]) -> tuple[Scalar, Node, list[Scalar]]:
        """Return the key that says what a mapping is about, its value, and the other keys."""
        entries = as_mapping(node, "an action").entries
        found = [(key, value) for key, value in entries if key.text in verbs]
        if not found:
            key = entries[0][0] if entries else None
            hint = (key and words.other_word(key.text, verbs)) or f"known: {', '.join(verbs)}"
            got = f"'{show(key.text, limit=40)}'" if key else kind_of(node)
            place = key.location if key else node.location
            message = expected_got("an action or an expectation", got)
            raise Refusal(place, message, hint)
        if len(found) > 1:
            first, second = found[0][0], found[1][0]
            message = f"expected one action or expectation, got '{first.text}' and '{second.text}'"
            raise Refusal(second.location, message, "make it a step of its own")
        verb, value = found[0]
        return verb, value, [key for key, _ in entries if key is not verb]

    def bounds(self, node: Node) -> model.Bounds:
        """Decode what a call may return: a number or bounds."""
        if isinstance(node, Scalar):
            return model.Bounds(exactly=-1 if node.text == "-1" else as_size(node))
        entries = as_mapping(node, "bounds or a number")
        values = self._context.problems.decode(entries, _BOUNDS)
        if not entries.entries:
            raise Refusal(node.location, "expected at least one bound, got none", _KNOWN_BOUNDS)
        bounds = model.Bounds(**values)
        if bounds.empty:
            raise Refusal(
                node.location, "expected a range, got an empty one", f"no number: {bounds}"
            )
        capture = entries.get("capture")
        if bounds.capture and capture is not None:
            self._context.captured.add(bounds.capture)
            self._context.uses.captures.setdefault(bounds.capture, capture.location)
        return bounds

    def handlers_or_name(self, node: Node) -> model.HandlerSet | str:
        """Decode handlers, or the name of some."""
        if isinstance(node, Scalar):
            name = as_word(node, self._context.handler_names, "the name of handlers")
            self._context.uses.handlers.add(name)
            return name
        return self.handlers(node)

    def handlers(self, node: Node) -> model.HandlerSet:
        """Decode what a peer's handlers do."""
        actions: dict[str, tuple[model.Action, ...]] = {}
        for key, value in as_mapping(node, "handlers by event").entries:
            with self._context.problems.collect():
                if key.text not in words.HANDLERS:
                    near = suggestion(key.text.removeprefix("on_"), words.HANDLERS)
                    hint = near.removeprefix("; ") or f"known: {', '.join(words.HANDLERS)}"
                    raise Refusal(
                        key.location, f"unknown handler '{show(key.text, limit=40)}'", hint
                    )
                hint = f"write [{_first_word(value)}: …]" if isinstance(value, MappingNode) else ""
                items = as_sequence(value, "a list of actions", hint).items
                actions[key.text] = tuple(self._handler_action(item, key.text) for item in items)
        return model.HandlerSet(actions)

    def _handler_action(self, node: Node, event: str) -> model.Action:
        if isinstance(node, Scalar):
            word = as_word(node, ("echo", *words.PLAIN_ACTIONS), "an action")
            if word == "echo" and event != "data":
                raise Refusal(node.location, "'echo' needs data", "it goes into 'data:'")
            return model.Echo(node.location) if word == "echo" else words.plain(word, node.location)
        verb, value, rest = self.verb(node, (*words.ACTIONS, "raise"))
        if rest:
            raise Refusal(rest[0].location, f"unknown key '{show(rest[0].text, limit=40)}'")
        if verb.text == "raise":
            return model.Raise(as_text(value, "a message"), verb.location)
        return self.action(verb, value)

    def _writable(self, node: Node) -> Payload:
        payload = self._context.payload(node)
        words.needs_example(payload, node.location)
        return payload


def _capture_name(node: Node) -> str:
    as_text(node, "a name")
    assert isinstance(node, Scalar)
    return words.value_name(node)


_BOUNDS: dict[str, Decoder] = {
    "at_least": as_size,
    "at_most": as_size,
    "less_than": as_size,
    "capture": _capture_name,
}
_KNOWN_BOUNDS = f"known: {', '.join(_BOUNDS)}"


def _first_word(node: MappingNode) -> str:
    return show(node.entries[0][0].text, limit=20) if node.entries else "close"
