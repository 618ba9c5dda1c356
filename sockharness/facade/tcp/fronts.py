"""Listeners, and the handlers that the engine calls for them and for client sockets.

`Handing` hands what the engine tells to whoever owns it; a `Front` does for a listener. Because the
owner can be named later, a listener can be made ahead: waking the harness's thread and waiting for
it takes longer than all the rest that a server costs a test. `Spares` keeps a few, because the
thread may come to run only every few tests; nobody knows their ports before they have an owner.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sockharness.engine.loop.kernel import Kernel
    from sockharness.engine.loop.runner import ThreadRunner
    from sockharness.engine.tcp.listener import Listener
    from sockharness.engine.tcp.socket import Socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a server listens.

    Attributes:
        hostname: a loopback address or `"localhost"`.
        allow_half_open: the server's end stays open after the client's FIN.
        pause_on_connect: connections begin paused.
        backlog: how many connections may wait to be accepted.
        send_buffer: size of the kernel's send buffer in bytes; `None`: the kernel's choice.
        recv_buffer: the same for receiving.
        tls: the engine's options of TLS; `None`: without.
        handshake_timeout: seconds for a handshake of TLS.
        kernel: the engine's, if its sockets are somewhere else.
    """

    hostname: str = "127.0.0.1"
    allow_half_open: bool = False
    pause_on_connect: bool = False
    backlog: int = 512
    send_buffer: int | None = None
    recv_buffer: int | None = None
    tls: Any = field(default=None, repr=False)  # it has the private key
    handshake_timeout: float | None = None
    kernel: "Kernel | None" = None


class Owner(Protocol):
    """Whoever is told what happens on connections; all on the harness's thread."""

    def on_open(self, socket: "Socket") -> None:
        """Take a connection."""
        ...

    def on_data(self, socket: "Socket", data: bytes) -> None:
        """Take bytes."""
        ...

    def on_drain(self, socket: "Socket") -> None:
        """Write on."""
        ...

    def on_end(self, socket: "Socket") -> None:
        """Note that the client has ended."""
        ...

    def on_close(self, socket: "Socket", error: BaseException | None) -> None:
        """Let go of a connection."""
        ...

    def on_error(self, socket: "Socket", exception: BaseException) -> None:
        """Take what a handler raised."""
        ...

    def on_timeout(self, socket: "Socket") -> None:
        """Note that the time-out passed."""
        ...

    def on_handshake(self, socket: "Socket", success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        """Take the end of a handshake."""
        ...

    def on_secret(self, line: bytes) -> None:
        """Take a line for a key log."""
        ...


class Handing:
    """The handlers, which hand everything to the owner."""

    __slots__ = ("owner",)

    def __init__(self, owner: Owner | None = None) -> None:
        self.owner = owner

    def open(self, socket: "Socket") -> None:
        """Hand over a connection; without an owner it is a stranger's, and reset."""
        if self.owner is None:
            socket.terminate()
        else:
            self.owner.on_open(socket)

    def data(self, socket: "Socket", data: bytes) -> None:
        """Hand over bytes."""
        if self.owner is not None:
            self.owner.on_data(socket, data)

    def drain(self, socket: "Socket") -> None:
        """Hand over a drain."""
        if self.owner is not None:
            self.owner.on_drain(socket)

    def end(self, socket: "Socket") -> None:
        """Hand over the client's end."""
        if self.owner is not None:
            self.owner.on_end(socket)

    def close(self, socket: "Socket", error: BaseException | None) -> None:
        """Hand over the close."""
        if self.owner is not None:
            self.owner.on_close(socket, error)

    def error(self, socket: "Socket", exception: BaseException) -> None:
        """Hand over what a handler raised."""
        if self.owner is not None:
            self.owner.on_error(socket, exception)

    def timeout(self, socket: "Socket") -> None:
        """Hand over a time-out."""
        if self.owner is not None:
            self.owner.on_timeout(socket)

    def handshake(self, socket: "Socket", success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        """Hand over the end of a handshake."""
        if self.owner is not None:
            self.owner.on_handshake(socket, success, error)

    def keylog(self, _socket: "Socket", line: bytes) -> None:
        """Hand over a line for a key log."""
        if self.owner is not None:
            self.owner.on_secret(line)


class Front(Handing):
    """A listener and, from `owner` on, whose it is. Made on the harness's thread."""

    __slots__ = ("listener",)

    def __init__(self, runner: "ThreadRunner", options: Options) -> None:
        from sockharness.engine.streams import listen

        super().__init__()
        self.listener: Listener = listen(
            socket=self,
            hostname=options.hostname,
            port=0,
            allow_half_open=True,
            pause_on_connect=options.pause_on_connect,
            backlog=options.backlog,
            send_buffer=options.send_buffer,
            recv_buffer=options.recv_buffer,
            tls=options.tls,
            handshake_timeout=options.handshake_timeout,
            reactor=runner.reactor,
            kernel=options.kernel,
        )


class Spares:
    """Keeps some listeners with the ordinary options ready."""

    def __init__(self, runner: "ThreadRunner") -> None:
        self._runner = runner
        self._ready: deque[Front] = deque()

    def take(self, options: Options) -> Front | None:
        """Return one that is ready, if its options are these, and have others made in time."""
        if options != _ORDINARY:
            return None
        front = self._ready.popleft() if self._ready else None
        if len(self._ready) < KEPT // 2:
            self._runner.post(self._make)
        return front

    def _make(self) -> None:
        """Make some; if the system refuses, whoever needs a listener next is told by its own."""
        while len(self._ready) < KEPT:
            try:
                self._ready.append(Front(self._runner, _ORDINARY))
            except OSError:
                return


_ORDINARY = Options()
KEPT = 4
"""How many listeners are kept ready."""
