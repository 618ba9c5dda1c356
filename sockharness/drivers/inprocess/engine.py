"""Our own engine: an ordinary user of its handlers, in this process."""

from typing import TYPE_CHECKING

from sockharness.address import Address
from sockharness.drivers.engine import Owed, Run
from sockharness.drivers.inprocess.stream import StreamPeer
from sockharness.sockspec import model
from sockharness.story.events import Event
from sockharness.story.timeline import Channel

if TYPE_CHECKING:
    from sockharness.drivers.inprocess.datagrams import DatagramPeer


class InProcess:
    """Executes peers with the engine of this package, on the reactor of the run; see `Engine`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._peers: dict[str, StreamPeer | DatagramPeer] = {}
        self._streams: dict[str, StreamPeer] = {}

    def listen(self, peer: model.Peer, address: Address) -> Address:
        """Listen, with the peer's handlers; see `Engine.listen`."""
        return self._stream(peer).listen(address)

    def connect(self, peer: model.Peer, address: Address) -> None:
        """Connect, with the peer's handlers; see `Engine.connect`."""
        self._stream(peer).connect(address)

    def bind(self, peer: model.Peer, address: Address, remote: Address | None) -> Address:
        """Make a UDP socket, with the peer's handlers; see `Engine.bind`."""
        from sockharness.drivers.inprocess.datagrams import DatagramPeer  # most specs have none

        made = self._peers[peer.name] = DatagramPeer(self._run, peer)
        return made.bind(address, remote)

    def _stream(self, peer: model.Peer) -> StreamPeer:
        made = self._streams.get(peer.name)
        if made is None:
            made = self._peers[peer.name] = self._streams[peer.name] = StreamPeer(self._run, peer)
        return made

    def learn(self, peer: str, address: Address) -> None:
        """Do nothing: it is asked for when it is needed."""

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do what a step says; see `Engine.act`."""
        return self._peers[channel.peer].act(channel, action)

    def pending(self, event: Event) -> bool:
        """Return `False`: every call returns at once."""
        return False

    def flush(self) -> None:
        """Do nothing: all is done already."""

    def sync(self) -> None:
        """Do nothing: all is done already."""

    def settle(self) -> None:
        """Do nothing: the replay runs the reactor."""

    def owes(self) -> list[Owed]:
        """Return the bytes that the streams still have to write."""
        return [owed for stream in self._streams.values() for owed in stream.owes()]

    def remarks(self) -> list[str]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Close every socket, abortively; nothing more goes to the timeline."""
        for peer in self._peers.values():
            peer.closed = True
        for peer in self._peers.values():
            peer.close()
