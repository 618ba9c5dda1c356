"""Times whole commands in turn, so that a drift of the machine's speed hits all of them alike."""

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
    """Return the seconds of each command, run once a round after one that does not count.

    Args:
        commands: by name.
        folder: where they run: not here, where a pytest would load this project's own set-up.
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
    """Return the command of a pytest that loads no plugin but ours, and that only if asked to."""
    ours = ["-p", "sockharness.plugin"] if plugin else []
    return [*_PYTEST, *ours, *args]


def installed_command(*args: str, plugin: bool) -> list[str]:
    """Return the command of a pytest that finds its plugins by itself and loads ours, or none."""
    found = {each.name for each in entry_points(group="pytest11")}
    blocked = sorted(found - {"sockharness"} if plugin else found)
    options = [option for name in blocked for option in ("-p", f"no:{name}")]
    return [*_PYTEST, *options, *args]


def progress(text: str) -> None:
    """Show what is being done, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _run(command: Sequence[str], folder: Path, *, autoload: bool) -> float:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if autoload:
        del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is compiled once is not measured
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lasted = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return lasted
