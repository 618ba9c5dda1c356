"""The client's side: an `Endpoint` that makes its connections.

Somebody holds each of them and reads when he likes, so unread bytes lie there until the end. What
keeps a connection from being made is raised by whoever waits for it, and is no finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sockharness.facade.context import HarnessContext
from sockharness.facade.tcp.endpoint import Endpoint
from sockharness.facade.tcp.fronts import Handing
from sockharness.facade.tcp.stream import Stream

if TYPE_CHECKING:
    from sockharness.engine.tcp.connecting import Connecting
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to connect to, and how.

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
    keeps = True

    def __init__(self, context: HarnessContext, name: str) -> None:
        super().__init__(context, name)
        self.host, self.port = "", 0
        self._attempts: dict[Stream, Connecting] = {}

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever tried."""
        return self.accepted == 0

    def dial(self, target: Target) -> "Dialled":
        """Begin to connect; return what waits for that.

        Raises:
            ValueError, TypeError, TLSError, OSError: an option cannot be.
        """
        self._refuse_closed()
        self.context.refuse_in_handler("connect")
        with self.context.lock:
            self.accepted += 1
            stream = self.stream(self.accepted)
            stream.secure = target.tls is not None and target.tls is not False
            stream.channel.outside = self.other
        try:
            self._call(self._connect, stream, target)
        except BaseException:
            with self.context.lock:
                self.accepted -= 1
                del self._streams[stream.number]
            raise
        return Dialled(stream)

    def give_up(self, stream: Stream) -> None:
        """Let go of a connection for which nobody waits any more."""
        self.context.runner.post(self._give_up, stream)

    def on_connect_error(self, socket: "Socket", error: OSError) -> None:
        """Loop: note that a connection cannot be made."""
        stream: Stream = socket.data
        self._attempts.pop(stream, None)
        with self.context.lock:
            stream.record("connect_error", error=error)
            stream.send_no_more()

    def on_secret(self, line: bytes) -> None:
        """Loop: a server of ours logs its secrets, of others they are not ours to log."""

    def _connect(self, stream: Stream, target: Target) -> None:
        from sockharness.engine.streams import connect

        self._attempts[stream] = connect(
            socket=Calling(self),
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

    def _admit(self, socket: "Socket") -> Stream:
        stream: Stream = socket.data
        socket.data = None
        self._attempts.pop(stream, None)
        return stream

    def _give_up(self, stream: Stream) -> None:
        attempt = self._attempts.pop(stream, None)
        if attempt is not None:
            attempt.cancel()
        stream.reset_now()

    def _close(self) -> None:
        for stream in list(self._attempts):
            self._give_up(stream)
        super()._close()


class Calling(Handing):
    """The handlers of a client socket."""

    __slots__ = ("_dialer",)

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(dialer)
        self._dialer = dialer

    def connect_error(self, socket: "Socket", error: OSError) -> None:
        """Hand over why a connection cannot be made."""
        self._dialer.on_connect_error(socket, error)


class Dialled:
    """A connection that was made, with TLS one that is secured."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def ready(self) -> bool:
        """Say whether it is there, or cannot come any more."""
        channel = self.stream.channel
        if self.stream.secure and channel.opened is not None:
            return self.stream.handshake is not None
        return channel.opened is not None or channel.closed is not None

    def take(self) -> Stream:
        """Return it; raises what kept it from being made."""
        stream = self.stream
        handshake, closed = stream.handshake, stream.channel.closed
        if stream.channel.opened is None and closed is not None and closed.error is not None:
            raise closed.error.with_traceback(None)
        if handshake is not None and not handshake.established and handshake.error is not None:
            stream.claim_handshake()
            raise handshake.error.with_traceback(None)
        return stream

    def give_up(self, lasted: float, limit: float) -> TimeoutError:
        """Return what says that it takes longer than the engine was given."""
        return TimeoutError(f"connect: not done within {lasted:.2f} of {limit:.2f} s")
