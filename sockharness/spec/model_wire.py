"""What must have crossed the wire, as values that never change."""

from dataclasses import dataclass

from sockharness.location import Location
from sockharness.spec.bounds import Bounds
from sockharness.spec.model_bytes import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTest:
    """A field of a frame by scapy's name, and the text or name that it must equal."""

    field: str
    value: str | Reference
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCheck:
    """How many frames fit `where`; each of those must also fit `each`."""

    where: tuple[FieldTest, ...]
    count: Bounds | None
    each: tuple[FieldTest, ...]
    location: Location
    within: float | None = None
