"""The cuts of a reply. Pure."""

from collections.abc import Sequence
from typing import Literal

from sockharness.nearest import suggestion
from sockharness.printable import count

__tracebackhide__ = True

Cuts = Literal["each_byte", "together"] | int | Sequence[int] | None
"""The way in which a reply is cut: see `pieces`."""
NAMED_CUTS = ("each_byte", "together")


def check_cuts(cuts: object) -> None:
    """Raise for cuts that `pieces` does not know."""
    if cuts is None or cuts in NAMED_CUTS:
        return
    if isinstance(cuts, str):
        hint = suggestion(cuts, NAMED_CUTS)
        raise ValueError(f'cuts: expected "each_byte", "together" or sizes, got {cuts!r}{hint}')
    sizes = [cuts] if isinstance(cuts, int) else cuts
    if not isinstance(sizes, Sequence) or isinstance(sizes, bytes) or not sizes:
        raise TypeError(f'cuts: expected "each_byte", "together" or sizes, got {cuts!r}')
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"cuts: expected whole numbers, got {size!r}")
        if size < 1:
            raise ValueError(f"cuts: expected sizes from 1, got {size!r}")


def check_extent(data: bytes, sizes: Sequence[int]) -> None:
    """Raise for sizes that add up to more than the reply."""
    if sum(sizes) > len(data):
        length = count(len(data), "byte")
        raise ValueError(f"cuts: {list(sizes)} is more than the {length} of the reply")


def pieces(data: bytes, cuts: Cuts) -> list[bytes]:
    """Cut bytes: into single bytes (`"each_byte"`), not at all (`"together"`, `None`), into pieces
    of one size, or by a list of sizes; the rest is the last piece."""
    if not data or cuts is None or cuts == "together":
        return [data] if data else []
    if cuts == "each_byte":
        cuts = 1
    if isinstance(cuts, int):
        return [data[start : start + cuts] for start in range(0, len(data), cuts)]
    cut, position = [], 0
    for size in cuts:
        assert isinstance(size, int)
        cut.append(data[position : position + size])
        position += size
    return [piece for piece in (*cut, data[position:]) if piece]
