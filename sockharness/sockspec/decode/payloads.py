"""Decodes bytes: `"text"`, `$name`, and the mappings of `exact_forms` and `matcher_forms`.

A reference is a whole scalar; nothing inside longer text is replaced. Adding a form is a row of the
table and a function.
"""

from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec import model, table
from sockharness.sockspec.decode import exact_forms, matcher_forms
from sockharness.sockspec.decode.exact_forms import text_bytes
from sockharness.sockspec.decode.form import Form
from sockharness.sockspec.decode.scope import REFERENCE, Scope, is_fact, reference
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Mapping, Node, Scalar, Sequence
from sockharness.sockspec.text.typed import Known, Refusal, unexpected

_DECODERS = exact_forms.FORMS | matcher_forms.FORMS
FORMS = {
    key: _DECODERS[key] for key in table.keys("bytes", "matcher", "message matcher", "received")
}
"""The function that decodes each form, in the table's order: the first key that is there wins."""
MESSAGES = table.keys("message matcher", "received")
"""The forms for peers that get messages, not a stream."""


def decode(node: Node, scope: Scope) -> Payload:
    """Return the payload that a node describes.

    Raises:
        Refusal: with the location, if it describes none.
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


def _literal(node: Scalar, scope: Scope) -> Payload:
    """Return a text's bytes; a name inside it would not be replaced, so it is refused."""
    for name in dict.fromkeys(REFERENCE.findall(node.text)):
        first = name.partition(".")[0]
        if is_fact(name, scope) or first in scope.let or first in scope.captured:
            message = f"${name} inside longer text is not replaced"
            hint = f'write {{concat: ["…", ${name}]}}, or {{text: …}} if just that is meant'
            raise Refusal(node.location, message, hint)
    return model.Literal(text_bytes(node))


def _form(node: Mapping, scope: Scope) -> Payload:
    keys = [key.text for key, _ in node.entries]
    names = [name for name in FORMS if name in keys]
    if not names:
        hint = next((did_you_mean(key, FORMS) for key in keys), "")
        streams = [name for name in FORMS if name not in MESSAGES or scope.messages]
        hint = hint or f"known: {', '.join(streams)}"
        got = f"'{show(' '.join(keys), limit=40)}'" if keys else "an empty mapping"
        raise Refusal(_first_key(node), f"expected bytes, got {got}", hint)
    known = scope.problems.entries(node, (names[0], *table.keys(f"bytes {names[0]}")))
    payload = FORMS[names[0]](Form(node, names[0], scope, decode))
    if len(known) < len(node.entries):
        raise Known
    return payload


def _first_key(node: Mapping) -> Location:
    return node.entries[0][0].location if node.entries else node.location
