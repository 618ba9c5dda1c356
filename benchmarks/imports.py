"""Print the map of imports: rooms, arrows between them, and circles.

    python -m benchmarks.imports                   the counts of each folder
    python -m benchmarks.imports --arrows engine   each arrow inside a folder, too

A *room* is a file of a folder, or a folder below it with all its files counted as one. An *arrow*
leads from a room to another one that it imports, however many imports there are. A *circle* is a
set of files that import each other, also by way of others; imports for annotations alone (under
`TYPE_CHECKING`) are looked at apart, since nothing is loaded by them.

grimp, the library under import-linter, reads the imports; those inside functions count as well.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import grimp

PACKAGE = "sockharness"
Graph = Mapping[str, frozenset[str]]


def graph(*, annotations: bool = False) -> Graph:
    """Return what each module imports; with `annotations`, also for type checkers alone."""
    read = grimp.build_graph(PACKAGE, exclude_type_checking_imports=not annotations, cache_dir=None)
    return {
        module: frozenset(read.find_modules_directly_imported_by(module)) for module in read.modules
    }


def arrows(imports: Graph, folder: str = PACKAGE) -> Counter[tuple[str, str]]:
    """Return the arrows between the rooms of a folder, with how many imports each stands for."""
    found: Counter[tuple[str, str]] = Counter()
    for importer, imported in imports.items():
        for module in imported:
            pair = _room(importer, folder), _room(module, folder)
            if all(pair) and pair[0] != pair[1]:
                found[pair] += 1
    return found


def _room(module: str, folder: str) -> str:
    """Return the room of a module in a folder; empty if it is elsewhere."""
    return (
        module.removeprefix(folder + ".").split(".")[0] if module.startswith(folder + ".") else ""
    )


def folders(imports: Graph) -> list[str]:
    """Return the package and its folders, those with more than one room."""
    inside = Counter(module.rpartition(".")[0] for module in imports)
    return sorted(folder for folder, count in inside.items() if folder and count > 1)


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the sets of nodes that reach each other (Tarjan's strongly connected components)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        numbers[node] = lowest[node] = len(numbers)
        open_.append(node)
        for other in sorted(imports.get(node, ())):
            if other not in numbers:
                visit(other)
            if other in open_:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == numbers[node]:
            at = open_.index(node)
            if len(open_) - at > 1:
                found.append(sorted(open_[at:]))
            del open_[at:]

    for node in sorted(imports):
        if node not in numbers:
            visit(node)
    return sorted(found)


def circles_of_rooms(imports: Graph, folder: str) -> list[list[str]]:
    """Return the rooms of a folder that import each other."""
    reached: dict[str, set[str]] = {}
    for importer, imported in arrows(imports, folder):
        reached.setdefault(importer, set()).add(imported)
    return circles(reached)


def _lines(chosen: str) -> Iterator[str]:
    imports = graph()
    yield "| folder | rooms | arrows | circles of rooms |"
    yield "|---|---|---|---|"
    for folder in folders(imports):
        rooms = {_room(module, folder) for module in imports} - {""}
        round_trips = circles_of_rooms(imports, folder)
        listed = "; ".join(", ".join(circle) for circle in round_trips) or "none"
        yield f"| {folder} | {len(rooms)} | {len(arrows(imports, folder))} | {listed} |"
    yield ""
    yield from _circles("circles of files", circles(imports))
    yield from _circles("with annotations", circles(graph(annotations=True)))
    if chosen:
        yield ""
        folder = chosen if chosen.startswith(PACKAGE) else f"{PACKAGE}.{chosen}"
        for (importer, imported), count in sorted(arrows(imports, folder).items()):
            yield f"    {importer} -> {imported} {count}"


def _circles(title: str, found: list[list[str]]) -> Iterator[str]:
    yield f"{title}: {len(found) or 'none'}"
    for circle in found:
        yield f"    {', '.join(circle)}"


def main() -> None:
    """Print the map."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.imports", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--arrows", default="", metavar="FOLDER", help="list its arrows, too")
    print("\n".join(_lines(parser.parse_args().arrows)))


if __name__ == "__main__":
    main()
