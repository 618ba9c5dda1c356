"""Read addresses, ports, flags and payload from a frame with `struct`: the fast path.

Ethernet, then IPv4 (with options) or IPv6 (without extension headers), then TCP or UDP: RFC 791,
8200, 9293, 768. Any other frame, a short one, and one with contradictory lengths give `None`, never
an exception: the bytes are not trusted.
"""

import socket
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sockharness.address import Address
from sockharness.wire.filter import ETHERTYPE_IPV4, ETHERTYPE_IPV6

# scapy's letters, from the lowest bit: FIN SYN RST PSH ACK URG ECE CWR NS
FLAG_LETTERS = "FSRPAUECN"

_ETHERNET_LENGTH = 14
_IPV4 = struct.Struct("!BxHxxHxBxx4s4s")
_IPV6 = struct.Struct("!B3xHBx16s16s")
_TCP = struct.Struct("!HHIIHHHH")
_UDP = struct.Struct("!HHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The headers and the payload of a TCP segment or a UDP datagram.

    Attributes:
        protocol: `"tcp"` or `"udp"`.
        source, destination: IP address and port.
        flags: the TCP flags in scapy's letters and order, such as `"SA"`; empty for UDP.
        seq, ack: the TCP numbers as on the wire (not relative); 0 for UDP.
        payload: the bytes of the stream or the datagram in this frame.
        payload_offset: where the payload starts in the frame.
        more_fragments: whether this is the first of several fragments of an IPv4 datagram.
    """

    protocol: str
    source: Address
    destination: Address
    flags: str = ""
    seq: int = 0
    ack: int = 0
    payload: bytes = b""
    payload_offset: int = 0
    more_fragments: bool = False


class _Internet(NamedTuple):
    """The IP header: its addresses, its protocol, and where its payload is."""

    protocol: int
    source: str
    destination: str
    start: int
    end: int
    more_fragments: bool = False


def read_headers(data: bytes) -> Headers | None:
    """Return the headers of an Ethernet frame, or `None` if they are of other protocols."""
    try:
        internet = _read_internet(data)
        if internet is None:
            return None
        if internet.protocol == socket.IPPROTO_TCP:
            return _read_tcp(data, internet)
        if internet.protocol == socket.IPPROTO_UDP:
            return _read_udp(data, internet)
    except struct.error:  # shorter than its fixed headers
        return None
    return None


def _read_internet(data: bytes) -> _Internet | None:
    ethertype = int.from_bytes(data[12:14], "big")
    if ethertype == ETHERTYPE_IPV4:
        return _read_ipv4(data)
    if ethertype == ETHERTYPE_IPV6:
        return _read_ipv6(data)
    return None


def _read_ipv4(data: bytes) -> _Internet | None:
    version, total, fragment, protocol, source, destination = _IPV4.unpack_from(
        data, _ETHERNET_LENGTH
    )
    length = (version & 0xF) * 4
    # Segments longer than the field can say have 0 there ("BIG TCP", linux/ipv6.h and ip.h:
    # iph_totlen).
    end = _ETHERNET_LENGTH + total if total else len(data)
    start = _ETHERNET_LENGTH + length
    if version >> 4 != 4 or length < 20 or not start <= end <= len(data) or fragment & 0x1FFF:
        return None
    more = bool(fragment & 0x2000)
    return _Internet(protocol, _address(source), _address(destination), start, end, more)


def _read_ipv6(data: bytes) -> _Internet | None:
    version, length, protocol, source, destination = _IPV6.unpack_from(data, _ETHERNET_LENGTH)
    start = _ETHERNET_LENGTH + 40
    end = start + length if length else len(data)
    if version >> 4 != 6 or end > len(data):
        return None
    return _Internet(protocol, _address(source), _address(destination), start, end)


def _read_tcp(data: bytes, internet: _Internet) -> Headers | None:
    source, destination, seq, ack, bits, *_ = _TCP.unpack_from(data, internet.start)
    length = (bits >> 12) * 4
    offset = internet.start + length
    if length < 20 or offset > internet.end:
        return None
    return Headers(
        protocol="tcp",
        source=Address(internet.source, source),
        destination=Address(internet.destination, destination),
        flags=_flags(bits & 0x1FF),
        seq=seq,
        ack=ack,
        payload=data[offset : internet.end],
        payload_offset=offset,
        more_fragments=internet.more_fragments,
    )


def _read_udp(data: bytes, internet: _Internet) -> Headers | None:
    source, destination, length, _ = _UDP.unpack_from(data, internet.start)
    offset = internet.start + 8
    end = internet.start + length
    if internet.more_fragments:
        end = min(end, internet.end)
    if not offset <= end <= internet.end:
        return None
    return Headers(
        protocol="udp",
        source=Address(internet.source, source),
        destination=Address(internet.destination, destination),
        payload=data[offset:end],
        payload_offset=offset,
        more_fragments=internet.more_fragments,
    )


@lru_cache(maxsize=512)
def _flags(bits: int) -> str:
    return "".join(letter for index, letter in enumerate(FLAG_LETTERS) if bits >> index & 1)


@lru_cache(maxsize=256)
def _address(packed: bytes) -> str:
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed)
