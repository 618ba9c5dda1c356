"""The map of imports stays readable: few arrows between rooms, and no circle."""

import re
from pathlib import Path

import pytest

from benchmarks import imports


@pytest.fixture(scope="module")
def graph() -> imports.Graph:
    return imports.graph()


@pytest.mark.parametrize(
    ("folder", "most"),
    [("sockharness", 110), ("sockharness.engine", 40), ("sockharness.facade", 26)],
)
def test_a_folder_has_few_arrows_between_its_rooms(
    graph: imports.Graph, folder: str, most: int
) -> None:
    assert 0 < len(imports.arrows(graph, folder)) <= most


def test_no_import_is_hidden_from_the_map() -> None:
    package = Path(imports.__file__).parent.parent / "sockharness"

    hiding = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\bimport_module\b|\b__import__\b", path.read_text())
    ]

    assert hiding == ["__init__.py"]


def test_no_two_files_import_each_other(graph: imports.Graph) -> None:
    assert imports.circles(graph) == []


def test_annotations_make_no_circle_but_one() -> None:
    """A socket names the listener that accepted it, and a listener its sockets."""
    pair = ["sockharness.engine.tcp.listener", "sockharness.engine.tcp.socket"]

    found = imports.circles(imports.graph(annotations=True))

    assert found == [pair]


def test_no_two_rooms_import_each_other(graph: imports.Graph) -> None:
    folders = imports.folders(graph)

    assert [circle for each in folders for circle in imports.circles_of_rooms(graph, each)] == []
    assert {"sockharness", "sockharness.engine", "sockharness.facade"} <= set(folders)


def test_arrows_count_pairs_of_rooms_and_not_imports() -> None:
    graph = {
        "p.a": frozenset({"p.b.x", "p.b.y", "elsewhere"}),
        "p.b.x": frozenset({"p.b.y"}),
        "p.b.y": frozenset({"p.a"}),
    }

    assert imports.arrows(graph, "p") == {("a", "b"): 2, ("b", "a"): 1}
    assert imports.arrows(graph, "p.b") == {("x", "y"): 1}
    assert imports.circles_of_rooms(graph, "p") == [["a", "b"]]


def test_circles_are_found_also_through_others() -> None:
    graph = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["e"], "e": ["d"], "f": ["a"]}

    assert imports.circles(graph) == [["a", "b", "c"], ["d", "e"]]
