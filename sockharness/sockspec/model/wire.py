"""Checks of the frames that crossed the wire, as values that never change."""

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.bounds import Bounds
from sockharness.sockspec.model.bytes import Reference


@record(kw_only=True)
class FieldTest:
    """A field of a frame by scapy's name, and the text or name that it must equal.

    `location` is that of the field's name.
    """

    field: str
    value: str | Reference
    location: Location
    value_location: Location


@record(kw_only=True)
class WireCheck:
    """A count of the frames that fit `where`; each of them must also fit `each`."""

    where: tuple[FieldTest, ...]
    count: Bounds | None
    each: tuple[FieldTest, ...]
    location: Location
    within: float | None = None
