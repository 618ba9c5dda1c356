"""Make a listening socket.

Options of accepted sockets (TCP_NODELAY, buffer sizes) are set on the listening socket before it
listens: Linux hands them down, so accepting costs nothing more.

**Refusing.** `shutdown(SHUT_RD)` turns a listening socket of Linux back into a bound one: connects
get ECONNREFUSED and the port stays held. But only a port that was asked for by number stays; one
that the system chose goes back to it (SOCK_BINDPORT_LOCK in the kernel's source). So for port 0 the
socket that got a number is succeeded by one that asks for this number, while both are bound; with
SO_REUSEADDR that is allowed until one of them listens. For as long as the port is held, this flag
is off: with it, another program that sets it could take the port.
"""

import errno
import os
import socket as _socket
from contextlib import suppress
from typing import Any

from sockharness.engine import options
from sockharness.engine.loop.kernel import Kernel


class Binding:
    """The address and options that are needed to make the listening socket."""

    __slots__ = ("_backlog", "_ipv6_only", "_options", "hostname", "kernel", "port", "unix")

    def __init__(
        self,
        kernel: Kernel,
        *,
        hostname: str | None,
        port: int | None,
        unix: str | None,
        reuse_port: bool,
        ipv6_only: bool,
        backlog: int,
        send_buffer: int | None,
        recv_buffer: int | None,
    ) -> None:
        self.kernel = kernel
        self.hostname = hostname
        self.port = port
        self.unix = unix
        self._backlog = backlog
        self._ipv6_only = ipv6_only
        self._options = [(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)] if unix is None else []
        if unix is None:
            self._options.append((_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1))
        if reuse_port:
            self._options.append((_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1))
        if send_buffer is not None:
            self._options.append((_socket.SOL_SOCKET, _socket.SO_SNDBUF, send_buffer))
        if recv_buffer is not None:
            self._options.append((_socket.SOL_SOCKET, _socket.SO_RCVBUF, recv_buffer))

    def __str__(self) -> str:
        if self.unix is not None:
            return self.unix.replace("\0", "@")
        return f"{self.hostname} port {self.port}"

    def listening(self) -> _socket.socket:
        """Bind and listen; of a name's addresses the first that can be bound. Raises `OSError`."""
        sock = self._bound_unix(self.unix) if self.unix is not None else self._bound_tcp()
        try:
            sock.listen(self._backlog)
        except OSError:
            self._give_up(sock)
            raise
        return sock

    def hold(self, listening: _socket.socket) -> None:
        """Stop listening and hold the port."""
        listening.shutdown(_socket.SHUT_RD)
        for option in (_socket.SO_REUSEADDR, _socket.SO_REUSEPORT):
            listening.setsockopt(_socket.SOL_SOCKET, option, 0)

    def listen_again(self, held: _socket.socket) -> None:
        """Listen after `hold`."""
        for level, option, value in self._options:
            held.setsockopt(level, option, value)
        held.listen(self._backlog)

    def unlink(self) -> None:
        """Remove the path, whatever is there now (TCP-194)."""
        if self.unix is not None and self.unix[0] != "\0":
            with suppress(FileNotFoundError):
                os.unlink(self.unix)

    def _bound_tcp(self) -> _socket.socket:
        failure: OSError | None = None
        hostname, port = self.hostname or "", self.port or 0
        for family, _, _, _, name in self.kernel.addresses(
            hostname, port, flags=_socket.AI_PASSIVE
        ):
            try:
                return self._with_a_number_asked_for(self._bound(family, name))
            except OSError as error:
                failure = failure or error
        raise failure or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    def _bound_unix(self, path: str) -> _socket.socket:
        with options.UnixAddress(path) as name:
            return self._bound(_socket.AF_UNIX, name)

    def _with_a_number_asked_for(self, sock: _socket.socket) -> _socket.socket:
        if self.port:
            return sock
        try:
            return self._bound(sock.family, sock.getsockname())
        finally:
            sock.close()

    def _bound(self, family: int, name: Any) -> _socket.socket:
        sock = self.kernel.socket(family)
        try:
            for level, option, value in self._options:
                sock.setsockopt(level, option, value)
            if family == _socket.AF_INET6:  # else a machine-wide setting decides
                only = int(self._ipv6_only)
                sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, only)
            sock.bind(name)
        except OSError:
            sock.close()
            raise
        return sock

    def _give_up(self, sock: _socket.socket) -> None:
        sock.close()
        self.unlink()
