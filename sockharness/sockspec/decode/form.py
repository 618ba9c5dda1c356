"""A mapping that stands for bytes, while it is decoded: `{hex: ff}`, `{length: 16}`."""

from collections.abc import Callable
from typing import Any

from sockharness.record import record
from sockharness.sockspec import model, table
from sockharness.sockspec.decode.scope import Scope
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Mapping, Node
from sockharness.sockspec.text.typed import Known, Refusal


@record
class Form:
    """A mapping that stands for bytes.

    Attributes:
        node: the mapping.
        name: the key that says which form it is.
        scope: what names mean here.
        decode: decodes the bytes inside it.
    """

    node: Mapping
    name: str
    scope: Scope
    decode: Callable[[Node, Scope], Payload]

    @property
    def value(self) -> Node:
        """The value of the key that says which form it is."""
        found = self.node.get(self.name)
        assert found is not None, "a form is chosen by the key that is there"
        return found

    def need(self, key: str, because: str) -> Node:
        """Return the value of another key.

        Raises:
            Refusal: if it is missing; `because` is the hint.
        """
        found = self.node.get(key)
        if found is None:
            known, message = (
                (self.name, *table.keys(f"bytes {self.name}")),
                f"'{self.name}' needs '{key}'",
            )
            raise self.scope.problems.missing(self.node, known, message, because)
        return found

    def each(self, *parts: Callable[[], Any]) -> list[Any]:
        """Decode all parts, and report each one that is wrong."""
        decoded = []
        for part in parts:
            with self.scope.problems.collect():
                decoded.append(part())
        if len(decoded) < len(parts):
            raise Known
        return decoded

    def exact(self, node: Node) -> Payload:
        """Decode bytes that may not be described by a matcher."""
        payload = self.decode(node, self.scope)
        parts = payload.parts if isinstance(payload, model.Joined) else (payload,)
        if any(isinstance(part, model.Described) for part in parts):
            raise Refusal(node.location, "expected bytes, got a description of bytes")
        return payload

    def example(self) -> Payload | None:
        """Decode the bytes that a scripted peer writes in place of a description."""
        node = self.node.get("example")
        return self.exact(node) if node is not None else None
