"""One frame of an interface: its bytes, its time, and its headers on demand."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sockharness.wire import dissect
from sockharness.wire.headers import Headers, read_headers


class _Unread(Enum):
    UNREAD = "unread"


_UNREAD = _Unread.UNREAD


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A frame that crossed an interface.

    Attributes:
        data: all bytes from the Ethernet header on.
        at: when it crossed, in seconds on the capture's clock.
        interface: the name of the interface.
        outgoing: whether this machine sent it; always true on loopback.

    On loopback the kernel leaves transport checksums unfilled, and a TCP frame may hold up to 64
    KiB.
    """

    data: bytes
    at: float
    interface: str
    outgoing: bool = True
    _headers: Headers | _Unread | None = field(default=_UNREAD, init=False, compare=False)
    _packet: Any = field(default=None, init=False, compare=False)

    @property
    def headers(self) -> Headers | None:
        """Return addresses, flags and payload, or `None` if it is not TCP or UDP over IP."""
        headers = self._headers
        if headers is _UNREAD:
            headers = read_headers(self.data)
            object.__setattr__(self, "_headers", headers)
        return headers

    @property
    def packet(self) -> dissect.Packet:
        """Return scapy's packet; the first use imports scapy.

        Raises:
            DissectionError: scapy cannot read it.
        """
        if self._packet is None:
            object.__setattr__(self, "_packet", dissect.packet(self.data))
        return self._packet

    def __repr__(self) -> str:
        headers = self.headers
        where = f"{self.interface} at {self.at:.6f}"
        if headers is None:
            return f"<Frame {where} {len(self.data)} bytes>"
        flags = f" {headers.flags}" if headers.flags else ""
        addresses = f"{headers.source} > {headers.destination}"
        return f"<Frame {where} {headers.protocol} {addresses}{flags} {len(headers.payload)} bytes>"
