"""No golden file is missing, different or left over without a failure, and CI writes none."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.gallery.normalise import normalise
from tests.gallery.plugin import EXPECTED, FOLDER, MODULES, TESTS, files_of

ROOT = TESTS.parent
TEST = """
import pytest

@pytest.mark.parametrize("word", ["a", "b c"])
def test_it(gallery, word):
    gallery.check(f"{word} at 127.0.0.1:4711\\n\\n")

@pytest.mark.one_golden_file
@pytest.mark.parametrize("word", ["a", "b c"])
def test_it_all(gallery, word):
    gallery.check("the same")

def test_other(): pass
"""


def test_each_golden_file_belongs_to_a_test_that_asks_for_it() -> None:
    left = [path for path in FOLDER.rglob("*.txt") if not _may_be_asked_for(path)]

    assert left == [], "no test asks for these: 'make gallery' removes them"


def test_of_the_modules_that_were_collected_each_golden_file_is_asked_for_once(
    pytestconfig: pytest.Config,
) -> None:
    expected = Counter(pytestconfig.stash[EXPECTED])

    assert set(files_of(pytestconfig.stash[MODULES])) - set(expected) == set(), "'make gallery'"
    assert [path for path, count in expected.items() if count > 1] == [], "two tests, one file"


def _may_be_asked_for(path: Path) -> bool:
    """Look for the wrong spec beside it, or into the module after which its folder is named."""
    if path.parent == FOLDER / "specs":
        return path.with_suffix(".yaml").is_file()
    module = TESTS / path.parent.relative_to(FOLDER).with_suffix(".py")
    name = path.stem.partition("[")[0]
    return module.is_file() and any(
        isinstance(node, ast.FunctionDef)
        and node.name == name
        and "gallery" in [argument.arg for argument in node.args.args]
        for node in ast.parse(module.read_text()).body
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to 127.0.0.1:4711, [::1]:80", "to 127.0.0.1:PORT, [::1]:PORT\n"),
        ("to 127.0.0.1 port 4711; 5 of 6", "to 127.0.0.1 port PORT; 5 of 6\n"),
        ("29396885 bytes still waited after 0.5 s", "SOME bytes still waited after 0.5 s\n"),
        ("<Socket at 0x7f001122aabb>\n\n", "<Socket at 0xADDRESS>\n"),
        ("    0.001   6 B     ----> x", "    T.TTT   6 B     ----> x\n"),
        ("    12.345               timeout", "    T.TTT               timeout\n"),
        ("for 2 bytes, 5.01 of 5.00 s (default", "for 2 bytes, T.TT of 5.00 s (default\n"),
        ("/tmp/pytest-of-me/pytest-3/test_x0/a.yaml", "/tmp/TMP/test_x0/a.yaml\n"),
        ("the version 0.125 and 10.0.0.1:80 stay", "the version 0.125 and 10.0.0.1:80 stay\n"),
    ],
)
def test_what_differs_from_run_to_run_is_replaced(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a gallery of its own."""
    monkeypatch.delenv("CI", raising=False)
    there = pytester.path / "tests" / "gallery"
    there.mkdir(parents=True)
    for name in ("__init__", "normalise", "plugin", "test_gallery"):
        (there / f"{name}.py").write_text((FOLDER / f"{name}.py").read_text())
    (there.parent / "__init__.py").touch()
    (there.parent / "test_some.py").write_text(TEST)
    pytester.makeconftest("pytest_plugins = ['tests.gallery.plugin']")
    return there / "test_some"


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    checks = "test_it or test_each or test_of"
    return pytester.runpytest_subprocess(
        "-p", "no:randomly", "-p", "no:hypothesispytest", "-k", checks, "tests", *args
    )


def test_a_missing_and_a_different_golden_file_fail_until_they_are_accepted(
    pytester: pytest.Pytester, project: Path
) -> None:
    missing = run(pytester)
    run(pytester, "--accept-gallery").assert_outcomes(passed=4)
    run(pytester).assert_outcomes(passed=6)
    files = {path.name: path.read_text() for path in project.iterdir()}
    (project / "test_it[a].txt").write_text("b at 127.0.0.1:PORT\n")
    different = run(pytester)

    missing.assert_outcomes(failed=4, passed=2)
    missing.stdout.fnmatch_lines(["no golden file tests/gallery/test_some/test_it?a?.txt; if *"])
    assert files == {
        "test_it[a].txt": "a at 127.0.0.1:PORT\n",
        "test_it[b-c].txt": "b c at 127.0.0.1:PORT\n",
        "test_it_all.txt": "the same\n",
    }
    different.assert_outcomes(failed=1, passed=5)
    different.stdout.fnmatch_lines(["-b at 127.0.0.1:PORT", "+a at 127.0.0.1:PORT", "if the new *"])


def test_a_golden_file_that_no_test_asks_for_fails_until_it_is_accepted(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, "--accept-gallery")
    (project / "test_it[c].txt").write_text("a case that is gone")
    (project / "test_other.txt").write_text("a test that asks for none")

    run(pytester).assert_outcomes(failed=2, passed=4)
    run(pytester, "--accept-gallery")
    run(pytester).assert_outcomes(passed=6)


def test_a_test_that_gives_no_text_or_two_fails(pytester: pytest.Pytester, project: Path) -> None:
    (project.parent.parent / "test_some.py").write_text(
        "def test_it_none(gallery): pass\n"
        "def test_it_twice(gallery): gallery.check('a'), gallery.check('b')\n"
    )

    result = run(pytester, "--accept-gallery")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*gave it no text*", "*one text for each test*"])


@pytest.mark.usefixtures("project")
def test_on_ci_nothing_is_accepted(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")

    result = run(pytester, "--accept-gallery")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--accept-gallery: CI compares with golden files*"])
