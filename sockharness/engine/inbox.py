"""Receiving datagrams: fetched in batches, delivered one by one.

A batch is up to 8 system calls, and its datagrams go to the `data` handler of the moment of
fetching (UDP-093). A call may bring many datagrams (`coalescing`). At most 32 are delivered in a
turn, so that timers and other sockets live through a flood (D14): what is left of a batch is
posted, and is the first to be delivered in the next turn.
"""

import errno
import socket as _socket
from collections import deque
from itertools import repeat
from typing import Any

from sockharness.engine import coalescing, error_queue, literals
from sockharness.engine.datagram_handlers import DatagramFlags, DatagramHandlers
from sockharness.engine.handlers import Handler
from sockharness.engine.reactor import Reactor

_FETCHES = 8  # system calls in a batch, as in Bun
_PER_TURN = 32  # datagrams
_SIZE = 65536  # more than any datagram, so that none is cut (UDP-083)

_CUT = int(_socket.MSG_TRUNC)  # the enumeration's own `&` costs more than receiving

# Payload, source as the kernel names it, flags for the handler.
_Received = tuple[bytes, Any, DatagramFlags]


class Inbox:
    """What a socket has received and its `data` handler has not."""

    __slots__ = (
        "_closed",
        "_delivered",
        "_flags",
        "_handler",
        "_handlers",
        "_ipv6",
        "_owner",
        "_posted",
        "_reactor",
        "_waiting",
    )

    def __init__(
        self, owner: object, reactor: Reactor, handlers: DatagramHandlers, *, ipv6: bool
    ) -> None:
        """Make an empty one; `owner` is what handlers get as their socket."""
        self._owner = owner
        self._reactor = reactor
        self._handlers = handlers
        self._ipv6 = ipv6
        self._flags = [DatagramFlags(truncated, ipv6) for truncated in (False, True)]
        self._closed = False
        self._waiting: deque[_Received] = deque()
        self._handler: Handler | None = None  # who gets what is waiting
        self._delivered = 0  # in this turn, before its events
        self._posted = False  # the delivery of what is waiting

    def close(self) -> None:
        """Drop what is waiting, and deliver nothing any more."""
        self._closed = True
        self._waiting.clear()

    def on_readable(self, sock: _socket.socket) -> None:
        """Fetch and deliver this turn's share."""
        if self._posted:  # this turn's share was delivered before
            return
        room, self._delivered = _PER_TURN - self._delivered, 0
        while room > 0 and not self._closed:
            more = self._fetch(sock, min(_FETCHES, room))
            room -= max(self._deliver(room), 1)
            if not more:
                break
        self._post()

    def _fetch(self, sock: _socket.socket, calls: int) -> bool:
        """Read a batch; return whether there may be more."""
        self._handler = self._handlers.data
        recvmsg = sock.recvmsg
        waiting = self._waiting
        plain, cut = self._flags
        for _ in range(calls):
            try:
                data, control, flags, name = recvmsg(_SIZE, coalescing.CONTROL_SPACE)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno != errno.EINTR and error.errno not in error_queue.FROM_NETWORK:
                    raise
                continue  # what was pending is told by the queue
            if not name[1]:  # nobody could answer to port 0 (UDP-087)
                continue
            told = cut if flags & _CUT else plain
            if control:
                parts = coalescing.parts(data, control)
                waiting.extend(zip(parts, repeat(name), repeat(told), strict=False))
            else:
                waiting.append((data, name, told))
        return True

    def _deliver(self, room: int) -> int:
        """Call `data` for what waits, at most `room` times; return how often."""
        waiting = self._waiting
        handler = self._handler
        if handler is None:
            count = len(waiting)
            waiting.clear()
            return count
        owner, ipv6 = self._owner, self._ipv6
        for count in range(room):
            if not waiting:  # delivered, or the socket was closed
                return count
            data, name, flags = waiting.popleft()
            host = literals.shown(name[0], name[3]) if ipv6 else name[0]
            try:
                handler(owner, data, name[1], host, flags)
            except BaseException as error:  # noqa: BLE001 - told
                self._handlers.failed(error, owner)
        return room

    def _post(self) -> None:
        """Let what is waiting be delivered in the next turn."""
        if self._waiting:
            self._posted = True
            self._reactor.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._posted = False
        self._delivered = self._deliver(_PER_TURN)
        self._post()
