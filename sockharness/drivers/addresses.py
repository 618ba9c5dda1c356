"""Where the peers are: what `$server.port` and `to: peer` mean, and from whom a datagram came.

Between UDP peers there are no connections that would tell, so the addresses do. All sockets are
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
        """Note where a peer is bound; whether it sends datagrams from there."""
        self._bound[peer] = address
        if sends:
            self._names.setdefault(address, peer)

    def add_group(self, peer: str, address: Address) -> None:
        """Note the group, with its port, that a peer has to do with."""
        self._groups[peer] = address

    def bound(self, peer: str) -> Address | None:
        """Return where a peer is bound, which may be at its group; `None` if it is not (yet)."""
        return self._bound.get(peer)

    def group(self, peer: str) -> Address | None:
        """Return a peer's group and its port, if it has to do with one."""
        return self._groups.get(peer)

    def ports(self) -> list[int]:
        """Return all ports that peers are bound to."""
        return [address.port for address in self._bound.values()]

    def fact(self, peer: str, name: str) -> Value | None:
        """Return a peer's `host` or `port`, or the `group` it is about; `None` if it has none."""
        if name == "group":
            group = self._groups.get(peer)
            return group.host if group is not None else None
        address = self._bound.get(peer)
        if address is None:
            return None
        facts: dict[str, Value] = {"host": address.host, "port": address.port}
        return facts.get(name)

    def source(self, text: str) -> str:
        """Return the address of whom a member hears: a peer by name, or an address itself."""
        bound = self._bound.get(text)
        return bound.host if bound is not None else text

    def peer_at(self, address: Address) -> str:
        """Return who sends from an address; empty: nobody of the spec.

        Who is bound to a group sends from an address of its interface.
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
    """Return the actions by which a member joins its group, as it is declared."""
    multicast = peer.udp.multicast if peer.udp is not None else None
    if multicast is None:
        return ()
    place = multicast.location
    if not multicast.sources:
        return (model.Membership("add_membership", place),)
    name = "add_source_specific_membership"
    return tuple(model.Membership(name, place, source) for source in multicast.sources)
