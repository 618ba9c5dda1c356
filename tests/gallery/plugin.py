"""The fixture `gallery` and the option `--accept-gallery`.

A missing golden file fails the test, and so does a different one. A golden file that no test asks
for fails `tests/gallery/test_gallery.py`. Only `--accept-gallery` writes and removes files, and it
is refused on CI.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.gallery.normalise import normalise

FOLDER = Path(__file__).parent
TESTS = FOLDER.parent
HOW = "if the new text is better: 'make gallery', then read 'git diff tests/gallery'"


class Gallery:
    """Compares one text with a golden file."""

    def __init__(self, path: Path, *, accept: bool) -> None:
        self.path = path
        self.asked = False
        self._accept = accept

    def check(self, text: str, *, exact: bool = False) -> None:
        """Fail unless the golden file has this text; a test asks once.

        An exact text is the same in every run, so no time, port or address in it is replaced.
        """
        __tracebackhide__ = True
        assert not self.asked, "one text for each test: its file is named after the test"
        self.asked = True
        text = text.rstrip("\n") + "\n" if exact else normalise(text)
        if self._accept:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(text.encode())
            return
        name = self.path.relative_to(TESTS.parent)
        if not self.path.exists():
            pytest.fail(f"no golden file {name}; {HOW}\n\n{text}", pytrace=False)
        golden = self.path.read_bytes().decode()
        if text != golden:
            lines = difflib.unified_diff(
                golden.splitlines(), text.splitlines(), str(name), "this run", lineterm=""
            )
            pytest.fail("\n".join(["another text than the golden file's", *lines, HOW]), False)


def golden_file(item: pytest.Item) -> Path:
    """Return the golden file of a test, e.g. `report/test_text/test_the_head[short].txt`.

    The mark `golden_file` names another one. With the mark `one_golden_file` all parameters of a
    test have the same text.
    """
    if marked := item.get_closest_marker("golden_file"):
        return Path(marked.args[0])
    module = item.path.relative_to(TESTS).with_suffix("")
    name = item.name.partition("[")[0] if _is_shared(item) else item.name
    return FOLDER / module / (re.sub(r"[^\w\[\].,=+-]+", "-", name) + ".txt")


def _is_shared(item: pytest.Item) -> bool:
    return item.get_closest_marker("one_golden_file") is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--accept-gallery",
        action="store_true",
        help="write the golden files of tests/gallery anew, and run only tests that have one",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden_file(path): the golden file of the test")
    config.addinivalue_line("markers", "one_golden_file: the same one for all parameters")
    if config.getoption("--accept-gallery") and os.environ.get("CI"):
        raise pytest.UsageError("--accept-gallery: CI compares with golden files, never writes any")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which golden files there should be; this comes before `-k` and `-m` deselect."""
    asking = [each for each in items if "gallery" in getattr(each, "fixturenames", ())]
    tests = {
        each.nodeid.partition("[")[0] if _is_shared(each) else each.nodeid: each for each in asking
    }
    paths = [golden_file(each) for each in tests.values()]
    config.stash[EXPECTED] = paths
    config.stash[MODULES] = _whole_modules(config, items)
    if config.getoption("--accept-gallery"):
        items[:] = asking
        for path in set(files_of(config.stash[MODULES])) - set(paths):
            path.unlink(missing_ok=True)


def _whole_modules(config: pytest.Config, items: list[pytest.Item]) -> set[Path]:
    """Return the folders of the modules of which all tests were collected."""
    if any("::" in argument for argument in config.args):
        return set()
    return {golden_file(each).parent for each in items if TESTS in each.path.parents}


def files_of(modules: set[Path]) -> list[Path]:
    """Return the golden files that some modules have."""
    return [path for module in modules for path in sorted(module.glob("*.txt"))]


EXPECTED = pytest.StashKey[Iterable[Path]]()
MODULES = pytest.StashKey[set[Path]]()


@pytest.fixture
def gallery(request: pytest.FixtureRequest) -> Gallery:
    """Compare a text with the golden file that is named after the test."""
    accept = request.config.getoption("--accept-gallery")
    return Gallery(golden_file(request.node), accept=accept)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that passes without a look at its golden file."""
    yield
    one = getattr(item, "funcargs", {}).get("gallery")
    assert one is None or one.asked, "this test has the fixture 'gallery' and gave it no text"
