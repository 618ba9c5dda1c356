"""The hosts of a replay: a network of its own, and what a spec's words mean there.

Only engines in this process can be there: they get their sockets from the hosts' namespaces.
"""

from collections.abc import Iterable
from socket import AF_PACKET, SOCK_RAW, socket

from sockharness.address import LOOPBACK, LOOPBACK6, is_loopback
from sockharness.engine.loop.kernel import Kernel
from sockharness.machine.inside import InsideKernel
from sockharness.netns import Host, Interface, Network
from sockharness.sockspec import model


class Hosts:
    """Hosts, joined by a link if they are two; made by `open`, ended by `close`.

    Attributes:
        interface: the one that a capture looks at: the link, or else loopback.
    """

    def __init__(self, network: Network, hosts: Iterable[Host]) -> None:
        self._network = network
        self._hosts = {host.name: host for host in hosts}
        self._kernels = {name: InsideKernel(host) for name, host in self._hosts.items()}
        self.interface = next((end.name for end in self._first.interfaces), "lo")

    @classmethod
    def open(cls, names: Iterable[str]) -> "Hosts":
        """Make them.

        Raises:
            Unavailable: that cannot be done here; says why.
        """
        network = Network.open()
        try:
            hosts = [network.host(name) for name in names]
            if len(hosts) > 1:
                network.link(*hosts)
            return cls(network, hosts)
        except BaseException:
            network.close()
            raise

    def kernel(self, name: str) -> Kernel:
        """Return the kernel that creates the sockets of a host."""
        return self._kernels[name]

    def address(self, name: str, text: str) -> str:
        """Return the address that a spec means: a word's, or itself."""
        if text not in model.LINKS:
            return text
        link = self._link(name)
        found = {
            model.LINK: link.ipv4,
            model.LINK6: link.ipv6,
            model.LINK_LOCAL: link.link_local and f"{link.link_local}%{link.name}",
        }[text]
        assert found, "it is skipped without IPv6"
        return found

    def nearest(self, name: str, remote: str) -> str:
        """Return the address of a host from which it reaches another."""
        ipv6 = ":" in remote
        if is_loopback(remote) or not self._hosts[name].interfaces:
            return LOOPBACK6 if ipv6 else LOOPBACK
        if "%" in remote:
            return self.address(name, model.LINK_LOCAL)
        return self.address(name, model.LINK6 if ipv6 else model.LINK)

    def at(self, name: str, text: str, *, ipv6: bool) -> str:
        """Return an interface as the engine takes it: by an address, or for IPv6 by a zone.

        Args:
            name: of the host.
            text: one of its addresses, `link`, or empty: the link, or else loopback.
            ipv6: whether it is for IPv6.
        """
        links = self._hosts[name].interfaces
        on_link = bool(links) and text in ("", model.LINK, links[0].ipv4)
        if ipv6:
            return f"::%{links[0].name if on_link else 'lo'}"
        return self._link(name).ipv4 if on_link else text or LOOPBACK

    def packet_socket(self) -> socket:
        """Make a packet socket that sees what crosses `interface`."""
        return self._first.socket(AF_PACKET, SOCK_RAW, 0)

    def close(self) -> None:
        """End the network. Idempotent."""
        self._network.close()

    @property
    def _first(self) -> Host:
        return next(iter(self._hosts.values()))

    def _link(self, name: str) -> Interface:
        return self._hosts[name].interfaces[0]
