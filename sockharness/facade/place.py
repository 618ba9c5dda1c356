"""Where a group is: an interface of this machine, or of a host in a network of the test's own.

Sockets in such a host come from its namespace; they are read by the same reactor as all others.
There an IPv6 interface is not named but found by the route of the group, because its name and
number mean something else, or nothing, in this process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sockharness.address import LOOPBACK, LOOPBACK6

if TYPE_CHECKING:
    from sockharness.engine.reactor import Reactor
    from sockharness.engine.udp import UDPSocket
    from sockharness.netns import Host

INTERFACE = "lo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An interface, and a family.

    Attributes:
        interface: its name.
        host: an address on it, from which is sent.
        ipv6: whether groups of IPv6 are meant.
        ttl: how many hops what is sent there may take.
        inside: the host of a network where it is; `None`: this machine.
    """

    interface: str = INTERFACE
    host: str = LOOPBACK
    ipv6: bool = False
    ttl: int = 0
    inside: "Host | None" = None

    @property
    def named(self) -> str | None:
        """The interface as the engine takes it: an address, a zone, or nothing for the route's."""
        if self.ipv6:
            return f"::%{self.interface}" if self.inside is None else None
        return self.host

    def socket(
        self, reactor: "Reactor", handlers: Mapping[str, Any], **options: Any
    ) -> "UDPSocket":
        """Return a new socket there; on the reactor's thread, with the options of `udp_socket`."""
        from sockharness.engine.udp import udp_socket

        if self.inside is None:
            return udp_socket(socket=handlers, receive_ttl=True, reactor=reactor, **options)
        return _socket_inside(self.inside, reactor, handlers, **options)

    def __str__(self) -> str:
        of = f" of {self.inside.name}" if self.inside is not None else ""
        return f"{self.interface}{of} over {'IPv6' if self.ipv6 else 'IPv4'}"


def loopback(*, ipv6: bool) -> Place:
    """Return the place that every machine has, or nearly."""
    return Place(host=LOOPBACK6 if ipv6 else LOOPBACK, ipv6=ipv6)


def first_interface(inside: "Host", *, ipv6: bool) -> Place:
    """Return a host's first link, or its loopback interface if it has none.

    What is sent there may reach the other end of the link.
    """
    if not inside.interfaces:
        return Place(host=LOOPBACK6 if ipv6 else LOOPBACK, ipv6=ipv6, inside=inside)
    link = inside.interfaces[0]
    host = (link.ipv6 or LOOPBACK6) if ipv6 else link.ipv4
    return Place(interface=link.name, host=host, ipv6=ipv6, ttl=1, inside=inside)


def _socket_inside(
    inside: "Host",
    reactor: "Reactor",
    handlers: Mapping[str, Any],
    *,
    hostname: str,
    port: int = 0,
    reuse_addr: bool = False,
) -> "UDPSocket":
    from sockharness.engine.datagram_binding import DatagramBinding
    from sockharness.engine.datagram_handlers import DatagramHandlers
    from sockharness.engine.kernel import Kernel
    from sockharness.engine.udp import UDPSocket

    class Inside(Kernel):
        """Hands out the sockets of a host."""

        def socket(self, family: int, kind: int = 0) -> Any:
            sock = inside.socket(family, kind)
            sock.settimeout(0)
            return sock

    binding = DatagramBinding(
        Inside(),
        hostname=hostname,
        port=port,
        connect=None,
        reuse_addr=reuse_addr,
        reuse_port=False,
        ipv6_only=False,
        receive_ttl=True,
    )
    sock = binding.open()
    try:
        checked = DatagramHandlers(reactor, handlers)
        return UDPSocket(reactor, sock, checked, hostname, segment_offload=True, receive_ttl=True)
    except BaseException:
        sock.close()
        raise
