"""`listen` and `connect`: the doors to stream sockets, TCP and unix, with TLS and without.

Each checks its options and chooses the class of sockets. `listen` returns when the kernel listens,
or raises; there is no event for it (TCP-001). `connect` returns an attempt that has begun.

The code for TLS is loaded when a listener, a connection or `upgrade_tls` first needs it.
"""

import errno
import os
import socket as _socket
from collections.abc import Callable
from typing import Any, TypedDict

from sockharness.engine import options
from sockharness.engine.handlers import CheckedHandlers
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.tcp.binding import Binding
from sockharness.engine.tcp.connecting import Connecting, Settings
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.engine.tcp.tls_facts import register_upgrade
from sockharness.engine.tls.plan import Plan, planned
from sockharness.errors import ClosedError

__tracebackhide__ = True

_BACKLOG_LIMIT = 2**31 - 1


class Handlers(TypedDict, total=False):
    """The handlers that `listen` and `connect` take, for type checkers; see `docs/engine.md`.

    Any of them may be `async def` while the reactor runs inside asyncio or trio, but not
    `alpn_callback`.
    """

    open: Callable[[Socket], object]
    data: Callable[[Socket, bytes], object]
    drain: Callable[[Socket], object]
    end: Callable[[Socket], object]
    close: Callable[[Socket, OSError | None], object]
    error: Callable[[Any, Exception], object]  # a `Listener` that cannot accept, else a `Socket`
    connect_error: Callable[[Socket, OSError], object]
    timeout: Callable[[Socket], object]
    handshake: Callable[[Socket, bool, OSError | None], object]
    keylog: Callable[[Socket, bytes], object]
    session: Callable[[Socket, Any], object]
    server_name: Callable[[Socket, str], object]
    alpn_callback: Callable[[Socket, str | None, list[str]], str | bool | None]


def listen(
    *,
    socket: object,
    hostname: str | None = None,
    port: int | None = None,
    unix: str | os.PathLike[str] | None = None,
    tls: object = None,
    data: Any = None,
    allow_half_open: bool = False,
    reuse_port: bool = False,
    ipv6_only: bool = False,
    pause_on_connect: bool = False,
    backlog: int = 512,
    handshake_timeout: float | None = None,
    send_buffer: int | None = None,
    recv_buffer: int | None = None,
    reactor: Reactor | None = None,
    kernel: Kernel | None = None,
) -> Listener:
    """Listen on a TCP address or a unix path; return the listener. Block only to look up a name.

    Args:
        socket: the handlers: a mapping or an object with these attributes; see `handlers`.
        hostname: IP address or name to bind to; no default. A name means its first address.
        port: 0 to 65535; 0 lets the system choose.
        unix: in place of hostname and port; `"\\0name"` is abstract; a path of any length.
        tls: a mapping or `TLSOptions`, with at least key and certificate, or `sni`.
        data: the initial `data` of accepted sockets, shared by reference.
        allow_half_open: keep a socket open when the peer has ended, if there is an `end` handler.
        reuse_port: share the port with other listeners that say so too.
        ipv6_only: with `hostname="::"`, no IPv4.
        pause_on_connect: accepted sockets do not read until `resume()`.
        backlog: how many connections may wait to be accepted.
        handshake_timeout: bound in seconds for each handshake of TLS; then ETIMEDOUT (D11).
        send_buffer: SO_SNDBUF of accepted sockets, bytes.
        recv_buffer: SO_RCVBUF of accepted sockets, bytes.
        reactor: `Reactor.current()` if absent.
        kernel: hands out the sockets, if not the reactor's. Not in Bun.

    Raises:
        TypeError, ValueError: an option is wrong (TCP-120..130).
        UsageError: an `async def` handler outside asyncio and trio; inside trio, but not inside
            `attached()`.
        ClosedError: the reactor is closed.
        TLSError: key, certificate and the like cannot be used, with Bun's `.code` (TLS-042).
        OSError: with `.code`, such as `"EADDRINUSE"` (TCP-131..135); a file cannot be read.
        socket.gaierror: the name cannot be looked up; `.code` as `"ENOTFOUND"`.
    """
    reactor = (
        Reactor.current() if reactor is None else options.instance("reactor", reactor, Reactor)
    )
    handlers = CheckedHandlers(socket, reactor.outer_loop)
    path = options.target("listen", hostname=hostname, port=port, unix=unix)
    for name, value in (("reuse_port", reuse_port), ("ipv6_only", ipv6_only)):
        if options.flag(name, value) and path is not None:
            raise ValueError(options.complain(name, "False beside unix", value))
    options.flag("allow_half_open", allow_half_open)
    options.flag("pause_on_connect", pause_on_connect)
    plan = planned("listen", tls, server=True, handshake_timeout=handshake_timeout)
    reactor.check()
    if reactor.closed:
        raise ClosedError("listen: the reactor is closed")
    binding = Binding(
        reactor.kernel if kernel is None else options.instance("kernel", kernel, Kernel),
        hostname=hostname if path is None else None,
        port=port if path is None else None,
        unix=path,
        reuse_port=reuse_port,
        ipv6_only=ipv6_only,
        backlog=options.integer("backlog", backlog, 0, _BACKLOG_LIMIT),
        send_buffer=options.buffer_size("send_buffer", send_buffer),
        recv_buffer=options.buffer_size("recv_buffer", recv_buffer),
    )
    try:
        return Listener(
            reactor,
            binding,
            handlers,
            data=data,
            half_open=allow_half_open,
            pause_on_connect=pause_on_connect,
            tls=plan,
            socket_class=_socket_class(plan),
        )
    except OSError as error:
        raise options.described(error, f"listen on {binding}{_hint(error, path)}") from error


