"""Decodes the keys of datagrams: `udp:` and `multicast:` of a peer, and the actions of a UDP
socket."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, ClassVar

from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec import model
from sockharness.sockspec.decode import networks, words
from sockharness.sockspec.decode.addresses import as_address, as_address_or_link
from sockharness.sockspec.decode.by_table import decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.nodes import Sequence as SequenceNode
from sockharness.sockspec.text.typed import (
    Known,
    Refusal,
    as_mapping,
    as_sequence,
    as_text,
    as_word,
    unexpected,
)

OWN_GROUPS = ("auto", "auto_ssm", "auto6")
"""Words for a group that is leased for the run: of IPv4, for one source, and of IPv6."""
MOST_AT_ONCE = 10_000
"""The most datagrams that one call may send."""


class UdpDecoder:
    """Decodes `udp:` and `multicast:`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def decode(self, node: Node, multicast: Node | None) -> model.Udp:
        """Decode how a peer's UDP socket is made."""
        what = "{bind: …} or {connect: …}"
        keys = as_mapping(node, what)
        known = self._context.problems.decode(keys, _UDP)
        if "bind" not in known and "connect" not in known:
            hint = "{bind: loopback} hears everybody, {connect: server} only that one"
            raise self._context.problems.missing(keys, known, "expected 'bind' or 'connect'", hint)
        group = self._multicast(multicast) if multicast is not None else None
        if known.get("bind") == model.GROUP and group is None:
            hint = "add 'multicast: {group: auto}' beside 'udp'"
            raise Refusal(node.location, "'bind: group' needs 'multicast'", hint)
        port = keys.get("port")
        if known.get("bind") == model.GROUP and port is not None and "connect" not in known:
            hint = "leave it out; $NAME.port is the group's, with the peer's name"
            raise Refusal(port.location, "a group brings its own port", hint)
        return model.Udp(
            address=known.get("bind", ""),
            multicast=group,
            location=node.location,
            **self._target(keys, known),
        )

    def _target(self, node: MappingNode, known: dict[str, Any]) -> dict[str, Any]:
        """Return the peer or the address that it is connected to, and the port."""
        port, value = known.get("port", 0), node.get("connect")
        if "connect" not in known or value is None:
            return {"port": port}
        target = known["connect"]
        if target in self._context.names:
            return {"peer": target, "port": port}
        message = f"'{show(target, limit=40)}' is neither a peer nor an address"
        if near := did_you_mean(target, self._context.names):
            raise Refusal(value.location, message, near)
        try:
            address = as_address(value)
        except Refusal as refusal:
            raise Refusal(value.location, message, refusal.problem.hint) from None
        if not port:
            if node.get("port") is not None and "port" not in known:
                raise Known
            raise Refusal(value.location, "an address needs 'port', from 1 to 65535")
        return {"remote_address": address, "remote_port": port}

    def _multicast(self, node: Node) -> model.Multicast:
        keys = as_mapping(node, "{group: auto}")
        own = {"group": self._group, "sources": self._sources, "interface": interface}
        known = self._context.problems.decode(keys, decoders("multicast", own))
        if "group" not in known:
            hint = "'auto', 'auto_ssm', or the peer whose group it is"
            raise self._context.problems.missing(keys, known, "expected 'group'", hint)
        group = known["group"]
        if group in OWN_GROUPS:
            _check_family(node, known.get("sources", ()), self._context, group == OWN_GROUPS[2])
        return model.Multicast(
            of=group if group not in OWN_GROUPS else "",
            source_specific=group == OWN_GROUPS[1],
            sources=known.get("sources", ()),
            ipv6=group == OWN_GROUPS[2],
            interface=known.get("interface", ""),
            location=node.location,
        )

    def _group(self, node: Node) -> str:
        text = as_text(node, "auto, auto_ssm, auto6 or a peer's name")
        if text not in (*OWN_GROUPS, *self._context.names):
            near = did_you_mean(text, (*OWN_GROUPS, *self._context.names))
            hint = near or "a group is leased for each run, so that no other run hears it"
            raise unexpected(node, "auto, auto_ssm, auto6 or a peer's name", hint)
        if text == OWN_GROUPS[2] and not self._context.hosts:
            hint = f"few machines have IPv6 groups on loopback; {networks.EXAMPLE}"
            raise Refusal(node.location, "an IPv6 group needs hosts", hint)
        return text

    def _sources(self, node: Node) -> tuple[str, ...]:
        items = as_sequence(node, "a list of sources").items
        if not items:
            raise Refusal(node.location, "expected at least one source, got none")
        return tuple(source(item, self._context) for item in items)

    def check(self, name: str, udp: model.Udp) -> None:
        """Refuse peers that `udp` names but cannot use."""
        multicast = udp.multicast
        named = [udp.peer, *(multicast.sources if multicast else ())]
        self._context.mentioned.update(named)
        if self._context.has_wrong_target(self._context.peers[name]):
            is_udp = self._context.is_udp(udp.peer)
            because = "is connected itself" if is_udp else "has no UDP socket"
            raise Refusal(udp.location, f"peer '{udp.peer}' {because}")
        if multicast is not None and multicast.of:
            owner = self._context.peers.get(multicast.of)
            of = owner.udp.multicast if owner is not None and owner.udp is not None else None
            if owner is not None and (multicast.of == name or of is None or of.of):
                message = f"peer '{multicast.of}' has no group of its own"
                raise Refusal(multicast.location, message, "give it 'multicast: {group: auto}'")
        if udp.peer:
            networks.check_reach(self._context, name, udp.peer, udp.location)


