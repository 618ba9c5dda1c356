"""How many hops a datagram had left: the field TTL of IPv4, Hop Limit of IPv6.

The kernel tells it of each received datagram when it is asked to, `IP_RECVTTL` of ip(7) and
`IPV6_RECVHOPLIMIT` of ipv6(7); an IPv6 socket that takes IPv4 too needs both.
"""

import socket as _socket
import sys

_IP_RECVTTL = 12
_IP_TTL = 2
_IPV6_RECVHOPLIMIT = 51
_IPV6_HOPLIMIT = 52
CONTROL_SPACE = _socket.CMSG_SPACE(4)

_TOLD = ((_socket.IPPROTO_IP, _IP_TTL), (_socket.IPPROTO_IPV6, _IPV6_HOPLIMIT))


def receive(sock: _socket.socket) -> None:
    """Have the kernel tell the hops of what this socket receives."""
    if sock.family == _socket.AF_INET6:
        sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
    sock.setsockopt(_socket.IPPROTO_IP, _IP_RECVTTL, 1)


def told(control: list[tuple[int, int, bytes]]) -> int | None:
    """Return the hops that a received message had left, if the kernel tells."""
    for level, kind, value in control:
        if (level, kind) in _TOLD:
            return int.from_bytes(value[:4], sys.byteorder)
    return None
