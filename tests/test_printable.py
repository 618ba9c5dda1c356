import sys
import unicodedata

import pytest

from sockharness.printable import count, show, show_bytes


def test_text_in_utf8_stays_as_it_is() -> None:
    assert show("grüße, 世界 ✓".encode()) == "grüße, 世界 ✓"
    assert show("grüße") == "grüße"


def test_control_characters_become_pictures() -> None:
    assert show(b"PING\r\n\t\0\x1b[2J\x07\x7f") == "PING␍␊␉␀␛[2J␇␡"


def test_bytes_that_are_not_utf8_become_escapes() -> None:
    assert show(b"a\xff\x80\xc3") == "a\\xff\\x80\\xc3"


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\x9b", "\\u009b"),
        ("\u202e", "\\u202e"),
        ("\u2066", "\\u2066"),
        ("\u200b", "\\u200b"),
        ("\u2028", "\\u2028"),
        ("\ufeff", "\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\U000e0041"),
        ("\U0010ffff", "\\U0010ffff"),
    ],
)
def test_characters_that_move_or_hide_others_become_escapes(character: str, shown: str) -> None:
    assert show(f"a{character}b") == f"a{shown}b"


@pytest.mark.slow
def test_no_character_at_all_commands_a_terminal() -> None:
    shown = show("".join(map(chr, range(sys.maxunicode + 1))))

    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not {unicodedata.category(character) for character in set(shown)} & hidden


def test_no_byte_commands_a_terminal() -> None:
    everything = bytes(range(256))

    assert show(everything).isprintable()
    assert show(everything[::-1]).isprintable()
    assert show_bytes(everything).isprintable()


def test_showing_twice_shows_the_same() -> None:
    once = show(bytes(range(256)) + "\u202e\ud800".encode("utf-8", "surrogatepass"))

    assert show(once) == once


@pytest.mark.parametrize("value", [bytearray(b"a\n"), memoryview(b"a\n")])
def test_any_bytes_are_shown(value: bytearray | memoryview) -> None:
    assert show(value) == "a␊"


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        (b"ab\r\n", 4, "ab␍␊"),
        (b"abc\r\n", 4, "abc…"),
        ("\u202e" * 3, 8, "\\u202e\\…"),
        ("a\u202e", 7, "a\\u202e"),
        (b"\xff\xff", 8, "\\xff\\xff"),
        ("ab", 1, "…"),
        ("", 0, ""),
    ],
)
def test_what_is_longer_than_the_limit_ends_with_an_ellipsis(
    value: str | bytes, limit: int, shown: str
) -> None:
    assert show(value, limit=limit) == shown


def test_beside_a_hex_dump_a_byte_is_a_character() -> None:
    assert show_bytes(b"+OK\r\n\x80\xff\x7f ") == "+OK␍␊··␡ "
    assert len(show_bytes(bytes(range(256)))) == 256


def test_a_noun_has_its_number() -> None:
    assert (count(1, "frame"), count(0, "frame")) == ("1 frame", "0 frames")
    assert count(3, "reply", "replies") == "3 replies"


@pytest.mark.parametrize("text", ["ü" * 50, "a" * 9 + "€" * 40, "\r\n" * 30, "𝄞" * 30])
@pytest.mark.parametrize("limit", [1, 2, 9, 10, 11])
def test_the_first_characters_do_not_depend_on_how_many_bytes_follow(text: str, limit: int) -> None:
    assert show(text.encode(), limit=limit) == show(text, limit=limit)
    assert show(text.encode()[:-1] + b"\xff", limit=limit) == show(text, limit=limit)
