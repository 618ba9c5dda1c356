"""The engine's sockets inside a host of a network: the same engine, another namespace.

A socket keeps the network namespace in which it was made, in any process. So the engine needs only
a `Kernel` that asks the host for sockets. The reactor stays in this process.

Names of interfaces are the host's. Names of machines are looked up by this process as always. It
is in another network, so connect to a host by its address.
"""

import errno
import socket
from typing import TYPE_CHECKING

from sockharness.engine.loop.kernel import AddressInfo, Kernel
from sockharness.errors import os_error
from sockharness.netns.rtnetlink import LOOPBACK_INDEX

if TYPE_CHECKING:
    from sockharness.netns import Host


class InsideKernel(Kernel):
    """Hands out sockets of a host: `udp_socket(…, kernel=InsideKernel(host))`, `listen`, `connect`.

    Its methods raise `ClosedError` too, when the network is closed.
    """

    __slots__ = ("_host",)

    def __init__(self, host: "Host") -> None:
        self._host = host

    def __repr__(self) -> str:
        return f"<InsideKernel of {self._host!r}>"

    def socket(self, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Return a new non-blocking socket of the host."""
        sock = self._host.socket(family, kind)
        sock.settimeout(0)
        return sock

    def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
        """Look up as ever, except that a zone (`fe80::1%eth0`) is the host's.

        Raises `socket.gaierror`, also for an unknown zone.
        """
        bare, percent, zone = hostname.partition("%")
        found = super().addresses(bare, port, flags=flags)
        if not percent:
            return found
        try:
            number = self.interface_number(zone)
        except (OSError, OverflowError):
            message = f"{hostname}: no interface {zone!r} on {self._host.name}"
            raise socket.gaierror(socket.EAI_NONAME, message) from None
        return [(*info[:4], (*info[4][:3], number)) for info in found]

    def interface_number(self, name: str) -> int:
        """Return the number of a host's interface, as its network made them."""
        for number, known in self._interfaces():
            if name in (known, str(number)):
                return number
        raise os_error(errno.ENODEV)

    def interface_name(self, number: int) -> str:
        """Return the name of a host's interface, likewise."""
        for known, name in self._interfaces():
            if number == known:
                return name
        raise os_error(errno.ENXIO)

    def _interfaces(self) -> list[tuple[int, str]]:
        links = [(each.index, each.name) for each in self._host.interfaces]
        return [(LOOPBACK_INDEX, "lo"), *links]
