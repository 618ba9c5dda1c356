"""Finds the two ends of a connection.

A test or a spec may hold both ends of a connection; the ladder then draws one arrow for both. The
local address of one end is the remote address of the other. So two ends are found by their
addresses, whichever engines they belong to.
"""

from collections.abc import Hashable

from sockharness.story.timeline import Channel

# A socket's address, in whatever form the caller has it: the same for both ends.
Name = Hashable


class Pairing:
    """The open connections whose other end is not known yet, by their addresses."""

    __slots__ = ("_alone", "_names")

    def __init__(self) -> None:
        self._alone: dict[tuple[Name, Name | None], Channel] = {}
        self._names: dict[Channel, tuple[Name, Name | None]] = {}

    def add(self, channel: Channel, local: Name, remote: Name | None) -> None:
        """Add an open connection, and join it to its other end if that is here.

        A socket that was reset before its remote address was read has lost it (D12). Then `remote`
        is `None`, and the first end that fits is taken.
        """
        other = self._find(local, remote)
        if other is None:
            self._alone[local, remote], self._names[channel] = channel, (local, remote)
        else:
            self.discard(other)
            channel.remote, other.remote = other, channel

    def discard(self, channel: Channel) -> None:
        """Remove a closed connection: its addresses may be used again."""
        names = self._names.pop(channel, None)
        if names is not None and self._alone.get(names) is channel:
            del self._alone[names]

    def replace(self, old: Channel, new: Channel) -> None:
        """Put a new channel in the place of an old one, for a connection that stays open."""
        if old.remote is not None:
            new.remote, old.remote.remote = old.remote, new
        names = self._names.pop(old, None)
        if names is not None:
            self._alone[names], self._names[new] = new, names

    def _find(self, local: Name, remote: Name | None) -> Channel | None:
        if (remote, local) in self._alone:
            return self._alone[remote, local]
        if remote is not None:
            return self._alone.get((remote, None))
        return next(
            (each for names, each in self._alone.items() if names[1] in (local, None)), None
        )
