"""The TTL of received datagrams: how many more routers they might have passed.

IPv4 has it in the field TTL, IPv6 in Hop Limit. The kernel adds it to each received datagram if
`IP_RECVTTL` of ip(7) or `IPV6_RECVHOPLIMIT` of ipv6(7) is set; an IPv6 socket that takes IPv4 too
needs both.
"""

import socket as _socket
import sys

_IP_RECVTTL = 12
_IP_TTL = 2
_IPV6_RECVHOPLIMIT = 51
_IPV6_HOPLIMIT = 52
CONTROL_SPACE = _socket.CMSG_SPACE(4)

_REPORTED = ((_socket.IPPROTO_IP, _IP_TTL), (_socket.IPPROTO_IPV6, _IPV6_HOPLIMIT))


def receive(sock: _socket.socket) -> None:
    """Have the kernel report the TTL of each datagram that this socket receives."""
    if sock.family == _socket.AF_INET6:
        sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
    sock.setsockopt(_socket.IPPROTO_IP, _IP_RECVTTL, 1)


def of(control: list[tuple[int, int, bytes]]) -> int | None:
    """Return the TTL of a received message, `None` if the kernel did not report it."""
    for level, kind, value in control:
        if (level, kind) in _REPORTED:
            return int.from_bytes(value[:4], sys.byteorder)
    return None
