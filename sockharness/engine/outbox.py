"""An outbox: the queue of bytes that a socket has still to send.

`Socket.write` is one call of the kernel and keeps nothing. Most programs want all of their bytes
to go out in order, and nothing more. An `Outbox` is that queue: it offers bytes at
once if nothing waits, keeps what was not taken, and goes on when the socket is writable again,
just before the socket's `drain` handler is called.

There is one outbox per socket: `Outbox(socket)` makes it, or returns the one there is. It belongs
to the reactor's thread, as the socket does. When the socket closes, or is ended or shut down, what
waits is dropped.

**Steps.** The queue holds pieces of bytes and functions. A function runs when everything before it
was taken by the kernel. A piece may have a `begin`, which is asked before its first byte is
offered and may hold the queue up; if it returns `False`, call `flush` later.

**Exceptions.** What a function raises while the queue goes on, or is dropped, is reported as an
exception of a handler (D17), and the queue goes on. What it raises inside `write` or `then`,
because nothing waits, comes out of that call.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sockharness.engine.chunk import Data, chunk_of
from sockharness.engine.tcp.states import ReadyState

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket


@dataclass(slots=True)
class _Piece:
    """Bytes that wait; `rest` is what the kernel has not taken of them."""

    rest: memoryview
    sent: int
    begin: Callable[[], bool] | None
    progress: Callable[[int], object] | None


class Outbox:
    """Send all bytes in order: `Outbox(socket).write(data)`.

    Works for plain sockets and for those with TLS, also before the handshake is over: the bytes are
    sent then. `len(outbox)` is the number of bytes that the kernel has not taken yet, the rest of
    an `end(data)` included.

    While bytes wait, do not call the socket's own `write` or `end`: `write` would overtake them,
    `end` would drop them.
    """

    __slots__ = ("_ending", "_flushing", "_size", "_socket", "_steps")

    _socket: "Socket | None"
    _steps: "deque[_Piece | Callable[[], object]]"
    _size: int
    _ending: bool
    _flushing: bool

    def __new__(cls, socket: "Socket") -> "Outbox":
        """Return the outbox of a socket, made when it is first asked for.

        Raises:
            TypeError: it is no socket with a connection.
        """
        try:
            outbox = socket._outbox  # noqa: SLF001 - its other half
        except AttributeError:
            raise TypeError(f"Outbox: expected a Socket, got {socket!r}") from None
        if not isinstance(outbox, Outbox):
            outbox = super().__new__(cls)
            is_open = socket.ready_state is ReadyState.OPEN
            outbox._socket = socket if is_open else None
            outbox._steps, outbox._size = deque(), 0
            outbox._ending = outbox._flushing = False
            socket._outbox = outbox if is_open else None  # noqa: SLF001
        return outbox

    def write(
        self,
        data: Data,
        offset: int = 0,
        length: int | None = None,
        *,
        begin: Callable[[], bool] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Send bytes behind what waits; return how many, or -1 if none will ever be sent.

        What the kernel takes goes out inside the call. The rest is copied unless `data` is `bytes`,
        so the buffer is yours again; it is sent as the socket gets writable. The `drain` handler
        is called after each such turn, as after a short `Socket.write`; when `len(outbox)` is 0
        there, all is sent. -1: the socket is closed, ended or shut down, or `end` was called
        here. A failure to send closes the socket: `close(socket, error)` follows, and what waited
        is dropped.

        Args:
            data: bytes-like, or text (UTF-8).
            offset: the first byte to send; counts as for `Socket.write`.
            length: how many bytes; the rest if absent.
            begin: is asked before the first byte is offered; `False` holds the queue up until the
                next `flush`. If it raises after the bytes have waited, they are sent all the same.
            progress: is called with the number of bytes taken so far whenever that has grown, and
                with -1 when no more will be: the bytes were refused, or dropped before all were
                taken. When the socket closes, that is before its `close` handler.
        """
        if type(data) is not bytes or offset or length is not None:
            data = chunk_of(data, offset, length)
        socket, size, sent = self._socket, len(data), 0
        if socket is None or self._ending or (self._steps and not socket._state.writes):  # noqa: SLF001
            if progress is not None:
                progress(-1)
            return -1
        if not size:
            return 0 if socket._state.writes else -1  # noqa: SLF001
        if not self._steps and (begin is None or begin()):
            begin = None
            sent = socket.write(data)
            if 0 <= sent < size:
                self._keep(data, sent, None, progress)
            if progress is not None:
                progress(sent)
            return size if sent >= 0 else -1
        self._keep(data, 0, begin, progress)
        return size

    def end(self, data: Data | None = None, offset: int = 0, length: int | None = None) -> int:
        """Send bytes behind what waits, then `socket.end()`; return how many bytes, or -1.

        If nothing waits, the `close` handler runs inside the call. From here on `write` and `end`
        return -1. If the socket is shut down before all is sent, that drops this `end`, too.
        """
        written = 0 if data is None else self.write(data, offset, length)
        if self._socket is None or self._ending or written < 0:
            return -1
        self._ending = True
        self.then(self._end)
        return written

    def then(self, function: Callable[[], object]) -> None:
        """Call a function when everything before it was taken: now, if nothing waits.

        It is not called if the socket has closed or closes before, nor if bytes before it are
        dropped.
        """
        if self._socket is None:
            return
        if self._steps or self._flushing:
            self._steps.append(function)
        else:
            function()

    def flush(self) -> None:
        """Offer what waits to the kernel now; the engine does it whenever there is room."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._steps and self._go_on(self._steps[0]):
                pass
        finally:
            self._flushing = False

    def drop(self) -> None:
        """Forget the bytes that wait and what comes behind them; `progress` is told -1.

        The socket does it when it closes, is ended or shut down, and then takes nothing more.
        """
        socket = self._socket
        if socket is None:
            return
        first = 0
        if socket.ready_state is ReadyState.CLOSED:
            self._socket = None  # it refers to this: let both go without a garbage collection
        else:  # functions in front wait for no bytes: a flush under way is about to call them
            for step in self._steps:
                if type(step) is _Piece:
                    break
                first += 1
        dropped = [self._steps.pop() for _ in range(len(self._steps) - first)]
        self._size = 0
        self._ending = self._ending and self._end not in dropped
        for step in reversed(dropped):
            if type(step) is _Piece and step.progress is not None:
                _call(socket, step.progress, -1)

    def abandon(self) -> None:
        """Forget everything and call nothing, as when a process ends; the socket takes no more."""
        self._socket = None
        self._steps.clear()
        self._size = 0

    def _go_on(self, step: _Piece | Callable[[], object]) -> bool:
        """Do the first step; say whether to go on with the next."""
        socket = self._socket
        if socket is None:
            return False
        if not isinstance(step, _Piece):
            self._steps.popleft()
            _call(socket, step)
            return True
        if step.begin is not None:
            if not _call(socket, step.begin):
                return False
            step.begin = None
            if not self._steps or self._steps[0] is not step:  # `begin` has dropped it
                return True
        taken = socket.write(step.rest)
        if taken < 0:
            self.drop()
            return False
        self._size -= taken
        step.sent += taken
        step.rest = step.rest[taken:]
        done = not step.rest
        if done:
            self._steps.popleft()
        if step.progress is not None and taken:
            _call(socket, step.progress, step.sent)
        return done

    def _keep(
        self,
        data: bytes | memoryview,
        sent: int,
        begin: Callable[[], bool] | None,
        progress: Callable[[int], object] | None,
    ) -> None:
        rest = memoryview(data)[sent:]
        if not isinstance(data, bytes):
            rest = memoryview(bytes(rest))
        self._size += len(rest)
        self._steps.append(_Piece(rest, sent, begin, progress))

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.end()

    def __len__(self) -> int:
        leftover = self._socket._leftover if self._socket is not None else None  # noqa: SLF001
        return self._size if leftover is None else self._size + len(leftover)

    def __bool__(self) -> bool:
        """An outbox is true, also when nothing waits."""
        return True

    def __repr__(self) -> str:
        state = "closed" if self._socket is None else "ending" if self._ending else "open"
        return f"<Outbox {state}, {len(self)} B waiting>"


def _call(socket: "Socket", function: Callable[..., object], *arguments: int) -> object:
    """Call a user's function; an exception is reported as a handler's, and counts as `True`."""
    try:
        return function(*arguments)
    except BaseException as error:  # noqa: BLE001 - reported
        socket._group.failed(error, socket)  # noqa: SLF001 - its other half
        return True
