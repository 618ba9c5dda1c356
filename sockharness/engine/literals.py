"""IP addresses as text: what `UDPSocket` takes where it never looks up a name (UDP-045).

IPv4 is what inet_aton(3) takes: `127.1` and `0x7f000001` too (UDP-046). Its parser stops at a blank
and ignores the rest, so blanks are refused before. IPv6 is what inet_pton(3) takes, and may have a
zone, `fe80::1%eth0`: the name of an interface, or its number (UDP-047). A zone that names none is
refused (D15).
"""

import socket
from typing import NamedTuple

from sockharness.engine import options
from sockharness.engine.loop.kernel import Kernel

_MULTICAST_V4 = range(224, 240)  # the first byte, RFC 1112 section 4


class Literal(NamedTuple):
    """An IP address.

    Attributes:
        family: AF_INET or AF_INET6.
        text: in its usual form, without zone.
        packed: the same as bytes, 4 or 16.
        zone: the number of an interface; 0 without zone.
    """

    family: int
    text: str
    packed: bytes
    zone: int

    @property
    def is_multicast(self) -> bool:
        """Whether it names a group (RFC 1112, RFC 4291 section 2.7)."""
        first = self.packed[0]
        return first in _MULTICAST_V4 if self.family == socket.AF_INET else first == 0xFF


def parse(option: str, value: object, kernel: Kernel) -> Literal:
    """Return the address that a text means; `kernel` knows the zones.

    Raises:
        TypeError: it is no text.
        ValueError: it is no address, or its zone is no interface.
    """
    if not isinstance(value, str):
        raise TypeError(options.complain(option, "an IP address as str", value))
    literal = _ipv6(option, value, kernel) if ":" in value else _ipv4(value)
    if literal is None:
        raise ValueError(options.complain(option, "an IP address, not a name", value))
    return literal


def mapped(text: str) -> str:
    """Return the IPv6 form of an IPv4 address, as IPv6 sockets want it (RFC 4291, 2.5.5.2)."""
    return f"::ffff:{text}"


def shown(address: str, zone: int, kernel: Kernel) -> str:
    """Return an IPv6 address with its zone by name, if there still is one, else by number."""
    if not zone:
        return address
    try:
        return f"{address}%{kernel.interface_name(zone)}"
    except OSError:
        return f"{address}%{zone}"


def _ipv4(value: str) -> Literal | None:
    if "\0" in value or any(map(str.isspace, value)):
        return None
    try:
        packed = socket.inet_aton(value)
    except OSError:
        return None
    return Literal(socket.AF_INET, socket.inet_ntoa(packed), packed, 0)


def _ipv6(option: str, value: str, kernel: Kernel) -> Literal | None:
    bare, percent, zone = value.partition("%")
    if "\0" in value:
        return None
    try:
        packed = socket.inet_pton(socket.AF_INET6, bare)
    except OSError:
        return None
    number = _interface(zone, kernel) if percent else 0
    if percent and not number:
        raise ValueError(
            options.complain(option, f"an interface of this host, not {zone!r}", value)
        )
    return Literal(socket.AF_INET6, socket.inet_ntop(socket.AF_INET6, packed), packed, number)


def _interface(zone: str, kernel: Kernel) -> int:
    try:
        return kernel.interface_number(zone)
    except (OSError, OverflowError):
        return 0
