"""Turns a timeline into a ladder: what the peers did and received, in order. Free of layout.

Each rung is one event. What crossed the wire (`open` of an accepted connection, `data`, `end`,
`close` by the other side) is an arrow from the peer at the other end, if that is known. Any other
handler event is a word in the peer's own column; an action that no arrow shows is a call there. A
datagram is an arrow from its sender; a datagram that no peer received is a call.
"""

import re
from collections import Counter
from collections.abc import Iterator

from sockharness.printable import show
from sockharness.record import record
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import CLOSING
from sockharness.story.handshakes import reason_of
from sockharness.story.timeline import LISTENER, Channel, Timeline

TEXT = 24
"""The most characters of data in a rung."""
FINAL = (*CLOSING, "shutdown")
_CIPHER = re.compile(r"AES_?[0-9]+|CHACHA20")


@record(kw_only=True)
class Rung:
    """One line of a ladder.

    Attributes:
        at: seconds since the timeline began.
        target: the column of the peer to which it happened.
        text: what happened.
        source: the column from which an arrow comes; empty for no arrow.
        label: what stands at the arrow's beginning.
    """

    at: float
    target: str
    text: str
    source: str = ""
    label: str = ""


def rungs(timeline: Timeline, *, unseen: str = "") -> Iterator[Rung]:
    """Yield the rungs of a timeline in the order of time.

    An action is left out if the other end saw its effect: one rung is enough.

    Args:
        timeline: what happened.
        unseen: the name for the other end of a connection of which only one end is in the timeline.
    """
    written: dict[Channel, int] = {}
    opened: set[Channel] = set()
    received = _received_datagrams(timeline)
    for event in sorted(timeline.entries, key=lambda event: event.at):
        channel = timeline.channel(event.peer, event.connection)
        if event.kind is Kind.HANDLER:
            other = channel.unseen or unseen
            rung = None if _is_drawn(event, channel, opened) else _handler(event, channel, other)
        elif channel.datagrams is not None:
            rung = None if _was_received(event, received) else _call(event)
        else:
            written[channel] = written.get(channel, 0) + max(0, _result(event))
            seen = _seen_there(event, channel, written[channel])
            rung = None if seen else _action(event, channel, channel.unseen or unseen)
        if rung is not None:
            yield rung


def _handler(event: Event, channel: Channel, unseen: str) -> Rung:
    if channel.datagrams is not None and event.name == "data":
        text, size = show(event.data, limit=TEXT) or "(empty)", f"{len(event.data)} B"
        source = event.source or unseen
        return Rung(at=event.at, target=event.peer, text=text, source=source, label=size)
    if event.connection == LISTENER:
        return Rung(at=event.at, target=event.peer, text=_words(event))
    remote = channel.remote
    other = event.source or (column_name(remote) if remote is not None else unseen)
    match event.name:
        case "data":
            text, label = show(event.data, limit=TEXT), f"{len(event.data)} B"
        case "open" if channel.unseen and remote is None:  # this end has connected
            return Rung(at=event.at, target=column_name(channel), text="open")
        case "open" if channel.initiated and remote is not None:  # it opened before the other end
            source = column_name(channel)
            return Rung(at=event.at, target=other, text="open", source=source, label="open")
        case "open":
            text, label = "open", "open" if remote is not None else "connect"
        case "end":
            text, label = "end", "FIN"
        case "close" if other and channel.ended is event and not _own_close(channel):
            text, label = _words(event), "RST" if event.code == "ECONNRESET" else "FIN"
        case _:
            return Rung(at=event.at, target=column_name(channel), text=_words(event))
    return Rung(at=event.at, target=column_name(channel), text=text, source=other, label=label)


def _is_drawn(event: Event, channel: Channel, opened: set[Channel]) -> bool:
    """Return whether an arrow at the other end shows this event too."""
    remote = channel.remote
    if event.name == "open":
        opened.add(channel)
        return remote in opened
    ended_there = remote is not None and remote.ended is not None
    return event.name == "close" and not event.error and _own_close(channel) and ended_there


def _seen_there(event: Event, channel: Channel, written: int) -> bool:
    """Return whether the other end saw the effect of an action."""
    remote = channel.remote
    if remote is None or _result(event) != len(event.data):
        return False
    arrived = remote.received >= written
    if event.name in FINAL:
        return arrived and remote.ended is not None and event.name != "terminate"
    return bool(event.data) and arrived


def _received_datagrams(timeline: Timeline) -> Counter[tuple[str, bytes]]:
    """Count the received datagrams by sender and content, each once however many peers got it."""
    by_target: dict[str, Counter[tuple[str, bytes]]] = {}
    for event in timeline.entries:
        if event.kind is Kind.HANDLER and event.name == "data" and event.source:
            by_target.setdefault(event.peer, Counter())[event.source, event.data] += 1
    most = Counter[tuple[str, bytes]]()
    for counts in by_target.values():
        most |= counts
    return most


def _was_received(event: Event, received: Counter[tuple[str, bytes]]) -> bool:
    """Return whether an arrow shows a sent datagram, and count that one off."""
    key = (event.peer, event.data)
    if event.name not in ("send", "echo") or not received[key]:
        return False
    received[key] -= 1
    return True


def _call(event: Event) -> Rung:
    """Return the rung of a call on a UDP socket."""
    sends = event.name in ("send", "send_many", "echo")
    size = f"{len(event.data)} B" if sends else ""
    arguments = ", ".join(filter(None, (size, show(event.note, limit=TEXT))))
    result = event.code or ("false" if event.result is False else "")
    ending = f" → {result}" if result else ""
    return Rung(at=event.at, target=event.peer, text=f"{event.name}({arguments}){ending}")


def _result(event: Event) -> int:
    return event.result if event.result is not None else len(event.data)


def _action(event: Event, channel: Channel, unseen: str) -> Rung:
    offered = len(event.data)
    short = event.result is not None and event.result != offered
    if channel.remote is None and unseen and offered and not short and not event.note:
        return Rung(
            at=event.at,
            target=unseen,
            text=show(event.data, limit=TEXT),
            source=column_name(channel),
            label=f"{offered} B",
        )
    arguments = show(event.note, limit=TEXT) if event.note else f"{offered} B" if offered else ""
    words = f"{event.name}({arguments})" + (f" → {event.result}" if short else "")
    return Rung(at=event.at, target=column_name(channel), text=words)


def column_name(channel: Channel) -> str:
    """Return the name of a channel's column: the peer, numbered from its second connection on."""
    return channel.peer if channel.connection < 2 else f"{channel.peer}@{channel.connection}"


def _own_close(channel: Channel) -> bool:
    return any(action.name in CLOSING for action in channel.actions)


def _words(event: Event) -> str:
    if event.name == "handshake":
        return f"handshake {show(event.note or _agreed(event), limit=2 * TEXT)}".rstrip()
    if event.error is None:
        return f"{event.name} {show(event.note, limit=2 * TEXT)}" if event.note else event.name
    if event.name in ("error", "uncaught_exception"):
        return f"{event.name} {show(str(event.error), limit=TEXT)}"
    return f"{event.name} {show(event.code, limit=TEXT)}"


def _agreed(event: Event) -> str:
    """Return what a handshake agreed on, in short: `TLSv1.3 h2 AES256`."""
    facts = event.facts
    if facts is None or not facts.version:
        return reason_of(event)
    kind = _CIPHER.search(facts.cipher)
    cipher = kind[0].replace("_", "") if kind else facts.cipher
    return " ".join(filter(None, (facts.version, facts.alpn, cipher)))
