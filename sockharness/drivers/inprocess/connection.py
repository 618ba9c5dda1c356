"""One connection of a peer on our own engine."""

from sockharness.drivers.engine import Owed
from sockharness.engine.outbox import Outbox
from sockharness.engine.tcp.socket import Socket
from sockharness.engine.tcp.states import ReadyState
from sockharness.story.events import Event
from sockharness.story.timeline import Channel


class Connection:
    """A connection: its channel and its socket.

    After `upgrade_tls` the socket is the one that speaks TLS. The socket below it has the same data
    and the old handlers, and its events are dropped.

    Attributes:
        socket: `None` until it is open.
        secure: whether it has TLS.
        paired: whether its addresses were given to the pairing.
    """

    __slots__ = ("channel", "paired", "secure", "socket")

    def __init__(self, channel: Channel, *, secure: bool) -> None:
        self.channel = channel
        self.socket: Socket | None = None
        self.secure = secure
        self.paired = False

    @property
    def opened(self) -> Socket:
        """The socket of a connection that is open, or was."""
        assert self.socket is not None, "the replayer waits for the connection first"
        return self.socket

    def write_all(self, event: Event) -> None:
        """Write the bytes of an action, as the kernel takes them; it returns when all are taken."""
        size = len(event.data)

        socket = self.opened

        def progress(taken: int) -> None:
            if taken == size:
                event.result = taken
            elif taken < 0 and socket.ready_state is ReadyState.OPEN:
                # A call that the close cuts short returns nothing, on Bun's engine, too.
                event.result = taken
                self.channel.queued = 0

        outbox = Outbox(socket)
        written = outbox.write(event.data, progress=progress)
        if written <= 0:
            event.result = written
        self.channel.queued = len(outbox)

    def owed(self) -> Owed | None:
        """Return the bytes still to be written, with the first unfinished action."""
        size = len(Outbox(self.socket)) if self.socket is not None and self.channel.actions else 0
        if not size:
            return None
        actions = [event for event in self.channel.actions if event.data]
        writing = (event for event in actions if event.result is None)
        ending = (event for event in reversed(actions) if event.name == "end")
        action = next(writing, None) or next(ending, None)
        return Owed(action=action, size=size) if action is not None else None

    def written_on(self) -> None:
        """Note how much waits now: the engine has written on before it called `drain`."""
        if self.socket is not None:
            self.channel.queued = len(Outbox(self.socket))
