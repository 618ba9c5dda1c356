"""The files that differ from the main branch."""

import subprocess
from pathlib import Path

MAIN = ("origin/HEAD", "origin/main", "main")
"""Names for the main branch, the best first."""


def changed_files(root: Path) -> set[Path] | None:
    """Return the files below `root` that a branch or the working tree has changed or added.

    They are compared with the commit where the branch left the main branch. Return None if git
    cannot compare: without git, outside of a clone, or without a main branch.
    """
    bases = (_git(root, "merge-base", "HEAD", name) for name in MAIN)
    base = next((found[0] for found in bases if found), None)
    if base is None:
        return None
    changed = _git(root, "diff", "--name-only", "--relative", "--no-renames", base, "--", ".")
    added = _git(root, "ls-files", "--others", "--exclude-standard", "--", ".")
    if changed is None or added is None:
        return None
    return {root / name for name in (*changed, *added)}


def _git(root: Path, *arguments: str) -> list[str] | None:
    """Return the lines that git prints, or None if it fails."""
    command = ["git", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None
