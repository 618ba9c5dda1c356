"""Which connections are the two ends of one: a test may hold both, and then one picture shows both.

All methods are called with the lock held.
"""

from sockharness.story.timeline import Channel

Address = tuple[str, int]
Pair = tuple[Address, Address]
"""The address of this end, then that of the other."""


class Ends:
    """The open connections by their addresses."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[Pair, Channel] = {}

    def opened(self, pair: Pair, channel: Channel) -> None:
        """Take the channel of an open connection; if the other end is here, they know each other
        from now on."""
        self._open[pair] = channel
        other = self._open.get((pair[1], pair[0]))
        if other is not None:
            channel.remote, other.remote = other, channel

    def closed(self, pair: Pair) -> None:
        """Forget a connection: its addresses may be used again."""
        self._open.pop(pair, None)
