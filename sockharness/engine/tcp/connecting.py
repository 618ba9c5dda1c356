"""A connection attempt: from a name to an open socket.

Steps: look the name up; try its addresses one after another, as `socket.create_connection` does,
until one answers (D3); make the `Socket`, whose `open` handler runs; settle. `Connecting` is what
the caller holds meanwhile. Literals and `localhost` are looked up at once; other names on a thread
of their own, because getaddrinfo(3) blocks; only `call_soon_threadsafe` leads back.

Failures that are known at once (everything about a unix path, a bad descriptor, no route) reach
`connect_error` inside `connect` (TCP-142), others in a later turn. The last address's error is
the one reported, with its real errno (D13).

**Failures** go to `connect_error`, and then to the callers that wait in `result()`. Without both,
the reactor keeps the error and `run()` raises it when it ends (TCP-139, D17). An exception in
`connect_error` replaces the error for those callers (TCP-109); without one it is reported (D17).

Longer than other files because all steps of an attempt share its state.
"""

import errno
import os
import socket as _socket
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from select import EPOLLERR, EPOLLHUP, EPOLLOUT
from typing import Any

from sockharness.engine import options, sockopts
from sockharness.engine.handlers import CheckedHandlers, HandlerGroup
from sockharness.engine.loop import outer
from sockharness.engine.loop.kernel import AddressInfo, Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.timers import Timer
from sockharness.engine.tcp.socket import Socket
from sockharness.engine.tcp.waiting import HandshakeWait, wait, waking
from sockharness.engine.tls.plan import Plan
from sockharness.errors import ClosedError, UsageError, os_error, with_code
from sockharness.record import record


@record(kw_only=True)
class Settings:
    """The checked options of a `connect`.

    Attributes:
        kernel: hands out the socket.
        hostname: the name to look up; `None` beside a path or a descriptor.
        local: family (0: any) and socket address to bind to.
        buffers: options of SOL_SOCKET and their values.
        socket_class: of the connection.
    """

    kernel: Kernel
    hostname: str | None
    port: int
    local: tuple[int, Any] | None
    data: Any
    half_open: bool
    paused: bool
    timeout: float | None
    buffers: list[tuple[int, int]]
    tls: Plan | None
    socket_class: type[Socket]


