"""Our text as pytest's representation of a failure.

pytest prints a failure's representation, takes the line for its summary from
`reprcrash.message`, sends both through a parallel run, and writes both into JUnit. An
exception's own representation, which is public, has that shape already; we put our text in place
of the traceback, which would lead into our own code.
"""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from sockharness.errors import ExpectationFailed, SpecError
from sockharness.location import Location

_COMMANDS = frozenset("$`\\\"!'")
"""Characters that would not stand for themselves between double quotes in a shell."""


def tell(
    item: pytest.Item, report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException]
) -> None:
    """Let a report tell an exception of ours by its own text, and what the test raised below it."""
    error = excinfo.value
    text = str(error)
    if error.__cause__ is not None:
        text += "\n\nbelow that, the test itself raised\n\n" + _symptom(item, error.__cause__)
    shown: Any = excinfo.getrepr(style="value", chain=False)
    entry = shown.reprtraceback.reprentries[0]
    entry.lines = text.splitlines()
    shown.reprcrash.message = text.partition("\n")[0]
    place = _place(error)
    if place is not None:
        shown.reprcrash.path, shown.reprcrash.lineno = place.path, place.line
    report.longrepr = shown


def _place(error: BaseException) -> Location | None:
    """Return where an exception of ours points; editors and one-line tracebacks show it."""
    if isinstance(error, SpecError):
        return error.problems[0].location
    return error.location if isinstance(error, ExpectationFailed) else None


def _symptom(item: pytest.Item, cause: BaseException) -> str:
    """Represent what the test raised as pytest would have."""
    return str(item.repr_failure(pytest.ExceptionInfo.from_exception(cause)))


def again(item: pytest.Item, *options: str) -> str:
    """Return the command that runs an item again, in the folder where this pytest was started.

    Args:
        item: what is run.
        options: those without which it would not be the same.
    """
    path = shown_path(item.config, item.path)
    name = "::".join([path, *item.nodeid.split("::", 1)[1:]])
    quoted = shlex.quote(name) if _COMMANDS & set(name) else f'"{name}"'
    return " ".join(["pytest", *map(shlex.quote, options), quoted])


def shown_path(config: pytest.Config, path: Path) -> str:
    """Return a path as a person in the folder where pytest was started would write it."""
    return os.path.relpath(path, config.invocation_params.dir)
