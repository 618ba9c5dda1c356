"""Ports and multicast groups reserved for one test, without a bound socket.

A fixture holds what it hands out: its socket is bound. A program that insists on a number binds
that number itself, later, and perhaps without SO_REUSEADDR, so no other socket may be bound to it.
Three kinds of others could take it meanwhile; each is kept off in its own way:

1. *The kernel*, when it chooses a port for `bind` to 0 or `connect`. It chooses from
   `net.ipv4.ip_local_port_range` only (ip(7)), for IPv6 and UDP too. So leases are from outside of
   that range.
2. *Other test workers*, of this run or another, of any user. A lease is an abstract unix socket
   (unix(7)) with the number in its name. Two cannot be bound to one name. A name exists in a
   network namespace, exactly as a port does, so containers that share ports share names. When the
   process ends, in whatever way, the kernel frees the name: there is no stale lease. A forked child
   that lives on still has the lease.
3. *Programs that know nothing of leases.* The number is tried, before it is handed out: bound to
   all addresses of both families, for TCP and UDP, without SO_REUSEADDR, so that TIME_WAIT counts
   too. A program that takes it after that by its number cannot be kept off; `EADDRINUSE`
   then reports this coincidence.

Numbers are taken in turn, from a place that the seed decides: workers begin at different places,
and a number that was given back is not handed out again soon, when old peers may still talk to it.

A group comes with a leased port, and both are locked. On one machine the port alone keeps workers
apart, whatever their sockets are bound to and whatever groups other sockets joined. Beyond it the
group does, which is a hash of the seed, and the hop limit: 0 stays on this host, 1 on its links.
Groups are from the blocks for such a use:

- IPv4: 239.255.0.0/16, the local scope (RFC 2365 section 6.1), without its last 256 addresses,
  which belong to well-known services (section 9).
- IPv4, for one source: 232.0.1.0 and above, which hosts may use as they like (RFC 4607 section 8).
- IPv6: ff15::/16, transient and site-local (RFC 4291 section 2.7: ff05:: would be the well-known
  groups), with a group ID from the half for dynamic use (RFC 3307 section 4.3). The scope is not
  smaller, because an address of a smaller one is ambiguous without a zone.
"""

import errno
import hashlib
import ipaddress
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sockharness.errors import Unavailable, UsageError
from sockharness.record import record

# Above 10080, the last port that browsers and other implementations of fetch refuse to connect to.
FIRST_PORT = 10_081
LAST_PORT = 65_535
MAX_HOPS = 1

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_GROUPS4 = 255 * 256
_GROUPS4_OF_SOURCE = 65535 * 256
_BLOCK4_OF_SOURCE = int(ipaddress.IPv4Address("232.0.1.0"))
_BLOCK4 = int(ipaddress.IPv4Address("239.255.0.0"))
_BLOCK6 = int(ipaddress.IPv6Address("ff15::8000:0"))
_GROUPS6 = 1 << 31
_MAX_TRIES = 1 << 16

# linux/in.h, linux/in6.h
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29

_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)

T = TypeVar("T")


@record
class Group:
    """A leased multicast group, with a leased port."""

    address: str
    port: int
    family: socket.AddressFamily

    def bind(self, sock: socket.socket) -> None:
        """Bind a datagram socket so that it receives only what it joined, and only this group's.

        Several members may be bound at once. Joining is the caller's, who knows the interface.

        Raises:
            OSError: as of bind(2).
        """
        level, option = (
            (socket.IPPROTO_IP, _IP_MULTICAST_ALL)
            if self.family == socket.AF_INET
            else (socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL)
        )
        sock.setsockopt(level, option, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.address, self.port))

    def limit(self, sock: socket.socket, *, hops: int = 0) -> None:
        """Limit the reach of datagrams from `sock` to a group: 0 this host, 1 its links.

        Raises:
            UsageError: `hops` is more, which would let tests speak to a site.
        """
        if not 0 <= hops <= MAX_HOPS:
            raise UsageError(f"hops: expected 0 (this host) or 1 (its links), got {hops!r}")
        if self.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)


