"""Network interfaces, addresses and routes, by rtnetlink(7): what `ip` does, without a program.

A netlink socket works in the network namespace in which it was made, so any process
can use it. Each request is one message: a header, a structure by the kind of request, and
attributes, which may nest. Each is acknowledged with an errno, 0 if it went well.

Some facts of the kernel decide how a link is made:

1. An interface gets an IPv6 link-local address of itself, which is tentative for about a second
   (duplicate address detection, RFC 4862 section 5.4), and nothing can be sent from it meanwhile.
   So that is switched off (`IN6_ADDR_GEN_MODE_NONE`) before the interface goes up, and all
   addresses are given without detection (`IFA_F_NODAD`).
2. An interface that is up may not send yet: the carrier of the first end of a veth pair
   comes with the second end, and a worker of the kernel then starts its queue (link_watch.c).
   Until then frames are dropped in silence. `Rtnetlink.wait_until_running` waits for that.
3. IPv6 may be switched off in a kernel; then there are IPv4 addresses only.
4. On loopback, the kernel delivers packets to an IPv6 group only if the group's route has the type
   of an own address; on other interfaces it has the type for groups.
5. The kernel acknowledges an IPv6 address before the address can be used. A worker of the kernel
   adds the route later (`addrconf_dad_begin`, even without duplicate address detection), after it
   has joined the group in which neighbours ask for the address. Until then packets to the address
   are lost, and a neighbour that asked for it asks again a second later. `Rtnetlink.add_address`
   waits until the kernel reports that route.
"""

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from sockharness.errors import os_error

# linux/netlink.h
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_RTNLGRP_LINK = 1
_RTNLGRP_IPV6_ROUTE = 11
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 0x1
_NLM_F_ACK = 0x4
_NLM_F_EXCL = 0x200
_NLM_F_CREATE = 0x400
_MADE = _NLM_F_CREATE | _NLM_F_EXCL
_NESTED = 0x8000

# linux/rtnetlink.h
_RTM_NEWLINK = 16
_RTM_GETLINK = 18
_RTM_SETLINK = 19
_RTM_NEWADDR = 20
_RTM_NEWROUTE = 24
_RTA_DST = 1
_RTA_OIF = 4
_RTA_PRIORITY = 6
_RT_TABLE_MAIN = 254
_RTPROT_BOOT = 3
_RT_SCOPE_LINK = 253
_RTN_UNICAST = 1
_RTN_LOCAL = 2
_RTN_MULTICAST = 5

# linux/if_link.h, linux/if.h, linux/veth.h
_IFLA_IFNAME = 3
_IFLA_MTU = 4
_IFLA_OPERSTATE = 16
_IFLA_LINKINFO = 18
_IFLA_AF_SPEC = 26
_IFLA_NET_NS_FD = 28
_IFLA_INFO_KIND = 1
_IFLA_INFO_DATA = 2
_VETH_INFO_PEER = 1
_IFLA_INET6_ADDR_GEN_MODE = 8
_IN6_ADDR_GEN_MODE_NONE = 1
_IF_OPER_UP = 6
_IFF_UP = 1

# linux/if_addr.h
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_IFA_F_NODAD = 0x02

LOOPBACK_INDEX = 1  # of every network namespace

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_BUFFER = 1 << 16


