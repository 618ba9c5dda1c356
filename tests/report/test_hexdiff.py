import pytest

from sockharness.report.hexdiff import WIDTH, hexdiff


def lines(text: str) -> list[str]:
    return text.strip("\n").split("\n")


def test_nothing_on_both_sides_is_no_difference() -> None:
    assert hexdiff(b"", b"") == []


def test_what_is_missing_is_dotted_and_pointed_at() -> None:
    assert hexdiff(b"+PONG\r\n", b"+PONG") == lines("""
  expected  2b 50 4f 4e 47 0d 0a   +PONG␍␊
  received  2b 50 4f 4e 47 .. ..   +PONG
                           ^^ ^^   missing from offset 5
""")


def test_each_byte_that_differs_is_pointed_at() -> None:
    assert hexdiff(b"hello", b"heLLo") == lines("""
  expected  68 65 6c 6c 6f   hello
  received  68 65 4c 4c 6f   heLLo
                  ^^ ^^      differs from offset 2
""")


def test_bytes_too_many_are_counted() -> None:
    assert hexdiff(b"OK", b"OK\r\n") == lines("""
  expected  4f 4b .. ..   OK
  received  4f 4b 0d 0a   OK␍␊
                  ^^ ^^   2 bytes too many from offset 2
""")


def test_one_side_may_be_empty() -> None:
    assert hexdiff(b"", b"x\xff") == lines("""
  expected  .. ..
  received  78 ff   x·
            ^^ ^^   2 bytes too many from offset 0
""")
    assert hexdiff(b"x", b"") == lines("""
  expected  78   x
  received  ..
            ^^   missing from offset 0
""")


def test_equal_bytes_do_not_differ() -> None:
    assert hexdiff(b"same", b"same") == lines("""
  expected  73 61 6d 65   same
  received  73 61 6d 65   same
                          the same
""")


def test_a_difference_near_the_beginning_of_many_bytes_is_shown_from_the_beginning() -> None:
    assert hexdiff(bytes(range(100)), b"\0\1!" + bytes(range(3, 100))) == lines("""
  expected  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f …   ␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏
  received  00 01 21 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f …   ␀␁!␃␄␅␆␇␈␉␊␋␌␍␎␏
                  ^^                                            differs from offset 2
""")


def test_a_difference_far_away_is_shown_with_what_is_around_it() -> None:
    expected = bytes(range(0x20, 0x7F)) * 30
    received = expected[:1000] + b"!" + expected[1001:]

    assert hexdiff(expected, received) == lines("""
  expected  … 4c 4d 4e 4f 50 51 52 53 54 55 56 57 58 59 5a 5b …   LMNOPQRSTUVWXYZ[
  received  … 4c 4d 4e 4f 50 51 21 53 54 55 56 57 58 59 5a 5b …   LMNOPQ!STUVWXYZ[
                                ^^                                differs from offset 1000
""")


def test_a_missing_end_of_many_bytes_is_shown() -> None:
    assert hexdiff(b"a" * 30 + b"\r\n", b"a" * 30) == lines("""
  expected  … 61 61 61 61 61 61 0d 0a   aaaaaa␍␊
  received  … 61 61 61 61 61 61 .. ..   aaaaaa
                                ^^ ^^   missing from offset 30
""")


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
