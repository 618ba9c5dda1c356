"""Checks that a text can be the value of a scapy field.

A number that is too large for the field, or half an address, would never equal any value. The class
of scapy's field defines its values. Only the classes listed here are checked: a class derived from
one of them may show its value in its own way.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, TypeAlias

from sockharness.nearest import nearest

Field: TypeAlias = Any  # scapy.fields.Field, which is loaded by `dissect` alone

LISTED = 8
"""The most names in a hint."""

_NUMBERS = {
    "BitField", "XBitField", "ByteField", "XByteField", "ShortField", "XShortField",
    "ThreeBytesField", "X3BytesField", "IntField", "XIntField", "LongField", "XLongField",
    "LenField", "FieldLenField",
}  # fmt: skip
_NAMED = {
    "BitEnumField", "ByteEnumField", "ShortEnumField", "XShortEnumField", "IntEnumField",
    "MultiEnumField",
}  # fmt: skip
_IPV4 = {"IPField", "SourceIPField", "DestIPField"}
_IPV6 = {"IP6Field", "SourceIP6Field", "DestIP6Field", "IP6ListField"}
_HARDWARE = {"MACField", "SourceMACField", "DestMACField"}
_AROUND = {"Emph", "ConditionalField", "MayEnd"}
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


def misfit(field: Field, text: str) -> tuple[str, str] | None:
    """Return the kind of values of a field, and a hint, if a text is no such value."""
    kind = type(field).__name__
    if kind in _AROUND:
        return misfit(field.fld, text)
    if kind == "MultipleTypeField":
        return _of_several([each for each, _ in field.flds], text)
    if kind in ("FieldListField", "IP6ListField"):
        one = field if kind == "IP6ListField" else field.field
        wrong = (_of_one(one, each) for each in text.split(", "))
        return None if text.startswith("[") else next(filter(None, wrong), None)
    return _of_one(field, text)


def _of_several(fields: list[Field], text: str) -> tuple[str, str] | None:
    """Check a text for a field that has one of several kinds, depending on the frame."""
    wrong = [found for field in fields if (found := misfit(field, text)) is not None]
    if len(wrong) < len(fields) or not wrong:
        return None
    return " or ".join(expected for expected, _ in wrong), wrong[0][1]


def _of_one(field: Field, text: str) -> tuple[str, str] | None:
    kind = type(field).__name__
    if kind == "FlagsField":
        return _of_flags(field, text)
    if kind in _NUMBERS | _NAMED:
        return _of_number(field, text)
    if kind in _IPV4:
        return None if _address(text) == 4 else ("an IPv4 address", "")
    if kind in _IPV6:
        return None if _address(text) == 6 else ("an IPv6 address", "")
    if kind in _HARDWARE and not _MAC.fullmatch(text):
        return "an address such as 01:00:5e:00:00:16", ""
    return None


def _of_flags(field: Field, text: str) -> tuple[str, str] | None:
    number, names = integer(text), field.names
    letters = isinstance(names, str)
    flags = flags_of(text, letters=letters)
    if number is not None:
        fits = number <= _most(field)
    else:
        fits = set(flags) <= set(names) and len(set(flags)) == len(flags)
    known = f"letters of {names}" if letters else f"names joined by +: {', '.join(names)}"
    return None if fits else (f"flags such as {names[1]}", f"flags are {known}; each at most once")


def _of_number(field: Field, text: str) -> tuple[str, str] | None:
    number, most = integer(text), _most(field)
    names = _names(field)
    if text in names or (number is not None and number <= most):
        return None
    expected = f"a number from 0 to {most}"
    if not names or number is not None:
        return expected, ""
    known = f"known: {', '.join(names)}" if len(names) <= LISTED else ""
    hint = near(text, names).removeprefix("; ") or known
    return f"{expected} or scapy's name for one", hint


def _most(field: Field) -> int:
    """Return the largest number that fits in a field."""
    bits = field.size if hasattr(field, "size") else field.sz * 8
    return int(2 ** abs(bits)) - 1


def _names(field: Field) -> list[str]:
    """Return the names that scapy shows for numbers."""
    kind = type(field).__name__
    if kind == "MultiEnumField":
        return list(field.s2i_all)
    return list(map(str, (field.i2s or {}).values())) if kind in _NAMED else []


def _address(text: str) -> int:
    """Return the version of an IP address; 0 if a packet cannot hold it."""
    try:
        return 0 if "%" in text else ip_address(text).version
    except ValueError:
        return 0


def flags_of(text: str, *, letters: bool) -> list[str]:
    """Return flags one by one: letters (`SA`), or names joined by `+` (`MF+DF`)."""
    if letters:
        return list(text)
    return text.split("+") if text else []


def integer(text: str) -> int | None:
    """Return the number in a text, decimal or `0x` hexadecimal."""
    digits, base = (text[2:], 16) if text.lower().startswith("0x") else (text, 10)
    if not digits.isascii() or not digits.isalnum():
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def near(wrong: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for scapy's name nearest to a misspelt one, or nothing."""
    found = nearest(wrong, names, most=None, ignore_case=True)
    return f"; did you mean {found!r}?" if found else ""
