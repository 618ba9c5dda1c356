"""Make a UDP socket: bound and, with `connect`, connected (UDP-003).

The port is not shared unless `reuse_addr` or `reuse_port` say so. A name to bind to is resolved
in the resolver's order, and so is a peer's name, of which each address is tried (UDP-023).
"""

import errno
import os
import socket as _socket
from collections.abc import Mapping
from typing import Any

from sockharness.engine import literals, options
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.udp import coalescing, error_queue, ttl

_ANY = "*"  # in Bun: all addresses, both families
_PEER = ("hostname", "port")


class DatagramBinding:
    """The addresses and options for binding and connecting; checked when it is made."""

    __slots__ = ("_hostname", "_ipv6_only", "_kernel", "_options", "_peer", "_port", "_ttl")

    def __init__(
        self,
        kernel: Kernel,
        *,
        hostname: str,
        port: int,
        connect: Mapping[str, Any] | None,
        reuse_addr: bool,
        reuse_port: bool,
        ipv6_only: bool,
        receive_ttl: bool,
    ) -> None:
        """Check `connect`. Raises `TypeError`, `ValueError`."""
        self._kernel = kernel
        self._hostname = hostname
        self._port = port
        self._peer = None if connect is None else _peer(connect)
        self._ipv6_only = ipv6_only
        self._ttl = receive_ttl
        reuse = ((_socket.SO_REUSEADDR, reuse_addr), (_socket.SO_REUSEPORT, reuse_port))
        self._options = [option for option, on in reuse if on]

    def open(self) -> _socket.socket:
        """Bind and connect; of a name's addresses the first that works.

        Raises `OSError` with the last address's errno and a `code`, leaving nothing open.
        """
        try:
            sock = self._bound()
        except OSError as error:
            action = f"bind to {self._hostname} port {self._port}"
            raise options.described(error, action) from error
        if self._peer is None:
            return sock
        try:
            self._connect(sock, *self._peer)
        except OSError as error:
            sock.close()
            action = f"connect to {self._peer[0]} port {self._peer[1]}"
            if error.errno == errno.EAFNOSUPPORT:
                action += f"; the socket is of IPv4, bound to {self._hostname}; give hostname='::'"
            raise options.described(error, action) from error
        return sock

    def _bound(self) -> _socket.socket:
        failure: OSError | None = None
        hostname = "::" if self._hostname == _ANY else self._hostname
        for family, name in self._addresses(hostname, self._port, _socket.AI_PASSIVE):
            try:
                return self._bound_to(family, name)
            except OSError as error:
                failure = error
        raise failure or _no_address()

    def _bound_to(self, family: int, name: Any) -> _socket.socket:
        sock = self._kernel.socket(family, _socket.SOCK_DGRAM)
        try:
            for option in self._options:
                sock.setsockopt(_socket.SOL_SOCKET, option, 1)
            if family == _socket.AF_INET6:  # else a machine-wide setting decides
                only = int(self._ipv6_only)
                sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, only)
            error_queue.enable(sock)
            coalescing.receive_coalesced(sock)
            if self._ttl:
                ttl.receive(sock)
            sock.bind(name)
        except OSError:
            sock.close()
            raise
        return sock

    def _connect(self, sock: _socket.socket, hostname: str, port: int) -> None:
        failure: OSError | None = None
        for family, name in self._addresses(hostname, port, 0):
            try:
                sock.connect(_for_family(sock.family, family, name))
            except OSError as error:
                failure = error
            else:
                return
        raise failure or _no_address()

    def _addresses(self, hostname: str, port: int, flags: int) -> list[tuple[int, Any]]:
        found = self._kernel.addresses(hostname, port, flags=flags)
        return [(family, name) for family, _, _, _, name in found]


def _for_family(wanted: int, family: int, name: Any) -> Any:
    """Return a socket address as sockets of a family take it."""
    if wanted == family:
        return name
    if wanted == _socket.AF_INET:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    return literals.mapped(name[0]), name[1], 0, 0


def _peer(connect: object) -> tuple[str, int]:
    if not isinstance(connect, Mapping):
        raise TypeError(options.complain("connect", "a mapping of hostname and port", connect))
    for name in connect:
        if name not in _PEER:
            raise TypeError(f"connect: unknown key {name!r}; known are hostname and port")
    for name in _PEER:
        if connect.get(name) is None:
            raise TypeError(options.complain("connect", f"the key {name!r}", connect))
    hostname = options.name_or_address("connect hostname", connect["hostname"])
    return hostname, options.integer("connect port", connect["port"], 1, 65535)


def _no_address() -> OSError:
    return OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
