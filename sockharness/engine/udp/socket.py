"""A UDP socket, and `udp_socket`, which makes one.

**Calls.** `send` is one system call: the kernel takes the datagram or it does not, and nothing is
kept. `False` means that it had no room (D6) and arms `drain`, which comes once, when the socket is
writable. `send_many` checks everything before it sends anything, then sends in order up to the
first datagram that fails, and returns how many went (UDP-063).

**Events** of one poll are handled in this order: errors of the network, datagrams (`receiver`),
`drain` (UDP-078). After each call of a handler the first question is whether the socket is closed
now; if so, the rest is dropped (UDP-094).

**Errors of the network** come asynchronously, through the error queue (`error_queue`), and go to
the `error` handler. They are pending as well: the next system call fails with them. That call is
made again, so that no datagram pays for another one (D8). Only a connected socket without an
`error` handler has no other way to report it: there `send` raises it, once.

**The hot path** of `send` is open for addresses that were parsed before; `Destinations.known` stays
empty on connected sockets and in debug mode, and is empty again when the socket is closed. So
everything that is rare is asked on the other path. The very objects that were the port and address
of the last datagram are not even looked at: they cannot have changed.

Longer than other files because the surface of a socket is wide; what can be said without its
state is elsewhere.
"""

import errno
import socket as _socket
from collections.abc import Callable, Mapping, Sequence
from select import EPOLLERR, EPOLLIN, EPOLLOUT
from typing import Any, NoReturn

from sockharness.engine import names, options, sockopts
from sockharness.engine.chunk import Data
from sockharness.engine.handlers import report
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp import error_queue, outgoing
from sockharness.engine.udp.batch_sender import BatchSender
from sockharness.engine.udp.binding import DatagramBinding
from sockharness.engine.udp.handlers import DatagramHandlers
from sockharness.engine.udp.outgoing import Batch, Destinations
from sockharness.engine.udp.receiver import Receiver
from sockharness.engine.udp.settable import Settable
from sockharness.errors import ClosedError, os_error, with_code

_TRIES = 8  # of one send that fails for other reasons than its own
# Port, address and name of a destination; not even `None` is this port.
_NOBODY: tuple[Any, Any, Any] = (object(), object(), None)
_NO_ROOM = frozenset((errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM))  # D6

# Several datagrams, flat or as tuples; on a connected socket payloads alone. A type checker takes
# a list of data, ports and addresses for one of objects.
Datagrams = Sequence[object]


