"""The error queue of a datagram socket: ICMP errors about datagrams that were sent.

With IP_RECVERR the kernel keeps each ICMP error that belongs to a socket, also of an unconnected
one (UDP-098): ip(7). The same error is *pending* too: the next system call on the socket fails with
it, whatever that call wants; so a datagram for a healthy peer would pay for a dead one (UDP-102).

An entry of local origin is about a call that has raised already, as with an oversize datagram. It
is dropped: once is enough (D7).
"""

import errno
import socket as _socket
import struct

from sockharness.errors import os_error

_IP_RECVERR = 11
_IPV6_RECVERR = 25
_WANTED = {_socket.IPPROTO_IP: _IP_RECVERR, _socket.IPPROTO_IPV6: _IPV6_RECVERR}
_EXTENDED = struct.Struct(
    "=IBBBBII"
)  # sock_extended_err: errno, origin, type, code, pad, info, data
_ORIGIN_LOCAL = 1
_SPACE = _socket.CMSG_SPACE(_EXTENDED.size + 28) + _socket.CMSG_SPACE(64)
_ENTRIES_PER_CALL = 32

# What an ICMP message can make pending (Linux, net/ipv4/icmp.c and net/ipv6/icmp.c).
FROM_NETWORK = frozenset(
    (
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EPROTO,
        errno.EACCES,
        errno.EMSGSIZE,
    )
)
# Those that no datagram brings on itself, by its size, its destination or how it is sent.
FROM_OTHERS = FROM_NETWORK - {errno.EACCES, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}


def enable(sock: _socket.socket) -> None:
    """Let the kernel keep errors; an IPv6 socket needs both, for mapped addresses (UDP-112)."""
    if sock.family == _socket.AF_INET6:
        sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    sock.setsockopt(_socket.IPPROTO_IP, _IP_RECVERR, 1)


def take(sock: _socket.socket) -> list[OSError]:
    """Take errors off the queue, oldest first; what is left is reported again by the poller."""
    errors: list[OSError] = []
    for _ in range(_ENTRIES_PER_CALL):
        try:
            _, ancillary, _, _ = sock.recvmsg(0, _SPACE, _socket.MSG_ERRQUEUE)
        except BlockingIOError:
            break
        number = _errno_of(ancillary)
        if number:
            errors.append(os_error(number))
    return errors


def discard(sock: _socket.socket, error: OSError) -> None:
    """Forget what is in the queue, if an error comes from there that was raised already."""
    if error.errno in FROM_NETWORK:
        take(sock)


def _errno_of(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the errno of an entry, 0 if there is none."""
    for level, kind, data in ancillary:
        if _WANTED.get(level) == kind:
            number, origin, *_ = _EXTENDED.unpack_from(data)
            return 0 if origin == _ORIGIN_LOCAL else int(number)
    return 0
