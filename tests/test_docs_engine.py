"""The pages about the engine list its options, handlers, members, codes and defaults.

The tests compare the tables of the pages with the code, in both directions.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import pytest

import sockharness
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.tls_facts import TLSFacts
from sockharness.engine.tls import codes
from sockharness.handlers import STREAM_HANDLERS, TLS_ONLY

ROOT = Path(__file__).parent.parent
ENGINE = (ROOT / "docs" / "engine.md").read_text()
TLS = (ROOT / "docs" / "tls.md").read_text()
NAME = re.compile(r"`([a-z]\w*)(?:\([^`]*\))?`")
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{5,}")
OPTIONS: dict[str, Callable[..., object]] = {
    "listen": sockharness.listen,
    "connect": sockharness.connect,
    "udp_socket": sockharness.udp_socket,
}
MEMBERS = [name for name in vars(TLSFacts) if name[0] != "_"]


def section(page: str, title: str) -> str:
    """Return the text below a heading, up to the next one."""
    _, _, rest = page.partition(f"## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def rows(text: str, head: str) -> list[str]:
    """Return the first cells of the table with this first line."""
    _, _, rest = text.partition(head)
    table = rest.partition("\n\n")[0].splitlines()[2:]
    assert table, head
    return [line.split("|")[1] for line in table]


def names(cells: Iterable[str]) -> list[str]:
    """Return the names of options or members, without the text in brackets."""
    return [name for cell in cells for name in NAME.findall(cell)]


@pytest.mark.parametrize("function", OPTIONS)
def test_the_table_has_the_options_of_the_function(function: str) -> None:
    listed = names(rows(section(ENGINE, f"`{function}`"), "| option | meaning"))

    assert sorted(listed) == sorted(inspect.signature(OPTIONS[function]).parameters)


def test_the_table_has_the_options_of_tls() -> None:
    listed = names(rows(section(TLS, "Options"), "| option | meaning"))

    assert sorted(listed) == sorted(field.name for field in fields(sockharness.TLSOptions))


def test_the_defaults_of_the_page_are_those_of_the_code() -> None:
    defaults = {field.name: field.default for field in fields(sockharness.TLSOptions)}
    told = re.findall(r"^\| `(\w+)` \| .* \(`(True|False)`\) \|$", TLS, re.MULTILINE)

    assert dict(told) == {
        name: str(default) for name, default in defaults.items() if isinstance(default, bool)
    }


@pytest.mark.parametrize(("page", "title"), [(ENGINE, "Handlers"), (TLS, "Handlers and members")])
def test_handlers_are_told_with_their_arguments(page: str, title: str) -> None:
    told = dict(re.findall(r"`(\w+)\((socket[^)`]*)\)`", section(page, title).partition("| ")[0]))
    expected = TLS_ONLY if page is TLS else tuple(STREAM_HANDLERS)

    assert told == {name: ", ".join(STREAM_HANDLERS[name]) for name in expected}


def test_the_members_of_tls_are_all_told() -> None:
    listed = names(rows(section(TLS, "Handlers and members"), "| member | |"))

    assert set(listed) == set(MEMBERS)
    assert [name for name in listed if not hasattr(SecureSocket, name)] == []


def test_the_arguments_of_methods_are_told() -> None:
    told = re.findall(r"^\| `(\w+)\(([^)]+)\)`", section(TLS, "Handlers and members"), re.MULTILINE)
    found = {name: re.findall(r"\b[a-z]\w*", arguments) for name, arguments in told}

    assert found == {name: _parameters(getattr(SecureSocket, name)) for name in found}
    assert len(found) >= 3


def _parameters(method: Callable[..., object]) -> list[str]:
    return list(inspect.signature(method).parameters)[1:]


@pytest.mark.parametrize(
    ("title", "kind"), [("`Socket`", sockharness.Socket), ("`udp_socket`", sockharness.UDPSocket)]
)
def test_the_members_of_a_socket_exist(title: str, kind: type) -> None:
    listed = names(rows(section(ENGINE, title), "| member | |"))

    assert [name for name in listed if not hasattr(kind, name)] == []
    assert len(listed) > 15


@pytest.mark.parametrize("kind", [sockharness.Listener, Connecting])
def test_the_members_of_what_is_returned_exist(kind: type) -> None:
    line = re.search(rf"^`{kind.__name__}`: (.*?)\n\n", ENGINE, re.MULTILINE | re.DOTALL)
    assert line is not None
    listed = [name for name in NAME.findall(line[1]) if name != "await"]

    assert [name for name in listed if not hasattr(kind, name)] == []
    assert len(listed) >= 3


def test_the_codes_of_errors_are_all_told() -> None:
    listed = {
        code
        for cell in rows(section(TLS, "Options"), "| code | what |")
        for code in CODE.findall(cell)
    }

    assert listed == {code for code, _, _ in codes._VERDICTS.values()} | set(_raised())


def _raised() -> Iterable[str]:
    """Return the codes that the sources give to a `TLSError`, besides those of verdicts."""
    kinds = ("ERR_", "EPROTO", "ECONNRESET", "ETIMEDOUT")
    for path in sorted((ROOT / "sockharness" / "engine" / "tls").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = CODE.fullmatch(node.value)
                if found and node.value.startswith(kinds) and " " not in node.value:
                    yield node.value
