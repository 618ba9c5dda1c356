r"""The forms that are bytes: a text, `{hex: ff}`, `{file: NAME}`, `{concat: [...]}`.

Escapes work in double quotes, where YAML has them, and only up to `\x7f`: above that, a reader
cannot know whether a byte or a character is meant. A backslash anywhere else is an escape that does
not work there, so it is refused.
"""

import base64
import binascii
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from sockharness.location import state_of
from sockharness.printable import show
from sockharness.sockspec import model
from sockharness.sockspec.decode.form import Form
from sockharness.sockspec.decode.scope import REFERENCE
from sockharness.sockspec.model import Payload
from sockharness.sockspec.model.bytes import size_of
from sockharness.sockspec.text.nodes import Scalar
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
"""The most parts of a `concat`, including those of the names in it."""
_HIGH_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\(x[89a-fA-F]|u(?!00[0-7])|U(?!000000[0-7])|[NLP_])")


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


def _hex(form: Form) -> Payload:
    text = as_text(form.value, "hexadecimal digits such as ff 00")
    try:
        return model.Literal(bytes.fromhex(text))
    except ValueError:
        raise unexpected(form.value, "pairs of hexadecimal digits such as ff 00") from None


def _base64(form: Form) -> Payload:
    text = "".join(as_text(form.value, "base64 text").split())
    try:
        return model.Literal(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise unexpected(form.value, "base64 text", str(error)) from None


def _text(form: Form) -> Payload:
    if not isinstance(form.value, Scalar):
        raise unexpected(form.value, "a text")
    return model.Literal(text_bytes(form.value))


def _file(form: Form) -> Payload:
    name = as_text(form.value, "a file's name")
    folder = form.scope.folder.resolve()
    location = form.value.location
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise Refusal(location, f"'{show(name, limit=40)}' is outside the spec's folder")
        if not path.is_file():
            raise Refusal(location, f"'{show(name, limit=40)}' is not a regular file here")
        content = _content(path, state_of(path))
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        because = getattr(error, "strerror", None) or "not a name of a file"
        raise Refusal(location, f"'{show(name, limit=40)}' cannot be read: {because}") from None
    if len(content) > MAX_FILE:
        raise Refusal(location, f"expected a file of at most {MAX_FILE} bytes")
    return model.Literal(content)


@lru_cache(maxsize=4)
def _content(path: Path, _state: object) -> bytes:
    """Read a file, once for all that mention it."""
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _bytes(form: Form) -> Payload:
    pattern = form.node.get("pattern")
    size, kind = form.each(
        lambda: as_size(form.value, least=1),
        lambda: as_word(pattern, ("counter", "zero"), "a pattern") if pattern else "counter",
    )
    return model.Pattern(size, kind)


def _repeat(form: Form) -> Payload:
    once, times = form.each(
        lambda: form.decode(form.value, form.scope),
        lambda: as_int(form.need("times", "how often"), least=1, most=MAX_SIZE, what="a count"),
    )
    if isinstance(once, model.Literal):
        once = model.Repeated(once.content, 1)
    if not isinstance(once, model.Repeated):
        raise unexpected(form.value, "bytes that stand here")
    if len(once.once) * once.times * times > MAX_SIZE:
        raise Refusal(form.value.location, f"expected at most {MAX_SIZE} bytes in all, got more")
    return model.Repeated(once.once, once.times * times)


def _concat(form: Form) -> Payload:
    parts = as_sequence(form.value, "a list of bytes").items
    if not parts:
        raise Refusal(form.value.location, "expected at least one part, got none")
    joined: list[Payload] = []
    size = right = 0
    for part in parts:  # flat: names within names grow without bound
        with form.scope.problems.collect():
            payload = form.decode(part, form.scope)
            joined += payload.parts if isinstance(payload, model.Joined) else (payload,)
            size += size_of(payload)
            right += 1
        if size > MAX_SIZE or len(joined) > MAX_PARTS:
            limits = f"at most {MAX_SIZE} bytes in {MAX_PARTS} parts"
            raise Refusal(part.location, f"expected {limits} in all, got more")
    if right < len(parts):
        raise Known
    return model.Joined(tuple(joined))


def _rest_of(form: Form) -> Payload:
    whole, after = form.each(lambda: form.exact(form.value), lambda: _captured_count(form))
    return model.RestOf(whole, after)


def _captured_count(form: Form) -> str:
    node = form.need("after", "the captured count")
    found = REFERENCE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if found is None or found[1] not in form.scope.captured:
        raise unexpected(node, "a captured count such as $first")
    form.scope.uses.read.add(found[1])
    return found[1]


FORMS: dict[str, Callable[[Form], Payload]] = {
    "hex": _hex,
    "base64": _base64,
    "text": _text,
    "file": _file,
    "bytes": _bytes,
    "repeat": _repeat,
    "concat": _concat,
    "rest_of": _rest_of,
}
