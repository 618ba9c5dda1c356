"""The socket names of the kernel, from `getsockname` and `getpeername`, taken apart.

A tuple of two is IPv4, one of four IPv6, text or bytes a unix socket.
"""

import socket
from typing import Any


def address(name: Any) -> str | None:
    """Return the IP address without zone; `None` for a unix socket's name."""
    return str(name[0]).partition("%")[0] if isinstance(name, tuple) else None


def peer(sock: socket.socket) -> Any:
    """Return the name of the other end; `None` if it is not connected."""
    try:
        return sock.getpeername()
    except OSError:  # ENOTCONN
        return None


def pair(name: Any) -> tuple[str, int]:
    """Return the IP address without zone and the port, of no unix socket's name."""
    return str(address(name)), int(name[1])


def port(name: Any) -> int | None:
    """Return the port; `None` for a unix socket's name."""
    return int(name[1]) if isinstance(name, tuple) else None


def family(name: Any) -> str | None:
    """Return `"IPv4"`, `"IPv6"`, or `None` for a unix socket's name."""
    if not isinstance(name, tuple):
        return None
    return "IPv6" if len(name) == 4 else "IPv4"


def shown(name: Any) -> str:
    """Return a name for a `repr`."""
    return f"{address(name)}:{port(name)}" if isinstance(name, tuple) else repr(name)


class Addresses:
    """The local and the remote address of a socket."""

    __slots__ = ()

    def _local_name(self) -> Any:
        raise NotImplementedError

    def _remote_name(self) -> Any:
        raise NotImplementedError

    @property
    def local_address(self) -> str | None:
        """The IP address of this side; `None` on a unix socket. Readable after close (D12)."""
        return address(self._local_name())

    @property
    def local_port(self) -> int | None:
        """The port of this side; `None` on a unix socket."""
        return port(self._local_name())

    @property
    def local_family(self) -> str | None:
        """`"IPv4"` or `"IPv6"`; `None` on a unix socket."""
        return family(self._local_name())

    @property
    def remote_address(self) -> str | None:
        """The peer's IP address; `None` on a unix socket. Readable after close (D12)."""
        return address(self._remote_name())

    @property
    def remote_port(self) -> int | None:
        """The peer's port; `None` on a unix socket."""
        return port(self._remote_name())

    @property
    def remote_family(self) -> str | None:
        """`"IPv4"` or `"IPv6"`; `None` on a unix socket."""
        return family(self._remote_name())
