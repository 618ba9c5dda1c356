"""A timeline as a ladder: who told whom what, in order. Free of layout.

Each rung is one event. What came over the wire (`open` of an accepted connection, `data`, `end`,
`close` by the other side) is an arrow from the peer at the other end, when that end is known; what
a peer felt by itself is a word in its own column, and what it did by itself is a call. A datagram
is an arrow from whoever sent it; one that nobody got is a call.
"""

import re
from collections import Counter
from collections.abc import Iterator

from sockharness.printable import show
from sockharness.record import record
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import CLOSING
from sockharness.story.handshakes import why
from sockharness.story.timeline import LISTENER, Channel, Timeline

TEXT = 24
"""The most characters of data that a rung shows."""
FINAL = (*CLOSING, "shutdown")
_CIPHER = re.compile(r"AES_?[0-9]+|CHACHA20")


@record(kw_only=True)
class Rung:
    """One line of a ladder: at `target` happened `text`; it came from `source` (empty: from
    itself), which gave `given`."""

    at: float
    target: str
    text: str
    source: str = ""
    given: str = ""


def rungs(timeline: Timeline, *, outside: str = "") -> Iterator[Rung]:
    """Yield the rungs of a timeline in the order of time.

    What an end was told to do is left out where the other end saw it: one rung is enough.

    Args:
        timeline: what happened.
        outside: the name for whoever is at the other end of connections of which only one end was
            seen.
    """
    written: dict[Channel, int] = {}
    opened: set[Channel] = set()
    got = _got(timeline)
    for event in sorted(timeline.entries, key=lambda event: event.at):
        channel = timeline.channel(event.peer, event.connection)
        if event.kind is Kind.HANDLER:
            other = channel.outside or outside
            rung = None if _drawn(event, channel, opened) else _told(event, channel, other)
        elif channel.datagrams is not None:
            rung = None if _taken(event, got) else _call(event)
        else:
            written[channel] = written.get(channel, 0) + max(0, _result(event))
            seen = _seen_there(event, channel, written[channel])
            rung = None if seen else _action(event, channel, channel.outside or outside)
        if rung is not None:
            yield rung


def _told(event: Event, channel: Channel, outside: str) -> Rung:
    if channel.datagrams is not None and event.name == "data":
        text, size = show(event.data, limit=TEXT) or "(empty)", f"{len(event.data)} B"
        source = event.source or outside
        return Rung(at=event.at, target=event.peer, text=text, source=source, given=size)
    if event.connection == LISTENER:
        return Rung(at=event.at, target=event.peer, text=_words(event))
    remote = channel.remote
    other = event.source or (name(remote) if remote is not None else outside)
    match event.name:
        case "data":
            text, given = show(event.data, limit=TEXT), f"{len(event.data)} B"
        case "open" if channel.outside and remote is None:  # it is this end that has connected
            return Rung(at=event.at, target=name(channel), text="open")
        case "open" if channel.began and remote is not None:  # it was told before it was accepted
            return Rung(at=event.at, target=other, text="open", source=name(channel), given="open")
        case "open":
            text, given = "open", "open" if remote is not None else "connect"
        case "end":
            text, given = "end", "FIN"
        case "close" if other and channel.ended is event and not _own_close(channel):
            text, given = _words(event), "RST" if event.code == "ECONNRESET" else "FIN"
        case _:
            return Rung(at=event.at, target=name(channel), text=_words(event))
    return Rung(at=event.at, target=name(channel), text=text, source=other, given=given)


def _drawn(event: Event, channel: Channel, opened: set[Channel]) -> bool:
    """Say whether an arrow at the other end is enough for both."""
    remote = channel.remote
    if event.name == "open":
        opened.add(channel)
        return remote in opened
    ended_there = remote is not None and remote.ended is not None
    return event.name == "close" and not event.error and _own_close(channel) and ended_there


def _seen_there(event: Event, channel: Channel, written: int) -> bool:
    """Say whether the other end saw all that an action sent."""
    remote = channel.remote
    if remote is None or _result(event) != len(event.data):
        return False
    arrived = remote.received >= written
    if event.name in FINAL:
        return arrived and remote.ended is not None and event.name != "terminate"
    return bool(event.data) and arrived


def _got(timeline: Timeline) -> Counter[tuple[str, bytes]]:
    """Count the datagrams of each sender, by what they say; those that many got, once."""
    by_target: dict[str, Counter[tuple[str, bytes]]] = {}
    for event in timeline.entries:
        if event.kind is Kind.HANDLER and event.name == "data" and event.source:
            by_target.setdefault(event.peer, Counter())[event.source, event.data] += 1
    most = Counter[tuple[str, bytes]]()
    for counts in by_target.values():
        most |= counts
    return most


def _taken(event: Event, got: Counter[tuple[str, bytes]]) -> bool:
    """Say whether somebody got a datagram, who is drawn; count it."""
    key = (event.peer, event.data)
    if event.name not in ("send", "echo") or not got[key]:
        return False
    got[key] -= 1
    return True


def _call(event: Event) -> Rung:
    """Return what a UDP socket did by itself, or what became of it."""
    sends = event.name in ("send", "send_many", "echo")
    size = f"{len(event.data)} B" if sends else ""
    given = ", ".join(filter(None, (size, show(event.note, limit=TEXT))))
    result = event.code or ("false" if event.result is False else "")
    ending = f" → {result}" if result else ""
    return Rung(at=event.at, target=event.peer, text=f"{event.name}({given}){ending}")


def _result(event: Event) -> int:
    return event.result if event.result is not None else len(event.data)


def _action(event: Event, channel: Channel, outside: str) -> Rung:
    offered = len(event.data)
    short = event.result is not None and event.result != offered
    if channel.remote is None and outside and offered and not short and not event.note:
        return Rung(
            at=event.at,
            target=outside,
            text=show(event.data, limit=TEXT),
            source=name(channel),
            given=f"{offered} B",
        )
    given = show(event.note, limit=TEXT) if event.note else f"{offered} B" if offered else ""
    words = f"{event.name}({given})" + (f" → {event.result}" if short else "")
    return Rung(at=event.at, target=name(channel), text=words)


def name(channel: Channel) -> str:
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
    """Return what a handshake came to, in a word or three: `TLSv1.3 h2 AES256`."""
    secured = event.secured
    if secured is None or not secured.version:
        return why(event)
    kind = _CIPHER.search(secured.cipher)
    cipher = kind[0].replace("_", "") if kind else secured.cipher
    return " ".join(filter(None, (secured.version, secured.alpn, cipher)))
