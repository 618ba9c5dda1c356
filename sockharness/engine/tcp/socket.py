"""A connected stream socket, TCP and unix alike.

**Life.** A socket is open (`ready_state` 1) from before its `open` handler until `close`; what is
half closed or waits for a last byte is open too (TCP-042). `states` has the finer states and the
steps between them.

**Calls.** `end`, `close` and `terminate` make a socket gone at once and the `close` handler runs
inside the call (TCP-022, TCP-038), once, last. Therefore after each call of a handler the first
question is whether the socket is closed now.

**Writing.** `write` is one `send`. Nothing is kept: the caller owns what was not taken (TCP-071). A
short write arms interest in writability; then comes one `drain` (TCP-073, D9). Only `end(data)`
keeps a rest, and sends it before it closes (D1). A send that fails hard returns -1; what was
received before is delivered first, then comes `close(socket, error)` (D5).

**Reading.** One `recv` per chunk, again while chunks come back full, at most `_READS_PER_EVENT`
times, so that a fast peer does not starve the others. Once the kernel says
that the peer has finished, reading goes on to the end, so that `data`, `end` and `close` come in
one turn (TCP-099). The automatic close after `end` waits for an `async def end`.

**Interest.** epoll reports EPOLLERR and EPOLLHUP whether asked or not, as long as they hold. When
the socket does not read (paused, or the peer has ended), that would be a busy loop; so then the
registration is edge-triggered and reports them once. While paused a reset is seen at once, and
the data received before it is delivered, as in Bun; a FIN is not seen (TCP-180, TCP-181).

Longer than other files because the surface of a socket is wide; what can be said without its
state is elsewhere: `states`, `chunk`, `names`, `sockopts`.
"""

import errno
import socket as _socket
from contextlib import suppress
from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import TYPE_CHECKING, Any

from sockharness.engine import names, options, sockopts
from sockharness.engine.chunk import Data, chunk_of
from sockharness.engine.handle import HandedOver, Unsent
from sockharness.engine.handlers import Handler, HandlerGroup
from sockharness.engine.loop.outer import Call
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.tcp.settable import Settable
from sockharness.engine.tcp.states import NEXT, Happening, ReadyState, State
from sockharness.engine.tcp.tls_facts import TLSFacts
from sockharness.errors import UsageError, os_error, with_code

if TYPE_CHECKING:
    from sockharness.engine.tcp.listener import Listener

_READS_PER_EVENT = 8
CHUNK = 64 * 1024  # what is asked for ordinarily; the rest of such an allocation costs nothing,
BULK_CHUNK = 256 * 1024  # that of a larger one a system call or two, which pays once it is filled
BACK_PRESSURE = frozenset((errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM))  # D5
_READABLE = EPOLLIN | EPOLLRDHUP
_GONE = EPOLLERR | EPOLLHUP
START = 0  # the default of `offset`; compared by identity, since `False` equals it


# Looked up in every event: a global costs less than an attribute of an enum.
_OPEN = State.OPEN
_BROKEN = State.BROKEN
_CLOSED = State.CLOSED