class Rtnetlink:
    """Requests to one namespace, over a netlink socket made there, which it owns.

    Every method raises the kernel's `OSError`, or `TimeoutError` if it does not answer.
    """

    __slots__ = ("_number", "_socket", "_told")

    def __init__(self, sock: socket.socket, *, timeout: float = 5.0) -> None:
        sock.settimeout(timeout)
        self._socket = sock
        self._number = 0
        self._told: list[tuple[int, bytes]] = []  # unasked, between a request and its answer

    def __enter__(self) -> "Rtnetlink":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def add_pair(self, name: str, *, peer: str, namespace: int, mtu: int | None) -> None:
        """Make a veth pair: `name` here, `peer` in the namespace of that descriptor."""
        size = [] if mtu is None else [_attribute(_IFLA_MTU, _u32(mtu))]
        other = [_name(peer), *size, _attribute(_IFLA_NET_NS_FD, _u32(namespace))]
        data = _nest(_VETH_INFO_PEER, other, head=_link())
        kind = _attribute(_IFLA_INFO_KIND, b"veth")
        information = _nest(_IFLA_LINKINFO, [kind, _nest(_IFLA_INFO_DATA, [data])])
        self._request(_RTM_NEWLINK, _link(), [_name(name), *size, information], flags=_MADE)

    def index(self, name: str) -> int:
        """Return an interface's index."""
        body = self._request(_RTM_GETLINK, _link(), [_name(name)])
        return int(_LINK.unpack_from(body)[2])

    def no_automatic_addresses(self, index: int) -> bool:
        """Keep IPv6 from choosing a link-local address; return whether there is IPv6."""
        mode = _attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
        family = _nest(socket.AF_INET6, [mode])
        try:
            self._request(_RTM_SETLINK, _link(index), [_nest(_IFLA_AF_SPEC, [family])])
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            return False
        return True

    def up(self, index: int) -> None:
        """Switch an interface on."""
        self._request(_RTM_SETLINK, _link(index, flags=_IFF_UP))

    def add_address(self, index: int, address: str, prefix: int) -> None:
        """Give an interface an address; return when it can be used."""
        family, packed = _packed(address)
        if family == socket.AF_INET6:
            self._join(_RTNLGRP_IPV6_ROUTE)
        head = _ADDRESS.pack(family, prefix, 0, 0, index)
        attributes = [
            _attribute(_IFA_LOCAL, packed),
            _attribute(_IFA_ADDRESS, packed),
            _attribute(_IFA_FLAGS, _u32(_IFA_F_NODAD)),
        ]
        self._request(_RTM_NEWADDR, head, attributes, flags=_MADE)
        if family == socket.AF_INET6:
            self._wait_for(lambda kind, body: _is_route_to(kind, body, packed))

    def add_route(self, index: int, network: str, prefix: int, *, metric: int) -> None:
        """Route packets for a network, perhaps one of groups, to an interface."""
        family, packed = _packed(network)
        kind = _RTN_UNICAST
        if family == socket.AF_INET6 and packed[0] == 0xFF:
            kind = _RTN_LOCAL if index == LOOPBACK_INDEX else _RTN_MULTICAST
        head = _ROUTE.pack(
            family, prefix, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_LINK, kind, 0
        )
        attributes = [
            _attribute(_RTA_DST, packed),
            _attribute(_RTA_OIF, _u32(index)),
            _attribute(_RTA_PRIORITY, _u32(metric)),
        ]
        self._request(_RTM_NEWROUTE, head, attributes, flags=_MADE)

    def wait_until_running(self, index: int, *, timeout: float = 5.0) -> None:
        """Wait until an interface sends frames; the kernel reports that to its group of links.

        Raises:
            TimeoutError: it still does not send.
        """
        # First join, then look: the kernel then reports a change after the look.
        self._join(_RTNLGRP_LINK)
        self._send(_RTM_GETLINK, _link(index), [])
        self._wait_for(
            lambda kind, body: kind == _RTM_NEWLINK and _is_running(body, index), timeout=timeout
        )

    def _join(self, group: int) -> None:
        """Join a group: from now on the kernel reports its kind of changes."""
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        self._told.clear()

    def _wait_for(self, wanted: Callable[[int, bytes], bool], *, timeout: float = 5.0) -> None:
        """Wait until the kernel reports a wanted message."""
        usual, deadline = self._socket.gettimeout(), time.monotonic() + timeout
        try:
            while not any(wanted(kind, body) for kind, body in self._told):
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                messages = _messages(self._socket.recv(_BUFFER))
                self._told = [(kind, body) for kind, _, body in messages]
        finally:
            self._socket.settimeout(usual)
            self._told.clear()

    def _request(
        self, kind: int, head: bytes, attributes: list[bytes] | None = None, *, flags: int = 0
    ) -> bytes:
        """Send a request; return the body of the answer, if there is one beside the errno."""
        number = self._send(kind, head, attributes or [], flags | _NLM_F_ACK)
        answer = b""
        while True:
            for kind_of_answer, about, body in _messages(self._socket.recv(_BUFFER)):
                if about != number:
                    self._told.append((kind_of_answer, body))
                    continue
                if kind_of_answer != _NLMSG_ERROR:
                    answer = body
                    continue
                (code,) = _ERROR.unpack_from(body)
                if code:
                    raise os_error(-code)
                return answer

    def _send(self, kind: int, head: bytes, attributes: list[bytes], flags: int = 0) -> int:
        self._number += 1
        body = head + b"".join(attributes)
        size = _HEADER.size + len(body)
        header = _HEADER.pack(size, kind, _NLM_F_REQUEST | flags, self._number, 0)
        self._socket.send(header + body)
        return self._number


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the messages of one read as (kind, number of the request, body)."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, _, number, _ = _HEADER.unpack_from(data, offset)
        yield kind, number, data[offset + _HEADER.size : offset + size]
        offset += _aligned(size)


def _is_running(body: bytes, index: int) -> bool:
    if _LINK.unpack_from(body)[2] != index:
        return False
    return (_IFLA_OPERSTATE, bytes([_IF_OPER_UP])) in _attributes(body, _LINK.size)


def _is_route_to(kind: int, body: bytes, address: bytes) -> bool:
    """Return whether a message reports that an IPv6 address is this host's."""
    if kind != _RTM_NEWROUTE:
        return False
    family, bits, *_, route, _ = _ROUTE.unpack_from(body)
    if (family, bits, route) != (socket.AF_INET6, 128, _RTN_LOCAL):
        return False
    return (_RTA_DST, address) in _attributes(body, _ROUTE.size)


def _attributes(body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes of a message as (kind, data)."""
    while offset + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, offset)
        yield kind, body[offset + _ATTRIBUTE.size : offset + size]
        offset += _aligned(size)


def _link(index: int = 0, *, flags: int = 0) -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags)


def _name(name: str) -> bytes:
    return _attribute(_IFLA_IFNAME, name.encode() + b"\0")


def _nest(kind: int, attributes: list[bytes], *, head: bytes = b"") -> bytes:
    return _attribute(kind | _NESTED, head + b"".join(attributes))


def _attribute(kind: int, data: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(size, kind) + data + bytes(_aligned(size) - size)


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)
