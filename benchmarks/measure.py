"""Time whole commands in turn, so that a drift of the machine's speed affects all of them alike."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def interleaved(
    commands: Mapping[str, Sequence[str]], folder: Path, *, rounds: int, autoload: bool = False
) -> dict[str, list[float]]:
    """Return the seconds of each command: one run per round, after an uncounted first round.

    Args:
        commands: by name.
        folder: the working directory; in this project's own folder, pytest would load its conftest.
        rounds: how often each is run.
        autoload: whether pytest loads the plugins that are installed, as it does for its users.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(rounds + 1):
        progress(f"round {round_number} of {rounds}")
        for name, command in commands.items():
            lasted = _run(command, folder, autoload=autoload)
            if round_number:
                seconds[name].append(lasted)
    progress("")
    return seconds


def pytest_command(*args: str, plugin: bool = True) -> list[str]:
    """Return the command of a pytest that loads no plugin, or our plugin alone."""
    ours = ["-p", "sockharness.plugin"] if plugin else []
    return [*_PYTEST, *ours, *args]


def installed_command(*args: str, plugin: bool) -> list[str]:
    """Return the command of a pytest that searches for plugins, with ours or without it."""
    found = {each.name for each in entry_points(group="pytest11")}
    blocked = sorted(found - {"sockharness"} if plugin else found)
    options = [option for name in blocked for option in ("-p", f"no:{name}")]
    return [*_PYTEST, *options, *args]


def progress(text: str) -> None:
    """Show the current step on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _run(command: Sequence[str], folder: Path, *, autoload: bool) -> float:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if autoload:
        del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a warm-up: compiled files
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lasted = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return lasted
