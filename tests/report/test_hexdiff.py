import pytest

from sockharness.report.hexdiff import WIDTH, hexdiff
from tests.gallery.plugin import Gallery

ASCII = bytes(range(0x20, 0x7F)) * 30
DIFFERENCES = {
    "what is missing is dotted": (b"+PONG\r\n", b"+PONG"),
    "each byte that differs is pointed at": (b"hello", b"heLLo"),
    "bytes too many are counted": (b"OK", b"OK\r\n"),
    "nothing was expected": (b"", b"x\xff"),
    "nothing was received": (b"x", b""),
    "equal bytes do not differ": (b"same", b"same"),
    "near the beginning of many bytes": (bytes(range(100)), b"\0\1!" + bytes(range(3, 100))),
    "far away in many bytes": (ASCII, ASCII[:1000] + b"!" + ASCII[1001:]),
    "the end of many bytes is missing": (b"a" * 30 + b"\r\n", b"a" * 30),
}


@pytest.mark.parametrize(("expected", "received"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_shown(expected: bytes, received: bytes, gallery: Gallery) -> None:
    gallery.check("\n".join(hexdiff(expected, received)), exact=True)


def test_nothing_on_both_sides_is_no_difference() -> None:
    assert hexdiff(b"", b"") == []


@pytest.mark.parametrize("size", [1, 2, 13, 14, 15, 16, 17, 18, 100, 5000])
@pytest.mark.parametrize("cut", [0, 1, 2, 15, 16, 17, 40])
def test_everything_lines_up_column_by_column(size: int, cut: int) -> None:
    wanted = bytes(size)
    for offset in {0, size // 2, max(0, size - 15), size - 1}:
        other = wanted[:offset] + b"\1" + wanted[offset + 1 :] + bytes(cut)

        expected, received, pointers = hexdiff(wanted, other)

        at = pointers.index("^")
        assert expected[at : at + 2] == "00"
        assert received[at : at + 2] == "01"
        assert f"differs from offset {offset}" in pointers
        cells = expected.split("   ")[0].split()
        assert len([cell for cell in cells if cell in ("00", "..")]) <= WIDTH
        texts = [line.rindex("   ") for line in (expected, received, pointers) if "   " in line]
        assert len(set(texts)) == 1, "\n".join((expected, received, pointers))
