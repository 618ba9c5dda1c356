"""The specs and tests that a command line selects."""

import re
from pathlib import Path

import pytest

from tests.helpers.parallel import ALONE_AND_PARALLEL

ECHO = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
  - server -> client: "hi"
"""
SPECS = {"specs/echo.yaml::echo", "specs/deep/more.yml::more"}
TESTS = {"tests/test_t.py::test_one", "tests/test_t.py::test_two"}
BESIDE = {"specs/test_u.py::test_u"}


@pytest.fixture(autouse=True)
def tree(pytester: pytest.Pytester) -> Path:
    files = {
        "specs/echo.yaml": ECHO,
        "specs/deep/more.yml": ECHO,
        "specs/test_u.py": "def test_u(): pass",
        "tests/test_t.py": "def test_one(): pass\ndef test_two(): pass",
        "node_modules/foreign.yaml": "a: 1",
        "empty/notes.txt": "",
    }
    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return pytester.path


def passed(pytester: pytest.Pytester, *args: str) -> set[str]:
    """Run; return the ids of what ran, all of which has to pass."""
    result = pytester.runpytest("-v", "-p", "no:randomly", *args)
    ran = [line for line in result.outlines if "PASSED" in line]
    ids = {found[0] for line in ran if (found := re.search(r"[\w/.]+::\w+", line))}
    result.assert_outcomes(passed=len(ids))
    return ids


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--sockspec . tests", SPECS | TESTS),
        ("--sockspec . tests/test_t.py::test_one", SPECS | {"tests/test_t.py::test_one"}),
        ("--sockspec specs specs/test_u.py", SPECS | BESIDE),
        ("--sockspec specs specs/test_u.py::test_u tests", SPECS | BESIDE | TESTS),
        ("--sockspec specs specs", SPECS | BESIDE),
        ("--sockspec specs .", SPECS | BESIDE | TESTS),
        ("--sockspec specs empty", SPECS),
    ],
)
@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_an_argument_without_specs_adds_to_the_option(
    pytester: pytest.Pytester, line: str, expected: set[str], parallel: tuple[str, ...]
) -> None:
    assert passed(pytester, *line.split(), *parallel) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--sockspec specs specs/echo.yaml", {"specs/echo.yaml::echo"}),
        ("--sockspec specs specs/echo.yaml::echo", {"specs/echo.yaml::echo"}),
        ("--sockspec . specs/deep", {"specs/deep/more.yml::more"}),
        ("--sockspec . specs/echo.yaml specs/test_u.py", {"specs/echo.yaml::echo"} | BESIDE),
    ],
)
def test_an_argument_with_specs_narrows_the_option(
    pytester: pytest.Pytester, line: str, expected: set[str]
) -> None:
    assert passed(pytester, *line.split()) == expected


def test_what_pytest_passes_over_holds_no_specs(pytester: pytest.Pytester, tree: Path) -> None:
    cache = tree / "tests" / ".hidden"
    cache.mkdir()
    (cache / "a.yaml").write_text("a: 1")

    assert passed(pytester, "--sockspec", ".", "tests") == SPECS | TESTS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", SPECS | TESTS),
        ("tests/test_t.py::test_one", {"tests/test_t.py::test_one"}),
        ("tests", TESTS),
        ("--sockspec specs/echo.yaml", {"specs/echo.yaml::echo"}),
        ("--sockspec specs/echo.yaml tests", {"specs/echo.yaml::echo"} | TESTS),
        ("specs/echo.yaml", {"specs/echo.yaml::echo"}),
        ("specs", SPECS | BESIDE),
        ("specs/deep tests", {"specs/deep/more.yml::more"} | TESTS),
        ("specs/test_u.py", BESIDE),
    ],
)
@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_the_ini_file_counts_in_a_plain_run_and_for_folders_with_specs(
    pytester: pytest.Pytester, line: str, expected: set[str], parallel: tuple[str, ...]
) -> None:
    pytester.makeini("[pytest]\nsockspec_paths = specs\ntestpaths = tests\n")

    assert passed(pytester, *line.split(), *parallel) == expected


def test_a_path_in_the_ini_file_may_hold_testpaths(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsockspec_paths = .\ntestpaths = specs/deep tests\n")

    assert passed(pytester) == SPECS | TESTS


def test_a_path_in_the_ini_file_that_does_not_exist_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsockspec_paths = nowhere\n")

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*sockspec_paths: no such file or folder: *nowhere*"])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "expected a folder or a [*].yaml or [*].yml file, got ''"),
        ("empty/notes.txt", "expected a folder or a [*].yaml or [*].yml file, got '*notes.txt'"),
        ("specs/ecoh.yaml", "no such file or folder: *specs/ecoh.yaml"),
        (
            "specs/echo.yaml::echo",
            "no such file or folder: *; an id goes without the option: pytest *echo.yaml::echo",
        ),
    ],
)
def test_a_path_that_cannot_be_is_refused(pytester: pytest.Pytester, path: str, told: str) -> None:
    result = pytester.runpytest(f"--sockspec={path}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --sockspec: {told}"])


@pytest.mark.parametrize("others", [(), ("tests",), ("--sockspec", "specs")])
def test_a_folder_without_specs_is_told(pytester: pytest.Pytester, others: tuple[str, ...]) -> None:
    result = pytester.runpytest("--sockspec", "empty", *others)

    if not others:
        assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["sockharness: no spec ([*].yaml, [*].yml) in empty"])
    result.stdout.no_fnmatch_line("*no spec * in specs*")
