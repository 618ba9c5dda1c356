"""Groups, interfaces and TTLs: the options of the kernel, and their values.

The family of an option follows the text of the group or interface, not the socket: an IPv4 group
can be joined on a socket of `::`, an IPv6 group on an IPv4 socket is ENOPROTOOPT (UDP-151,
UDP-161). An IPv4 interface is named by one of its addresses; of an IPv6 one only the zone counts,
`::%eth0`, and without zone the kernel chooses (UDP-189, UDP-190). See `ip(7)` and `ipv6(7)`.

Python's `socket` lacks the names of some options and packs none of their structures.
"""

import socket as _socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from sockharness.engine import options
from sockharness.engine.literals import Literal, parse
from sockharness.engine.loop.kernel import Kernel

_IP_ADD_SOURCE_MEMBERSHIP = 39
_IP_DROP_SOURCE_MEMBERSHIP = 40
_MCAST_JOIN_SOURCE_GROUP = 46
_MCAST_LEAVE_SOURCE_GROUP = 47

_ANY_V4 = bytes(4)
_MREQ6 = struct.Struct("@16si")  # ipv6_mreq: group, interface
_GROUP_SOURCE = struct.Struct("@I4x128s128s")  # group_source_req: interface, group, source
_SOCKADDR6 = struct.Struct("=HHI16sI")  # sockaddr_in6: family, port, flow, address, scope

BROADCAST = (_socket.SOL_SOCKET, _socket.SO_BROADCAST)
# By the socket's family.
HOPS: Mapping[int, tuple[int, int]] = {
    _socket.AF_INET: (_socket.IPPROTO_IP, _socket.IP_TTL),
    _socket.AF_INET6: (_socket.IPPROTO_IPV6, _socket.IPV6_UNICAST_HOPS),
}
MULTICAST_HOPS: Mapping[int, tuple[int, int]] = {
    _socket.AF_INET: (_socket.IPPROTO_IP, _socket.IP_MULTICAST_TTL),
    _socket.AF_INET6: (_socket.IPPROTO_IPV6, _socket.IPV6_MULTICAST_HOPS),
}
MULTICAST_LOOP: Mapping[int, tuple[int, int]] = {
    _socket.AF_INET: (_socket.IPPROTO_IP, _socket.IP_MULTICAST_LOOP),
    _socket.AF_INET6: (_socket.IPPROTO_IPV6, _socket.IPV6_MULTICAST_LOOP),
}


class Option(NamedTuple):
    """The arguments of setsockopt(2)."""

    level: int
    number: int
    value: bytes | int


def interface(address: object, kernel: Kernel) -> Option:
    """Return the option that makes multicast leave by an interface.

    `0.0.0.0` and `::` mean: by the route.
    Raises `TypeError` and `ValueError` for anything but an address, and for a group (UDP-148, D15).
    """
    literal = parse("address", address, kernel)
    if literal.is_multicast:
        raise ValueError(
            options.complain("address", "the address of an interface, not a group", address)
        )
    if literal.family == _socket.AF_INET:
        return Option(_socket.IPPROTO_IP, _socket.IP_MULTICAST_IF, literal.packed)
    return Option(_socket.IPPROTO_IPV6, _socket.IPV6_MULTICAST_IF, literal.zone)


def membership(group: object, at: object, kernel: Kernel, *, join: bool) -> Option:
    """Return the option that joins or leaves a group, of all sources.

    Raises:
        TypeError: group or interface is no text.
        ValueError: no multicast address, no address at all, or the families differ (UDP-155..157).
    """
    to = _group(group, kernel)
    link = _interface(at, to, kernel)
    if to.family == _socket.AF_INET:
        number = _socket.IP_ADD_MEMBERSHIP if join else _socket.IP_DROP_MEMBERSHIP
        address = _ANY_V4 if link is None else link.packed
        return Option(_socket.IPPROTO_IP, number, to.packed + address)
    number = _socket.IPV6_JOIN_GROUP if join else _socket.IPV6_LEAVE_GROUP
    zone = 0 if link is None else link.zone
    return Option(_socket.IPPROTO_IPV6, number, _MREQ6.pack(to.packed, zone))


def source_membership(
    source: object, group: object, at: object, kernel: Kernel, *, join: bool
) -> Option:
    """Return the option that joins or leaves a group for one source (RFC 3678).

    Raises as `membership`.
    """
    of = parse("source", source, kernel)
    to = _group(group, kernel)
    if of.family != to.family:
        raise ValueError(options.complain("source", f"the family of {to.text}", source))
    link = _interface(at, to, kernel)
    if to.family == _socket.AF_INET:
        number = _IP_ADD_SOURCE_MEMBERSHIP if join else _IP_DROP_SOURCE_MEMBERSHIP
        address = _ANY_V4 if link is None else link.packed
        # Linux has its own order of ip_mreq_source: group, interface, source.
        return Option(_socket.IPPROTO_IP, number, to.packed + address + of.packed)
    number = _MCAST_JOIN_SOURCE_GROUP if join else _MCAST_LEAVE_SOURCE_GROUP
    zone = 0 if link is None else link.zone
    value = _GROUP_SOURCE.pack(zone, _sockaddr6(to), _sockaddr6(of))
    return Option(_socket.IPPROTO_IPV6, number, value)


def _group(group: object, kernel: Kernel) -> Literal:
    literal = parse("group", group, kernel)
    if not literal.is_multicast:
        raise ValueError(options.complain("group", "a multicast address", group))
    return literal


def _interface(at: object, group: Literal, kernel: Kernel) -> Literal | None:
    if at is None:
        return None
    literal = parse("interface", at, kernel)
    if literal.family != group.family:
        raise ValueError(options.complain("interface", f"the family of {group.text}", at))
    return literal


def _sockaddr6(literal: Literal) -> bytes:
    return _SOCKADDR6.pack(_socket.AF_INET6, 0, 0, literal.packed, 0)
