"""Peers that exchange datagrams, and what they do, as values that never change.

A datagram is a message: it arrives whole or not at all, so none of this has a stream's words. The
actions bear the names of the engine's methods.
"""

from typing import ClassVar

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.bytes import Payload

GROUP = "group"
"""The word for a socket that is bound to its multicast group, not to an address."""


@record(kw_only=True)
class Multicast:
    """The group of a peer: one of its own, leased for the run, or another peer's.

    Attributes:
        of: the peer whose group it is; empty: one of its own.
        source_specific: whether its own group is from the block for that (RFC 4607).
        sources: the senders that it receives from, by address or by peer; empty: all.
        ipv6: whether its own group is one of IPv6.
        interface: where it joins: an address, `link`, or empty: the link or else loopback.
    """

    of: str = ""
    source_specific: bool = False
    ipv6: bool = False
    sources: tuple[str, ...] = ()
    interface: str
    location: Location


@record(kw_only=True)
class Udp:
    """A peer with a UDP socket: bound, and connected if `peer` or `remote_address` is set.

    Attributes:
        address: an IP literal to bind to, or `GROUP`.
        port: 0 lets the kernel choose.
        peer: the peer that it is connected to, by name.
        remote_address, remote_port: the address that it is connected to, instead.
        multicast: the group, if it has to do with one.
    """

    address: str
    port: int = 0
    peer: str = ""
    remote_address: str = ""
    remote_port: int = 0
    multicast: Multicast | None = None
    location: Location

    @property
    def connected(self) -> bool:
        """Whether it sends to, and receives from, one address only."""
        return bool(self.peer or self.remote_address)

    @property
    def in_group(self) -> bool:
        """Whether what is sent to it goes to its group."""
        return self.address == GROUP


@record
class Send:
    """One datagram to the peer `to`. Without `to`, it goes to the address that the sender is
    connected to or, in a `data` handler, to the sender of the datagram received."""

    name: ClassVar[str] = "send"
    payload: Payload
    location: Location
    to: str = ""


@record
class SendMany:
    """Several datagrams in one call, to the peer `to`."""

    name: ClassVar[str] = "send_many"
    payloads: tuple[Payload, ...]
    location: Location
    to: str = ""


@record
class SetOption:
    """A method that sets an option of a UDP socket or a stream, such as `set_ttl`."""

    name: str
    value: bool | int | str
    location: Location


@record
class Membership:
    """Join or leave the peer's group, at its interface; `source`: for one source, a peer or an
    address."""

    name: str
    location: Location
    source: str = ""


DatagramAction = Send | SendMany | SetOption | Membership
