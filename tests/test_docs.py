"""The examples in the documentation run: specs are replayed, Python belongs to tested examples."""

import re
import textwrap
from pathlib import Path

import pytest

from sockharness.machine import probes
from tests.helpers.replaying import headlines, replay

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [path.read_text() for path in sorted((ROOT / "tests" / "examples").glob("*.py"))]


def _blocks(language: str) -> list[tuple[str, str]]:
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [
        (f"{page.name}:{page.read_text()[: found.start()].count(chr(10)) + 1}", found[1])
        for page in PAGES
        for found in fence.finditer(page.read_text())
    ]


YAML = [(place, text) for place, text in _blocks("yaml") if "sockspec:" in text]
PYTHON = _blocks("python")


@pytest.mark.parametrize(("place", "text"), YAML, ids=[place for place, _ in YAML])
def test_a_spec_of_the_documentation_passes(place: str, text: str, tmp_path: Path) -> None:
    needed = {"capture": "wire:", "multicast": "multicast:"}
    if "hosts:" in text:
        needed = {"netns": "hosts:", "ipv6": "6"}
    if reason := probes.missing(need for need, word in needed.items() if word in text):
        pytest.skip(reason)

    assert headlines(replay(tmp_path, text, peers="", scale=1)) == []


@pytest.mark.parametrize(("place", "text"), PYTHON, ids=[place for place, _ in PYTHON])
def test_an_example_of_the_documentation_is_one_that_runs(place: str, text: str) -> None:
    assert any(textwrap.dedent(text) in example for example in EXAMPLES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_of_the_documentation_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []
