import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sockharness.errors import Problem, SpecError
from sockharness.sockspec.text import nodes
from sockharness.sockspec.text.nodes import Mapping, Scalar, Sequence

PARSERS = [yaml.CSafeLoader, yaml.SafeLoader]


@pytest.fixture(params=PARSERS, ids=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_PARSER", request.param)


def problem_of(text: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        nodes.parse(text, "x.yaml")
    (problem,) = caught.value.problems
    return problem


def problem_in(path: Path) -> Problem:
    with pytest.raises(SpecError) as caught:
        nodes.read(path)
    (problem,) = caught.value.problems
    assert problem.location.path == str(path)
    return problem


def text_of(source: str) -> str:
    root = nodes.parse(source, "x.yaml")
    assert isinstance(root, Mapping)
    node = root.get("key")
    assert isinstance(node, Scalar)
    return node.text


# ---- what is read


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "text", ["on", "22:22", "12e4", "010", "1_000", ".nan", "null", "~", "2001-01-01", "yes", "0x1"]
)
def test_a_plain_scalar_means_what_it_looks_like(text: str) -> None:
    assert text_of(f"key: {text}") == text


@pytest.mark.usefixtures("parser")
def test_on_is_a_key_like_any_other() -> None:
    root = nodes.parse("on: {data: [echo]}", "x.yaml")

    assert isinstance(root, Mapping)
    assert [key.text for key, _ in root.entries] == ["on"]


@pytest.mark.usefixtures("parser")
def test_a_node_knows_its_place_its_width_and_how_it_is_written() -> None:
    root = nodes.parse('a:\n  - "b\\r\\n"\n', "x.yaml")

    assert isinstance(root, Mapping)
    items = root.get("a")
    assert isinstance(items, Sequence)
    (item,) = items.items
    assert isinstance(item, Scalar)
    assert (item.text, item.style, item.raw) == ("b\r\n", '"', '"b\\r\\n"')
    assert (str(item.location), item.location.width) == ("x.yaml:2:5", 7)


@pytest.mark.usefixtures("parser")
def test_columns_count_characters() -> None:
    root = nodes.parse('é: ["…", b]', "x.yaml")

    assert isinstance(root, Mapping)
    items = root.get("é")
    assert isinstance(items, Sequence)
    assert [item.location.column for item in items.items] == [5, 10]


def test_a_mapping_has_nothing_under_an_unknown_key() -> None:
    root = nodes.parse("a: b", "x.yaml")

    assert isinstance(root, Mapping)
    assert root.get("c") is None


def test_the_size_of_a_node_counts_its_keys() -> None:
    assert nodes.size_of(nodes.parse("{a: [b, c], d: {}}", "x.yaml")) == 7


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_line_end_of_text_files_is_understood(ends: str) -> None:
    root = nodes.parse(f"a: b{ends}c: d{ends}", "x.yaml")

    assert isinstance(root, Mapping)
    assert [(key.text, key.location.line) for key, _ in root.entries] == [("a", 1), ("c", 2)]


def test_a_byte_order_mark_at_the_beginning_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfsockspec: 1\n")

    root = nodes.read(path)

    assert isinstance(root, Mapping)
    assert root.entries[0][0].text == "sockspec"
    assert root.entries[0][0].location.column == 1


# ---- what is refused


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "the file is empty"),
        ("# only\n# comments\n", "3:1", "the file is empty"),
        ("a: 1\n---\nb: 2\n", "2:1", "expected one document, got a second"),
        ("a: 1\na: 2\n", "2:1", "duplicate key 'a', first on line 1"),
        ("{a: 1, 'a': 2}", "1:8", "duplicate key 'a', first on line 1"),
        ("a: &b c", "1:4", "anchors are refused"),
        ("a: *b", "1:4", "aliases are refused"),
        ("a: !b c", "1:4", "tags are refused, got !b"),
        ("a: !!python/name:os.system x", "1:4", "tags are refused, got tag:yaml.org,2002:python"),
        ("! a", "1:1", "tags are refused, got !"),
        ("<<: {a: b}", "1:1", "merge keys are refused"),
        ("[a]: b", "1:1", "expected a word as key, got a list or mapping"),
        ("{a: b}: c", "1:1", "expected a word as key, got a list or mapping"),
        ("[" * 33 + "]" * 33, "1:33", "expected at most 32 levels, got more"),
        ("- " * 33 + "a", "1:65", "expected at most 32 levels, got more"),
    ],
)
def test_what_yaml_has_beside_data_is_refused(text: str, place: str, message: str) -> None:
    problem = problem_of(text)

    assert str(problem.location) == f"x.yaml:{place}"
    assert problem.message.startswith(message)


