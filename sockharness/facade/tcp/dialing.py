"""The client's side: an `Endpoint` that makes its connections.

A test holds each of them and may read it at any time, so unread bytes are kept until the end. If a
connection cannot be made, the call that waits for it raises; that is no failure of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sockharness.facade.context import HarnessContext
from sockharness.facade.tcp.dispatch import Dispatch
from sockharness.facade.tcp.endpoint import Endpoint
from sockharness.facade.tcp.handshake import claim
from sockharness.facade.tcp.stream import Stream

if TYPE_CHECKING:
    from sockharness.engine.tcp.connecting import Connecting
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a connection, and its options.

    Attributes:
        tls: the engine's options of TLS; `None`: without.
        timeout: seconds for the connect, and as many for the handshake; still to be scaled.
        options: others of the engine's `connect`.
    """

    hostname: str
    port: int
    tls: Any = field(repr=False)  # it has the private key
    timeout: float
    options: Mapping[str, Any]


class Dialer(Endpoint):
    """Connections that were made here."""

    other = "server"
    keeps_unread = True

    def __init__(self, context: HarnessContext, name: str) -> None:
        super().__init__(context, name)
        self.host, self.port = "", 0
        self.dispatch = ClientDispatch(self)
        self._attempts: dict[Stream, Connecting] = {}

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever connected."""
        return self.ledger.came == 0

    def dial(self, target: Target) -> "ConnectWait":
        """Begin to connect; return a wait for the connection.

        Raises:
            ValueError, TypeError, TLSError, OSError: an option cannot be.
        """
        self.ledger.refuse_closed()
        self.context.refuse_in_handler("connect")
        with self.context.lock:
            self.ledger.came += 1
            stream = self.stream(self.ledger.came)
            stream.secure = target.tls is not None and target.tls is not False
            stream.channel.unseen = self.other
        try:
            self.context.call(self._connect, stream, target)
        except BaseException:
            with self.context.lock:
                self.ledger.came -= 1
                del self._streams[stream.number]
            raise
        return ConnectWait(stream)

    def give_up(self, stream: Stream) -> None:
        """Let go of a connection whose wait was cancelled."""
        self.context.runner.post(self._give_up, stream)

    def admit(self, socket: "Socket") -> Stream:
        """Loop: return the stream of a connection that was made."""
        stream: Stream = socket.data
        socket.data = None
        self._attempts.pop(stream, None)
        return stream

    def on_connect_error(self, stream: Stream, error: OSError) -> None:
        """Loop: record that a connection cannot be made."""
        self._attempts.pop(stream, None)
        with self.context.lock:
            stream.ledger.record("connect_error", error=error)
            stream.sending.drop()

    def on_secret(self, line: bytes) -> None:
        """Loop: a server of ours logs its secrets; those of other servers are not ours to log."""

    def _connect(self, stream: Stream, target: Target) -> None:
        from sockharness.engine.streams import connect

        self._attempts[stream] = connect(
            socket=self.dispatch,
            hostname=target.hostname,
            port=target.port,
            tls=target.tls,
            data=stream,
            allow_half_open=True,
            timeout=target.timeout * self.context.scale,
            handshake_timeout=target.timeout * self.context.scale,
            reactor=self.context.runner.reactor,
            **target.options,
        )

    def _give_up(self, stream: Stream) -> None:
        attempt = self._attempts.pop(stream, None)
        if attempt is not None:
            attempt.cancel()
        stream.sending.reset()

    def _close(self) -> None:
        for stream in list(self._attempts):
            self._give_up(stream)
        super()._close()


class ClientDispatch(Dispatch):
    """The handlers of client sockets."""

    __slots__ = ("_dialer",)

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(dialer)
        self._dialer = dialer

    def connect_error(self, socket: "Socket", error: OSError) -> None:
        """Take note that a connection cannot be made."""
        self._dialer.on_connect_error(socket.data, error)


class ConnectWait:
    """Waits for a connection, with TLS for its handshake."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def ready(self) -> bool:
        """Return whether the connection is there, or cannot come any more."""
        channel = self.stream.channel
        if self.stream.secure and channel.opened is not None:
            return self.stream.handshake is not None
        return channel.opened is not None or channel.closed is not None

    def take(self) -> Stream:
        """Return it; raises the error if it could not be made."""
        stream = self.stream
        handshake, closed = stream.handshake, stream.channel.closed
        if stream.channel.opened is None and closed is not None and closed.error is not None:
            raise closed.error.with_traceback(None)
        if handshake is not None and not handshake.established and handshake.error is not None:
            claim(stream.ledger)
            raise handshake.error.with_traceback(None)
        return stream

    def give_up(self, lasted: float, limit: float) -> TimeoutError:
        """Return an error: it takes longer than the engine's own time-outs."""
        return TimeoutError(f"connect: not done within {lasted:.2f} of {limit:.2f} s")
