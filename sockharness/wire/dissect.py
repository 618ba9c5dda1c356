"""Dissects frames with scapy, and reads and compares fields by scapy's own names.

No other module imports scapy. It is imported at first use, and only the layers of Ethernet, IP,
TCP, UDP, ICMP and IGMP: that costs 0.3 s, `scapy.all` a second. The import has side effects, which
are avoided:

- It writes caches below the home directory, and unpickles files from there. During the import the
  three XDG variables name a directory that cannot exist.
- It may warn. During the import warnings are ignored, so `-W error` does not break it.

Both are settings of the whole process, so a lock lets one thread import at a time.
"""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from types import ModuleType
from typing import Any, TypeAlias

from sockharness.errors import SockharnessError
from sockharness.wire import values

Packet: TypeAlias = Any  # scapy.packet.Packet, whose attributes are made at run time

_XDG = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
_NOWHERE = "/dev/null/none"
_importing = threading.Lock()


class DissectionError(SockharnessError):
    """scapy could not read a frame."""


def packet(data: bytes) -> Packet:
    """Return the frame as scapy's packet, from `Ether` on.

    Raises:
        DissectionError: scapy raised; the text has the frame's length and first bytes.
    """
    ether = _layers()["Ether"]
    try:
        return ether(data)
    except Exception as error:  # a dissector may raise anything
        start = data[:32].hex(" ")
        raise DissectionError(
            f"cannot dissect a frame of {len(data)} bytes, {start}: {type(error).__name__}: {error}"
        ) from error


def check_field_name(name: str) -> None:
    """Raise `ValueError`, with a suggestion, unless `name` is `Layer.field` as scapy spells it."""
    _find(name)


def misfit(name: str, text: str) -> tuple[str, str] | None:
    """Return the kind of values of a field, and a hint, if a text is no such value.

    Raises:
        ValueError: as `check_field_name` does.
    """
    layer, field_name = _find(name)
    return values.misfit(next(each for each in layer.fields_desc if each.name == field_name), text)


def field(packet: Packet, name: str) -> Any:
    """Return a field's value as a plain `int`, `str`, `bytes` or list.

    It is `None` if the packet has no such layer. Flags are text, in scapy's order:
    `field(packet, "TCP.flags") == "SA"`.
    """
    value = _value(packet, name)
    return str(value) if _is_flags(value) else value


def equals(packet: Packet, name: str, raw_text: str) -> bool:
    """Return whether a field has the value that the author of a spec wrote.

    Integers are decimal or `0x` hexadecimal, or the name that scapy shows for them (`tcp` for
    `IP.proto`); flags may be in any order; addresses are compared as addresses; bytes with the text
    in UTF-8. A packet without the layer is not equal to anything.
    """
    return fits(packet, [(name, raw_text)])


def fits(packet: Packet, tests: Iterable[tuple[str, str]]) -> bool:
    """Return whether fields have the values that the author of a spec wrote; see `equals`.

    A layer may be there several times, as a report of memberships has several records: the fields
    of one layer must fit in one of them.
    """
    by_layer: dict[Any, list[tuple[str, str]]] = {}
    for name, text in tests:
        by_layer.setdefault(_find(name)[0], []).append((name, text))
    return all(
        any(all(_equals(each, *test) for test in fields) for each in _instances(packet, layer))
        for layer, fields in by_layer.items()
    )


def _instances(packet: Packet, layer: Any) -> Iterator[Packet]:
    """Yield the layers of a class, also the items of a list of another layer.

    In an MLDv2 report scapy lists only the first record; each next one is the payload of the last.
    """
    while packet:
        if type(packet) is layer:  # a `UDPerror`, quoted by ICMP, is a `UDP` to Python
            yield packet
        for value in packet.fields.values():
            for item in value if isinstance(value, list) else ():
                if hasattr(item, "fields"):  # a packet, and no address or the like
                    yield from _instances(item, layer)
        packet = packet.payload


def _equals(packet: Packet, name: str, raw_text: str) -> bool:
    """Compare a field of the layer that `packet` is."""
    value = getattr(packet, _find(name)[1])
    if _is_flags(value):
        return _flags_equal(value, raw_text)
    if isinstance(value, list):
        return raw_text in (str(value), ", ".join(map(str, value)))
    if isinstance(value, int):
        return values.integer(raw_text) == value or _shown(packet, name) == raw_text
    if isinstance(value, bytes):
        return value == raw_text.encode("utf-8", "surrogateescape")
    return _texts_equal(str(value), raw_text)


def _value(packet: Packet, name: str) -> Any:
    layer, field_name = _find(name)
    found = packet.getlayer(layer)
    return None if found is None else getattr(found, field_name)


def _shown(packet: Packet, name: str) -> str:
    field_name = _find(name)[1]
    return str(packet.get_field(field_name).i2repr(packet, getattr(packet, field_name)))


@cache
def _find(name: str) -> tuple[Any, str]:
    """Return the class of the layer and the name of the field."""
    layer_name, _, field_name = name.partition(".")
    layers = _layers()
    layer = layers.get(layer_name)
    if layer is None:
        if layer_name.startswith("TLS"):
            raise ValueError(
                "TLS is not dissected: the wire shows its records as the bytes of Raw.load"
            )
        hint = values.near(layer_name, layers)
        raise ValueError(f"scapy has no layer {layer_name!r}{hint}")
    fields = [each.name for each in layer.fields_desc]
    if field_name not in fields:
        hint = values.near(field_name, fields) or f"; it has {', '.join(fields)}"
        raise ValueError(f"scapy's {layer_name} has no field {field_name!r}{hint}")
    return layer, field_name


def _is_flags(value: object) -> bool:
    return hasattr(value, "multi")  # scapy.fields.FlagValue; it imitates int without being one


def _flags_equal(value: Any, text: str) -> bool:
    """Compare with letters (`SA`), with names joined by `+` (`MF+DF`), or with a number."""
    number = values.integer(text)
    if number is not None:
        return int(value) == number
    letters = isinstance(value.names, str)
    got, expected = (values.flags_of(each, letters=letters) for each in (str(value), text))
    return sorted(got) == sorted(expected)


def _texts_equal(value: str, text: str) -> bool:
    try:
        return ip_address(value) == ip_address(text)
    except ValueError:
        return value.lower() == text.lower()  # hardware addresses


@cache
def _layers() -> dict[str, Any]:
    """Return the layers by name, importing scapy."""
    layers: dict[str, Any] = {}
    modules = _modules()
    base = modules[0].Packet
    for module in modules:
        found = {name: value for name, value in vars(module).items() if isinstance(value, type)}
        layers |= {name: value for name, value in found.items() if issubclass(value, base)}
    return layers


def _modules() -> tuple[ModuleType, ...]:
    with _importing, _away_from_home(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from scapy.contrib import igmpv3
        from scapy.layers import inet, inet6, l2

        return l2, inet, inet6, igmpv3


@contextmanager
def _away_from_home() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _XDG}
    os.environ.update(dict.fromkeys(_XDG, _NOWHERE))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
