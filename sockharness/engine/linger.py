"""Sends what a closed socket had accepted.

`write` of a TLS socket returns how many bytes it accepted, and those arrive. Up to one unit of
ciphertext may still wait for the kernel when the socket is closed; a plain socket has nothing of
the kind. So the rest is sent behind the close, and only then does the peer see the end.
"""

import socket as _socket
from select import EPOLLERR, EPOLLHUP, EPOLLOUT

from sockharness.engine.handle import Handle
from sockharness.engine.reactor import Reactor

_AGAIN = (BlockingIOError, InterruptedError)


class Linger(Handle):
    """A descriptor, and what is still to be sent through it."""

    __slots__ = ("_rest",)

    def __init__(self, reactor: Reactor, sock: _socket.socket, rest: memoryview) -> None:
        """Own `sock` from now on; it is closed when all was sent or cannot be."""
        super().__init__(reactor)
        self._rest = rest
        reactor.register(sock.fileno(), EPOLLOUT, self._on_event)
        self._hold(sock)

    def __repr__(self) -> str:
        return f"<Linger {len(self._rest)} bytes>"

    def abandon(self) -> None:
        """Give up."""
        sock = self._sock
        if sock is not None:
            self._reactor.unregister(sock.fileno())
            self._let_go()
            sock.close()

    def _on_event(self, mask: int) -> None:
        if self._sock is None:
            return
        if mask & (EPOLLERR | EPOLLHUP):  # nobody will read it
            self.abandon()
            return
        try:
            taken = self._sock.send(self._rest)
        except _AGAIN:
            return
        except OSError:  # as after the close of a plain socket, nobody is left to be told
            self.abandon()
            return
        self._rest = self._rest[taken:]
        if not self._rest:
            self.abandon()
