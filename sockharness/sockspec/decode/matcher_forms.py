"""The forms that describe bytes by a matcher: `{regex: …}`, `{length: 16}`, `{capture: NAME}`.

A form with one value and no other key needs a row of the table only: the function of its name in
`sockharness.match` makes the matcher, from a value of the kind that the row states.
"""

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sockharness import match
from sockharness.match.joined import Capture
from sockharness.match.matcher import Matcher
from sockharness.match.regex import Regex
from sockharness.match.sized import AnyBytes, Length, Sha256
from sockharness.sockspec import model, table
from sockharness.sockspec.decode.form import Form
from sockharness.sockspec.decode.scope import Scope, check_is_free
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Node
from sockharness.sockspec.text.typed import Refusal, as_size, as_text, as_word, unexpected

MAX_PATTERN = 1000
"""The most characters of a regular expression, because compiling is slow."""


def _regex(form: Form) -> Payload:
    pattern, example = form.each(lambda: _pattern(form.value, form.scope), form.example)
    return model.Described(pattern, example)


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
        check_is_free(name, node, scope)
    scope.captured.update(pattern.groupindex)
    return Regex(pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern; refuse one that Python would only warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return re.compile(pattern, re.DOTALL)


def _sha256(form: Form) -> Payload:
    because = "a stream does not say where the bytes end"
    digest, size, example = form.each(
        lambda: _digest(form.value),
        lambda: as_size(form.need("length", because), least=1),
        form.example,
    )
    return model.Described(Sha256(digest, size), example)


def _digest(node: Node) -> str:
    digest = as_text(node, "64 hexadecimal digits").lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise unexpected(node, "64 hexadecimal digits")
    return digest


def _capture(form: Form) -> Payload:
    name, inner, example = form.each(
        lambda: _capture_name(form.value, form.scope), lambda: _captured(form), form.example
    )
    return model.Described(Capture(name, inner), example)


def _capture_name(node: Node, scope: Scope) -> str:
    name = as_text(node, "a name")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise unexpected(node, "a name of letters, digits and _")
    check_is_free(name, node, scope)
    scope.captured.add(name)
    scope.uses.captures.setdefault(name, node.location)
    return name


def _captured(form: Form) -> Matcher:
    """Return the matcher of the captured bytes."""
    regex, length = form.node.get("regex"), form.node.get("length")
    if regex is not None:
        return _pattern(regex, form.scope)
    if form.scope.messages and length is None:
        return AnyBytes()
    because = "or 'regex': a stream does not say where the bytes end"
    return Length(as_size(form.need("length", because), least=1))


def _named(form: Form) -> Payload:
    """Call the function of `match` that the form is named after with the form's value."""
    if form.name in table.keys("message matcher"):
        _needs_messages(form)
    (row,) = (each for each in _ROWS if each.key == form.name)
    arguments, example = form.each(lambda: _ARGUMENTS[row.takes](form), form.example)
    return model.Described(getattr(match, form.name)(*arguments), example)


def _plain_bytes(form: Form) -> tuple[bytes]:
    payload = form.exact(form.value)
    if not isinstance(payload, model.Literal):
        raise unexpected(form.value, "bytes that stand here")
    return (payload.content,)


def _count(form: Form) -> tuple[int]:
    return (as_size(form.value, least=1),)


def _true(form: Form) -> tuple[()]:
    as_word(form.value, ("true",), "true")
    return ()


def _unordered(form: Form) -> Payload:
    _needs_messages(form)
    raise Refusal(form.node.location, "'unordered' is for 'received'", "one datagram has no order")


def _needs_messages(form: Form) -> None:
    if not form.scope.messages:
        hint = "a stream has no messages: give the bytes, a 'length' or a 'regex'"
        raise Refusal(form.node.location, f"'{form.name}' needs a peer that gets messages", hint)


_ROWS = table.rows("matcher", "message matcher")
_ARGUMENTS: dict[str, Callable[[Form], tuple[Any, ...]]] = {
    "plain bytes": _plain_bytes,
    "count of bytes": _count,
    "true": _true,
}
"""The arguments of the function in `match`, by the kind of value in the row."""

FORMS: dict[str, Callable[[Form], Payload]] = {
    **{row.key: _named for row in _ROWS},
    "capture": _capture,
    "sha256": _sha256,
    "regex": _regex,
    "unordered": _unordered,
}