class UDPSocket(Settable):
    """A UDP socket; made by `udp_socket`. `with udp:` closes it.

    All methods belong to the reactor's thread.

    Attributes:
        data: the user's.
    """

    __slots__ = (
        "_address",
        "_armed",
        "_destinations",
        "_error",
        "_fd",
        "_handlers",
        "_hostname",
        "_ipv6",
        "_known",
        "_last",
        "_receiver",
        "_remote",
        "_sender",
        "_sendto",
        "data",
    )

    def __init__(
        self,
        reactor: Reactor,
        sock: _socket.socket,
        handlers: DatagramHandlers,
        hostname: str,
        *,
        kernel: Kernel,
        segment_offload: bool,
        receive_ttl: bool,
    ) -> None:
        """Take over a bound descriptor; it stays the caller's if this raises `OSError`."""
        super().__init__(reactor)
        self._kernel = kernel
        self.data: Any = None
        self._handlers = handlers
        self._hostname = hostname
        self._address = sock.getsockname()
        self._remote = names.peer(sock)
        self._family = int(sock.family)
        self._ipv6 = self._family == _socket.AF_INET6
        self._destinations = Destinations(sock.family, kernel, remember=not reactor.debug)
        self._known: dict[Any, Any] = self._destinations.known
        self._last = _NOBODY
        self._sendto: Callable[[Any, Any], int] = sock.sendto
        self._sender = BatchSender(
            reactor, kernel, self._destinations, self._attempt, coalesces=segment_offload
        )
        self._armed = False  # waiting for writability
        self._error: OSError | None = None  # the error that the next send raises (D8)
        self._receiver = Receiver(
            self, reactor, handlers, kernel=kernel, ipv6=self._ipv6, receive_ttl=receive_ttl
        )
        self._fd = sock.fileno()
        reactor.register(self._fd, EPOLLIN, self._on_event)
        self._hold(sock)

    def __repr__(self) -> str:
        remote = f" remote={names.shown(self._remote)}" if self._remote else ""
        state = "closed" if self.closed else "open"
        return f"<UDPSocket {state} local={names.shown(self._address)}{remote}>"

    def __enter__(self) -> "UDPSocket":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # Sending

    def send(self, data: Data, port: int | None = None, address: str | None = None) -> bool:
        """Send one datagram; connected sockets with `data` alone.

        Args:
            data: bytes-like or `str` (UTF-8); may be empty.
            port: 1 to 65535.
            address: an IP address, never a name; IPv6 with a zone if need be (`fe80::1%eth0`).

        Returns:
            Whether the kernel took it, which says nothing about its arrival. After `False` comes
            one `drain` (UDP-073, D6).

        Raises:
            TypeError, ValueError: an argument is wrong; checked in the order port, address, data.
            ClosedError: the socket is closed.
            OSError: EMSGSIZE (more than 65507 bytes over IPv4, 65527 over IPv6), EAFNOSUPPORT (IPv6
                from an IPv4 socket), EACCES (broadcast not allowed), ENETUNREACH and the like; on a
                connected socket without an `error` handler, once, what the network said (D8).
        """
        last_port, last_address, name = self._last
        if port is not last_port or address is not last_address or type(data) is not bytes:
            if port is None and address is None:
                return self._send_to_peer(data)
            try:
                target = self._known[address]
            except (KeyError, TypeError):
                target = None
            fit = type(data) is bytes and type(port) is int and 0 < port < 65536
            if target is None or not fit:
                return self._send_checked(data, port, address)
            name = (target[0], port, 0, target[1]) if self._ipv6 else (target, port)
            self._last = (port, address, name)
        try:
            self._sendto(data, name)
        except OSError as error:
            return self._after(error, self._sendto, data, name)
        return True

    def send_many(self, datagrams: Datagrams) -> int:
        """Send several datagrams, in order; return how many the kernel took.

        Args:
            datagrams: `[data, port, address, ...]`, or tuples `(data, port, address)`; on a
                connected socket `[data, ...]`.

        Less than all, possibly 0, arms one `drain`: the kernel had no room, or the next one failed;
        sending from there raises why (UDP-063, UDP-068).

        Raises:
            TypeError, ValueError: a wrong entry or a wrong length; nothing was sent (UDP-061).
            ClosedError: the socket is closed.
            OSError: the first one failed; as `send`.
        """
        self._open("send_many")
        batch = self._batch(datagrams)
        sock = self._open("send_many")  # checking may run code of the user: __buffer__
        if not batch.payloads:
            return 0
        self._raise_pending()
        stops = not self._send_ignores_network()
        if stops:
            self._raise_from_network(sock)
        sent, error = self._sender.send(sock, batch, stops_at_error=stops)
        if sent < len(batch.payloads) and sent == batch.reachable:
            error = os_error(errno.EAFNOSUPPORT)
        if error is not None:
            if not sent:
                to = self._remote or outgoing.first_destination(datagrams)
                self._fail(error, batch.payloads[0], to)
            if stops and error.errno in error_queue.FROM_OTHERS:
                error_queue.discard(sock, error)
                self._error = with_code(error)
            self._arm()
        return sent

    # Life

    def close(self) -> None:
        """Close at once, calling no handler; the port is free. Idempotent.

        Undelivered datagrams are lost; datagrams that the kernel took are on their way (UDP-136).
        """
        self._reactor.check()
        self._release()

    def abandon(self) -> None:
        """Release the descriptor, as when the reactor is closed."""
        self._release()

    def reload(self, socket: object) -> None:
        """Replace the handlers that are given, and keep the others (UDP-125).

        Datagrams that were fetched already still go to the old `data` (UDP-093). If it raises, as
        `udp_socket`, nothing has changed.
        """
        self._reactor.check()
        self._handlers.merge(socket)

    # Properties

    @property
    def hostname(self) -> str:
        """The name or address given to bind to, not resolved (UDP-029)."""
        return self._hostname

    @property
    def port(self) -> int:
        """The port in use, also after `close` (D12)."""
        return self.address[1]

    @property
    def address(self) -> tuple[str, int]:
        """(address, port) of this side, without zone; also after `close` (D12)."""
        return names.pair(self._address)

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """(address, port) of the peer; `None` on a socket that is not connected."""
        return None if self._remote is None else names.pair(self._remote)

    @property
    def family(self) -> str:
        """`"IPv4"` or `"IPv6"`."""
        return "IPv6" if self._ipv6 else "IPv4"

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._sock is None

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed; it stays the engine's."""
        return self._fd

    # What the reactor calls

    def _on_event(self, mask: int) -> None:
        if mask & EPOLLERR:
            self._on_errors()
        if mask & EPOLLIN and self._sock is not None:
            self._receiver.on_readable(self._sock)
        if mask & EPOLLOUT and self._armed:
            self._on_writable()

    def _on_errors(self) -> None:
        sock = self._sock
        if sock is None:
            return
        errors = error_queue.take(sock)
        if not errors and (number := sockopts.take_error(sock)):
            errors = [os_error(number)]  # the queue had no room for it
        for error in errors:
            self._report(error)
            if self._sock is None:
                return

    def _report(self, error: OSError) -> None:
        """Give an error of the network to `error`, or keep it for the next send (D8)."""
        handler = self._handlers.error
        if handler is not None:
            report(error, handler, self, self._reactor)
        elif self._remote is not None:
            self._error = error

    def _on_writable(self) -> None:
        self._armed = False
        self._reactor.modify(self._fd, EPOLLIN)
        drain = self._handlers.drain
        if drain is not None:
            self._handlers.call(drain, self)

    # Parts of sending

    def _open(self, function: str) -> _socket.socket:
        if self._reactor.debug:
            self._reactor.check()
        if self._sock is None:
            raise ClosedError(f"{function}: the socket is closed")
        return self._sock

    def _send_to_peer(self, data: object) -> bool:
        sock = self._open("send")
        if self._remote is None:
            raise TypeError("send: expected data, port and address: the socket is not connected")
        payload = outgoing.payload(data)
        self._raise_pending()
        return self._try(sock.send, payload)

    def _send_checked(self, data: object, port: object, address: object) -> bool:
        self._open("send")
        if self._remote is not None:
            raise TypeError(f"send: expected data alone: the socket is connected, {self!r}")
        number, target = outgoing.port_number(port), self._destinations.parsed(address)
        payload = outgoing.payload(data)
        name = self._destinations.name(number, target)
        if name is None:
            self._fail(os_error(errno.EAFNOSUPPORT), payload, (address, number))
        return self._try(self._sendto, payload, name)

    def _try(self, call: Callable[..., object], *args: Any) -> bool:
        """Make a call that sends one datagram, and raise what it fails with."""
        try:
            return self._attempt(call, *args)
        except OSError as error:
            self._fail(error, *args)

    def _attempt(self, call: Callable[..., object], *args: Any) -> bool:
        try:
            call(*args)
        except OSError as error:
            return self._settle(error, call, *args)
        return True

    def _after(self, error: OSError, call: Callable[..., object], *args: Any) -> bool:
        """Decide about a single send that failed."""
        try:
            return self._settle(error, call, *args)
        except OSError as final:
            self._fail(final, *args)

    def _settle(self, error: OSError, call: Callable[..., object], *args: Any) -> bool:
        """Decide about a send that failed: made again (`True`), no room (`False`), or raise."""
        for _ in range(_TRIES):
            if self._sock is None:
                raise ClosedError("send: the socket was closed meanwhile") from error
            if error.errno in _NO_ROOM:
                self._arm()
                return False
            if not self._is_passing(error):
                break
            try:
                call(*args)
            except OSError as another:
                error = another
            else:
                return True
        raise error

    def _is_passing(self, error: OSError) -> bool:
        """Return whether a call that failed may succeed at once: the error was not its own (D8)."""
        if error.errno == errno.EINTR:
            return True
        return self._send_ignores_network() and error.errno in error_queue.FROM_NETWORK

    def _send_ignores_network(self) -> bool:
        """Return whether network errors go to `error` or are dropped; else to a send (D8)."""
        return self._remote is None or self._handlers.error is not None

    def _arm(self) -> None:
        """Ask for `drain`."""
        if not self._armed and self._sock is not None:
            self._armed = True
            self._reactor.modify(self._fd, EPOLLIN | EPOLLOUT)

    def _raise_pending(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _raise_from_network(self, sock: _socket.socket) -> None:
        """Raise a pending ICMP error if there is no `error` handler (D8)."""
        if number := sockopts.take_error(sock):
            self._fail(os_error(number))

    def _fail(self, error: OSError, payload: Any = None, to: Any = None) -> NoReturn:
        """Raise the error of a send, and take it out of the error queue: report it once (D8)."""
        if self._sock is not None and not self._is_passing(error):
            error_queue.discard(self._sock, error)
        if payload is not None:
            error = outgoing.refused(error, payload, to or self._remote, self.hostname)
        raise with_code(error) from None

    def _batch(self, datagrams: object) -> Batch:
        if self._remote is not None:
            return outgoing.connected_batch(datagrams)
        return outgoing.batch(datagrams, self._destinations)

    def _release(self) -> None:
        sock = self._sock
        if sock is None:
            return
        self._reactor.unregister(self._fd)
        self._fd = -1
        self._destinations.forget()
        self._last = _NOBODY
        self._receiver.close()
        self._armed = False
        self._let_go()
        sock.close()


def udp_socket(
    *,
    hostname: str = "0.0.0.0",
    port: int = 0,
    connect: Mapping[str, Any] | None = None,
    socket: object = None,
    reuse_addr: bool = False,
    reuse_port: bool = False,
    ipv6_only: bool = False,
    segment_offload: bool = True,
    receive_ttl: bool = False,
    reactor: Reactor | None = None,
    kernel: Kernel | None = None,
) -> UDPSocket:
    """Make a UDP socket, bound and, with `connect`, connected. Block only to look up names.

    Args:
        hostname: IP address or name to bind to; `"::"` and `"*"` take IPv4 too (UDP-013). Of a
            name's addresses the first that can be bound (D15).
        port: 0 to 65535; 0 lets the system choose.
        connect: `{"hostname": ..., "port": ...}`: the only peer to send to and to
            receive from; a name means its first address that can be connected to (UDP-023).
        socket: the handlers `data(socket, data, port, address[, flags])`, `drain(socket)` and
            `error(socket, exception)`, all optional: a mapping or an object with these attributes.
            Without `data` datagrams are read and dropped.
        reuse_addr: share the port with others that say so too; unicast goes to the last one.
        reuse_port: the same; unicast is spread by a hash of the sender.
        ipv6_only: with `hostname="::"`, no IPv4.
        segment_offload: let `send_many` send runs of equal-sized datagrams for one destination in
            one system call.
        receive_ttl: give `data` the TTL of each datagram in its flags. Not in Bun.
        reactor: `Reactor.current()` if absent.
        kernel: hands out the socket and knows the zones, if not the reactor's. Not in Bun.

    Raises:
        TypeError, ValueError: an option is wrong.
        UsageError: an `async def` handler outside asyncio and trio; inside trio, but not inside
            `attached()`.
        OSError: with `.code`, such as `"EADDRINUSE"` (UDP-011, UDP-023).
        socket.gaierror: a name cannot be looked up; `.code` as `"ENOTFOUND"` (D15).
    """
    reactor = Reactor.current() if reactor is None else reactor
    handlers = DatagramHandlers(reactor, socket)
    options.flag("segment_offload", segment_offload)
    kernel = reactor.kernel if kernel is None else options.instance("kernel", kernel, Kernel)
    binding = DatagramBinding(
        kernel,
        hostname=options.name_or_address("hostname", hostname),
        port=options.port_number("port", port),
        connect=connect,
        reuse_addr=options.flag("reuse_addr", reuse_addr),
        reuse_port=options.flag("reuse_port", reuse_port),
        ipv6_only=options.flag("ipv6_only", ipv6_only),
        receive_ttl=options.flag("receive_ttl", receive_ttl),
    )
    reactor.check()
    sock = binding.open()
    try:
        return UDPSocket(
            reactor,
            sock,
            handlers,
            hostname,
            kernel=kernel,
            segment_offload=segment_offload,
            receive_ttl=receive_ttl,
        )
    except BaseException:
        sock.close()
        raise
