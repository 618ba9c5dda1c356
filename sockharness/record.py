"""Values that never change, cheap to define and to make.

A frozen dataclass with slots compiles seven functions when its class is made, two of them only to
refuse assignments, and then takes thrice as long to make an instance. A spec's model alone has
fifty such classes, and every run of pytest that has a spec pays for all of them before its first
test. So the refusal is left to the type checker, which sees every assignment, and all share one
`__repr__`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True)
def record(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a dataclass with slots whose fields nobody assigns to: mypy refuses it."""

    def make(cls: Any) -> Any:
        made: Any = dataclass(slots=True, unsafe_hash=True, repr=False, kw_only=kw_only)(cls)
        if "__repr__" not in vars(cls):
            made.__repr__ = _repr
        return made

    return make if cls is None else make(cls)


def _repr(self: Any) -> str:
    values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
    return f"{type(self).__qualname__}({values})"
