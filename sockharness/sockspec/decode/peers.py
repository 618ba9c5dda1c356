"""Decodes the peers: their sockets and their handlers."""

from typing import Any

from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec import model, table
from sockharness.sockspec.decode import networks, words
from sockharness.sockspec.decode.actions import ActionDecoder
from sockharness.sockspec.decode.addresses import as_address, as_address_or_link
from sockharness.sockspec.decode.by_table import decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.datagrams import UdpDecoder
from sockharness.sockspec.decode.scope import GROUP_FACTS, PEER_FACTS
from sockharness.sockspec.decode.tls import TlsDecoder
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.problems import Decoder
from sockharness.sockspec.text.typed import (
    Known,
    Refusal,
    as_mapping,
)


class PeerDecoder:
    """Decodes peers into the context."""

    def __init__(self, context: Context, actions: ActionDecoder) -> None:
        self._context = context
        self._actions = actions
        self._udp = UdpDecoder(context)
        self._tls = TlsDecoder(context)
        self._secured = decoders("tls", _OWN | self._tls.keys)

    def decode(self, node: Node, handlers: Node | None) -> None:
        """Decode the peers, with the named handler sets that they use."""
        entries = as_mapping(node, "peers by name").entries
        if not entries:
            raise Refusal(node.location, "expected at least one peer, got none")
        self._context.names = tuple(key.text for key, _ in entries)
        facts = {key.text: _facts(value) for key, value in entries}
        self._context.facts = {name: each for name, each in facts.items() if each}
        if handlers is not None:
            self._handler_sets(handlers)
        for key, value in entries:
            with self._context.problems.collect():
                words.name_of(key, "a peer's name")
                self._context.peers[key.text] = self._peer(key, value)
        for peer in self._context.peers.values():
            with self._context.problems.collect():
                self._check_target(peer)

    def _handler_sets(self, node: Node) -> None:
        with self._context.problems.collect():
            entries = as_mapping(node, "handlers by name").entries
            self._context.handler_names = tuple(key.text for key, _ in entries)
            for key, value in entries:
                with self._context.problems.collect():
                    words.name_of(key, "a name")
                    self._context.handlers[key.text] = self._actions.handlers(value)

    def _peer(self, key: Scalar, node: Node) -> model.Peer:
        what = "a peer such as {tcp: {listen: loopback}}"
        known = self._context.problems.entries(as_mapping(node, what), table.keys("peer"))
        transports = [name for name in TRANSPORTS if name in known]
        if not transports:
            message = f"peer '{key.text}' has no transport"
            hint = "give it 'tcp:', 'tls:' or 'udp:'"
            raise self._context.problems.missing(as_mapping(node), known, message, hint)
        if len(transports) > 1:
            message = f"peer '{key.text}' has {_TWO[len(transports)]} transports"
            raise Refusal(known[transports[1]].location, message, "make it two peers")
        kind = transports[0]
        if kind != "udp" and "multicast" in known:
            raise Refusal(known["multicast"].location, "'multicast' goes with 'udp'")
        handlers = None
        if "on" in known:
            handlers = self._peer_handlers(known["on"], udp=kind == "udp")
        transport: model.Listen | model.Connect | model.Udp
        if kind == "udp":
            transport = self._udp.decode(known["udp"], known.get("multicast"))
        else:
            keys = as_mapping(known[kind], "{listen: …} or {connect: …}")
            transport = self._stream(keys, secured=kind == "tls")
        peer = model.Peer(
            name=key.text,
            transport=transport,
            handlers=handlers,
            location=key.location,
            host=networks.host_of(self._context, key, as_mapping(node)),
        )
        self._actions.check_fits(handlers, peer, key.location)
        return peer

    def _peer_handlers(self, node: Node, *, udp: bool) -> model.HandlerSet:
        handlers = self._actions.handlers_or_name(node, udp=udp)
        if isinstance(handlers, str):
            return self._context.handlers.get(handlers) or model.HandlerSet({})
        return handlers

    def _stream(self, node: MappingNode, *, secured: bool) -> model.Listen | model.Connect:
        known_here = self._secured if secured else _TCP
        misplaced = [key for key, _ in node.entries if key.text in self._tls.keys]
        if misplaced and not secured:
            hint = "write 'tls:' in place of 'tcp:'"
            raise Refusal(misplaced[0].location, f"'{misplaced[0].text}' goes with 'tls'", hint)
        known = self._context.problems.decode(node, known_here)
        decoded = tuple(known)
        tls = self._tls.secured(node, known) if secured else None
        if tls is not None and ("listen" in known) != ("connect" in known):
            self._tls.check_side(tls, server="listen" in known, node=node)
        known = {name: value for name, value in known.items() if name in _TCP}
        options = model.StreamOptions(
            **{name: known.pop(name) for name in _OPTIONS & known.keys()}, tls=tls
        )
        if ("listen" in known) == ("connect" in known):
            hint = "{listen: loopback} waits for connections, {connect: server} makes one"
            message = "expected either 'listen' or 'connect'"
            raise self._context.problems.missing(node, decoded, message, hint)
        if "connect" in known:
            return self._connect(node, known, options)
        return model.Listen(
            address=known.pop("listen"), options=options, location=node.location, **known
        )

    def _connect(
        self, node: MappingNode, known: dict[str, Any], options: model.StreamOptions
    ) -> model.Connect:
        value, target = node.get("connect"), known["connect"]
        assert value is not None, "its text was decoded"
        backlog, port = node.get("backlog"), node.get("port")
        if backlog is not None:
            raise Refusal(backlog.location, "'backlog' goes with 'listen'")
        if target in self._context.names:
            if port is not None:
                raise Refusal(port.location, "'port' goes with an address, not with a peer")
            return model.Connect(peer=target, options=options, location=value.location)
        address = self._target_host(value, target)
        if not known.get("port"):
            if port is not None and "port" not in known:
                raise Known
            raise Refusal(value.location, "an address needs 'port', from 1 to 65535")
        return model.Connect(
            address=address, port=known["port"], options=options, location=value.location
        )

    def _target_host(self, node: Node, target: str) -> str:
        """Return the address that `connect` names in place of a peer."""
        if near := did_you_mean(target, self._context.names):
            message = f"'{show(target, limit=40)}' is neither a peer nor an address"
            raise Refusal(node.location, message, near)
        try:
            return as_address(node)
        except Refusal as refusal:
            message = f"'{show(target, limit=40)}' is neither a peer nor an address"
            raise Refusal(node.location, message, refusal.problem.hint) from None

    def _check_target(self, peer: model.Peer) -> None:
        if peer.udp is not None:
            self._udp.check(peer.name, peer.udp)
        if not isinstance(peer.transport, model.Connect) or not peer.transport.peer:
            return
        target = peer.transport.peer
        self._context.mentioned.add(target)
        if self._context.has_wrong_target(peer):
            raise Refusal(peer.transport.location, f"peer '{target}' does not listen")
        networks.check_reach(self._context, peer.name, target, peer.transport.location)


def _facts(peer: Node) -> tuple[str, ...]:
    """Return the facts of a peer that is not decoded yet."""
    stream = (peer.get("tcp") or peer.get("tls")) if isinstance(peer, MappingNode) else None
    udp = peer.get("udp") if isinstance(peer, MappingNode) else None
    if isinstance(udp, MappingNode):
        assert isinstance(peer, MappingNode)
        return PEER_FACTS if peer.get("multicast") is None else GROUP_FACTS
    listens = isinstance(stream, MappingNode) and stream.get("listen") is not None
    return PEER_FACTS if listens else ()


TRANSPORTS = ("tcp", "tls", "udp")
_TWO = {2: "two", 3: "three"}
_OWN: dict[str, Decoder] = {"listen": as_address_or_link}
_TCP = decoders("tcp", _OWN)
_OPTIONS = _TCP.keys() - {"listen", "connect", "port", "backlog"}
"""The keys of `StreamOptions`: listeners and clients both have them."""
