"""The JSON Schema accepts every right spec, and refuses what a schema can refuse."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from sockharness.errors import SpecError
from sockharness.sockspec import loader, table
from sockharness.sockspec.schema import FILE, printed, schema
from sockharness.sockspec.table.row import Row
from sockharness.sockspec.text import nodes
from tests.gallery.plugin import FOLDER
from tests.sockspec.table.completed import completed

ROOT = Path(__file__).parents[3]
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
WRONG = sorted((FOLDER / "specs").glob("*.yaml"))
VALIDATOR = Draft7Validator(schema())
ACCEPTED = FOLDER.parent / "sockspec" / "schema" / "accepted.txt"
"""The wrong specs that the schema accepts: only the loader can know what is wrong with them."""
RESOLVED: dict[str, Callable[[str], Any]] = {
    r"true|True|TRUE": lambda text: True,
    r"false|False|FALSE": lambda text: False,
    r"null|Null|NULL|~|": lambda text: None,
    r"[-+]?[0-9]+": int,
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?": float,
}
"""The core schema of YAML 1.2, by which editors give plain scalars their types."""


def as_editors_see(node: nodes.Node) -> Any:
    if isinstance(node, nodes.Mapping):
        return {key.text: as_editors_see(value) for key, value in node.entries}
    if isinstance(node, nodes.Sequence):
        return [as_editors_see(item) for item in node.items]
    for pattern, resolve in RESOLVED.items():
        if not node.style and re.fullmatch(pattern, node.text):
            return resolve(node.text)
    return node.text


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from references(each)


def test_the_schema_of_the_package_is_up_to_date() -> None:
    assert FILE.read_text() == printed(), "run make language"


def test_the_schema_is_one_of_draft_7_and_refers_to_nothing_that_is_not_there() -> None:
    Draft7Validator.check_schema(schema())
    named = {f"#/definitions/{name}" for name in schema()["definitions"]}

    assert set(references(schema())) == named


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT / "specs")))
def test_a_right_spec_is_accepted(path: Path) -> None:
    VALIDATOR.validate(as_editors_see(nodes.read(path)))


@pytest.mark.parametrize("row", table.ROWS, ids=lambda row: f"{row.at[0]}: {row.key}")
def test_the_example_of_a_row_is_accepted(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(completed(row, row.at[0]))

    VALIDATOR.validate(as_editors_see(nodes.read(path)))


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_spec_is_refused_unless_only_the_loader_can_know(path: Path) -> None:
    try:
        node = nodes.read(path)
    except SpecError:
        return  # it is not the YAML of specs: no schema is asked

    assert VALIDATOR.is_valid(as_editors_see(node)) == (path.stem in ACCEPTED.read_text().split())


def test_a_text_may_look_like_another_type(tmp_path: Path) -> None:
    path = tmp_path / "looks.yaml"
    path.write_text(
        """\
sockspec: 1
name: 17
certs: {alice: {names: [17]}}
peers:
  server: {tls: {listen: loopback, cert: alice, alpn: [17, true]}}
  client: {tls: {connect: server, server_name: 149}, on: {open: [raise: 17]}}
exchange:
  - client: close
"""
    )
    loader.load(path)

    VALIDATOR.validate(as_editors_see(nodes.read(path)))


def test_the_command_has_a_help_and_rejects_arguments() -> None:
    command = [sys.executable, "-m", "sockharness.sockspec.schema"]

    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    refused = subprocess.run([*command, "x.yaml"], capture_output=True, text=True, check=False)

    assert "usage:" in helped.stdout
    assert refused.returncode == 2
