"""Finds real Bun for tests; without it they are skipped with the reason."""

import os
import shutil
from pathlib import Path

import pytest

from sockharness.drivers.bun.program import BunProgram

INSTALLED = Path(__file__).parent.parent.parent / ".bun" / "node_modules" / ".bin" / "bun"
"""The path that `make bun` installs Bun to."""


def bun_path() -> str:
    """Return the program: as the environment says, on PATH, or installed in this clone; or skip."""
    found = os.environ.get("SOCKHARNESS_BUN") or shutil.which("bun")
    path = found or (str(INSTALLED) if INSTALLED.exists() else "")
    if reason := BunProgram(path).missing():
        pytest.skip(f"{reason}; or run 'make bun'")
    return path
