"""The handlers that the engine calls: each call goes to the stream of its socket.

The owner of a listener can be named later than its handlers, so that listeners can be made ahead
(`sockharness.facade.tcp.listeners`).
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket
    from sockharness.facade.tcp.stream import Stream

__tracebackhide__ = True


class Owner(Protocol):
    """A server or a client, which owns streams. Its methods run on the harness's thread."""

    def admit(self, socket: "Socket") -> "Stream":
        """Return the stream to which a new connection belongs."""
        ...

    def on_error(self, socket: "Socket", exception: BaseException, stream: "Stream | None") -> None:
        """Take a failure of TLS, or what a handler raised."""
        ...

    def on_secret(self, line: bytes) -> None:
        """Take a line for a key log."""
        ...


class Dispatch:
    """Handlers for the engine.

    Attributes:
        owner: whose the connections are; while it is `None`, connections are reset.
        streams: the open connections.
    """

    __slots__ = ("owner", "streams")

    def __init__(self, owner: Owner | None = None) -> None:
        self.owner = owner
        self.streams: dict[Socket, Stream] = {}

    def open(self, socket: "Socket") -> None:
        """Take a connection."""
        if self.owner is None:
            socket.terminate()
            return
        stream = self.streams[socket] = self.owner.admit(socket)
        stream.opened(socket)

    def data(self, socket: "Socket", data: bytes) -> None:
        """Take bytes."""
        stream = self.streams.get(socket)
        if stream is not None:
            stream.got(socket, data)

    def drain(self, socket: "Socket") -> None:
        """Take note that the kernel has room again."""
        stream = self.streams.get(socket)
        if stream is not None:
            stream.drained(socket)

    def end(self, socket: "Socket") -> None:
        """Take the other side's FIN."""
        stream = self.streams.get(socket)
        if stream is not None:
            stream.ended(socket)

    def close(self, socket: "Socket", error: BaseException | None) -> None:
        """Let go of a connection."""
        stream = self.streams.pop(socket, None)
        if stream is not None:
            stream.closed(socket, error)

    def error(self, socket: "Socket", exception: BaseException) -> None:
        """Take a failure of TLS, or what a handler raised."""
        if self.owner is not None:
            self.owner.on_error(socket, exception, self.streams.get(socket))

    def timeout(self, socket: "Socket") -> None:
        """Take note that the time-out passed."""
        stream = self.streams.get(socket)
        if stream is not None:
            stream.timed_out(socket)

    def handshake(self, socket: "Socket", success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        """Take the end of a handshake."""
        stream = self.streams.get(socket)
        if stream is not None:
            stream.shook_hands(socket, success, error)

    def keylog(self, _socket: "Socket", line: bytes) -> None:
        """Take a line for a key log."""
        if self.owner is not None:
            self.owner.on_secret(line)