def test_a_quoted_merge_key_is_a_word() -> None:
    root = nodes.parse("'<<': a", "x.yaml")

    assert isinstance(root, Mapping)
    assert root.entries[0][0].text == "<<"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c", "1:5", "put text that holds ': ' in quotes"),
        ("a: {listen: ::1}", "1:13", "put an IPv6 address in quotes, or write 'loopback6'"),
        ("{a: [a-z]+}", "1:10", "put text that begins with a bracket in quotes"),
        ('a: "\\d"', "1:5", "in double quotes a backslash begins an escape"),
        ("a: @b", "1:4", "put text that begins with a special character in quotes"),
        ("a: *", "1:5", "put text that begins with a special character in quotes"),
        ("- a\nb: c", "2:1", ""),
    ],
)
def test_a_trap_of_yaml_gets_the_mend_as_a_hint(text: str, place: str, hint: str) -> None:
    problem = problem_of(text)

    assert problem.message.startswith("not YAML: ")
    assert str(problem.location) in (f"x.yaml:{place}", f"x.yaml:{place[:-1]}{int(place[-1]) + 1}")
    assert problem.hint.startswith(hint)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("rest", ["", "\nc: d\n", "\nc: {0}d{0}\n"])
def test_a_quote_that_is_not_closed_is_told_where_it_opens(quote: str, rest: str) -> None:
    problem = problem_of(f"a: {quote}b{rest.format(quote)}")

    assert problem.message == "the quote opened at 1:4 is not closed"
    assert str(problem.location) == "x.yaml:1:4"


@pytest.mark.usefixtures("parser")
def test_a_tab_that_indents_is_told() -> None:
    problem = problem_of("a:\n\t- b")

    assert (problem.message, problem.hint) == ("a tab indents this line", "use spaces")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ["a: {b: xy::z]}", "a: {b: x[y]: z]"])
def test_brackets_and_colons_inside_a_word_get_no_hint(text: str) -> None:
    hint = problem_of(text).hint

    assert "bracket" not in hint
    assert "IPv6" not in hint


def test_what_is_not_closed_is_shown_where_it_begins() -> None:
    assert str(problem_of("a: [b,\n  c\n").location) == "x.yaml:1:4"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "character",
    ["\0", "\x07", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\u2028", "\u2029", "\ufeff", "\ud800"],
)
def test_a_character_that_nobody_sees_is_refused_at_its_place(character: str) -> None:
    problem = problem_of(f"a: b\né: {character}\n")

    assert str(problem.location) == "x.yaml:2:4"
    assert problem.message == f"expected printable text, got U+{ord(character):04X}"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff", "1:1"),
        (b"\xef\xbb\xbf\xff", "1:1"),
        (b"a: b\n\xc3\xa9: \xff", "2:4"),
        (b"a: b\r\nc: \xc3", "2:4"),
        (b"a: \xed\xa0\x80", "1:4"),
        ("a".encode("utf-16"), "1:1"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused_at_their_place(
    data: bytes, place: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(data)

    problem = problem_in(path)

    assert str(problem.location) == f"{path}:{place}"
    assert problem.message.startswith("expected UTF-8, got the byte ")
    assert problem.hint.startswith("write bytes that are not text as {hex: ")


def test_a_file_of_the_most_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: b #".ljust(nodes.MAX_BYTES, b"#"))

    assert isinstance(nodes.read(path), Mapping)


def test_a_file_of_a_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: b #".ljust(nodes.MAX_BYTES + 1, b"#"))

    assert problem_in(path).message == "expected at most 1024 KiB, got more"


def test_without_libyaml_a_file_may_have_only_32_kib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: b #".ljust(nodes.MAX_BYTES_SLOW + 1, b"#"))
    monkeypatch.setattr(nodes, "_FAST", False)

    assert problem_in(path).message == "expected at most 32 KiB, got more"


@pytest.mark.slow
def test_20_000_nodes_are_the_most() -> None:
    around = 6  # the beginnings and ends of stream, document and list

    nodes.parse("[" + "a," * (nodes.MAX_EVENTS - around) + "]", "x.yaml")
    problem = problem_of("[" + "a," * (nodes.MAX_EVENTS - around + 1) + "]")

    assert problem.message == "expected at most 20000 nodes, got more"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    problem = problem_in(tmp_path / "none.yaml")

    assert problem.message == "cannot be read: No such file or directory"


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    assert problem_in(tmp_path).message == "is not a regular file"


def test_a_pipe_is_no_spec_and_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    os.mkfifo(path)

    assert problem_in(path).message == "is not a regular file"


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.yaml"
    path.write_text("a: b")
    monkeypatch.setattr(Path, "open", refuse)  # an administrator may read everything

    assert problem_in(path).message == "cannot be read: Permission denied"


def test_the_path_is_shown_as_the_caller_wants(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        nodes.read(tmp_path / "none.yaml", shown="specs/none.yaml")

    assert str(caught.value.problems[0].location) == "specs/none.yaml:1:1"


# ---- what would cost too much

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.usefixtures("parser")
def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    assert len(BOMB) < 349

    assert problem_of(BOMB).message == "anchors are refused"


def test_deep_nesting_is_refused_by_whoever_sees_it_first() -> None:
    problem = problem_of("[" * 1500)

    assert "32" in f"{problem.message} {problem.hint}"


@pytest.mark.slow
@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
def test_100_000_brackets_do_not_crash_the_interpreter(parser: str) -> None:
    program = f"""
import yaml
from sockharness.errors import SpecError
from sockharness.sockspec.text import nodes
nodes._PARSER = yaml.{parser}
for text in ("[", "{{", "- ", "? ", "{{a: ", "[[a]: ", "a: [", "&a "):
    try:
        nodes.parse(text * 100_000, "x.yaml")
    except SpecError as error:
        assert len(error.problems) == 1, error
    else:
        raise AssertionError(text)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
