"""Values that never change, cheap to define and to make.

A frozen dataclass with slots compiles seven functions when its class is made, two of them only to
refuse assignments, and then takes thrice as long to make an instance. A spec's model alone has
fifty such classes, and every run of pytest that has a spec pays for all of them before its first
test. So the refusal is left to the type checker, which sees every assignment, and all share
`__eq__`, `__hash__` and `__repr__`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True)
def record(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a dataclass with slots; mypy refuses assignments to its fields."""

    def make(cls: Any) -> Any:
        made: Any = dataclass(slots=True, eq=False, repr=False, kw_only=kw_only)(cls)
        if "__repr__" not in vars(cls):
            made.__repr__ = _repr
        made.__eq__, made.__hash__ = _eq, _hash
        names = [each.name for each in fields(made) if each.compare]
        made.__compared__ = staticmethod(attrgetter(*names) if names else _nothing)
        return made

    return make if cls is None else make(cls)


def _nothing(_self: Any) -> tuple[()]:
    return ()


def _eq(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return self.__compared__(self) == self.__compared__(other)


def _hash(self: Any) -> int:
    return hash(self.__compared__(self))


def _repr(self: Any) -> str:
    values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
    return f"{type(self).__qualname__}({values})"