def connect(
    *,
    socket: object,
    hostname: str | None = None,
    port: int | None = None,
    unix: str | os.PathLike[str] | None = None,
    fd: int | None = None,
    local_address: str | None = None,
    local_port: int = 0,
    tls: object = None,
    data: Any = None,
    allow_half_open: bool = False,
    pause_on_connect: bool = False,
    timeout: float | None = None,
    handshake_timeout: float | None = None,
    send_buffer: int | None = None,
    recv_buffer: int | None = None,
    reactor: Reactor | None = None,
    kernel: Kernel | None = None,
) -> Connecting:
    """Start to connect; then comes `open(socket)`, or `connect_error(socket, error)`.

    Args:
        socket: the handlers: a mapping or an object with these attributes; see `handlers`.
        hostname: IP address or name; a name's addresses are tried one after another.
        port: 0 to 65535.
        unix: a path in place of hostname and port; `"\\0name"` is abstract.
        fd: a connected descriptor to take over; `open` runs inside the call. If that fails, the
            descriptor is still the caller's.
        local_address: an IP address to connect from.
        local_port: a port to connect from; 0 lets the system choose.
        tls: `True`, a mapping or `TLSOptions`. `open` and the result come at TCP's connect; the
            outcome of the handshake goes to `handshake` and to `secured()` (TLS-003).
        data: the initial `data` of the socket.
        allow_half_open: keep the socket open when the peer has ended, if there is an `end` handler.
        pause_on_connect: do not read until `resume()`.
        timeout: bound in seconds for look-up and all addresses together; then ETIMEDOUT (D11).
        handshake_timeout: bound in seconds for the handshake of TLS; then ETIMEDOUT (D11).
        send_buffer: SO_SNDBUF, bytes.
        recv_buffer: SO_RCVBUF, bytes.
        reactor: `Reactor.current()` if absent.
        kernel: hands out the socket and knows the zones, if not the reactor's. Not in Bun.

    Raises:
        TypeError, ValueError: an option is wrong (TCP-120..130).
        UsageError: an `async def` handler outside asyncio and trio; inside trio, but not inside
            `attached()`.
        ClosedError: the reactor is closed.
        TLSError: key, certificate and the like cannot be used, with Bun's `.code` (TLS-042).
        OSError: a file cannot be read.
    """
    reactor = (
        Reactor.current() if reactor is None else options.instance("reactor", reactor, Reactor)
    )
    handlers = CheckedHandlers(socket, reactor.outer_loop)
    path, adopted = _target(hostname=hostname, port=port, unix=unix, fd=fd)
    plan = planned(
        "connect", tls, server=False, hostname=hostname, handshake_timeout=handshake_timeout
    )
    by_name = path is None and adopted is None
    reactor.check()
    if reactor.closed:
        raise ClosedError("connect: the reactor is closed")
    kernel = reactor.kernel if kernel is None else options.instance("kernel", kernel, Kernel)
    settings = Settings(
        kernel=kernel,
        hostname=hostname if by_name else None,
        port=(port or 0) if by_name else 0,
        local=_local(kernel, local_address, local_port, by_name=by_name),
        data=data,
        half_open=options.flag("allow_half_open", allow_half_open),
        paused=options.flag("pause_on_connect", pause_on_connect),
        timeout=options.optional_seconds("timeout", timeout),
        buffers=_buffers(send_buffer, recv_buffer),
        tls=plan,
        socket_class=_socket_class(plan),
    )
    connecting = Connecting(reactor, handlers, settings)
    if adopted is not None:
        connecting.adopt(adopted)
    elif path is not None:
        connecting.try_unix(path)
    else:
        connecting.look_up()
    return connecting


def _hint(error: OSError, path: str | None) -> str:
    left = error.errno == errno.EADDRINUSE and path is not None and path[0] != "\0"
    return "; if nobody listens there any more, remove it" if left else ""


def _target(
    *, hostname: object, port: object, unix: object, fd: object
) -> tuple[str | None, int | None]:
    if fd is None:
        return options.target("connect", hostname=hostname, port=port, unix=unix), None
    for name, value in (("hostname", hostname), ("port", port), ("unix", unix)):
        if value is not None:
            raise ValueError(f"connect: expected one target, got fd and {name}")
    return None, options.integer("fd", fd, 0, 2**31 - 1)


def _local(
    kernel: Kernel, address: object, port: object, *, by_name: bool
) -> tuple[int, Any] | None:
    """Return family (0: any) and socket address to bind to."""
    number = options.port_number("local_port", port)
    if address is None and not number:
        return None
    if not by_name:
        raise ValueError("connect: expected local_address and local_port beside hostname only")
    if address is None:
        return 0, ("", number)
    literal = options.name_or_address("local_address", address)
    try:
        entries = kernel.addresses(literal, number, flags=_socket.AI_NUMERICHOST)
    except _socket.gaierror:
        raise ValueError(options.complain("local_address", "an IP address", address)) from None
    return entries[0][0], entries[0][4]


def _buffers(send: object, receive: object) -> list[tuple[int, int]]:
    sizes = (
        (_socket.SO_SNDBUF, options.buffer_size("send_buffer", send)),
        (_socket.SO_RCVBUF, options.buffer_size("recv_buffer", receive)),
    )
    return [(option, size) for option, size in sizes if size is not None]


def _socket_class(plan: Plan | None) -> type[Socket]:
    if plan is None:
        return Socket
    from sockharness.engine.secure.socket import SecureSocket

    return SecureSocket


def _upgrade(*arguments: Any, **given: Any) -> tuple[Socket, Socket]:
    from sockharness.engine.secure.upgrade import upgraded

    return upgraded(*arguments, **given)


register_upgrade(_upgrade)
