"""Which connection a step means."""

from sockharness.printable import count
from sockharness.replay.failed import failed
from sockharness.replay.hints import one_has_tls
from sockharness.replay.setup import Setup
from sockharness.replay.waiting import Waiting
from sockharness.sockspec import model
from sockharness.story.expectations import ending, how_it_ended
from sockharness.story.timeline import LISTENER, Channel


class Channels:
    """Finds the connections that steps mean, and waits until they are open.

    Each method raises `StepFailed` if there is no such connection in time.
    """

    __slots__ = ("_case", "_timeline", "_waiting")

    def __init__(self, setup: Setup, waiting: Waiting) -> None:
        self._case = setup.case
        self._timeline = setup.timeline
        self._waiting = waiting

    def of_arrow(self, step: model.Arrow) -> tuple[Channel, Channel]:
        """Return the sender's and the receiver's end of the connection between them."""
        sender, receiver = step.sender, step.receiver
        if self._case.peers[sender.name].listens:
            near = self.of(receiver, step.within)
            return self._far_end(near, sender, step.within), near
        near = self.of(sender, step.within)
        return near, self._far_end(near, receiver, step.within)

    def of(self, ref: model.PeerRef, within: float | None, *, opened: bool = True) -> Channel:
        """Return the connection that is meant.

        Args:
            ref: what the step says.
            within: the seconds that the step has.
            opened: whether to wait until it is open, or can no longer open.
        """
        peer = self._case.peers[ref.name]
        if peer.udp is not None:
            return self._timeline.channel(ref.name)
        listens = peer.listens
        if ref.other is not None and listens:
            near = self.of(ref.other, within)
            return self._far_end(near, model.PeerRef(name=ref.name, location=ref.location), within)
        number = ref.connection or (1 if listens else len(self._timeline.connections(ref.name)))
        if number == LISTENER:
            hint = f"{ref.name} has not connected yet"
            raise failed(ref.location, hint, f"{hint}; add the step '- {ref.name}: connect' before")
        channel = self._timeline.channel(ref.name, number)
        if opened and not channel.opened and not channel.closed:
            self._await_open(channel, ref, within)
        return channel

    def _far_end(self, near: Channel, ref: model.PeerRef, within: float | None) -> Channel:
        if ref.connection is not None:
            return self.of(ref, within)
        if (remote := near.remote) is not None:
            return remote
        wait = self._waiting.wait(
            lambda: near.remote is not None or _never_accepted(near), within, peer=near.peer
        )
        if (remote := near.remote) is not None:
            return remote
        if wait is None:
            raise failed(ref.location, f"{near.peer} saw {ending(near)}", events=how_it_ended(near))
        words = f"{ref.name} did not accept {near.peer}'s connection"
        because = one_has_tls(self._case, ref.name, near.peer)
        note = f"{words}: {because}" if because else words
        raise failed(ref.location, words, note, wait=wait, waiting_for=f"{ref.name} to accept")

    def _await_open(self, channel: Channel, ref: model.PeerRef, within: float | None) -> None:
        """Wait until a connection is open, or can no longer open."""
        wait = self._waiting.wait(
            lambda: bool(channel.opened or channel.closed), within, peer=ref.name
        )
        if wait is None:
            return
        listens = self._case.peers[ref.name].listens
        if ref.connection is None:
            words = f"{ref.name} accepted no connection" if listens else f"{ref} has no connection"
        else:
            known = [each for each in self._timeline.connections(ref.name) if each.opened]
            did = "accepted" if listens else "made"
            words = f"{ref.name} {did} {count(len(known), 'connection')}; {ref} did not come"
        note = f"{words}, or a handshake is not done" if self._case.speaks_tls else words
        raise failed(ref.location, words, note, wait=wait, waiting_for="a connection")


def _never_accepted(channel: Channel) -> bool:
    """Return whether a client's connection is over for good, so that no listener can accept it."""
    closed = channel.closed
    return closed is not None and (channel.opened is None or closed.error is not None)
