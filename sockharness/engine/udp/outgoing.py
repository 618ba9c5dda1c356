"""The arguments of `send` and `send_many`, checked, and converted for the kernel.

Destinations are literals and are parsed once each (`Destinations`). A batch is taken apart into
columns, and each check goes over a column in C; only a batch in which something is wrong is gone
through datagram by datagram, to say what. Everything is checked before anything is sent (UDP-061).

An IPv4 destination of an IPv6 socket is written as a mapped address (UDP-048). An IPv6 destination
of an IPv4 socket is left to the kernel, which Python does not even ask; `Batch.reachable` is the
index of the first one.
"""

import errno
import socket as _socket
import struct
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from sockharness.engine import literals, options
from sockharness.engine.chunk import chunk_of
from sockharness.engine.loop.kernel import Kernel

_LARGEST, _LARGEST6 = 65507, 65527  # bytes of a datagram (UDP-042)
_KNOWN_LIMIT = 4096  # destinations that are remembered
_UNREACHABLE = object()
_FAMILY4 = struct.pack("=H", _socket.AF_INET)
_FAMILY6 = struct.pack("=H", _socket.AF_INET6)

# One datagram's payload; a memoryview has bytes as items.
Payload = bytes | memoryview


class Destinations:
    """Parses destinations for a socket of one family, and remembers them.

    Attributes:
        known: parsed addresses by their text as given; filled by `parsed`.
    """

    __slots__ = ("_ipv6", "_kernel", "_packed", "_remember", "known")

    def __init__(self, family: int, kernel: Kernel, *, remember: bool) -> None:
        self._kernel = kernel
        self._ipv6 = family == _socket.AF_INET6
        self._remember = remember
        self._packed: dict[tuple[Any, int], bytes] = {}
        self.known: dict[str, Any] = {}

    def parsed(self, address: object) -> Any:
        """Return a parsed address; for an IPv4 socket that is its text.

        Raises `TypeError`, `ValueError` if it is not an IP address.
        """
        literal = literals.parse("address", address, self._kernel)
        target: Any
        if not self._ipv6:
            target = literal.text if literal.family == _socket.AF_INET else _UNREACHABLE
        elif literal.family == _socket.AF_INET:
            target = (literals.mapped(literal.text), 0)
        else:
            target = (literal.text, literal.zone)
        # A zone is not kept: an interface may get another number.
        if self._remember and target is not _UNREACHABLE and not literal.zone:
            if len(self.known) >= _KNOWN_LIMIT:
                self.known.clear()
            self.known[str(address)] = target
        return target

    def forget(self) -> None:
        """Remember nothing from now on."""
        self._remember = False
        self.known.clear()

    def name(self, port: int, target: Any) -> Any:
        """Return the socket address for sendto; `None` if this family cannot reach it."""
        if target is _UNREACHABLE:
            return None
        return (target[0], port, 0, target[1]) if self._ipv6 else (target, port)

    def packed(self, ports: Sequence[int], targets: Sequence[Any]) -> list[bytes]:
        """Return the socket addresses of a batch as the kernel has them in memory."""
        keys = list(zip(targets, ports, strict=True))
        try:
            return list(map(self._packed.__getitem__, keys))
        except KeyError:
            return [self._pack(*key) for key in keys]

    def _pack(self, target: Any, port: int) -> bytes:
        if len(self._packed) >= _KNOWN_LIMIT:
            self._packed.clear()
        number = port.to_bytes(2, "big")
        if self._ipv6:
            address = _socket.inet_pton(_socket.AF_INET6, target[0])
            made = _FAMILY6 + number + bytes(4) + address + struct.pack("=I", target[1])
        else:
            made = _FAMILY4 + number + _socket.inet_aton(target) + bytes(8)
        self._packed[target, port] = made
        return made


class Batch(NamedTuple):
    """A checked `send_many`.

    Attributes:
        payloads: the bytes of each datagram.
        ports, targets: the destinations; empty on a connected socket.
        reachable: how many come before the first whose destination is of the wrong family.
    """

    payloads: list[Payload]
    ports: list[int]
    targets: list[Any]
    reachable: int


def payload(data: object) -> Payload:
    """Return the bytes of one datagram (UDP-039). Raises `TypeError` (UDP-040)."""
    return data if type(data) is bytes else chunk_of(data, 0, None)


def port_number(value: object) -> int:
    """Return a destination's port (UDP-044). Raises `TypeError`, `ValueError`."""
    return options.integer("port", value, 1, 65535)


def connected_batch(datagrams: object) -> Batch:
    """Check a batch of a connected socket: everything in it is a payload (UDP-058)."""
    payloads = _payloads(_sequence(datagrams))
    return Batch(payloads, [], [], len(payloads))