class Connecting:
    """A connection attempt; made by `connect`.

    Only `result`, `cancel` and awaiting may be done in another thread than the reactor's.
    """

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_awaited",
        "_error",
        "_failure",
        "_group",
        "_reactor",
        "_settings",
        "_settled",
        "_sock",
        "_socket",
        "_target",
        "_timer",
        "_waiters",
    )

    def __init__(self, reactor: Reactor, handlers: CheckedHandlers, settings: Settings) -> None:
        """Make an attempt that has not begun; `connect` is the way to make one."""
        self._reactor = reactor
        self._group = HandlerGroup(handlers, reactor, tls=settings.tls, hostname=settings.hostname)
        self._settings = settings
        self._settled = False
        self._awaited = False
        self._socket: Socket | None = None
        self._error: BaseException | None = None  # the error that `result` raises
        self._failure: OSError | None = None  # of the last address
        self._addresses: list[AddressInfo] = []
        self._sock: _socket.socket | None = None
        self._target: Any = None
        self._timer: Timer | None = None
        self._waiters: list[Callable[[], object]] = []
        reactor.ref()
        reactor.add(self)
        if settings.timeout is not None:
            self._timer = reactor.call_later(settings.timeout, self._on_timeout)
            self._timer.unref()

    def __repr__(self) -> str:
        if not self._settled:
            return f"<Connecting pending {self._goal()}>"
        return f"<Connecting {self._error!r}>" if self._error else f"<Connecting {self._socket!r}>"

    def __await__(self) -> Generator[Any, None, Socket]:
        """Return the socket as `result` does: `socket = await connecting`, in asyncio and trio.

        Cancelling a task that awaits it is `cancel()`, for all other tasks too. Once it has settled
        there is nothing to cancel: `open` has run, and the handlers own the socket.

        Raises:
            OSError, socket.gaierror: as `result`.
            UsageError: no asyncio or trio loop is running, or it does not drive the reactor, so
                that this would never end.
        """
        return self._awaiting().__await__()

    async def _awaiting(self) -> Socket:
        if not self._settled:
            self._check_may_await()
            self._awaited = True
            try:
                await outer.until_rung(
                    lambda wake: waking(self._waiters, self._is_settled, wake),
                )
            except BaseException:
                with suppress(UsageError):  # closed, and so settled
                    self.cancel()
                raise
        return self.result()

    @property
    def settled(self) -> bool:
        """Whether it has succeeded, failed or been cancelled."""
        return self._settled

    def result(self, timeout: float | None = None) -> Socket:
        """Return the socket when its `open` handler has returned (and may have closed it).

        In the reactor's thread this runs the reactor; in another thread it waits.

        Raises:
            OSError, socket.gaierror: why it failed, with `.code`; ECANCELED after `cancel()`.
            TimeoutError: `timeout` seconds passed (no errno); the attempt goes on.
            TypeError, ValueError: `timeout` is no number of seconds.
            UsageError: inside a handler or in a running asyncio or trio loop, which it would block.
        """
        if timeout is not None:
            options.seconds("timeout", timeout)
        if not self._settled:
            self._wait(timeout)
        self._awaited = True
        if self._error is not None:
            raise self._error
        if self._socket is None:
            raise TimeoutError(f"connect: expected a result within {timeout} s, still pending")
        return self._socket

    def secured(self) -> HandshakeWait:
        """Wait until the TLS handshake has succeeded: `await connecting.secured()`.

        Outside asyncio and trio use `connecting.secured().result(timeout)`. Both return the socket.

        Raises:
            UsageError: this connects without TLS.
        """
        if self._settings.tls is None:
            raise UsageError("secured: expected a connection with TLS, this one has none")
        return HandshakeWait(self, self._reactor)

    def cancel(self) -> None:
        """Give up: close the descriptor, call no handler, let `result` raise ECANCELED.

        No effect once settled. In another thread it happens soon after.
        """
        if self._reactor.in_thread:
            self._reactor.check()
            self._cancel()
        else:
            self._reactor.call_soon_threadsafe(self._cancel)

    def abandon(self) -> None:
        """Cancel, as when the reactor is closed."""
        self._cancel()

    # Beginning, in one of three ways

    def look_up(self) -> None:
        """Begin with the name: at once for literals and `localhost`, else on a thread."""
        hostname, port, kernel = (
            self._settings.hostname or "",
            self._settings.port,
            self._settings.kernel,
        )
        if hostname == "localhost":  # the resolver answers from a file
            self._on_looked_up(self._addresses_of(hostname))
            return
        bare = hostname[1:-1] if hostname.startswith("[") and hostname.endswith("]") else hostname
        try:
            literal = kernel.addresses(bare, port, flags=_socket.AI_NUMERICHOST)
        except _socket.gaierror:
            threading.Thread(target=self._look_up, name=f"look up {hostname}", daemon=True).start()
        else:
            self._on_addresses(literal)

    def try_unix(self, path: str) -> None:
        """Begin with a unix path."""
        self._target = path
        try:
            with options.UnixAddress(path) as name:
                sock, number = self._begin(_socket.AF_UNIX, name)
        except OSError as error:
            self._fail(self._described(error))
            return
        if number not in (0, errno.EINPROGRESS):
            sock.close()
            self._fail(self._described(os_error(number)))
        else:
            self._await_writable(sock, path)

    def adopt(self, fd: int) -> None:
        """Begin and finish with a connected descriptor; when it fails it is still the caller's."""
        try:
            blocking = os.get_blocking(fd)
            sock = self._settings.kernel.adopt(fd)
        except OSError as error:
            self._fail(options.described(error, f"adopt descriptor {fd}"))
            return
        try:
            if sock.type != _socket.SOCK_STREAM:
                raise os_error(errno.EPROTOTYPE)
            self._open(sock, sock.getpeername())
        except OSError as error:
            os.set_blocking(sock.detach(), blocking)
            self._fail(options.described(error, f"adopt descriptor {fd}"))

    # Looking up

    def _addresses_of(self, hostname: str) -> list[AddressInfo] | OSError:
        try:
            return self._settings.kernel.addresses(hostname, self._settings.port)
        except OSError as error:
            return options.described(error, f"look up {hostname}")

    def _look_up(self) -> None:
        """Look the name up, on the thread."""
        outcome: list[AddressInfo] | Exception
        try:
            outcome = self._addresses_of(self._settings.hostname or "")
        except Exception as error:  # noqa: BLE001 - a bug, raised in the reactor
            outcome = error
        # The reactor may have been closed meanwhile, and this attempt with it.
        with suppress(ClosedError):
            self._reactor.call_soon_threadsafe(self._on_looked_up, outcome)

    def _on_looked_up(self, outcome: list[AddressInfo] | Exception) -> None:
        if self._settled:
            return
        if isinstance(outcome, OSError):
            self._fail(outcome)
        elif isinstance(outcome, Exception):
            self._cancel()
            raise outcome
        else:
            self._on_addresses(outcome)

    def _on_addresses(self, addresses: list[AddressInfo]) -> None:
        local = self._settings.local
        usable = [
            each for each in addresses if local is None or not local[0] or each[0] == local[0]
        ]
        if not usable:
            self._failure = self._described(os_error(errno.EAFNOSUPPORT))
        self._addresses = usable
        self._try_next()

    # Trying addresses

    def _try_next(self) -> None:
        while self._addresses:
            family, _, _, _, name = self._addresses.pop(0)
            self._target = name
            try:
                sock, number = self._begin(family, name)
            except OSError as error:
                self._failure = self._described(error)
                continue
            if number in (0, errno.EINPROGRESS):
                self._await_writable(sock, name)
                return
            sock.close()
            self._failure = self._described(os_error(number))
        self._fail(self._failure or os_error(errno.EADDRNOTAVAIL))

    def _begin(self, family: int, name: Any) -> tuple[_socket.socket, int]:
        """Make a socket and start to connect it; return it and the errno of connect(2)."""
        settings = self._settings
        sock = settings.kernel.socket(family)
        try:
            for option, value in settings.buffers:
                sock.setsockopt(_socket.SOL_SOCKET, option, value)
            if family != _socket.AF_UNIX:
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            if settings.local is not None:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
                sock.bind(settings.local[1])
            return sock, sock.connect_ex(name)
        except OSError:
            sock.close()
            raise

    def _await_writable(self, sock: _socket.socket, name: Any) -> None:
        self._sock = sock
        self._target = name
        try:
            self._reactor.register(sock.fileno(), EPOLLOUT, self._on_writable)
        except OSError as error:
            self._sock = None
            sock.close()
            self._fail(self._described(error))

    def _on_writable(self, mask: int) -> None:
        sock = self._give_sock()
        if sock is None:
            return
        # Only what the event says counts: a server of this process that reset the connection
        # since the poll still lets the client open first, as in Bun (TCP-017).
        failed = mask & (EPOLLERR | EPOLLHUP)
        number = sockopts.take_error(sock) if failed else 0
        if not number and self._is_connected_to_itself(sock):
            number = errno.ECONNREFUSED
        if not number:
            self._open_or_fail(sock)
            return
        sock.close()
        self._failure = self._described(os_error(number))
        self._try_next()

    def _open_or_fail(self, sock: _socket.socket) -> None:
        try:
            remote = sock.getpeername()
        except OSError:  # ENOTCONN: reset already
            remote = self._target
        try:
            self._open(sock, remote)
        except OSError as error:
            sock.close()
            self._fail(self._described(error))

    def _is_connected_to_itself(self, sock: _socket.socket) -> bool:
        # TCP's simultaneous open: a connect to a free port of this machine can be given that very
        # port as its source. Nobody listens there.
        return sock.family != _socket.AF_UNIX and bool(sock.getsockname() == self._target)

    def _give_sock(self) -> _socket.socket | None:
        """Unregister the descriptor that is being connected and hand it over."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._reactor.unregister(sock.fileno())
        return sock

    # Settling

    def _open(self, sock: _socket.socket, remote: Any) -> None:
        settings = self._settings
        self._socket = settings.socket_class.start(
            self._reactor,
            self._group,
            sock,
            remote=remote,
            data=settings.data,
            half_open=settings.half_open,
            paused=settings.paused,
        )
        self._settle()

    def _fail(self, error: OSError) -> None:
        """Report a failure: to `connect_error`, then to the callers that wait."""
        self._error = error = with_code(error)
        handler = self._group.handlers.connect_error
        if handler is None:
            self._settle()
            self._reactor.add_unclaimed(self._unclaimed)
            return
        try:
            handler(Socket(self._reactor, self._group, self._settings.data), error)
        except BaseException as raised:  # noqa: BLE001 - for the callers that wait, else reported
            self._error = raised
            if not self._awaited:
                self._reactor.report(raised, self)
        self._settle()

    def _unclaimed(self) -> BaseException | None:
        return None if self._awaited else self._error

    def _on_timeout(self) -> None:
        self._timer = None
        sock = self._give_sock()
        if sock is not None:
            sock.close()
        self._addresses = []
        self._fail(self._described(os_error(errno.ETIMEDOUT)))

    def _cancel(self) -> None:
        if self._settled:
            return
        sock = self._give_sock()
        if sock is not None:
            sock.close()
        self._error = self._described(os_error(errno.ECANCELED))
        self._settle()

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._settled = True
        self._reactor.unref()
        self._reactor.discard(self)
        for wake in tuple(self._waiters):
            wake()

    def _described(self, error: OSError) -> OSError:
        return options.described(error, f"connect to {self._goal()}")

    def _goal(self) -> str:
        """Return the destination for messages, and the source address if one was requested."""
        settings, target = self._settings, self._target
        if settings.hostname is None:
            return repr(target)
        address, port = target[:2] if target else (settings.hostname, settings.port)
        if settings.local is None:
            return f"{address} port {port}"
        name, number = settings.local[1][:2]
        here = [*([name] if name else []), *([f"port {number}"] if number else [])]
        return f"{address} port {port} from {' '.join(here)}"

    # Waiting

    def _check_may_await(self) -> None:
        if not outer.running():
            raise UsageError("await: expected a running asyncio or trio loop; use result()")
        if self._reactor.in_thread and self._reactor.outer_loop is None:
            raise UsageError("await: the reactor runs in no loop; use result()")

    def _wait(self, timeout: float | None) -> None:
        before, self._awaited = self._awaited, True
        try:
            wait(self._reactor, self._waiters, self._is_settled, timeout)
        finally:
            self._awaited = before

    def _is_settled(self) -> bool:
        return self._settled
