"""Hints for a step that waits in vain, where the spec itself shows the reason."""

from sockharness.drivers.engine import handler_names
from sockharness.sockspec import model
from sockharness.story.timeline import Channel

ALWAYS_REPORTED = ("uncaught_exception",)
"""The events that come with any handlers."""


def silence(case: model.Case, step: model.Arrow) -> str:
    """Return the hint that an arrow writes nothing because its sender has handlers."""
    sender = case.peers[step.sender.name]
    if sender.scripted:
        return ""
    line = sender.location.line
    return f"'{sender.name}' has handlers (line {line}), so this step writes nothing"


def deafness(case: model.Case, step: model.Sees) -> str:
    """Return the hint that a peer has no handler for the event of the step."""
    peer = case.peers[step.peer.name]
    if peer.scripted or peer.udp is not None or step.event in ALWAYS_REPORTED:
        return ""
    if step.event in handler_names(peer.handlers, client=not peer.listens):
        return ""
    line = peer.location.line
    return f"'{peer.name}' has handlers (line {line}), and no '{step.event}' among them"


def one_has_tls(case: model.Case, one: str, other: str, *channels: Channel) -> str:
    """Return the hint that only one of two peers has TLS.

    Args:
        case: what is replayed.
        one: a peer.
        other: the peer at the other end.
        channels: their channels, if any; one that went over to TLS has it.
    """
    upgraded = {
        channel.peer
        for channel in channels
        for event in channel.actions
        if event.name == "upgrade_tls"
    }
    secure = [name for name in (one, other) if case.peers[name].tls is not None or name in upgraded]
    if len(secure) != 1:
        return ""
    plain = other if secure[0] == one else one
    return f"'{secure[0]}' has TLS, and '{plain}' has none"
