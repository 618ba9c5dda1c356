"""Expected and received bytes, one above the other, in hex and as text.

At most `WIDTH` bytes around the first difference are shown: one line each is easy to compare.
"""

from sockharness.match.exact import common_prefix
from sockharness.printable import count, show_bytes

WIDTH = 16
LEAD = 6
"""Bytes shown before the first difference when the beginning does not fit."""


def hexdiff(expected: bytes, received: bytes) -> list[str]:
    """Return three lines: expected, received, pointers to the differences; none without bytes."""
    if not expected and not received:
        return []
    same = common_prefix(expected, received)
    longest = max(len(expected), len(received))
    start = 0 if longest <= WIDTH or same < WIDTH - 2 else same - LEAD
    return [
        _line("expected", expected, received, start),
        _line("received", received, expected, start),
        _pointers(expected, received, start, same),
    ]


def _line(title: str, data: bytes, other: bytes, start: int) -> str:
    longest = max(len(data), len(other))
    shown = data[start : start + WIDTH]
    width = min(WIDTH, longest - start)
    cells = [f"{byte:02x}" for byte in shown] + [".."] * (width - len(shown))
    before, after = ("… " if start else ""), (" …" if start + WIDTH < longest else "")
    return f"  {title}  {before}{' '.join(cells)}{after}   {show_bytes(shown)}".rstrip()


def _pointers(expected: bytes, received: bytes, start: int, same: int) -> str:
    longest = max(len(expected), len(received))
    width = min(WIDTH, longest - start)
    cells = []
    for offset in range(start, start + width):
        cells.append(
            "  " if expected[offset : offset + 1] == received[offset : offset + 1] else "^^"
        )
    indent = " " * (12 + (2 if start else 0))
    after = "  " if start + WIDTH < longest else ""
    return f"{indent}{' '.join(cells)}{after}   {_explain(expected, received, same)}"


def _explain(expected: bytes, received: bytes, same: int) -> str:
    if expected == received:
        return "the same"
    if same == len(received):
        return f"missing from offset {same}"
    if same == len(expected):
        return f"{count(len(received) - same, 'byte')} too many from offset {same}"
    return f"differs from offset {same}"
