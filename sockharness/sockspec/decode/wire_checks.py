"""Decodes the checks of the frames that crossed the wire."""

from sockharness.sockspec import model, table
from sockharness.sockspec.decode.actions import ActionDecoder
from sockharness.sockspec.decode.by_table import decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.scope import reference
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import (
    Refusal,
    as_int,
    as_mapping,
    as_sequence,
    as_text,
    unexpected,
)

MOST_FRAMES = 1_000_000
"""The most frames that a count may name."""


class WireDecoder:
    """Decodes wire checks; valid ones go to `checks`."""

    def __init__(self, context: Context, actions: ActionDecoder) -> None:
        self.checks: list[model.WireCheck] = []
        self._context = context
        self._actions = actions

    def decode(self, node: Node) -> None:
        """Decode the checks of frames."""
        items = as_sequence(node, "a list of checks").items
        if not items:
            raise Refusal(node.location, "expected at least one check, got none")
        for item in items:
            with self._context.problems.collect():
                self.checks.append(self._wire_check(as_mapping(item, "a check with 'where'")))

    def _wire_check(self, node: MappingNode) -> model.WireCheck:
        known = self._context.problems.decode(
            node,
            decoders(
                "check", {"where": self._field_tests, "each": self._each, "count": self._count}
            ),
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
        if isinstance(node, Scalar):
            return model.Bounds(exactly=_frames(node))
        return self._actions.bounded(as_mapping(node, "bounds or a number"), _BOUNDS)

    def _each(self, node: Node) -> tuple[model.FieldTest, ...]:
        if isinstance(node, MappingNode) and not node.entries:
            raise Refusal(node.location, "expected at least one field, got none")
        return self._field_tests(node)

    def _field_tests(self, node: Node) -> tuple[model.FieldTest, ...]:
        tests = []
        for key, value in as_mapping(node, "fields such as {TCP.flags: S}").entries:
            with self._context.problems.collect():
                tests.append(
                    model.FieldTest(
                        field=key.text,
                        value=self._field_value(value),
                        location=key.location,
                        value_location=value.location,
                    )
                )
        return tuple(tests)

    def _field_value(self, node: Node) -> str | model.Reference:
        text = as_text(node, "a field's value")
        found = reference(node, self._context.scope()) if isinstance(node, Scalar) else None
        if found is not None and not isinstance(found, model.Reference):
            raise unexpected(node, "a text or a live value such as $server.port")
        return found or text


def _frames(node: Node) -> int:
    return as_int(node, least=0, most=MOST_FRAMES, what="a number of frames")


_BOUNDS = decoders("count", dict.fromkeys(table.keys("count"), _frames))
