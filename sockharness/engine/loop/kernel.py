"""The only door to the operating system.

Everything the engine wants from the system passes through a `Kernel`: sockets, the poller, time,
the names of hosts and interfaces. It hands out real `socket.socket` objects, so the ordinary path
pays nothing for the door. To inject faults, substitute a `Kernel` whose `socket`, `accept` and
`adopt` hand out objects that wrap real ones; the engine uses only methods that
`socket.socket` has. For sockets of another network namespace, pass a
`Kernel` for a single socket (`kernel=` of `listen`, `connect` and `udp_socket`). Names of
interfaces are then those of that namespace, too.

All sockets that come out of here are non-blocking and are not inherited by other programs
(PEP 446). The methods raise the errors of the system: `OSError`, and `socket.gaierror` for names.
"""

import functools
import os
import select
import socket as _socket
import time
from typing import Any

# An entry of getaddrinfo(3): family, type, protocol, canonical name, socket address.
AddressInfo = tuple[int, int, int, str, Any]


class Kernel:
    """Hands out sockets, pollers, the time and the addresses of names."""

    __slots__ = ()

    # The builtin itself: an iteration of the reactor reads the time more than once.
    monotonic = staticmethod(time.monotonic)

    def poller(self) -> select.epoll:
        """Return a new epoll instance."""
        return select.epoll()

    def socket(self, family: int, kind: int = _socket.SOCK_STREAM) -> _socket.socket:
        """Return a new non-blocking socket."""
        sock = _socket.socket(family, kind)
        sock.settimeout(0)
        return sock

    def accept(self, listening: _socket.socket) -> tuple[_socket.socket, Any]:
        """Take a connection off the queue; return a non-blocking socket and the peer's address.

        Raises `BlockingIOError` when the queue is empty.
        """
        sock, address = listening.accept()
        sock.settimeout(0)
        return sock, address

    def adopt(self, fd: int) -> _socket.socket:
        """Make a non-blocking socket of a descriptor, which belongs to that socket from then on.

        When it raises (EBADF, ENOTSOCK), the descriptor still belongs to the caller.
        """
        sock = _socket.socket(fileno=fd)
        sock.settimeout(0)
        return sock

    def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
        """Look up a name for stream sockets; blocks. Raises `socket.gaierror`."""
        try:
            _socket.inet_pton(_socket.AF_INET, hostname)
        except OSError:
            pass  # an IPv6 address, a short form such as 127.1, or a name
        else:  # the resolver would say the same, but takes fifty times as long
            return [
                (_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP, "", (hostname, port))
            ]
        return list(_socket.getaddrinfo(hostname, port, type=_socket.SOCK_STREAM, flags=flags))

    def send_messages(self, sock: _socket.socket, headers: int, count: int) -> int:
        """Send with sendmmsg(2), which Python does not have; return how many went, at least one.

        Args:
            sock: the sender.
            headers: the address of an array of `struct mmsghdr`.
            count: its length.
        """
        import ctypes

        sent = _sendmmsg()(sock.fileno(), headers, count, int(_socket.MSG_DONTWAIT))
        if sent < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(sent)

    def receive_messages(self, sock: _socket.socket, headers: int, count: int) -> int:
        """Receive with recvmmsg(2), likewise; raises `BlockingIOError` when there is nothing."""
        import ctypes

        received = _recvmmsg()(sock.fileno(), headers, count, int(_socket.MSG_DONTWAIT), None)
        if received < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(received)

    def interface_number(self, name: str) -> int:
        """Return the number of an interface, given by name or by number in digits.

        Raises `OSError`, `OverflowError` if there is none.
        """
        if name.isascii() and name.isdigit():
            self.interface_name(int(name))
            return int(name)
        return _socket.if_nametoindex(name)

    def interface_name(self, number: int) -> str:
        """Return the name of an interface. Raises `OSError`, `OverflowError` if there is none."""
        return _socket.if_indextoname(number)

    def wakeup(self) -> int:
        """Return a new eventfd, with which another thread interrupts a poll."""
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


@functools.cache
def _sendmmsg() -> Any:
    import ctypes

    function = ctypes.CDLL(None, use_errno=True).sendmmsg
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    return function


@functools.cache
def _recvmmsg() -> Any:
    import ctypes

    function = ctypes.CDLL(None, use_errno=True).recvmmsg
    pointer = ctypes.c_void_p
    function.argtypes = [ctypes.c_int, pointer, ctypes.c_uint, ctypes.c_int, pointer]
    return function
