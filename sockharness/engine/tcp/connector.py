"""`connect`: checks its options and starts a `Connecting`."""

import os
import socket as _socket
from typing import Any

from sockharness.engine import options
from sockharness.engine.handlers import Handlers
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.plan import planned
from sockharness.engine.tcp.connecting import Connecting, Settings
from sockharness.errors import ClosedError


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
        tls: `True`, a mapping or `TLSOptions`. `open` and the result come at TCP's connect; how
            the handshake ends is told to `handshake` and by `secured()` (TLS-003).
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
        TypeError, ValueError: an option cannot be (TCP-120..130).
        UsageError: an `async def` handler outside asyncio and trio; inside trio, but not inside
            `attached()`.
        ClosedError: the reactor is closed.
        TLSError: key, certificate and the like cannot be used, with Bun's `.code` (TLS-042).
        OSError: a file cannot be read.
    """
    reactor = (
        Reactor.current() if reactor is None else options.instance("reactor", reactor, Reactor)
    )
    handlers = Handlers(socket, reactor.host)
    path, adopted = _target(hostname=hostname, port=port, unix=unix, fd=fd)
    plan = planned("connect", tls, server=False, host=hostname, handshake_timeout=handshake_timeout)
    by_host = path is None and adopted is None
    reactor.check()
    if reactor.closed:
        raise ClosedError("connect: the reactor is closed")
    kernel = reactor.kernel if kernel is None else options.instance("kernel", kernel, Kernel)
    settings = Settings(
        kernel=kernel,
        host=hostname if by_host else None,
        port=(port or 0) if by_host else 0,
        local=_local(kernel, local_address, local_port, by_host=by_host),
        data=data,
        half_open=options.flag("allow_half_open", allow_half_open),
        paused=options.flag("pause_on_connect", pause_on_connect),
        timeout=options.optional_seconds("timeout", timeout),
        buffers=_buffers(send_buffer, recv_buffer),
        tls=plan,
    )
    connecting = Connecting(reactor, handlers, settings)
    if adopted is not None:
        connecting.adopt(adopted)
    elif path is not None:
        connecting.try_unix(path)
    else:
        connecting.look_up()
    return connecting


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
    kernel: Kernel, address: object, port: object, *, by_host: bool
) -> tuple[int, Any] | None:
    """Return family (0: any) and socket address to bind to."""
    number = options.port_number("local_port", port)
    if address is None and not number:
        return None
    if not by_host:
        raise ValueError("connect: expected local_address and local_port beside hostname only")
    if address is None:
        return 0, ("", number)
    host = options.host_name("local_address", address)
    try:
        entries = kernel.addresses(host, number, flags=_socket.AI_NUMERICHOST)
    except _socket.gaierror:
        raise ValueError(options.complain("local_address", "an IP address", address)) from None
    return entries[0][0], entries[0][4]


def _buffers(send: object, receive: object) -> list[tuple[int, int]]:
    sizes = (
        (_socket.SO_SNDBUF, options.buffer_size("send_buffer", send)),
        (_socket.SO_RCVBUF, options.buffer_size("recv_buffer", receive)),
    )
    return [(option, size) for option, size in sizes if size is not None]
