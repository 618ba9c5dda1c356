"""Why a step waits in vain, where the spec itself says so: hints for its failure."""

from sockharness.drivers.engine import handler_names
from sockharness.sockspec import model
from sockharness.story.timeline import Channel

ALWAYS_TOLD = ("uncaught_exception",)
"""What is told whichever handlers there are."""


def silence(case: model.Case, step: model.Arrow) -> str:
    """Say that an arrow makes nobody write, if its sender speaks for itself."""
    sender = case.peers[step.sender.name]
    if sender.scripted:
        return ""
    line = sender.location.line
    return f"'{sender.name}' has handlers (line {line}), so this step writes nothing"


def deafness(case: model.Case, step: model.Sees) -> str:
    """Say that a peer with handlers has none for what it is to see."""
    peer = case.peers[step.peer.name]
    if peer.scripted or peer.udp is not None or step.event in ALWAYS_TOLD:
        return ""
    if step.event in handler_names(peer.handlers, client=not peer.listens):
        return ""
    line = peer.location.line
    return f"'{peer.name}' has handlers (line {line}), and no '{step.event}' among them"


def tongues(case: model.Case, one: str, other: str, *ends: Channel) -> str:
    """Say that one of two peers has TLS and the other one has not.

    Args:
        case: what is replayed.
        one: a peer.
        other: the peer at the other end.
        ends: their channels, if there are any; one that went over to TLS has it.
    """
    upgraded = {end.peer for end in ends for event in end.actions if event.name == "upgrade_tls"}
    secure = [name for name in (one, other) if case.peers[name].tls is not None or name in upgraded]
    if len(secure) != 1:
        return ""
    plain = other if secure[0] == one else one
    return f"'{secure[0]}' has TLS, and '{plain}' has none"
