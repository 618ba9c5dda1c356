"""Every exception, grouped by who must act.

| family | who acts |
|---|---|
| `SpecError` | the author of the spec: it has a place |
| `ExpectationFailed` | the author of the program under test |
| `Unavailable` | the person who runs the tests: this machine lacks something; a skip |
| `UsageError`, `ClosedError` | the caller of this interface |

Errors of the operating system stay `OSError` with a positive `errno`, and get `.code`, the errno's
name, as in Bun. Anything else that escapes is a bug of this package. All of them can be pickled,
because a parallel run sends them between processes.
"""

import errno as _errno
import os
from collections.abc import Sequence
from typing import Any

from sockharness.location import Location, excerpt
from sockharness.record import record


class SockharnessError(Exception):
    """The base class of this package's exceptions."""


@record
class Problem:
    """One thing wrong with a spec: where, what, and how to mend it (`hint` may be empty)."""

    location: Location
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"line {self.location.line}: {self.message}" + (
            f" ({self.hint})" if self.hint else ""
        )

    def report(self) -> list[str]:
        """Return the lines of a report for a person: message, clickable place, source, hint."""
        lines = [f"line {self.location.line}: {self.message}", f"  {self.location}"]
        lines += [f"  {line}" for line in excerpt(self.location)]
        return [*lines, f"  hint: {self.hint}"] if self.hint else lines


class SpecError(SockharnessError):
    """A spec is wrong, or asks for something forbidden; every problem found is in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n\n".join("\n".join(problem.report()) for problem in self.problems)


class ExpectationFailed(AssertionError):
    """An expectation failed; the text names the place, the expectation and the actual event.

    The first line stands alone within 60 columns, because summaries cut there. `location` is the
    step or the line that expected it, if there is one.
    """

    def __init__(self, text: str = "", location: Location | None = None) -> None:
        super().__init__(text, location)
        self.location = location

    def __str__(self) -> str:
        return str(self.args[0])


class Unavailable(SockharnessError):
    """This machine lacks a right, a program or a feature: a skip with this reason."""


class UsageError(SockharnessError, RuntimeError):
    """A function was called at a wrong time or in a wrong way; the text names the remedy."""


class ClosedError(UsageError):
    """An object was used after it was closed."""


class TLSError(OSError):
    """TLS failed, or key, certificate or options of TLS cannot be used.

    Attributes:
        code: as in Bun: `"CERT_HAS_EXPIRED"`, `"EPROTO"`, `"ERR_OSSL_BAD_DECRYPT"`.
        errno: the number for codes that are an errno's name, else 0.
        reason: the exact reason of an `EPROTO`: `"WRONG_VERSION_NUMBER"`.
        alert: the number of the fatal alert that the peer sent, if any.
    """

    def __init__(
        self,
        code: str,
        text: str = "",
        number: int = 0,
        *,
        reason: str = "",
        alert: int | None = None,
    ) -> None:
        super().__init__(number, text or code)
        self.code = code
        self.reason = reason
        self.alert = alert

    def __str__(self) -> str:
        return f"{self.code}: {self.strerror}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _tls_error, (self.code, self.strerror, self.errno, self.reason, self.alert)


def _tls_error(code: str, text: str, number: int, reason: str, alert: int | None) -> TLSError:
    return TLSError(code, text, number, reason=reason, alert=alert)


def with_code(error: OSError) -> OSError:
    """Give an `OSError` the attribute `code`, its errno's name (`"ECONNREFUSED"`); return it."""
    if not hasattr(error, "code"):
        names: Any = error
        names.code = _errno.errorcode.get(error.errno or 0, "")
    return error


def os_error(number: int) -> OSError:
    """Return the `OSError` (its right subclass) for an errno, with its `code`."""
    return with_code(OSError(number, os.strerror(number)))


def code_of(error: BaseException) -> str:
    """Return the name of an error: its `code` such as `"ECONNRESET"`, else the class's name."""
    return getattr(error, "code", "") or type(error).__name__
