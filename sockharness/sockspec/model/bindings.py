"""Names to live values.

A spec is readable because it does not name ports and session ids; the run binds those names to what
they turned out to be: `$blob` (from `let`), `$first` (captured), `$server.port` (a peer's fact).
"""

from collections.abc import Callable, Mapping

from sockharness.errors import UsageError
from sockharness.nearest import suggestion

Value = bytes | int | str


class NoValueError(UsageError):
    """A name has no value: nothing was captured for it (yet)."""


class Bindings:
    """The values that names stand for while a case runs.

    Args:
        facts: asked for a dotted name such as `server.port`; returns `None` if it knows none.
    """

    __slots__ = ("_captured", "_facts")

    def __init__(self, facts: Callable[[str, str], Value | None] | None = None) -> None:
        self._captured: dict[str, Value] = {}
        self._facts = facts

    def capture(self, values: Mapping[str, Value]) -> None:
        """Bind names to what was captured; a later capture of the same name wins."""
        self._captured.update(values)

    def value(self, name: str) -> Value:
        """Return the value of a name.

        Raises:
            NoValueError: if nothing is bound to it (yet), as to a group of a regular expression
                that took no part in the match.
        """
        if name in self._captured:
            return self._captured[name]
        peer, dot, fact = name.partition(".")
        found = self._facts(peer, fact) if dot and self._facts is not None else None
        if found is None:
            hint = suggestion(name, self._captured)
            raise NoValueError(f"${name} has no value yet{hint}")
        return found

    def data(self, name: str) -> bytes:
        """Return the value of a name as bytes to write: text in UTF-8, a number in decimal."""
        value = self.value(name)
        return value if isinstance(value, bytes) else str(value).encode()

    def number(self, name: str) -> int:
        """Return the value of a name as a number: of bytes, their count."""
        value = self.value(name)
        return value if isinstance(value, int) else len(value)
