"""Runs programs: one that uses the package, as its users do, and those of other people."""

import os
import shutil
import subprocess
import sys

import pytest

DEADLINE = 60.0
Done = subprocess.CompletedProcess[str]


def run_program(source: str, *arguments: str) -> Done:
    """Run Python source with warnings as errors; return its exit status and what it printed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def installed(program: str, package: str = "") -> str:
    """Return the path of a program, or skip the test if it is not here; `package` has it."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no '{program}' on PATH; install the package {package or program}")
    return found


def run_installed(program: str, *arguments: str, says: str = "") -> Done:
    """Run a program of a package of its name; return its exit status and what it printed.

    Of our environment it gets the PATH alone: a proxy or a configuration would change what it does.
    """
    return subprocess.run(
        [installed(program), *arguments],
        input=says,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 1.5,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
