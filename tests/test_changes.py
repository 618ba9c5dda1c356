"""The specs that count as changed; all wrong copies of these are replayed."""

import subprocess
from pathlib import Path

import pytest

from tests.helpers.changes import changed_files


def _git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set where a git hook runs us
        monkeypatch.delenv(name, raising=False)
    specs = tmp_path / "specs"
    specs.mkdir()
    _git(tmp_path, "init", "-b", "main")
    for name in ("one", "two", "three", "gone"):
        (specs / f"{name}.yaml").write_text(name)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "specs: some")
    return specs


def test_on_a_clean_main_branch_nothing_has_changed(clone: Path) -> None:
    assert changed_files(clone) == set()


def test_a_branch_s_commits_the_working_tree_and_new_files_count(clone: Path) -> None:
    _git(clone, "checkout", "-b", "work")
    (clone / "one.yaml").write_text("committed")
    _git(clone, "commit", "-am", "specs: one")
    (clone / "two.yaml").write_text("not committed")
    (clone / "gone.yaml").unlink()
    (clone / "new and ünusual.yaml").write_text("new")
    (clone.parent / "beside.yaml").write_text("not below")

    names = ("one", "two", "gone", "new and ünusual")
    assert changed_files(clone) == {clone / f"{name}.yaml" for name in names}


def test_what_the_main_branch_has_changed_since_does_not_count(clone: Path) -> None:
    _git(clone, "checkout", "-b", "work")
    _git(clone, "checkout", "main")
    (clone / "three.yaml").write_text("of main")
    _git(clone, "commit", "-am", "specs: three")
    _git(clone, "checkout", "work")

    assert changed_files(clone) == set()


def test_where_git_cannot_tell_there_is_no_answer(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed_files(tmp_path_factory.mktemp("no clone")) is None
    _git(clone, "branch", "-m", "main", "another")
    assert changed_files(clone) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert changed_files(clone) is None
