"""Ask the kernel about its queues: has the program at the other end read everything? Does a
connection wait to be accepted? Do datagrams wait, and were any dropped?

TCP lets a sender know only that the other kernel has the bytes (they are acknowledged). But on
loopback one kernel has both ends, and can be asked for the other end's receive queue:
`sock_diag(7)` finds a socket by its addresses and returns, among others, `idiag_rqueue`, the number
of bytes that its program has not read. It needs no privilege, and costs about 10 microseconds.

If the other end cannot be found this way (another machine or network namespace, no `inet_diag` in
the kernel), bytes that are acknowledged (`SIOCOUTQ` is 0, tcp(7)) are taken for read.
"""

import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

__tracebackhide__ = True

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
ANY_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
HEADER = struct.Struct("=IHHII")  # nlmsghdr
REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2 before its id
PORTS = struct.Struct("!HH")  # inet_diag_sockid, which goes on with two addresses,
REST = struct.Struct("=III")  # the interface, and a cookie
UNACKED = 24  # in tcp_info, behind eight fields of one byte and four of four
RQUEUE = HEADER.size + 4 + 48 + 4  # behind family…retrans, the id, and expires


SO_MEMINFO = 55
MEMINFO = struct.Struct("=9I")  # sk_meminfo of linux/sock_diag.h, up to SK_MEMINFO_DROPS
SO_RCVBUFFORCE = 33
ROOMY = 8 * 1024 * 1024
IP_MULTICAST_ALL = 49
IPV6_MULTICAST_ALL = 29


class Datagrams(NamedTuple):
    """The receive queue of a datagram socket.

    Attributes:
        waiting: how many bytes of the kernel's memory it takes, or a little more.
        dropped: how many datagrams the kernel has dropped since the socket was made, because the
            buffer was full.
    """

    waiting: int
    dropped: int


UNKNOWN = Datagrams(1, 0)


class PeerQueues:
    """Asks whether the other end has read everything; opens a netlink socket at first. Belongs to
    one thread."""

    __slots__ = ("_netlink", "_usable")

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        self._usable = True

    def all_read(self, fileno: int, local: tuple[str, int], remote: tuple[str, int]) -> bool:
        """Return whether the other end of a connection has read all bytes sent to it.

        Args:
            fileno: our end's descriptor.
            local: our address.
            remote: the other end's.
        """
        unacknowledged = struct.unpack("i", fcntl.ioctl(fileno, termios.TIOCOUTQ, b"\0" * 4))[0]
        return unacknowledged == 0 and not self._unread(remote, local)

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _unread(self, end: tuple[str, int], other: tuple[str, int]) -> int:
        """Return the number of bytes in the receive queue of a socket; 0 if that is unknown."""
        if not self._usable:
            return 0
        try:
            if self._netlink is None:
                kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
                self._netlink = socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
            self._netlink.send(_question(end, other))
            answer = self._netlink.recv(4096)
        except OSError as error:
            if error.errno not in (errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES, errno.ENOENT):
                raise
            self._usable = False
            return 0
        if HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
            return 0
        rqueue: int = struct.unpack_from("=I", answer, RQUEUE)[0]
        return rqueue


def backlog(fileno: int) -> int:
    """Return the number of connections in the accept queue of a listening socket; for any thread.

    `tcpi_unacked` of such a socket is the length of that queue (`tcp_get_info`, net/ipv4/tcp.c).
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fileno)
    try:
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKED + 4)
    finally:
        listening.detach()
    length: int = struct.unpack_from("=I", info, UNACKED)[0]
    return length


def datagrams(fileno: int) -> "Datagrams":
    """Return the queued bytes and the lost datagrams of a datagram socket; for any thread.

    Before Linux 4.12 the kernel cannot say: then something may always wait, and losses are unknown.
    """
    with _borrowed(fileno) as sock:
        try:
            info = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            return UNKNOWN
    memory, *_, drops = MEMINFO.unpack_from(info)
    return Datagrams(memory, drops)


def make_room(fileno: int, size: int | None) -> None:
    """Give a datagram socket a receive buffer.

    Args:
        fileno: the socket's descriptor.
        size: in bytes; `None`: enough for long bursts, or as much as this process may have. Without
            CAP_NET_ADMIN the kernel's limit is `net.core.rmem_max`, socket(7).
    """
    with _borrowed(fileno) as sock:
        if size is None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOMY)
            except PermissionError:
                size = ROOMY
        if size is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def joined_only(fileno: int) -> None:
    """Let a socket receive only from groups that it has joined itself.

    By default Linux delivers to every socket the groups that any socket of the machine has joined:
    ip(7), IP_MULTICAST_ALL, and its counterpart for IPv6.
    """
    with _borrowed(fileno) as sock:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)


@contextmanager
def _borrowed(fileno: int) -> Iterator[socket.socket]:
    """Give a socket object for a descriptor without owning it."""
    sock = socket.socket(fileno=fileno)
    try:
        yield sock
    finally:
        sock.detach()


def _question(end: tuple[str, int], other: tuple[str, int]) -> bytes:
    family = socket.AF_INET6 if ":" in end[0] else socket.AF_INET
    body = (
        REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
        + PORTS.pack(end[1], other[1])
        + socket.inet_pton(family, end[0]).ljust(16, b"\0")
        + socket.inet_pton(family, other[0]).ljust(16, b"\0")
        + REST.pack(0, *ANY_COOKIE)
    )
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + body
