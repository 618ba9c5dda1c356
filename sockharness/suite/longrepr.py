"""Our text as pytest's representation of a failure.

pytest prints a failure's representation, takes the line of its summary from `reprcrash.message`,
passes both on in a parallel run, and writes both into JUnit. The public representation of an
exception has that shape already. We replace its traceback, which would lead into our own code, by
our text.
"""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from sockharness.errors import ExpectationFailed, SpecError
from sockharness.location import Location

_COMMANDS = frozenset("$`\\\"!'")
"""Characters with a meaning between double quotes in a shell."""


def use_own_text(
    item: pytest.Item, report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException]
) -> None:
    """Put an exception's own text into a report, and below it what the test raised."""
    error = excinfo.value
    text = str(error)
    if error.__cause__ is not None:
        text += "\n\nbelow that, the test itself raised\n\n" + _symptom(item, error.__cause__)
    shown: Any = excinfo.getrepr(style="value", chain=False)
    entry = shown.reprtraceback.reprentries[0]
    entry.lines = text.splitlines()
    shown.reprcrash.message = text.partition("\n")[0]
    location = _location(error)
    if location is not None:
        shown.reprcrash.path, shown.reprcrash.lineno = location.path, location.line
    report.longrepr = shown


def _location(error: BaseException) -> Location | None:
    """Return the location of one of our exceptions; editors and one-line tracebacks show it."""
    if isinstance(error, SpecError):
        return error.problems[0].location
    return error.location if isinstance(error, ExpectationFailed) else None


def _symptom(item: pytest.Item, cause: BaseException) -> str:
    """Return pytest's representation of what the test raised."""
    return str(item.repr_failure(pytest.ExceptionInfo.from_exception(cause)))


def again(item: pytest.Item, *options: str) -> str:
    """Return the command that runs an item again, from the folder where pytest was started.

    Args:
        item: the test or spec.
        options: those that it needs.
    """
    path = shown_path(item.config, item.path)
    name = "::".join([path, *item.nodeid.split("::", 1)[1:]])
    quoted = shlex.quote(name) if _COMMANDS & set(name) else f'"{name}"'
    return " ".join(["pytest", *map(shlex.quote, options), quoted])


def shown_path(config: pytest.Config, path: Path) -> str:
    """Return a path relative to the folder where pytest was started."""
    return os.path.relpath(path, config.invocation_params.dir)
