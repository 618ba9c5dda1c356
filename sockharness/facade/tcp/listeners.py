"""Listeners for servers, some of them made ahead.

To wake the harness's thread and wait for it takes longer than everything else that a server costs a
test. So `Spares` keeps a few listeners ready; a few, because the thread may come to run only every
few tests. Nobody knows their ports before they have an owner.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sockharness.facade.tcp.dispatch import Dispatch

if TYPE_CHECKING:
    from sockharness.engine.loop.kernel import Kernel
    from sockharness.engine.loop.runner import ThreadRunner
    from sockharness.engine.tcp.listener import Listener
KEPT = 4
"""How many listeners are kept ready."""


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


class ServerListener:
    """A listener, and the handlers of its connections. Made on the harness's thread."""

    __slots__ = ("dispatch", "listener")

    def __init__(self, runner: "ThreadRunner", options: Options) -> None:
        from sockharness.engine.streams import listen

        self.dispatch = Dispatch()
        self.listener: Listener = listen(
            socket=self.dispatch,
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
        self._ready: deque[ServerListener] = deque()

    def take(self, options: Options) -> ServerListener | None:
        """Return one that is ready, if its options are these, and have others made in time."""
        if options != _ORDINARY:
            return None
        listener = self._ready.popleft() if self._ready else None
        if len(self._ready) < KEPT // 2:
            self._runner.post(self._make)
        return listener

    def _make(self) -> None:
        """Make some. If the system refuses, the next server makes its own and raises that."""
        while len(self._ready) < KEPT:
            try:
                self._ready.append(ServerListener(self._runner, _ORDINARY))
            except OSError:
                return


_ORDINARY = Options()