class Socket(Settable, names.Addresses, TLSFacts):
    """A connection; made by `listen` and `connect`, never directly.

    All methods belong to the reactor's thread. On a closed socket nothing raises and nothing
    happens: `write` and `end` return -1, the setters `False` (TCP-041).

    Attributes:
        data: the user's; starts as the option `data`, survives the close (TCP-154, TCP-157).
    """

    __slots__ = (
        "_armed",
        "_bytes_written",
        "_chunk_size",
        "_end_call",
        "_error",
        "_fd",
        "_group",
        "_half_open",
        "_leftover",
        "_local",
        "_outbox",
        "_paused",
        "_remote",
        "_state",
        "data",
    )

    def __init__(self, reactor: Reactor, group: HandlerGroup, data: Any) -> None:
        """Make a socket that was never connected: what `connect_error` gets (TCP-137)."""
        super().__init__(reactor)
        self.data = data
        self._group = group
        self._state = State.NEW
        self._fd = -1
        self._half_open = False
        self._paused = False
        self._armed = False  # waiting for writability
        self._chunk_size = CHUNK
        self._leftover: memoryview | None = None  # of end(data), still to be sent
        self._error: OSError | None = None  # why it is BROKEN
        self._end_call: Call | None = None  # an `async def end` that has not ended yet
        self._timer = None
        self._outbox: Unsent | None = None  # an `Outbox`, of a user who has asked for one
        self._local: Any = None
        self._remote: Any = None
        self._bytes_written = 0

    @classmethod
    def start(
        cls,
        reactor: Reactor,
        group: HandlerGroup,
        sock: _socket.socket,
        *,
        remote: Any,
        data: Any,
        half_open: bool,
        paused: bool,
    ) -> "Socket":
        """Take over a connected descriptor, register it and call `open`.

        An exception in `open` is reported like any other and closes the socket (TCP-104).

        Raises:
            OSError: the poller refuses the descriptor, which then is still the caller's.
        """
        self = cls(reactor, group, data)
        self._half_open = half_open
        self._paused = paused
        self._state = _OPEN
        fd = sock.fileno()
        reactor.register(fd, self._interest(), self._on_event)
        self._fd = fd
        self._remote = remote
        self._hold(sock)
        group.connections[self] = None
        self._call_open()
        return self

    def __repr__(self) -> str:
        return (
            f"<Socket {self._state.text}{' paused' if self._paused else ''}"
            f" local={names.shown(self._local_name())} remote={names.shown(self._remote)}"
            f" bytes_written={self._bytes_written}>"
        )

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()

    # Sending

    def write(self, data: Data, offset: int = START, length: int | None = None) -> int:
        """Send what the kernel takes now; return the number of bytes, 0 to all of them, or -1.

        If that is less than all, `drain` is called once when the socket is writable again; send the
        rest then. -1: closed, ended, shut down, or the send failed hard, in which
        case `close` follows with the error (TCP-054, D5). Offset and length count bytes, also of a
        `str`, which is sent as UTF-8 (TCP-061..067, D10).

        Raises:
            TypeError, ValueError: an argument is wrong; not on a closed socket.
        """
        if self._reactor.debug:
            self._reactor.check()
        sock = self._sock
        if sock is None:
            return -1
        if offset is not START or length is not None or type(data) is not bytes:
            data = chunk_of(data, offset, length)
        if not self._state.writes:
            return -1
        if not data:
            return 0
        try:  # `_send` written out: this is the hot path
            taken = sock.send(data)
            self._bytes_written += taken
        except OSError as error:
            taken = self._after_failed_send(error, data)
        if 0 <= taken < len(data) and not self._armed:
            self._armed = True
            self._update()
        return taken

    def end(self, data: Data | None = None, offset: int = 0, length: int | None = None) -> int:
        """Send `data`, then close (FIN); return how many bytes were accepted, or -1.

        If the kernel takes all at once, the socket closes inside the call: `close(socket, None)`
        comes before it returns. Otherwise the rest is sent in the background, `len(data)` is
        returned, and `close` comes when the kernel has all of it; until then received data is
        delivered, `write` and `end` return -1, and there is no `drain` (D1). After `shutdown`,
        `end(data)` returns -1 and the socket stays open, `end()` closes it (TCP-023).
        """
        self._reactor.check()
        if self._state is _CLOSED:
            return -1
        chunk = b"" if data is None else chunk_of(data, offset, length)
        if self._leftover is not None or self._state is State.NEW:
            return -1
        if not chunk:
            self._close(None)
            return 0
        if not self._state.writes:
            return -1
        taken = self._send(chunk)
        if taken < 0:
            return -1
        if taken == len(chunk):
            self._close(None)
        else:
            # A copy: the caller may reuse its buffer.
            self._leftover = memoryview(bytes(memoryview(chunk)[taken:]))
            self._armed = True
            self._advance(Happening.END_LATER)
            self._update()
            self._drop_unsent()
        return len(chunk)

    def shutdown(self, read: bool = False) -> None:  # noqa: FBT001, FBT002 - Bun's signature
        """Half-close: send FIN and go on reading; with `read`, stop reading instead.

        After a `shutdown()` the peer's FIN gives `close`, not `end` (TCP-031, TCP-032). After
        `shutdown(True)` this socket gets `end` in a later turn (TCP-033).
        """
        self._reactor.check()
        options.flag("read", read)
        if self._sock is None or not (read or self._state.writes):
            return
        if not read:
            self._armed = False
            self._advance(Happening.SHUTDOWN)
        # ENOTCONN: a reset has come already; its event is on the way.
        with suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RD if read else _socket.SHUT_WR)
        self._update()
        if not read:
            self._drop_unsent()

    def flush(self) -> None:
        """Do nothing: there is no buffer, and the rest of an `end(data)` is sent anyway (D1)."""

    def close(self) -> None:
        """Close (FIN) at once; `close(socket, None)` comes inside the call.

        Bytes that the kernel accepted still arrive, the rest of an `end(data)` is dropped. Unread
        data in the kernel turns the FIN into a reset (TCP-037).
        """
        self._reactor.check()
        self._close(None)

    def terminate(self) -> None:
        """Abort (RST), dropping what was not sent; `close(socket, None)` comes inside the call.

        On a unix socket the peer sees an ordinary end (TCP-196).
        """
        self._reactor.check()
        if self._sock is not None:
            sockopts.reset_on_close(self._sock)
            self._close(None)

    def hang_up(self) -> None:
        """End at once, as `listener.stop(True)` does."""
        self.end()

    def abandon(self) -> None:
        """Release the descriptor and call no handler, as when a process ends."""
        if self._state is not _CLOSED:
            self._release()

    # Receiving

    def pause(self) -> None:
        """Stop reading: no `data`, no `end`; a reset is still seen (TCP-179..181)."""
        if self._reactor.debug:
            self._reactor.check()
        if not self._paused:
            self._paused = True
            self._update()

    def resume(self) -> None:
        """Read again; what came meanwhile is delivered in a later turn."""
        if self._reactor.debug:
            self._reactor.check()
        if self._paused:
            self._paused = False
            self._update()

    def hand_over(self) -> HandedOver:
        """Give the descriptor away, unregistered, for `upgrade_tls`; no `close` follows."""
        if self._sock is None or type(self) is not Socket or self._state is not _OPEN:
            raise UsageError(f"upgrade_tls: expected an open connection without TLS, got {self!r}")
        if self._outbox is not None and len(self._outbox):
            raise UsageError(
                f"upgrade_tls: {len(self._outbox)} B still wait to be sent without TLS"
            )
        handed = HandedOver(self._sock, self._remote, self._half_open, self._paused)
        self._forget()
        return handed

    def reload(self, socket: object) -> None:
        """Replace all handlers: of an accepted socket those of its whole listener (TCP-170..176).

        Takes effect from the next event; if it raises, nothing has changed. Raises as `listen`.
        """
        self._reactor.check()
        if self._state is not _CLOSED:
            self._group.reload(socket)

    # Properties

    @property
    def ready_state(self) -> ReadyState:
        """OPEN until it is closed, half-closed or not; CLOSED in `close` and `connect_error`."""
        return ReadyState.CLOSED if self._sock is None else ReadyState.OPEN

    @property
    def listener(self) -> "Listener | None":
        """The listener that accepted this, while it is open (TCP-152)."""
        accepted_by: Listener | None = self._group.listener
        return None if self._sock is None else accepted_by

    @property
    def bytes_written(self) -> int:
        """The number of bytes that the kernel has accepted."""
        return self._bytes_written

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed; it stays the engine's."""
        return self._fd

    # What the reactor calls

    def _on_event(self, mask: int) -> None:
        if mask == EPOLLIN and not self._paused and self._state.reads:
            if self._receive() >= CHUNK:
                self._read(to_the_end=False)
        else:
            self._on_other_event(mask)

    def _on_other_event(self, mask: int) -> None:
        gone = mask & _GONE
        if self._armed and (mask & EPOLLOUT or gone):
            if self._leftover is not None:
                self._send_leftover()
            elif not gone:  # after a reset there is no drain (TCP-055)
                self._on_drain()
            if self._state is _CLOSED:
                return
        if mask & EPOLLERR and self._state.reads:
            self._read_last()
        elif not self._paused and self._state.reads and mask & (_READABLE | _GONE):
            self._read(to_the_end=bool(mask & (EPOLLRDHUP | _GONE)))
        elif gone:
            self._on_gone(mask)

    def _on_drain(self) -> None:
        self._armed = False
        self._update()
        self._call_drain()

    def _call_drain(self) -> None:
        """Send on what waits in the outbox, then call `drain`, unless that has ended the socket."""
        if self._outbox is not None:
            self._outbox.flush()
            if self.ready_state is ReadyState.CLOSED or not self._state.writes:
                return
        drain = self._group.handlers.drain
        if drain is not None:
            self._group.call(drain, self)

    def _on_gone(self, mask: int) -> None:
        """Handle an error or the end of both directions while nothing may be read."""
        number = sockopts.take_error(self._sock) if self._sock and mask & EPOLLERR else 0
        if self._state is _BROKEN:
            self._close(self._error)
        elif number:
            self._close(os_error(number))
        elif mask & EPOLLHUP and not self._state.reads and self._end_call is None:
            self._close(None)

    def _read(self, *, to_the_end: bool) -> None:
        for _ in range(_READS_PER_EVENT):
            if self._paused or not self._state.reads:
                return
            size = self._chunk_size
            count = self._receive()
            if not count or (count < size and not to_the_end):
                return

    def _read_last(self) -> None:
        """Deliver what was received before a failure, paused or not (TCP-181)."""
        for _ in range(_READS_PER_EVENT):
            if not self._state.reads or not self._receive():
                return
        self._reactor.call_soon(self._read_last)

    def _receive(self) -> int:
        """Read one chunk and deliver it; return its length, 0 when there was none."""
        sock = self._sock
        if sock is None:
            return 0
        size = self._chunk_size
        try:
            chunk = sock.recv(size)
        except OSError as error:
            self._on_receive_error(error)
            return 0
        if not chunk:
            self._on_peer_end()
            return 0
        data = self._group.handlers.data
        if data is not None:
            try:
                data(self, chunk)
            except BaseException as error:  # noqa: BLE001 - reported; `call` written out
                self._group.failed(error, self)
        count = len(chunk)
        if count == size or size != CHUNK:
            self._chunk_size = BULK_CHUNK if count >= CHUNK else CHUNK
        return count

    def _on_receive_error(self, error: OSError) -> None:
        if error.errno in BACK_PRESSURE or error.errno == errno.EINTR:
            if self._state is _BROKEN:  # everything that had been received is delivered
                self._close(self._error)
            return
        self._close(self._error or _without_traceback(error))

    def _on_peer_end(self) -> None:
        if self._state is _BROKEN:
            self._close(self._error)
            return
        was = self._state
        self._advance(Happening.PEER_FIN)
        end = self._group.handlers.end
        if was is State.ENDING:  # the user has said end already: the rest is sent, then closed
            self._update()
        elif was is State.SHUT or end is None:  # TCP-032, TCP-030, TCP-046
            self._close(None)
        else:
            self._call_end(end)

    def _call_end(self, end: Handler) -> None:
        self._end_call = self._group.call(end, self)
        if self._end_call is None:
            self._after_end()
        else:  # an `async def`
            self._end_call.then = self._after_end
            self._update()

    def _after_end(self) -> None:
        self._end_call = None
        if self._state is _CLOSED:
            return
        if self._half_open or self._state in (State.FINISHING, _BROKEN):
            self._update()
        else:
            self._close(None)

    # Sending and closing

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        """Return the number of bytes that the kernel took, or -1 after a hard failure."""
        sock = self._sock
        if sock is None:
            return -1
        while True:
            try:
                taken = sock.send(data)
            except InterruptedError:
                continue
            except OSError as error:
                return self._after_failed_send(error, data)
            self._bytes_written += taken
            return taken

    def _after_failed_send(self, error: OSError, data: bytes | bytearray | memoryview) -> int:
        if isinstance(error, InterruptedError):
            return self._send(data)
        if error.errno in BACK_PRESSURE:
            return 0
        self._break(error)
        return -1

    def _send_leftover(self) -> None:
        leftover = self._leftover
        taken = 0 if leftover is None else self._send(leftover)
        if leftover is None or taken < 0:
            return
        if taken == len(leftover):
            self._close(None)
        else:
            self._leftover = leftover[taken:]

    def _break(self, error: OSError) -> None:
        self._error = _without_traceback(error)
        self._leftover = None
        self._armed = False
        self._advance(Happening.BREAK)
        self._update()
        self._reactor.call_soon(self._read_last)

    def _advance(self, happening: Happening) -> None:
        self._state = NEXT[self._state, happening]

    def _close(self, error: OSError | None) -> None:
        if self._sock is None:
            return
        outbox, self._outbox = self._outbox, None
        self._release()
        if outbox is not None:
            outbox.drop()
        close = self._group.handlers.close
        if close is not None:
            self._group.call(close, self, error)

    def _release(self) -> None:
        """Let go of everything; from here on the socket is closed."""
        sock = self._sock
        self._state = _CLOSED
        if sock is not None:
            self._forget()
            sock.close()

    def _forget(self) -> None:
        self._state = _CLOSED
        self._local_name()
        self._reactor.unregister(self._fd)
        self._fd = -1
        self._leftover = None
        self._armed = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go()
        if self._outbox is not None:
            self._outbox.abandon()
            self._outbox = None
        self._group.connections.pop(self, None)

    def _drop_unsent(self) -> None:
        """Drop what waits in the outbox; last, as it may call functions of the user's."""
        if self._outbox is not None:
            self._outbox.drop()

    def _call_open(self) -> None:
        handler = self._group.handlers.open
        if handler is None:
            return
        try:
            handler(self)
        except BaseException as error:  # noqa: BLE001 - reported, see `failed`
            self._group.failed(error, self)
            if self._leftover is None:  # a rest of end(data) closes by itself
                self._close(None)

    def _interest(self) -> int:
        mask = _READABLE if self._state.reads and not self._paused else EPOLLET
        return mask | EPOLLOUT if self._armed else mask

    def _update(self) -> None:
        if self._sock is not None:
            self._reactor.modify(self._fd, self._interest())

    def _local_name(self) -> Any:
        if self._local is None and self._sock is not None:
            self._local = self._sock.getsockname()
        return self._local

    def _remote_name(self) -> Any:
        return self._remote


def _without_traceback(error: OSError) -> OSError:
    # Its frames would keep the socket alive as long as the user keeps the error.
    return with_code(error.with_traceback(None))
