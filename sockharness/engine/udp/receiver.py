"""Receiving datagrams: fetched in batches, delivered one by one.

A batch is up to 8 messages. As long as batches are full it is one system call (`vectors`); a call
for each costs less for a few, and is used where the other one is forbidden, the socket is
wrapped, or messages carry their TTL beside their parts. Its datagrams go to the `data`
handler of the moment of fetching (UDP-093). A message may be many datagrams (`coalescing`): of
those, 8 are a batch too. At most 32 are delivered in a turn, so that timers and other sockets live
through a flood (D14): what is left of a message is posted, and is the first to be delivered in the
next turn.
"""

import errno
import socket as _socket
from collections import deque
from typing import Any

from sockharness.engine import literals
from sockharness.engine.handlers import Handler
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp import coalescing, error_queue, ttl, vectors
from sockharness.engine.udp.handlers import DatagramFlags, DatagramHandlers
from sockharness.engine.udp.vectors import Message, Slots

_BATCH = 8  # messages, as in Bun
_FEW = 4  # messages; fewer are cheaper one by one
_PER_TURN = 32  # datagrams
_SIZE = 65536  # more than any datagram, so that none is cut (UDP-083)

_CUT = int(_socket.MSG_TRUNC)  # the enumeration's own `&` costs more than receiving
_CONTROL_SPACE = coalescing.CONTROL_SPACE + ttl.CONTROL_SPACE

# A datagram of a message that was taken apart; the handler's flags replace the control messages.
_Part = tuple[bytes, DatagramFlags, int, Any]


class Receiver:
    """Received datagrams that the `data` handler has not got yet."""

    __slots__ = (
        "_busy",
        "_closed",
        "_delivered",
        "_flags",
        "_handler",
        "_handlers",
        "_ipv6",
        "_kernel",
        "_masses",
        "_owner",
        "_posted",
        "_reactor",
        "_slots",
        "_waiting",
    )

    def __init__(
        self,
        owner: object,
        reactor: Reactor,
        handlers: DatagramHandlers,
        *,
        kernel: Kernel,
        ipv6: bool,
        receive_ttl: bool,
    ) -> None:
        """Make an empty one; `owner` is what handlers get as their socket."""
        self._owner = owner
        self._kernel = kernel
        self._reactor = reactor
        self._handlers = handlers
        self._ipv6 = ipv6
        self._flags = [DatagramFlags(truncated, ipv6) for truncated in (False, True)]
        self._closed = False
        self._waiting: deque[Message | _Part] = deque()
        self._handler: Handler | None = None  # who gets what is waiting
        self._delivered = 0  # in this turn, before its events
        self._posted = False  # the delivery of what is waiting
        # until the kernel says otherwise; there is room for one control message only
        self._masses = vectors.AVAILABLE and not receive_ttl
        self._busy = False  # the last batch was full, or nearly so
        self._slots: Slots | None = None

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
            more = self._fetch(sock, min(_BATCH, room))
            room -= max(self._deliver(room), 1)
            if not more:
                break
        self._post()

    def _fetch(self, sock: _socket.socket, calls: int) -> bool:
        """Read a batch; return whether there may be more."""
        self._handler = self._handlers.data
        try:
            if self._busy and self._masses and type(sock) is _socket.socket:
                return self._fetch_together(sock, calls)
            recvmsg, keep = sock.recvmsg, self._waiting.append
            for _ in range(calls):
                keep(recvmsg(_SIZE, _CONTROL_SPACE))
            self._busy = True
        except BlockingIOError:
            return False
        except OSError as error:  # the error queue reports it
            if error.errno in vectors.FORBIDDEN and self._masses:
                self._masses = False
            elif error.errno != errno.EINTR and error.errno not in error_queue.FROM_NETWORK:
                raise
        return True

    def _fetch_together(self, sock: _socket.socket, most: int) -> bool:
        slots = self._slots
        buffer = vectors.receive_buffer()  # another one when the reactor has changed threads
        if slots is None or slots.buffer is not buffer:
            slots = self._slots = Slots(buffer, sock.family)
        slots.clear()
        count = self._kernel.receive_messages(sock, slots.headers, most)
        self._waiting.extend(slots.taken(count))
        self._busy = count >= _FEW
        return count == most

    def _deliver(self, room: int) -> int:
        """Call `data` for what waits, at most `room` times; return how often."""
        left = room
        while self._waiting and left:
            left -= self._deliver_batch(min(left, _BATCH))
            self._handler = self._handlers.data
        return room - left

    def _deliver_batch(self, room: int) -> int:
        """Call the handler of a batch; as `_deliver`."""
        waiting, handler, left = self._waiting, self._handler, room
        if handler is None:
            waiting.clear()
        owner, ipv6 = self._owner, self._ipv6
        plain, cut = self._flags
        while waiting and left:  # nothing is waiting when the socket was closed
            data, control, flags, name = waiting.popleft()
            if not control:
                shown = cut if flags & _CUT else plain
            elif isinstance(control, DatagramFlags):
                shown = control
            else:
                self._take_apart(data, control, flags, name)
                continue
            address, port = name[0], name[1]
            if not port:  # port 0 cannot be answered (UDP-087)
                continue
            if ipv6 and name[3]:
                address = literals.shown(address, name[3], self._kernel)
            left -= 1
            try:
                handler(owner, data, port, address, shown)  # type: ignore[misc]
            except BaseException as error:  # noqa: BLE001 - reported
                self._handlers.failed(error, owner)
        return room - left

    def _take_apart(self, data: bytes, control: coalescing.Control, flags: int, name: Any) -> None:
        """Replace a message by its datagrams."""
        shown = self._flags[bool(flags & _CUT)]._replace(ttl=ttl.of(control))
        parts = [(part, shown, flags, name) for part in coalescing.parts(data, control)]
        self._waiting.extendleft(reversed(parts))

    def _post(self) -> None:
        """Let what is waiting be delivered in the next turn."""
        if self._waiting:
            self._posted = True
            self._reactor.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._posted = False
        self._handler = self._handlers.data
        self._delivered = self._deliver(_PER_TURN)
        self._post()
