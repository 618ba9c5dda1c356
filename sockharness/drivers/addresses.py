"""The addresses of the peers: for `$server.port`, for `to: peer`, and for the sender of a datagram.

UDP peers have no connections, so the address of a datagram says which peer sent it. All sockets are
bound before anything is sent.
"""

from sockharness.address import Address
from sockharness.sockspec import model
from sockharness.sockspec.model.bindings import Value


class Addresses:
    """The addresses of the listeners and the UDP peers of a replay."""

    __slots__ = ("_bound", "_groups", "_names")

    def __init__(self) -> None:
        self._bound: dict[str, Address] = {}
        self._groups: dict[str, Address] = {}
        self._names: dict[Address, str] = {}

    def add(self, peer: str, address: Address, *, sends: bool = True) -> None:
        """Note the address that a peer is bound to, and whether it sends datagrams from there."""
        self._bound[peer] = address
        if sends:
            self._names.setdefault(address, peer)

    def add_group(self, peer: str, address: Address) -> None:
        """Note the group and port of a peer."""
        self._groups[peer] = address

    def bound(self, peer: str) -> Address | None:
        """Return the address that a peer is bound to, perhaps its group; else `None`."""
        return self._bound.get(peer)

    def group(self, peer: str) -> Address | None:
        """Return a peer's group and port, if it has one."""
        return self._groups.get(peer)

    def ports(self) -> list[int]:
        """Return all ports that peers are bound to."""
        return [address.port for address in self._bound.values()]

    def fact(self, peer: str, name: str) -> Value | None:
        """Return a peer's `host`, `port` or `group`; `None` if it has none."""
        if name == "group":
            group = self._groups.get(peer)
            return group.host if group is not None else None
        address = self._bound.get(peer)
        if address is None:
            return None
        facts: dict[str, Value] = {"host": address.host, "port": address.port}
        return facts.get(name)

    def source(self, text: str) -> str:
        """Return the address of a multicast source, given by a peer's name or as an address."""
        bound = self._bound.get(text)
        return bound.host if bound is not None else text

    def peer_at(self, address: Address) -> str:
        """Return the name of the peer that sends from an address; empty if none does.

        A peer that is bound to a group sends from an address of its interface.
        """
        found = self._names.get(address)
        if found is not None:
            return found
        at_port = (
            name
            for name, group in self._groups.items()
            if group.port == address.port and self._bound.get(name) == group
        )
        return next(at_port, "")


def joins(peer: model.Peer) -> tuple[model.Membership, ...]:
    """Return the actions with which a member joins its group, from its declaration."""
    multicast = peer.udp.multicast if peer.udp is not None else None
    if multicast is None:
        return ()
    location = multicast.location
    if not multicast.sources:
        return (model.Membership("add_membership", location),)
    name = "add_source_specific_membership"
    return tuple(model.Membership(name, location, source) for source in multicast.sources)
