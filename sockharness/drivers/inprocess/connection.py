"""One connection of a peer on our own engine."""

from sockharness.drivers.engine import Owed
from sockharness.engine.outbox import Outbox
from sockharness.engine.tcp.socket import Socket
from sockharness.story.events import Event
from sockharness.story.timeline import Channel


class Connection:
    """A connection: its channel and its socket.

    After `upgrade_tls` the socket is the one that speaks TLS. What lies below it has the same data
    and the old handlers, and is not heard.

    Attributes:
        secure: whether it has TLS.
        linked: whether it was told who is at its other end.
    """

    __slots__ = ("channel", "linked", "peer", "secure", "socket")

    def __init__(self, peer: str, channel: Channel, *, secure: bool) -> None:
        self.peer = peer
        self.channel = channel
        self.socket: Socket | None = None
        self.secure = secure
        self.linked = False

    def is_below(self, socket: Socket) -> bool:
        """Say whether a socket is not the connection's own any more."""
        return self.socket not in (None, socket)

    def write_all(self, event: Event) -> None:
        """Write the bytes of an action, as the kernel takes them; it returns when all are taken."""
        socket, size = self.socket, len(event.data)
        assert socket is not None

        def progress(taken: int) -> None:
            if taken in (size, -1):
                event.result = taken

        outbox = Outbox(socket)
        written = outbox.write(event.data, progress=progress)
        if written <= 0:
            event.result = written
        self.channel.queued = len(outbox)

    def owed(self) -> Owed | None:
        """Return what is still to be written, with the first action that has not finished."""
        size = len(Outbox(self.socket)) if self.socket is not None else 0
        if not size:
            return None
        actions = self.channel.actions
        unfinished = (each for each in actions if each.name != "end" and each.result is None)
        writing = next((each for each in unfinished if each.data), None)
        ending = (each for each in reversed(actions) if each.name == "end")
        action = writing or next(ending, None)
        return Owed(action=action, size=size) if action is not None else None

    def written_on(self) -> None:
        """Take note of how much waits now: the engine has written on before it called `drain`."""
        if self.socket is not None:
            self.channel.queued = len(Outbox(self.socket))
