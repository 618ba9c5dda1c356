"""A listening socket and its accept loop.

**Out of descriptors.** The connection stays in the queue and the listening socket stays readable:
a loop that goes on polling it spins. So accepting pauses for `_ACCEPT_PAUSE` seconds, and `error`
is called once per episode; an episode ends when a connection could be accepted (D4).
"""

import errno
import socket as _socket
import warnings
from select import EPOLLET, EPOLLIN
from typing import Any

from sockharness.engine import options
from sockharness.engine.handle import Handle
from sockharness.engine.handlers import CheckedHandlers, HandlerGroup
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.timers import Timer
from sockharness.engine.tcp.binding import Binding
from sockharness.engine.tcp.socket import Socket
from sockharness.engine.tls.plan import Plan, planned
from sockharness.errors import ClosedError, UsageError, with_code

_ACCEPTS_PER_EVENT = 256
_ACCEPT_PAUSE = 0.1
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# Errors of a connection that is gone before it was accepted; accept(2) lists them.
_LOST = frozenset(
    (
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.EPERM,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
    )
)


class Listener(Handle):
    """A listening socket; made by `listen`. `with listener:` is `stop(True)` (TCP-163).

    Attributes:
        data: the initial `data` of sockets accepted from now on (TCP-155, TCP-156).
    """

    __slots__ = (
        "_address",
        "_binding",
        "_exhausted",
        "_group",
        "_half_open",
        "_pause_on_connect",
        "_pause_timer",
        "_refusing",
        "_socket_class",
        "data",
    )

    def __init__(
        self,
        reactor: Reactor,
        binding: Binding,
        handlers: CheckedHandlers,
        *,
        data: Any,
        half_open: bool,
        pause_on_connect: bool,
        tls: Plan | None,
        socket_class: type[Socket],
    ) -> None:
        """Listen; `listen` is the way to make one. Raises `OSError`, leaving nothing open."""
        super().__init__(reactor)
        self.data = data
        self._binding = binding
        self._group = HandlerGroup(handlers, reactor, self, tls)
        self._half_open = half_open
        self._pause_on_connect = pause_on_connect
        self._exhausted = False
        self._pause_timer: Timer | None = None
        self._refusing = False
        self._socket_class = socket_class
        sock = binding.listening()
        self._address: Any = sock.getsockname()
        self._accept_on(sock)
        self._hold(sock)

    def __repr__(self) -> str:
        state = "stopped" if self._sock is None else "refusing" if self._refusing else "listening"
        return f"<Listener {state} {self.address} connections={len(self._group.connections)}>"

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop(close_active=True)

    @property
    def hostname(self) -> str | None:
        """The name that was given, not resolved; `None` on a unix socket (TCP-145)."""
        return self._binding.hostname

    @property
    def port(self) -> int | None:
        """The port in use, also after `stop` (TCP-147); `None` on a unix socket."""
        return int(self._address[1]) if self._binding.unix is None else None

    @property
    def unix(self) -> str | None:
        """The path without prefix, or the abstract name with its NUL (TCP-146, TCP-193)."""
        return self._binding.unix

    @property
    def address(self) -> tuple[str, int] | str:
        """(address, port) as bound; the path of a unix socket."""
        if self._binding.unix is not None:
            return self._binding.unix
        return (str(self._address[0]), int(self._address[1]))

    @property
    def connections(self) -> tuple[Socket, ...]:
        """The open accepted sockets, oldest first."""
        return tuple(self._group.connections)

    def fileno(self) -> int:
        """Return the listening descriptor, -1 when stopped; it stays the engine's."""
        return -1 if self._sock is None else self._sock.fileno()

    def reload(self, socket: object = None, *, tls: object = None) -> None:
        """Replace all handlers of this listener and its connections (TCP-170); works after `stop`.

        `tls` are other options of TLS, for connections that are accepted from now on; open
        connections keep theirs. If it raises, nothing has changed (TCP-174). Raises as `listen`.
        """
        self._reactor.check()
        if tls is None and socket is None:
            raise TypeError("reload: expected socket (handlers), tls, or both, got neither")
        if tls is None:
            self._group.reload(socket)
            return
        old = self._group.tls
        if old is None:
            raise UsageError("reload: tls: expected a listener with TLS, this one has none")
        plan = planned("reload", tls, server=True, handshake_timeout=old.handshake_timeout)
        if plan is None:
            raise ValueError(options.complain("reload: tls", "options of TLS", tls))
        if socket is not None:
            self._group.reload(socket)
        self._group.tls = plan

    def stop(self, close_active: bool = False) -> None:  # noqa: FBT001, FBT002 - Bun's signature
        """Stop listening; with `close_active`, `end()` the accepted sockets, newest first.

        Their `close` handlers run inside the call (TCP-159, TCP-161). Without it connections live
        on (TCP-158). Connections in the backlog are reset (TCP-018). A unix path is
        removed (TCP-194). Idempotent, and `stop(True)` after `stop()` still closes (TCP-162).
        """
        self._reactor.check()
        options.flag("close_active", close_active)
        if self._sock is not None:
            self._binding.unlink()
            self._release()
        if close_active:
            for socket in reversed(self.connections):
                socket.hang_up()

    def refuse(self) -> None:
        """Refuse new connections (ECONNREFUSED) while the port stays held; idempotent.

        Connections in the backlog are reset, accepted ones live on. TCP only.

        Raises:
            UsageError: it is a unix listener.
            ClosedError: it was stopped.
        """
        sock = self._listening_tcp("refuse")
        if self._refusing:
            return
        self._stop_accepting(sock)
        self._binding.hold(sock)
        self._refusing = True

    def accept_again(self) -> None:
        """Accept connections on the same port again after `refuse`. Raises as `refuse`."""
        sock = self._listening_tcp("accept_again")
        if self._refusing:
            self._binding.listen_again(sock)
            self._accept_on(sock)
            self._refusing = False

    def abandon(self) -> None:
        """Release the descriptor and the path, as when the reactor is closed."""
        if self._sock is not None:
            self._binding.unlink()
            self._release()

    # The accept loop

    def _on_readable(self, _mask: int) -> None:
        for _ in range(_ACCEPTS_PER_EVENT):
            sock = self._sock
            if sock is None or self._refusing:
                return
            try:
                accepted, remote = self._binding.kernel.accept(sock)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _LOST or error.errno == errno.EINTR:
                    continue
                self._on_accept_error(error)
                return
            self._exhausted = False
            self._start(accepted, remote)

    def _start(self, accepted: _socket.socket, remote: Any) -> None:
        try:
            self._socket_class.start(
                self._reactor,
                self._group,
                accepted,
                remote=remote,
                data=self.data,
                half_open=self._half_open,
                paused=self._pause_on_connect,
            )
        except OSError:
            accepted.close()
            raise

    def _on_accept_error(self, error: OSError) -> None:
        if error.errno not in _EXHAUSTED:
            raise error
        if self._sock is not None:
            self._reactor.modify(self._sock.fileno(), EPOLLET)
            self._pause_timer = self._reactor.call_later(_ACCEPT_PAUSE, self._accept_after_pause)
            self._pause_timer.unref()
        if self._exhausted:
            return
        self._exhausted = True
        handler = self._group.handlers.error
        if handler is None:
            text = f"{self!r} cannot accept: {error.strerror}"
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)
            return
        handler(self, with_code(error.with_traceback(None)))

    def _accept_after_pause(self) -> None:
        self._pause_timer = None
        if self._sock is not None and not self._refusing:
            self._reactor.modify(self._sock.fileno(), EPOLLIN)

    # The descriptor

    def _accept_on(self, sock: _socket.socket) -> None:
        try:
            self._reactor.register(sock.fileno(), EPOLLIN, self._on_readable)
        except BaseException:
            sock.close()
            self._binding.unlink()
            raise

    def _listening_tcp(self, function: str) -> _socket.socket:
        self._reactor.check()
        if self._sock is None:
            raise ClosedError(f"{function}: the listener was stopped")
        if self._binding.unix is not None:
            raise UsageError(f"{function}: expected a TCP listener, got {self!r}")
        return self._sock

    def _stop_accepting(self, sock: _socket.socket) -> None:
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
        self._reactor.unregister(sock.fileno())

    def _release(self) -> None:
        sock = self._sock
        if sock is None:
            return
        if not self._refusing:
            self._stop_accepting(sock)
        self._let_go()
        sock.close()
        if not self._group.connections:  # no socket is left to ask for it: leave no circle
            self._group.listener = None
