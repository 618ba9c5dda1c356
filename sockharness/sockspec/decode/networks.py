"""Decodes `hosts:`, and the host of each peer.

A spec has all of its peers on hosts, or none: one on this machine could reach none of the others.
Two hosts are joined by a link; one alone has its loopback interface.
"""

from collections.abc import Mapping

from sockharness.address import is_loopback, is_unspecified
from sockharness.location import Location
from sockharness.sockspec import model
from sockharness.sockspec.decode import words
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal, as_sequence, as_text, as_word

MOST = 2
EXAMPLE = "write 'hosts: [left, right]' at the top, and 'host: left' at the peer"
_ADDRESSES = (("tcp", "listen"), ("tcp", "connect"), ("udp", "bind"), ("multicast", "interface"))


def hosts(node: Node | None) -> Mapping[str, Location]:
    """Decode the names of the hosts."""
    found: dict[str, Location] = {}
    if node is None:
        return found
    items = as_sequence(node, "a list of hosts such as [left, right]").items
    if not 1 <= len(items) <= MOST:
        hint = "two are joined by a link, one alone has its loopback interface"
        raise Refusal(node.location, f"expected one host or two, got {len(items)}", hint)
    for item in items:
        text = as_text(item, "a host's name")
        assert isinstance(item, Scalar), "it is a text"
        words.name_of(item, "a host's name")
        if text in found:
            raise Refusal(item.location, f"host '{text}' is named twice")
        found[text] = item.location
    return found


def host_of(context: Context, key: Scalar, node: MappingNode) -> str:
    """Return the host that a peer is on; empty: this machine."""
    value = node.get("host")
    if value is None and context.hosts:
        choice = " or ".join(f"'host: {name}'" for name in context.hosts)
        raise Refusal(key.location, f"peer '{key.text}' is on no host", f"give it {choice}")
    if value is not None and not context.hosts:
        hint = "write 'hosts: [left, right]' at the top"
        raise Refusal(value.location, "there are no hosts in this spec", hint)
    host = "" if value is None else as_word(value, tuple(context.hosts), "a host")
    for transport, option in _ADDRESSES:
        section = node.get(transport)
        address = section.get(option) if isinstance(section, MappingNode) else None
        if isinstance(address, Scalar) and address.text not in context.names:
            check_word(context, address)
    return host


def check_word(context: Context, node: Scalar) -> None:
    """Refuse the words for addresses on a link unless the spec has two hosts."""
    if node.text not in model.LINKS or len(context.hosts) == MOST:
        return
    message = f"'{node.text}' is an address of a host on a link"
    hint = "the link joins two hosts, here is one" if context.hosts else EXAMPLE
    raise Refusal(node.location, message, hint)


def check_reach(context: Context, one: str, other: str, location: Location) -> None:
    """Refuse to send to a peer on another host that is bound to loopback or to all addresses.

    A datagram or connection to 0.0.0.0 or `::` goes to the sender's own host.
    """
    sender, receiver = context.peers.get(one), context.peers.get(other)
    if sender is None or receiver is None or sender.host == receiver.host:
        return
    transport = receiver.transport
    at = "" if isinstance(transport, model.Connect) else transport.address
    if not at or at in (*model.LINKS, model.GROUP):
        return
    grouped = isinstance(transport, model.Udp) and transport.multicast is not None
    if not is_loopback(at) and (grouped or not is_unspecified(at)):
        return
    message = f"'{one}' on {sender.host} does not reach {at} on {receiver.host}"
    raise Refusal(location, message, f"put '{other}' at link or link6")


def check_all_are_used(context: Context) -> None:
    """Refuse hosts that have no peer."""
    used = {peer.host for peer in context.peers.values()}
    for name, location in context.hosts.items():
        with context.problems.collect():
            if name not in used:
                raise Refusal(location, f"no peer is on host '{name}'", "leave it out")
