"""All events, in order.

A `Timeline` keeps every event in the order of its arrival. It sorts the events of each connection
into a `Channel`, which holds the received bytes and the events that no expectation has claimed yet.
An expectation claims the bytes or the event that satisfies it. Whatever is unclaimed at the end is
a finding.

A capture may deliver a frame later than the socket events that belong to it. So each entry has its
own time beside its position: waiting goes by position, pictures go by time.
"""

import weakref
from collections.abc import Iterator

from sockharness.clock import Clock, MonotonicClock
from sockharness.story.events import Event, Kind

LISTENER = 0


class Channel:
    """One connection as one peer sees it; connection 0 is the peer itself: a listener, or a UDP
    socket, which has no connections.

    Attributes:
        datagrams: the `data` events that are not claimed yet, of a UDP socket; otherwise `None`.
        unread: the received bytes that are not claimed yet; an expectation removes what it takes
            from the front.
        received: how many bytes were received in all.
        queued: how many bytes are still to be written, because the kernel took no more.
        unclaimed: the handler events that are not claimed yet, without `data`.
        actions: the actions of this end.
        opened: the `open` event, once it came.
        handshake: the `handshake` event, once it came.
        ended: the first event after which no byte can be received any more (`end`, `close`,
            `connect_error`).
        closed: the `close` or `connect_error` event, once it came: only `error` can follow it.
        initiated: whether this end is known to have connected.
        remote: the channel of the other end, once it is known; the timeline keeps both.
        unseen: the name to draw for the other end while `remote` is not known, if it is not the
            usual one.
    """

    __slots__ = (
        "__weakref__",
        "_remote",
        "actions",
        "closed",
        "connection",
        "datagrams",
        "ended",
        "handshake",
        "initiated",
        "opened",
        "peer",
        "queued",
        "received",
        "unclaimed",
        "unread",
        "unseen",
    )

    def __init__(self, peer: str, connection: int) -> None:
        self.peer = peer
        self.connection = connection
        self.datagrams: list[Event] | None = None
        self.unread = bytearray()
        self.received = 0
        self.queued = 0
        self.unclaimed: list[Event] = []
        self.actions: list[Event] = []
        self.opened: Event | None = None
        self.handshake: Event | None = None
        self.ended: Event | None = None
        self.closed: Event | None = None
        self.initiated = False
        self._remote: weakref.ref[Channel] | None = None
        self.unseen = ""

    @property
    def remote(self) -> "Channel | None":
        """The channel of the other end. Held weakly: two channels would keep each other alive."""
        return None if self._remote is None else self._remote()

    @remote.setter
    def remote(self, other: "Channel") -> None:
        self._remote = weakref.ref(other)

    def add(self, event: Event) -> None:
        """Record an event of this connection."""
        if event.kind is Kind.ACTION:
            self.actions.append(event)
            return
        if event.name == "data" and self.datagrams is not None:
            self.datagrams.append(event)
            return
        if event.name == "data":
            self.unread += event.data
            self.received += len(event.data)
            return
        self.unclaimed.append(event)
        if event.name == "open":
            self.opened = event
        elif event.name == "handshake":
            self.handshake = event
        elif event.name in ("end", "close", "connect_error"):
            self.ended = self.ended or event
            if event.name != "end":
                self.closed = event

    def keep_datagrams(self) -> None:
        """Keep each received datagram apart, from now on."""
        self.datagrams = []

    def next_unclaimed(self, name: str) -> Event | None:
        """Return the oldest unclaimed event of that name, without claiming it."""
        return next((event for event in self.unclaimed if event.name == name), None)

    def claim(self, event: Event) -> None:
        """Mark an event as expected."""
        self.unclaimed.remove(event)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open" if self.opened else "not open"
        return f"<Channel {self.peer}@{self.connection} {state}, {len(self.unread)} B unread>"


class Timeline:
    """Every event in the order of its arrival.

    Args:
        clock: the source of times; the timeline begins now.
    """

    __slots__ = ("_channels", "_clock", "began", "entries")

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or MonotonicClock()
        self.began = self._clock.now()
        self.entries: list[Event] = []
        self._channels: dict[tuple[str, int], Channel] = {}

    def now(self) -> float:
        """Return the seconds since the timeline began."""
        return self._clock.now() - self.began

    def add(self, event: Event, *, at: float | None = None) -> Event:
        """Append an event. Returns it.

        Args:
            event: the event; its `at` is set.
            at: when it happened, in seconds since the timeline began. The default is now.
        """
        event.at = self._clock.now() - self.began if at is None else max(0.0, at)
        self.entries.append(event)
        channel = self._channels.get((event.peer, event.connection))
        if channel is None:
            channel = self.channel(event.peer, event.connection)
        channel.add(event)
        return event

    def forget(self, peer: str) -> None:
        """Drop a peer's events and channels; if no event is left, the time starts again at 0."""
        self.entries = [event for event in self.entries if event.peer != peer]
        self._channels = {key: each for key, each in self._channels.items() if key[0] != peer}
        if not self.entries:
            self.began = self._clock.now()

    def channel(self, peer: str, connection: int = LISTENER) -> Channel:
        """Return the channel of a peer's connection; the first call makes it."""
        key = (peer, connection)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(peer, connection)
        return channel

    def channels(self, peer: str | None = None) -> Iterator[Channel]:
        """Yield all channels, or those of one peer, in the order of their first event."""
        return (channel for channel in self._channels.values() if peer in (None, channel.peer))

    def connections(self, peer: str) -> list[Channel]:
        """Return the connections of a peer in their order, without the peer's own channel."""
        return [
            channel
            for channel in self._channels.values()
            if channel.peer == peer and channel.connection != LISTENER
        ]
