"""Runs a program that uses the package, as its users do."""

import subprocess
import sys

DEADLINE = 60.0


def run_program(source: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python source with warnings as errors; return its exit status and what it printed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