def batch(datagrams: object, destinations: Destinations) -> Batch:
    """Check `[data, port, address, ...]` or `[(data, port, address), ...]` (UDP-057, UDP-061).

    Raises:
        TypeError, ValueError: a wrong length or a wrong entry; the text names the entry.
    """
    given = _flat(_sequence(datagrams))
    if not given:
        return Batch([], [], [], 0)
    data, ports, addresses = given[0::3], given[1::3], given[2::3]
    targets = _known(addresses, destinations) if _are_ports(ports) else None
    if targets is not None:
        return Batch(_payloads(data), ports, targets, len(data))
    targets = _one_by_one(data, ports, addresses, destinations)
    reachable = targets.index(_UNREACHABLE) if _UNREACHABLE in targets else len(data)
    return Batch(_payloads(data), ports, targets, reachable)


def first_destination(datagrams: Any) -> tuple[Any, Any]:
    """Return address and port of the first datagram of a batch that `batch` took."""
    first = datagrams[0]
    _, port, address = first if isinstance(first, (tuple, list)) else datagrams[:3]
    return address, port


def refused(error: OSError, payload: Payload, to: tuple[Any, ...], bound: str) -> OSError:
    """Add to a kernel's error the payload, the destination and a hint.

    Args:
        error: of a call that sends; errors about earlier datagrams stay unchanged.
        payload: of the datagram.
        to: its destination: address, port, and what else is in a socket address.
        bound: the address that the socket is bound to.
    """
    hint = _hint(error.errno, len(payload), bound)
    if not hint:
        return error
    size = f"{len(payload)} byte{'' if len(payload) == 1 else 's'}"
    target = str(to[0]).removeprefix(literals.mapped(""))
    return options.described(error, f"send {size} to {target} port {to[1]}; {hint}")


def _hint(number: int | None, size: int, bound: str) -> str:
    if number == errno.EMSGSIZE and size > _LARGEST:
        return f"a datagram has at most {_LARGEST} bytes over IPv4, {_LARGEST6} over IPv6"
    if number == errno.EAFNOSUPPORT:
        return f"the socket is of IPv4, bound to {bound}"
    if number == errno.EACCES:
        return "set_broadcast(True) allows broadcast addresses"
    if number in (errno.EINVAL, errno.ENETUNREACH, errno.EADDRNOTAVAIL):
        return f"the socket is bound to {bound}"
    return ""


def _sequence(datagrams: object) -> list[Any]:
    if not isinstance(datagrams, (list, tuple)):
        raise TypeError(options.complain("datagrams", "a list or tuple", datagrams))
    return list(datagrams)


def _flat(datagrams: list[Any]) -> list[Any]:
    if datagrams and isinstance(datagrams[0], (tuple, list)):
        if set(map(type, datagrams)) == {tuple} and set(map(len, datagrams)) == {3}:
            return list(chain.from_iterable(datagrams))
        for number, entry in enumerate(datagrams):
            if not isinstance(entry, (tuple, list)) or len(entry) != 3:
                expected = f"datagrams[{number}]: expected (data, port, address), got {entry!r}"
                raise (ValueError if isinstance(entry, (tuple, list)) else TypeError)(expected)
        return list(chain.from_iterable(datagrams))
    if len(datagrams) % 3:
        raise ValueError(
            f"datagrams: expected data, port and address of each, got {len(datagrams)} entries"
        )
    return datagrams


def _known(addresses: list[Any], destinations: Destinations) -> list[Any] | None:
    """Return the parsed addresses; `None` if one is not known yet."""
    known = destinations.known
    first = addresses[0]
    try:
        if addresses.count(first) == len(addresses):
            return [known[first]] * len(addresses)
        return list(map(known.__getitem__, addresses))
    except (KeyError, TypeError):  # TypeError: cannot even be a key
        return None


def _are_ports(ports: list[Any]) -> bool:
    try:
        array("H", ports)  # refuses what is no integer from 0 to 65535, in C
    except (TypeError, OverflowError):
        return False
    lowest = min(ports)
    return bool(lowest > 1 or (lowest == 1 and bool not in map(type, ports)))


def _payloads(data: list[Any]) -> list[Payload]:
    if set(map(type, data)) <= {bytes}:
        return data
    made: list[Payload] = []
    for number, each in enumerate(data):
        try:
            made.append(payload(each))
        except (TypeError, ValueError) as error:
            raise _about(number, error) from error
    return made


def _one_by_one(
    data: list[Any], ports: list[Any], addresses: list[Any], destinations: Destinations
) -> list[Any]:
    """Return the parsed addresses, or raise for the first wrong entry."""
    targets = []
    for number, (each, port, address) in enumerate(zip(data, ports, addresses, strict=True)):
        try:
            port_number(port)
            targets.append(destinations.parsed(address))
            payload(each)
        except (TypeError, ValueError) as error:
            raise _about(number, error) from error
    return targets


def _about(number: int, error: TypeError | ValueError) -> TypeError | ValueError:
    """Return the same error with the datagram's index in the batch."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"datagrams[{number}]: {error}")
