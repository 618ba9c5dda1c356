"""Decodes the checks of what crossed the wire."""

from sockharness.spec import model, payloads
from sockharness.spec.actions import ActionDecoder
from sockharness.spec.context import Context
from sockharness.spec.nodes import Mapping as MappingNode
from sockharness.spec.nodes import Node, Scalar
from sockharness.spec.typed import as_mapping, as_seconds, as_sequence, as_text, unexpected


class WireDecoder:
    """Decodes wire checks; what is right goes to `checks`."""

    def __init__(self, context: Context, actions: ActionDecoder) -> None:
        self.checks: list[model.WireCheck] = []
        self._context = context
        self._actions = actions

    def decode(self, node: Node) -> None:
        """Decode the checks of frames."""
        for item in as_sequence(node, "a list of checks").items:
            with self._context.problems.collect():
                self.checks.append(self._wire_check(as_mapping(item, "a check with 'where'")))

    def _wire_check(self, node: MappingNode) -> model.WireCheck:
        known = self._context.problems.decode(
            node,
            {
                "where": self._field_tests,
                "each": self._field_tests,
                "count": self._count,
                "within": as_seconds,
            },
        )
        if "where" not in known:
            hint = "e.g. where: {TCP.flags: S}"
            raise self._context.problems.missing(node, known, "a check needs 'where'", hint)
        if "count" not in known and "each" not in known:
            message = "a check needs 'count' or 'each'"
            raise self._context.problems.missing(node, known, message, "e.g. count: 1")
        return model.WireCheck(
            where=known["where"],
            each=known.get("each", ()),
            count=known.get("count"),
            within=known.get("within"),
            location=node.location,
        )

    def _count(self, node: Node) -> model.Bounds:
        bounds = self._actions.bounds(node)
        if bounds.capture or bounds.exactly == -1:
            raise unexpected(node, "a count of frames")
        return bounds

    def _field_tests(self, node: Node) -> tuple[model.FieldTest, ...]:
        return tuple(
            model.FieldTest(field=key.text, value=self._field_value(value), location=key.location)
            for key, value in as_mapping(node, "fields such as {TCP.flags: S}").entries
        )

    def _field_value(self, node: Node) -> str | model.Reference:
        text = as_text(node, "a field's value")
        found = (
            payloads.reference(node, self._context.scope()) if isinstance(node, Scalar) else None
        )
        if found is not None and not isinstance(found, model.Reference):
            raise unexpected(node, "a text or a live value such as $server.port")
        return found or text
