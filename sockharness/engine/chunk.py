"""The arguments of `write`, turned into bytes.

Offset and length count bytes, of a `str` those of its UTF-8 form, of wider arrays those of their
memory (TCP-059..067). An offset without a length means the rest (D10).
"""

from sockharness.engine import options

Data = bytes | bytearray | memoryview | str


def chunk_of(data: object, offset: object, length: object) -> bytes | memoryview:
    """Return the bytes that `write` and `end` have to send."""
    view = _view(data)
    if offset == 0 and length is None and not isinstance(offset, (bool, float)):
        return view
    start = options.integer("offset", offset, 0, len(view))
    rest = len(view) - start
    count = rest if length is None else options.integer("length", length, 0, rest)
    return view[start : start + count]


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(options.complain("data", "text without lone surrogates", text)) from None


def _view(data: object) -> bytes | memoryview:
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return _encoded(data)
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(options.complain("data", "bytes-like or str", data)) from None
    if not view.c_contiguous:
        return view.tobytes()
    return view.cast("B") if view.ndim != 1 or view.format != "B" else view
