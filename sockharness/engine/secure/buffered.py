"""A socket that keeps bytes until the kernel takes them.

A plain socket keeps nothing. A socket that transforms its bytes cannot give transformed
bytes back: they wait in the buffer, which is sent before anything else, also behind the close.
"""

import socket as _socket
from select import EPOLLERR, EPOLLHUP, EPOLLOUT
from typing import Any

from sockharness.engine.handle import Handle
from sockharness.engine.handlers import HandlerGroup
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.tcp.socket import BACK_PRESSURE, Socket
from sockharness.engine.tcp.states import NEXT, Happening

_AGAIN = (BlockingIOError, InterruptedError)


class BufferedSocket(Socket):
    """A `Socket` with a buffer for unsent bytes."""

    __slots__ = ("_buffer",)

    def __init__(self, reactor: Reactor, group: HandlerGroup, data: Any) -> None:
        super().__init__(reactor, group, data)
        self._buffer: memoryview | None = None  # bytes that the kernel did not take yet

    def _push(self, chunk: bytes) -> bool:
        """Send, or put behind what waits already; return whether nothing waits now."""
        if self._buffer is not None:
            self._buffer = memoryview(bytes(self._buffer) + chunk) if chunk else self._buffer
            return False
        return not chunk or self._push_on(chunk)

    def _flush_buffer(self) -> bool:
        """Send the waiting bytes; return whether none wait now."""
        return self._buffer is None or self._push_on(self._buffer)

    def _push_on(self, rest: bytes | memoryview) -> bool:
        taken = self._send_to_kernel(rest)
        if taken == len(rest):
            self._buffer = None
            return True
        self._buffer = None if taken < 0 else memoryview(rest)[taken:]
        if self._buffer is not None:
            self._arm()
        return False

    def _send_to_kernel(self, data: bytes | memoryview) -> int:
        """Return the number of bytes that the kernel took, or -1 after a hard failure."""
        sock = self._sock
        while sock is not None:
            try:
                taken: int = sock.send(data)
                return taken
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno in BACK_PRESSURE:
                    return 0
                # Otherwise it is ending anyway, and reading reports the failure.
                if (self._state, Happening.BREAK) in NEXT:
                    self._break(error)
                return -1
        return -1

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._update()

    def _disarm(self) -> None:
        if self._armed:
            self._armed = False
            self._update()

    def abandon(self) -> None:
        """Release the descriptor and call no handler, as when a process ends."""
        self._buffer = None
        super().abandon()

    def _release(self) -> None:
        sock, rest, self._buffer = self._sock, self._buffer, None
        if sock is not None and rest is not None:
            Linger(self._reactor, sock.dup(), rest)
        super()._release()


class Linger(Handle):
    """Bytes to be sent after the close, with a descriptor of their own."""

    __slots__ = ("_rest",)

    def __init__(self, reactor: Reactor, sock: _socket.socket, rest: memoryview) -> None:
        """Own `sock` from now on; it is closed when all was sent, or sending fails."""
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
        if mask & (EPOLLERR | EPOLLHUP):  # the peer will not read it
            self.abandon()
            return
        try:
            taken = self._sock.send(self._rest)
        except _AGAIN:
            return
        except OSError:  # as after the close of a plain socket, there is no handler left to call
            self.abandon()
            return
        self._rest = self._rest[taken:]
        if not self._rest:
            self.abandon()
