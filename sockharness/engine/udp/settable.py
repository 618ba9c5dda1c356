"""The settings of an open UDP socket: broadcast, TTLs, multicast and its memberships."""

import errno
import socket as _socket
from collections.abc import Callable

from sockharness.engine import options
from sockharness.engine.handle import Handle
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.udp import multicast
from sockharness.engine.udp.multicast import Option
from sockharness.errors import os_error


class Settable(Handle):
    """The setters of a `UDPSocket`; on a closed one they raise EBADF (UDP-138)."""

    __slots__ = ("_family", "_kernel")

    _family: int
    _kernel: Kernel

    def set_broadcast(self, on: bool) -> bool:  # noqa: FBT001 - Bun's signature
        """Allow sending to broadcast addresses, or not (SO_BROADCAST); off at first. Returns `on`.

        Raises `TypeError` unless it is a bool; `OSError` EBADF when closed, as all of these.
        """
        return bool(self._set("set_broadcast", multicast.BROADCAST, lambda: options.flag("on", on)))

    def set_ttl(self, n: int) -> int:
        """Set the TTL of unicast, 1 to 255; 64 at first (K). Returns it.

        On an IPv6 socket it does not concern IPv4 (UDP-145). Raises `TypeError`, `ValueError`.
        """
        option = multicast.HOPS[self._family]
        return self._set("set_ttl", option, lambda: options.integer("set_ttl", n, 1, 255))

    def set_multicast_ttl(self, n: int) -> int:
        """Set the TTL of multicast, 0 (this host, D16) to 255; 1 at first.

        Returns it.
        """
        option = multicast.MULTICAST_HOPS[self._family]
        function = "set_multicast_ttl"
        return self._set(function, option, lambda: options.integer(function, n, 0, 255))

    def set_multicast_loopback(self, on: bool) -> bool:  # noqa: FBT001 - Bun's signature
        """Deliver multicast to members on this host, too; on at first. Returns `on`."""
        option = multicast.MULTICAST_LOOP[self._family]
        value = self._set("set_multicast_loopback", option, lambda: options.flag("on", on))
        return bool(value)

    def set_multicast_interface(self, address: str) -> bool:
        """Let multicast leave by the interface with this address; `0.0.0.0`: by the route.

        IPv6: by the zone, `::%eth0`; without zone by the route (UDP-149). Returns `True`.

        Raises:
            TypeError, ValueError: no IP address, an unknown zone, a group.
            OSError: EADDRNOTAVAIL, no address of this host.
        """
        return self._apply("set_multicast_interface", multicast.interface, address)

    def add_membership(self, group: str, interface: str | None = None) -> bool:
        """Join a group, of all sources. Returns `True`.

        Args:
            group: a multicast address. Its family decides, not the socket's.
            interface: an IPv4 address of this host; IPv6: `::%eth0`. Absent: the system chooses.

        Raises:
            TypeError, ValueError: not a group, not an interface, or two families.
            OSError: EADDRINUSE (joined already), ENODEV (no such interface, no route), ENOPROTOOPT
                (IPv6 group, IPv4 socket), ENOBUFS (too many: 20 by default over IPv4).
        """
        return self._apply("add_membership", multicast.membership, group, interface, join=True)

    def drop_membership(self, group: str, interface: str | None = None) -> bool:
        """Leave a group; raises as `add_membership`, EADDRNOTAVAIL if it was not joined there."""
        return self._apply("drop_membership", multicast.membership, group, interface, join=False)

    def add_source_specific_membership(
        self, source: str, group: str, interface: str | None = None
    ) -> bool:
        """Join a group for one source; several add up (UDP-175). Returns `True`.

        Raises as `add_membership`; the same source again is EADDRNOTAVAIL.
        """
        named = (source, group, interface)
        function = "add_source_specific_membership"
        return self._apply(function, multicast.source_membership, *named, join=True)

    def drop_source_specific_membership(
        self, source: str, group: str, interface: str | None = None
    ) -> bool:
        """Leave a group for one source; with the last one the group is left. Raises as joining."""
        named = (source, group, interface)
        function = "drop_source_specific_membership"
        return self._apply(function, multicast.source_membership, *named, join=False)

    def _apply(
        self, function: str, option: Callable[..., Option], *named: object, **how: bool
    ) -> bool:
        sock = self._settable(function)
        with options.describing(function, *named):
            sock.setsockopt(*option(*named, self._kernel, **how))
        return True

    def _set(self, function: str, option: tuple[int, int], value: Callable[[], int]) -> int:
        sock = self._settable(function)
        wanted = value()
        with options.describing(function, wanted):
            sock.setsockopt(*option, wanted)
        return wanted

    def _settable(self, function: str) -> _socket.socket:
        """Return the socket; when closed raise EBADF, before arguments are looked at (UDP-138)."""
        self._reactor.check()
        if self._sock is None:
            closed = f"{function}: the socket is closed"
            raise options.described(os_error(errno.EBADF), closed)
        return self._sock
