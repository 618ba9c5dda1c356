"""The shared state of the decoders of one case: problems, names, and what was decoded so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sockharness.location import Location
from sockharness.sockspec import model
from sockharness.sockspec.decode import payloads
from sockharness.sockspec.decode.scope import Scope, Uses
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Node
from sockharness.sockspec.text.problems import Problems


@dataclass(slots=True)
class Context:
    """One case while it is decoded.

    Attributes:
        problems: the problems found so far.
        let: what `let` and the case name.
        folder: where `file:` looks, and no further.
        uses: the names that were used, over all cases.
        case: the case's name, empty without cases.
        names: the peers' names.
        facts: the names of the facts of each peer that has any while it runs.
        handler_names: the names under `handlers:`.
        hosts: those of the spec's own network.
        captured: the names that earlier steps capture.
        mentioned: the peers that a step or another peer mentions.
        peers: the peers decoded so far.
        handlers: the named handlers decoded so far.
        cert_names: the names under `certs:`.
        certs_are_wrong: whether those names are not known, because of a problem.
        certs: the certificates decoded so far.
        upgraded: the peers that go over to TLS, as far as they are decoded.
        refs: the peer that a text in a key means, over all cases.
    """

    problems: Problems
    let: Mapping[str, Payload]
    folder: Path
    uses: Uses
    case: str
    names: tuple[str, ...] = ()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    handler_names: tuple[str, ...] = ()
    hosts: Mapping[str, Location] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    peers: dict[str, model.Peer] = field(default_factory=dict)
    handlers: dict[str, model.HandlerSet] = field(default_factory=dict)
    cert_names: tuple[str, ...] = ()
    certs_are_wrong: bool = False
    certs: dict[str, model.Certificate] = field(default_factory=dict)
    upgraded: set[str] = field(default_factory=set)
    refs: dict[tuple[Location, str], model.PeerRef] = field(default_factory=dict)

    def with_peers_of(self, other: "Context") -> None:
        """Take over the peers of another case of the file, in which they are the same."""
        self.names, self.facts, self.peers = other.names, other.facts, other.peers
        self.handler_names, self.handlers = other.handler_names, other.handlers
        self.mentioned, self.captured = set(other.mentioned), set(other.captured)

    def payload(self, node: Node) -> Payload:
        """Decode bytes of a stream."""
        return payloads.decode(node, self.scope())

    def datagram(self, node: Node) -> Payload:
        """Decode bytes that are a datagram."""
        return payloads.decode(node, replace(self.scope(), messages=True))

    def scope(self) -> Scope:
        """Return the names that a value can refer to."""
        return Scope(
            self.let,
            self.captured,
            self.facts,
            self.folder,
            self.problems,
            self.uses,
            self.case,
        )

    def is_udp(self, name: str) -> bool:
        """Return whether a peer is known to have a UDP socket."""
        peer = self.peers.get(name)
        return peer is not None and peer.udp is not None

    def speaks_tls(self, peer: model.Peer) -> bool:
        """Return whether a peer is known to have TLS, or to go over to it."""
        return peer.tls is not None or peer.name in self.upgraded

    def has_wrong_target(self, peer: model.Peer) -> bool:
        """Return whether a peer connects to a peer that cannot accept it: a known problem."""
        transport = peer.transport
        name = "" if isinstance(transport, model.Listen) else transport.peer
        target = self.peers.get(name)
        if target is None:
            return False
        if isinstance(transport, model.Udp):
            return target.udp is None or target.udp.connected
        return not target.listens
