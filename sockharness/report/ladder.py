"""A timeline as a ladder: who told whom what, in order. Free of layout.

Each rung is one event. What came over the wire (`open` of an accepted connection, `data`, `end`,
`close` by the other side) is an arrow from the peer at the other end, when that end is known; what
a peer did or felt by itself is a word in its own column.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sockharness.events import Event, Kind
from sockharness.printable import show
from sockharness.timeline import Channel, Timeline

TEXT = 24
"""The most characters of data that a rung shows."""
CLOSING = ("end", "close", "terminate")


@dataclass(frozen=True, slots=True, kw_only=True)
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

    Args:
        timeline: what happened.
        outside: the name for whoever is at the other end of connections of which only one end was
            seen.
    """
    for event in sorted(timeline.entries, key=lambda event: event.at):
        channel = timeline.channel(event.peer, event.connection)
        rung = (
            _action(event, channel, outside)
            if event.kind is Kind.ACTION
            else _told(event, channel, outside)
        )
        if rung is not None:
            yield rung


def _told(event: Event, channel: Channel, outside: str) -> Rung | None:
    if event.connection == 0:
        return Rung(at=event.at, target=event.peer, text=_words(event))
    other = name(channel.remote) if channel.remote is not None else outside
    match event.name:
        case "data":
            text, given = show(event.data, limit=TEXT), f"{len(event.data)} B"
        case "open":
            first = channel.remote.opened if channel.remote is not None else None
            if first is not None and first.at < event.at:
                return None  # the other end's `open`, which came first, draws the arrow for both
            text, given = "open", "open" if channel.remote is not None else "connect"
        case "end":
            text, given = "end", "FIN"
        case "close" if not _own_close(channel) and other:
            text, given = _words(event), "RST" if event.code == "ECONNRESET" else "FIN"
        case _:
            return Rung(at=event.at, target=name(channel), text=_words(event))
    return Rung(at=event.at, target=name(channel), text=text, source=other, given=given)


def _action(event: Event, channel: Channel, outside: str) -> Rung:
    offered = len(event.data)
    short = event.result is not None and event.result != offered
    if channel.remote is None and outside and offered and not short:
        return Rung(
            at=event.at,
            target=outside,
            text=show(event.data, limit=TEXT),
            source=name(channel),
            given=f"{offered} B",
        )
    words = event.name + (f" {event.note}" if event.note else "")
    if short:
        words += f" {event.result} of {offered} B" if offered else f" → {event.result}"
    elif offered:
        words += f" {offered} B"
    return Rung(at=event.at, target=name(channel), text=words)


def name(channel: Channel) -> str:
    """Return the name of a channel's column: the peer, numbered from its second connection on."""
    return channel.peer if channel.connection < 2 else f"{channel.peer}@{channel.connection}"


def _own_close(channel: Channel) -> bool:
    return any(action.name in CLOSING for action in channel.actions)


def _words(event: Event) -> str:
    if event.error is None:
        return event.name
    if event.name in ("error", "uncaught_exception"):
        return f"{event.name} {show(str(event.error), limit=TEXT)}"
    return f"{event.name} {event.code}"
