"""An editor knows the language: a real YAML language server with the schema that is shipped."""

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from tests.helpers.language_server import LanguageServer, yaml_language_server

SPECS = Path(__file__).parents[2] / "specs"
WRONG = """\
sockspec: 1
name: the second step has an unknown action
peers:
  server: {tcp: {listen: loopback}}
  client: {tcp: {connect: server}}
exchange:
  - client: {write: "hello"}
  - client: {wriet: "hello"}
"""
UNFINISHED = """\
sockspec: 1
name: a step is being written
peers:
  server: {tcp: {listen: loopback}}
exchange:
  - server: {recei: "hello"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    folder = tmp_path_factory.mktemp("editor")
    with (
        as_file(files("sockharness.sockspec") / "sockspec-1.schema.json") as schema,
        yaml_language_server(schema, folder) as running,
    ):
        assert running.open("file:///begin.yaml", "sockspec: 7"), "the schema is in use"
        yield running


def test_an_editor_finds_nothing_wrong_in_our_specs(server: LanguageServer) -> None:
    specs = {path.as_uri(): path.read_text() for path in SPECS.rglob("*.yaml")}
    assert len(specs) > 100
    found = server.open_all({**specs, "file:///wrong-too.yaml": WRONG})
    assert found.pop("file:///wrong-too.yaml"), "a wrong one among them is found"
    assert {uri: diagnostics for uri, diagnostics in found.items() if diagnostics} == {}


def test_an_editor_marks_an_unknown_action_where_it_stands(server: LanguageServer) -> None:
    found = server.open("file:///wrong.yaml", WRONG)
    assert [diagnostic["range"]["start"]["line"] for diagnostic in found] == [7]
    assert "wriet" in WRONG.splitlines()[7]


def test_an_editor_completes_an_expectation(server: LanguageServer) -> None:
    server.open("file:///unfinished.yaml", UNFINISHED)
    line, text = 5, UNFINISHED.splitlines()[5]
    end = text.index("recei") + len("recei")
    answer = server.ask_at("textDocument/completion", "file:///unfinished.yaml", line, end)
    assert "received" in [item["label"] for item in answer["items"]]


def test_an_editor_explains_a_key(server: LanguageServer) -> None:
    text = WRONG.replace("wriet", "write")
    server.open("file:///hover.yaml", text)
    column = text.splitlines()[6].index("write")
    answer = server.ask_at("textDocument/hover", "file:///hover.yaml", 6, column + 1)
    assert 'write: "hi"' in answer["contents"]["value"], "the example of the table's row"
