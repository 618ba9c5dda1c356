"""Each wrong spec in `tests/gallery/specs` has one problem, and its error text is the file beside.

To add one, write `NAME.yaml` and call `make gallery`, which writes `NAME.txt`. The text has the
location, what was expected, what was got, and how to mend it.
"""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.sockspec import loader
from tests.gallery.plugin import FOLDER, Gallery

SPECS = sorted((FOLDER / "specs").glob("*.yaml"))


def _beside(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.golden_file(path.with_suffix(".txt"))


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=_beside(path)) for path in SPECS]
)
def test_a_wrong_spec_has_one_problem_whose_text_says_where_it_is_and_how_to_mend_it(
    path: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)

    with pytest.raises(SpecError) as caught:
        loader.load(Path(path.name))

    assert len(caught.value.problems) == 1
    gallery.check(str(caught.value))
