"""Bounds of a number: of the value of a call, or of a count of frames."""

from sockharness.record import record


@record(kw_only=True)
class Bounds:
    """The expected value of a call: all given bounds must hold; `capture` names the value."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    less_than: int | None = None
    capture: str = ""

    def hold(self, value: int) -> bool:
        """Return whether a value is within the bounds."""
        return (
            (self.exactly is None or value == self.exactly)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.less_than is None or value < self.less_than)
        )

    @property
    def empty(self) -> bool:
        """Whether no number can be within the bounds."""
        most = [bound for bound in (self.at_most, self.exactly) if bound is not None]
        most += [self.less_than - 1] if self.less_than is not None else []
        return bool(most) and min(most) < (self.at_least or 0) and self.exactly is None

    def __str__(self) -> str:
        if isinstance(self.exactly, bool):
            return str(self.exactly).lower()
        words = (
            ("", self.exactly),
            ("at least ", self.at_least),
            ("at most ", self.at_most),
            ("less than ", self.less_than),
        )
        return " and ".join(f"{word}{bound}" for word, bound in words if bound is not None)