class Leases:
    """Hands out ports and groups, each to one holder on this machine at a time.

    Threads may share it. A port or group stays leased until its `with` ends.
    """

    __slots__ = ("_ports", "_seed", "_turn")

    def __init__(self, seed: str | None = None, *, ports: Sequence[int] | None = None) -> None:
        """Prepare to lease; nothing is taken yet.

        Args:
            seed: decides where to begin; without it the run and worker of pytest-xdist and the
                process. Equal seeds are safe, only slower.
            ports: to choose from; by default all that the kernel does not choose from.

        Raises:
            Unavailable: the kernel may choose any port.
        """
        self._seed = _own_seed() if seed is None else seed
        self._ports = ports_outside_the_kernels_range() if ports is None else ports
        self._turn = itertools.count()

    def __repr__(self) -> str:
        return f"<Leases seed={self._seed!r} ports={len(self._ports)}>"

    @contextmanager
    def port(self) -> Iterator[int]:
        """Lease a port, for TCP and UDP, IPv4 and IPv6, on all addresses.

        Raises:
            Unavailable: all are taken.
        """
        name, port = self._lease("port", len(self._ports), self._ports.__getitem__, _is_free)
        with name:
            yield port

    @contextmanager
    def group(
        self,
        family: socket.AddressFamily = socket.AF_INET,
        *,
        source_specific: bool = False,
    ) -> Iterator[Group]:
        """Lease a multicast group and a port.

        Args:
            family: of the group.
            source_specific: from the block of IPv4 for groups of one source.

        Raises:
            Unavailable: all are taken.
        """
        count, group = (_GROUPS4, _group4) if family == socket.AF_INET else (_GROUPS6, _group6)
        if source_specific and family == socket.AF_INET:
            count, group = _GROUPS4_OF_SOURCE, _group4_of_source
        with self.port() as port:
            name, address = self._lease("group", count, group, lambda _: True)
            with name:
                yield Group(address, port, family)

    def _lease(
        self, kind: str, count: int, nth: Callable[[int], T], is_free: Callable[[T], bool]
    ) -> tuple[socket.socket, T]:
        """Return the first of `count` candidates that is free and not leased, with its lock."""
        begin = _hash(f"{kind} {self._seed}")
        for _ in range(min(count, _MAX_TRIES)):
            candidate = nth((begin + next(self._turn)) % count)
            name = _lock(f"{kind} {candidate}")
            if name is None:
                continue
            if is_free(candidate):
                return name, candidate
            name.close()
        raise Unavailable(
            f"leasing a {kind} needs one of {count}, and all are taken: see `ss -anptu`"
        )


def ports_outside_the_kernels_range() -> list[int]:
    """Return the ports from `FIRST_PORT` on that the kernel never chooses by itself.

    Raises:
        Unavailable: there are none, or it cannot be known.
    """
    try:
        low, high = (int(number) for number in _RANGE.read_text("ascii").split())
    except OSError as error:
        raise Unavailable(f"leasing a port needs {_RANGE}: {error.strerror}") from error
    ports = [port for port in range(FIRST_PORT, LAST_PORT + 1) if not low <= port <= high]
    if not ports:
        raise Unavailable(
            f"leasing a port needs ports that the kernel does not choose from, and it chooses from "
            f"{low} to {high}: narrow net.ipv4.ip_local_port_range (its default: 32768 60999)"
        )
    return ports


def _own_seed() -> str:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"{run} {worker} {os.getpid()}"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _lock(what: str) -> socket.socket | None:
    """Return a socket of that abstract name, or `None` if another one has it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.bind(f"\0sockharness lease: {what}")
    except OSError as error:
        sock.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return sock


def _is_free(port: int) -> bool:
    return all(
        _can_bind(family, kind, port)
        for family in (socket.AF_INET, socket.AF_INET6)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    )


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> bool:
    try:
        with socket.socket(family, kind) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
    except OSError as error:
        if error.errno in _NOT_HERE:
            return True  # no IPv6, so no process can have it
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _group4(number: int) -> str:
    return str(ipaddress.IPv4Address(_BLOCK4 + number))


def _group4_of_source(number: int) -> str:
    return str(ipaddress.IPv4Address(_BLOCK4_OF_SOURCE + number))


def _group6(number: int) -> str:
    return str(ipaddress.IPv6Address(_BLOCK6 + number))
