"""Peers, as values that never change, and how a step refers to one."""

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.actions import HandlerSet
from sockharness.sockspec.model.datagrams import Udp
from sockharness.sockspec.model.hosts import LINKS6
from sockharness.sockspec.model.streams import Connect, Listen
from sockharness.sockspec.model.tls import Tls


@record(kw_only=True)
class Peer:
    """A named participant. Without `handlers` it speaks the script.

    Attributes:
        host: the host of the spec's network that it is on; empty: this machine.
    """

    name: str
    transport: Listen | Connect | Udp
    handlers: HandlerSet | None
    location: Location
    host: str = ""

    @property
    def scripted(self) -> bool:
        """Whether arrows make it write, instead of handlers of its own."""
        return self.handlers is None

    @property
    def listens(self) -> bool:
        """Whether it is a listener."""
        return isinstance(self.transport, Listen)

    @property
    def serves(self) -> bool:
        """Whether others turn to it: it listens, or is bound and not connected."""
        return self.listens or (isinstance(self.transport, Udp) and not self.transport.connected)

    @property
    def on_ipv6_link(self) -> bool:
        """Whether it is at an IPv6 address of a link, or has to do with an IPv6 group there."""
        multicast = self.udp.multicast if self.udp is not None else None
        at = "" if isinstance(self.transport, Connect) else self.transport.address
        return at in LINKS6 or (multicast is not None and multicast.ipv6)

    @property
    def udp(self) -> Udp | None:
        """The settings of its UDP socket, if it has one."""
        return self.transport if isinstance(self.transport, Udp) else None

    @property
    def tls(self) -> Tls | None:
        """Its options of TLS, if it has TLS from the first byte on."""
        return None if isinstance(self.transport, Udp) else self.transport.options.tls


@record(kw_only=True)
class PeerRef:
    """A peer in a step: its only connection, its n-th (`server@2`), or the one with `other`."""

    name: str
    location: Location
    connection: int | None = None
    other: "PeerRef | None" = None

    def __str__(self) -> str:
        return self.name if self.connection is None else f"{self.name}@{self.connection}"
