"""The interface that a socket uses: of this machine, or of a host in a network of the test's own.

Sockets in such a host are made in its namespace; the same reactor reads them as all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from sockharness.address import LOOPBACK, LOOPBACK6, is_loopback

if TYPE_CHECKING:
    from sockharness.engine.loop.kernel import Kernel
    from sockharness.engine.loop.reactor import Reactor
    from sockharness.engine.udp.socket import UDPSocket
    from sockharness.netns import Host

__tracebackhide__ = True

INTERFACE = "lo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface, and a family of addresses.

    Attributes:
        name: its name.
        address: an IP address on it; datagrams are sent from there.
        ipv6: whether groups of IPv6 are meant.
        ttl: the TTL of IPv4, or hop limit of IPv6, of what is sent there.
        host: the host of a network that has it; `None`: this machine.
    """

    name: str = INTERFACE
    address: str = LOOPBACK
    ipv6: bool = False
    ttl: int = 0
    host: "Host | None" = None

    @property
    def named(self) -> str:
        """The interface as the engine takes it: by an address, or by a zone."""
        return f"::%{self.name}" if self.ipv6 else self.address

    def socket(
        self, reactor: "Reactor", handlers: Mapping[str, Any], **options: Any
    ) -> "UDPSocket":
        """Return a new socket there. Call it on the reactor's thread; takes the options of
        `udp_socket`."""
        from sockharness.engine.udp.socket import udp_socket

        return udp_socket(
            socket=handlers,
            receive_ttl=True,
            reactor=reactor,
            kernel=kernel_of(self.host),
            **options,
        )

    def __str__(self) -> str:
        of = f" of {self.host.name}" if self.host is not None else ""
        return f"{self.name}{of} over {'IPv6' if self.ipv6 else 'IPv4'}"


def kernel_of(host: "Host | None") -> "Kernel | None":
    """Return the kernel that creates a host's sockets; `None` means the reactor's own kernel."""
    if host is None:
        return None
    from sockharness.machine.inside import InsideKernel

    return InsideKernel(host)


def loopback(*, ipv6: bool) -> Interface:
    """Return the loopback interface of this machine."""
    return Interface(address=LOOPBACK6 if ipv6 else LOOPBACK, ipv6=ipv6)


def first_interface(host: "Host", *, ipv6: bool) -> Interface:
    """Return a host's first link, or its loopback interface if it has none.

    What is sent there may reach the other end of the link. Raises `TypeError` if it is no host.
    """
    from sockharness.netns import Host

    if not isinstance(host, Host):
        raise TypeError(f"inside: expected a Host of a Network, got {host!r}")
    if not host.interfaces:
        return Interface(address=LOOPBACK6 if ipv6 else LOOPBACK, ipv6=ipv6, host=host)
    link = host.interfaces[0]
    address = (link.ipv6 or LOOPBACK6) if ipv6 else link.ipv4
    return Interface(name=link.name, address=address, ipv6=ipv6, ttl=1, host=host)


def where(hostname: str | None, inside: "Host | None") -> tuple[Interface, str]:
    """Return the interface that a socket is to use, and the address to bind it to.

    Args:
        hostname: what the user asked for.
        inside: the host of a network where the socket is to be; `None`: this machine.

    Raises:
        ValueError: on this machine it is not on loopback; inside a host it is no IP address.
    """
    if inside is None:
        interface = loopback(ipv6=False)
        return interface, interface.address if hostname is None else on_loopback(hostname)
    interface = first_interface(inside, ipv6=False)
    if hostname is None:
        return interface, interface.address
    try:
        ip_address(hostname)
    except ValueError:
        raise ValueError(f"hostname: expected an IP address, got {hostname!r}") from None
    return interface, hostname


def on_loopback(hostname: str) -> str:
    """Return a name or address to bind to, if it is on loopback; else raise `ValueError`."""
    try:
        good = hostname == "localhost" or is_loopback(hostname)
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"hostname: expected a loopback address or 'localhost', got {hostname!r}")
    return hostname


def host_address(name: str, address: object) -> None:
    """Raise `TypeError` or `ValueError` if it is no IP address of a host."""
    if not isinstance(address, str):
        raise TypeError(f"{name}: expected an IP address as str, got {address!r}")
    try:
        given = ip_address(address)
    except ValueError:
        raise ValueError(f"{name}: expected an IP address, got {address!r}") from None
    if given.is_multicast:
        raise ValueError(f"{name}: expected the address of a host, got the group {address!r}")