class DatagramActions:
    """Decodes the actions of a UDP socket."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def decode(self, verb: Scalar, value: Node, node: Node) -> model.Action:
        """Decode an action; `node` is the mapping in which it stands."""
        return self._ACTIONS[verb.text](self, verb, value, node)

    def _send(self, verb: Scalar, value: Node, node: Node) -> model.Action:
        return model.Send(self._datagram(value), verb.location, self._to(node))

    def _send_many(self, verb: Scalar, value: Node, node: Node) -> model.Action:
        return model.SendMany(self._datagrams(value), verb.location, self._to(node))

    def _membership(self, verb: Scalar, value: Node, _node: Node) -> model.Action:
        as_word(value, (model.GROUP,), "'group' (or the bare word)")
        return model.Membership(verb.text, verb.location)

    def _membership_of_source(self, verb: Scalar, value: Node, _node: Node) -> model.Action:
        of = source(value, self._context)
        self._context.mentioned.add(of)
        return model.Membership(verb.text, verb.location, of)

    _ACTIONS: ClassVar[Mapping[str, Callable[..., model.Action]]] = {
        "send": _send,
        "send_many": _send_many,
        "add_membership": _membership,
        "drop_membership": _membership,
        "add_source_specific_membership": _membership_of_source,
        "drop_source_specific_membership": _membership_of_source,
    }

    def _datagram(self, node: Node) -> model.Payload:
        payload = self._context.datagram(node)
        words.needs_example(payload, node.location)
        return payload

    def _datagrams(self, node: Node) -> tuple[model.Payload, ...]:
        items = as_sequence(node, "a list of datagrams").items
        if len(items) > MOST_AT_ONCE:
            raise Refusal(node.location, f"expected at most {MOST_AT_ONCE} datagrams, got more")
        return tuple(self._datagram(item) for item in items)

    def _to(self, node: Node) -> str:
        to = node.get("to") if isinstance(node, MappingNode) else None
        if to is None:
            return ""
        name = as_word(to, self._context.names, "a peer")
        peer = self._context.peers.get(name)
        if peer is not None and peer.udp is None:
            raise Refusal(to.location, f"'{name}' has no UDP socket")
        self._context.mentioned.add(name)
        return name


def source(node: Node, context: Context) -> str:
    """Return a sender that a member receives from: a peer, or the address of one."""
    text = as_text(node, "a peer's name or an address")
    if text in context.names:
        return text
    try:
        address = as_address(node)
    except Refusal as refusal:
        near = did_you_mean(text, context.names) or refusal.problem.hint
        raise unexpected(node, "a peer's name or an address", near) from None
    if ip_address(address).is_multicast:
        raise Refusal(node.location, f"a source is who sends, got the group {address}")
    return address


def _check_family(node: Node, sources: tuple[str, ...], context: Context, ipv6: bool) -> None:  # noqa: FBT001 - a fact
    """Refuse sources whose IP version is not that of the group."""
    for each in sources:
        if each not in context.names and (":" in each) != ipv6:
            family = "IPv6" if ipv6 else "IPv4"
            raise Refusal(node.location, f"a source of a group of {family} is not {each}")


def check_send(context: Context, peer: model.Peer, action: model.Action, *, replies: bool) -> None:
    """Refuse a datagram without a receiver, or to another one than its sender is connected to.

    Args:
        context: where it stands.
        peer: the sender.
        action: any action.
        replies: whether it is in a `data` handler, and so may go to whom that came from.
    """
    udp = peer.udp
    if udp is None:
        return
    if isinstance(action, model.Membership) and udp.multicast is None:
        hint = "give it 'multicast: {group: auto}'"
        raise Refusal(action.location, f"'{peer.name}' has no group", hint)
    if not isinstance(action, model.Send | model.SendMany):
        return
    networks.check_reach(context, peer.name, action.to, action.location)
    if udp.connected and action.to:
        target = udp.peer or udp.remote_address
        message = f"'to' is for a peer that is not connected; '{peer.name}' is, to {target}"
        raise Refusal(action.location, message)
    if not (udp.connected or action.to or (replies and action.name == "send")):
        others = [name for name in context.names if name != peer.name]
        hint = f"e.g. to: {others[0]}" if others else ""
        raise Refusal(action.location, f"'{action.name}' needs 'to': a peer", hint)


def check_arrow(context: Context, key: Scalar, sender: str, receiver: str) -> None:
    """Refuse an arrow that no datagram can take."""
    both = [context.peers.get(name) for name in (sender, receiver)]
    if None in both or any(peer and context.has_wrong_target(peer) for peer in both):
        raise Known
    one, other = (peer.udp if peer else None for peer in both)
    if one is None or other is None:
        raise Refusal(key.location, f"only one of '{sender}' and '{receiver}' has a UDP socket")
    if one.peer != receiver and other.peer != sender:  # else that problem is there
        networks.check_reach(context, sender, receiver, key.location)
    if other.in_group:
        hint = (
            f"write '- {sender}: {{send: …, to: {receiver}}}' and '- {receiver}: {{received: …}}'"
        )
        raise Refusal(key.location, "an arrow does not go to a multicast group", hint)
    if one.connected and one.peer != receiver:
        target = one.peer or one.remote_address
        raise Refusal(key.location, f"'{sender}' is connected to {target}, it sends to nobody else")
    if other.connected and other.peer != sender:
        target = other.peer or other.remote_address
        raise Refusal(key.location, f"'{receiver}' is connected to {target}, it hears nobody else")


def datagrams(node: Node, context: Context) -> tuple[tuple[model.Payload, ...], bool]:
    """Decode what `received` says of datagrams: one, a list, or `{unordered: [...]}`."""
    inner = node.get("unordered") if isinstance(node, MappingNode) else None
    listed = node if inner is None else inner
    if inner is None and not isinstance(listed, SequenceNode):
        return (context.datagram(listed),), False
    items = as_sequence(listed, "a list of datagrams").items
    if not items:
        raise Refusal(node.location, "expected at least one datagram, got none")
    return tuple(context.datagram(item) for item in items), inner is not None


def _bind(node: Node) -> str:
    if isinstance(node, Scalar) and node.text == model.GROUP:
        return model.GROUP
    try:
        return as_address_or_link(node)
    except Refusal as refusal:
        hint = refusal.problem.hint
        raise unexpected(node, "loopback, loopback6, group or an IP address", hint) from None


def interface(node: Node) -> str:
    """Return the address of an interface, or the word for a link."""
    if isinstance(node, Scalar) and node.text == model.LINK:
        return model.LINK
    address = as_address(node)
    if ip_address(address).version != 4:
        hint = "it means the interface, also to a group of IPv6"
        raise unexpected(node, "loopback, link or an IPv4 address", hint)
    return address


_UDP = decoders("udp", {"bind": _bind})
