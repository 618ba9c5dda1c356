r"""Make any bytes or text safe to print.

Bytes from a wire and text from a stranger's file must never command a terminal or a browser, so
everything that is shown passes through `show`. Control characters become the pictures that Unicode
has for them (U+2400, `␍␊` for CR LF); bytes that are not UTF-8 become `\xNN`; characters that move
or hide other characters (bidirectional controls, zero-width characters, C1 controls, lone
surrogates) become `\uNNNN`.
"""

import unicodedata

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
# control, format (bidi, zero width), surrogate, private use, unassigned, line and paragraph breaks
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def show(value: bytes | bytearray | memoryview | str, *, limit: int | None = None) -> str:
    """Return `value` as one line of printable text.

    Args:
        value: bytes (read as UTF-8 where they are) or text.
        limit: the most characters to return; what is longer ends with `…`.
    """
    if not isinstance(value, str) and limit is not None:
        value = value[: 4 * (limit + 2)]  # a character has at most four bytes
    text = value if isinstance(value, str) else bytes(value).decode("utf-8", "backslashreplace")
    if limit is None:
        return "".join(map(_printable, text))
    shown = "".join(map(_printable, text[: limit + 1]))
    if len(shown) <= limit:
        return shown
    return shown[: max(0, limit - 1)] + "…"


def show_bytes(data: bytes) -> str:
    """Return one character a byte, for the text beside a hex dump: `·` for what is not ASCII."""
    return "".join(_PICTURES.get(byte) or (chr(byte) if byte < 0x7F else "·") for byte in data)


def _printable(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character
    if code in _PICTURES:
        return _PICTURES[code]
    if unicodedata.category(character) in _HIDDEN:
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 byte`, `2 bytes`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
