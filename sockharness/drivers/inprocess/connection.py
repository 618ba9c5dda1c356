"""One connection of a peer on our own engine."""

from collections import deque

from sockharness.engine.tcp.socket import Socket
from sockharness.story.events import Event
from sockharness.story.timeline import Channel


class Connection:
    """A connection: its channel, its socket, and what is still to be written.

    After `upgrade_tls` the socket is the one that speaks TLS. What lies below it has the same data
    and the old handlers, and is not heard.

    Attributes:
        secure: whether it has TLS.
        linked: whether it was told who is at its other end.
        pending: what is to be written, each with the action that wants it.
    """

    __slots__ = ("channel", "linked", "peer", "pending", "secure", "socket")

    def __init__(self, peer: str, channel: Channel, *, secure: bool) -> None:
        self.peer = peer
        self.channel = channel
        self.socket: Socket | None = None
        self.secure = secure
        self.linked = False
        self.pending: deque[tuple[Event, memoryview]] = deque()

    def is_below(self, socket: Socket) -> bool:
        """Say whether a socket is not the connection's own any more."""
        return self.socket not in (None, socket)

    def write_on(self) -> None:
        """Write what is pending until the kernel takes no more."""
        socket, pending = self.socket, self.pending
        assert socket is not None
        while pending:
            event, rest = pending[0]
            taken = socket.write(rest)
            if 0 <= taken < len(rest):
                pending[0] = (event, rest[taken:])
                break
            event.result = -1 if taken < 0 else len(event.data)
            pending.popleft()
        self.channel.queued = sum(len(rest) for _, rest in pending)
