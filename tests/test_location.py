import os
import time
from pathlib import Path

import pytest

from sockharness.location import Location, excerpt, source_lines, state_of


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return str(path)


def test_a_place_can_be_clicked_on() -> None:
    assert str(Location("specs/x.yaml", 3, 5)) == "specs/x.yaml:3:5"


def test_a_path_cannot_command_a_terminal() -> None:
    assert str(Location("a\x1b[2J\n\u202e.yaml", 1, 1)) == "a␛[2J␊\ufffd.yaml:1:1"


def test_places_are_in_the_order_of_the_file() -> None:
    places = [Location("x", 2, 1), Location("x", 1, 9), Location("x", 1, 10)]

    assert [place.column for place in sorted(places)] == [9, 10, 1]


def test_an_excerpt_points_at_the_place(tmp_path: Path) -> None:
    path = written(tmp_path, "one\ntwo\n  three four\n")

    assert excerpt(Location(path, 3, 9, 4), note="here") == [
        "   2 | two",
        "   3 |   three four",
        "     |         ^^^^  here",
    ]
    assert excerpt(Location(path, 1, 1)) == ["   1 | one", "     | ^"]
    assert excerpt(Location(path, 3, 3), before=0) == ["   3 |   three four", "     |   ^"]


def test_carets_end_with_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a b\n")

    assert excerpt(Location(path, 1, 3, 100))[-1] == "     |   ^"
    assert excerpt(Location(path, 1, 30, 100))[-1].endswith("^")


def test_carets_stand_below_their_characters_whatever_is_before(tmp_path: Path) -> None:
    path = written(tmp_path, "\tk\u202e\x1b\u200b\x85é: bad\n")

    assert excerpt(Location(path, 1, 10, 3)) == [
        "   1 |  k\ufffd␛\ufffd\ufffdé: bad",
        "     |          ^^^",
    ]


def test_of_a_long_line_the_part_around_the_place_is_quoted(tmp_path: Path) -> None:
    path = written(tmp_path, f"{'a' * 5000}bad{'c' * 5000}\n")

    quoted, pointer = excerpt(Location(path, 1, 5001, 3), note="here")

    assert len(quoted) < 140
    at = quoted.index("bad")
    assert pointer == " " * 5 + "|" + " " * (at - 6) + "^^^  here"
    assert len(excerpt(Location(path, 1, 1, 10_003))[-1]) < 140


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_where_editors_end_them(ends: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"a\x0cb\x1cc\u2028d{ends}e{ends}")

    assert source_lines(path) == ["a\x0cb\x1cc\u2028d", "e", ""]


def test_a_byte_order_mark_is_no_column(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffab\n")

    assert excerpt(Location(path, 1, 2))[0] == "   1 | ab"


def test_bytes_that_are_not_text_are_quoted_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a\xffb\n")

    assert source_lines(str(path))[0] == "a\ufffdb"


@pytest.mark.parametrize("line", [0, 3, 99])
def test_a_line_that_is_not_there_is_not_quoted(line: int, tmp_path: Path) -> None:
    assert excerpt(Location(written(tmp_path, "a\n"), line, 1)) == []


@pytest.mark.parametrize("path", ["gone.yaml", "a\0b", ""])
def test_a_file_that_is_gone_is_not_quoted(path: str) -> None:
    assert excerpt(Location(path, 1, 1)) == []


def test_a_file_that_changed_is_quoted_anew(tmp_path: Path) -> None:
    path = written(tmp_path, "old\n")
    before = source_lines(path)
    written(tmp_path, "new\n")

    assert (before[0], source_lines(path)[0]) == ("old", "new")


def test_a_file_that_changed_twice_within_a_tick_is_quoted_anew(tmp_path: Path) -> None:
    lines = []
    now = time.time_ns()
    for text in ("old\n", "new\n"):
        path = written(tmp_path, text)
        os.utime(path, ns=(now, now))
        lines.append(source_lines(path)[0])

    assert lines == ["old", "new"]


def test_of_a_file_that_changed_long_ago_it_is_known_what_is_in_it(tmp_path: Path) -> None:
    path = Path(written(tmp_path, "text\n"))
    os.utime(path, ns=(0, 0))
    before = state_of(path)
    written(tmp_path, "texts\n")
    os.utime(path, ns=(0, 0))

    assert before != state_of(path) == state_of(path)
