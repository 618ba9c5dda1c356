"""What the decoders of one case share: the problems, the names, and what was decoded so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sockharness.spec import model, payloads
from sockharness.spec.model import Payload
from sockharness.spec.nodes import Node
from sockharness.spec.problems import Problems


@dataclass(slots=True)
class Context:
    """One case while it is decoded.

    Attributes:
        problems: where what is wrong goes.
        let: what `let` and the case name.
        folder: where `file:` looks, and no further.
        uses: the names that were used, over all cases.
        case: the case's name, empty without cases.
        names: the peers' names.
        listening: those of peers that listen.
        handler_names: the names under `handlers:`.
        captured: the names that earlier steps capture.
        mentioned: the peers that a step or another peer mentions.
        peers: the peers decoded so far.
        handlers: the named handlers decoded so far.
    """

    problems: Problems
    let: Mapping[str, Payload]
    folder: Path
    uses: payloads.Uses
    case: str
    names: tuple[str, ...] = ()
    listening: tuple[str, ...] = ()
    handler_names: tuple[str, ...] = ()
    captured: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    peers: dict[str, model.Peer] = field(default_factory=dict)
    handlers: dict[str, model.HandlerSet] = field(default_factory=dict)

    def payload(self, node: Node) -> Payload:
        """Decode bytes."""
        return payloads.decode(node, self.scope())

    def scope(self) -> payloads.Scope:
        """Return what names mean here."""
        return payloads.Scope(
            self.let, self.captured, self.listening, self.folder, self.uses, self.case
        )

    def has_wrong_target(self, peer: model.Peer) -> bool:
        """Say whether a peer connects to one that does not listen: a problem that is known."""
        name = peer.transport.peer if isinstance(peer.transport, model.Connect) else ""
        target = self.peers.get(name)
        return target is not None and not target.listens
