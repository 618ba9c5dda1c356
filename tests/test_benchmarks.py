"""The tables and plots of measured results; no test measures anything."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import compare, engine, report
from benchmarks.results import Results, growth

SVG = "{http://www.w3.org/2000/svg}"
SERVERS = ("sockharness", "sockharness in asyncio", "asyncio", "a <peer>")


def _figures(rate: float) -> dict[str, list[float]]:
    return {
        "rate": [rate, 9 * rate, 1.0],  # the median is `rate`
        "user": [1.5, 1.5, 1.5],
        "system": [2.5, 2.5, 2.5],
        "busy": [1.0, 1.0, 1.0],
        "load": [0.5, 0.5, 0.5],
    }


def _compared() -> dict[str, object]:
    return {name: _figures(1000.0 * (number + 1)) for number, name in enumerate(SERVERS)}


@pytest.fixture
def results() -> Results:
    loads = {load.mode: _compared() for load in engine.LOADS}
    return {
        "about": {
            "rounds": 3,
            "seconds": 0.5,
            "cores": 2,
            "system": "Linux 6",
            "python": "3.11.0",
            "versions": {"uvloop": "1.2.3"},
        },
        "engine": {**loads, "memory": dict.fromkeys(SERVERS, 0.5)},
        "scaling": {str(count): _compared() for count in (1, 10, 100)},
    }


def _benchmarks(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    root = Path(__file__).parent.parent
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_plot_is_an_svg_with_every_server_in_every_panel(
    results: Results, tmp_path: Path
) -> None:
    data, drawing = tmp_path / "results.json", tmp_path / "out.svg"
    data.write_text(json.dumps(results))

    done = _benchmarks("plot", data, drawing)

    assert done.returncode == 0, done.stderr
    root = ElementTree.parse(drawing).getroot()
    assert root.tag == f"{SVG}svg"
    titles = [title.text for title in root.iter(f"{SVG}title")]
    words = [text.text for text in root.iter(f"{SVG}text")]
    for name in SERVERS:
        assert titles.count(name) == 3  # its line in each panel
        assert words.count(name) == 1  # the legend
    assert words.count("connections") == 3
    assert len(list(root.iter(f"{SVG}circle"))) == 3 * 3 * len(SERVERS)
    assert "prefers-color-scheme: dark" in drawing.read_text()


def test_the_tables_replace_what_stood_between_the_marks(results: Results, tmp_path: Path) -> None:
    data, page = tmp_path / "results.json", tmp_path / "page.md"
    data.write_text(json.dumps(results))
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    done = _benchmarks("table", data, page)
    once = page.read_text()
    _benchmarks("table", data, page)

    assert done.returncode == 0, done.stderr
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "Medians of 3 rounds, 0.5 s" in once
    assert page.read_text() == once


def test_a_ratio_is_that_of_the_medians(results: Results) -> None:
    row = next(line for line in report.text(results).splitlines() if line.startswith("| asyncio"))

    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells == ["asyncio", "3,000", "0.33", "0.67", "1.50 µs", "2.50 µs", "100%", "50%"]


def test_results_of_a_part_are_tables_too(results: Results) -> None:
    scaling = report.text({"scaling": results["scaling"]})

    assert scaling.count("N^1.00") == len(SERVERS)
    assert report.text({}) == ""


def test_a_page_without_marks_is_refused(results: Results) -> None:
    with pytest.raises(SystemExit, match="expected '<!-- figures -->'"):
        report.put_into("a page", results)


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_growth_is_the_power_of_the_count(power: float) -> None:
    assert growth([(n, 3 * n**power) for n in (1, 10, 100, 1000)]) == pytest.approx(power)


def test_an_unknown_measurement_is_refused_by_name() -> None:
    done = _benchmarks("run", "engin")

    assert done.returncode == 1
    assert "got engin" in done.stderr


def test_the_help_names_the_commands() -> None:
    done = _benchmarks("--help")

    assert done.returncode == 0
    assert all(command in done.stdout for command in ("run", "plot", "table"))


def test_checkouts_are_compared_by_speeds(results: Results) -> None:
    speeds = compare.speeds("engine", results["engine"])
    assert speeds["engine: echo: sockharness"] == 1000.0
    assert speeds["engine: echo: asyncio"] == 3000.0
    assert not any("memory" in name for name in speeds)
    assert compare.speeds("specs", {"seconds": {"specs": [4.0]}}) == {"specs: specs": 0.25}


def test_a_comparison_lists_our_figures_before_those_of_the_peers() -> None:
    lines = compare.text({"udp: bare sendto": [1.0], "udp: sockharness send": [0.9, 1.2, 1.1]})
    ours, peer = lines.splitlines()[2:]
    assert "sockharness send" in ours
    assert [cell.strip() for cell in ours.split("|")[2:5]] == ["1.10", "0.90", "1.20"]
    assert "bare sendto" in peer


def test_a_comparison_with_a_folder_without_an_environment_says_how_to_make_one(
    tmp_path: Path,
) -> None:
    run = _benchmarks("compare", tmp_path)
    assert run.returncode == 1
    assert "make .venv/ready" in run.stderr
