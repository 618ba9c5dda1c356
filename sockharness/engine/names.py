"""What the kernel calls a socket's ends: `getsockname` and `getpeername`, taken apart.

A tuple of two is IPv4, one of four IPv6, text or bytes a unix socket.
"""

from typing import Any


def host(name: Any) -> str | None:
    """Return the IP address without zone; `None` for a unix socket's name."""
    return str(name[0]).partition("%")[0] if isinstance(name, tuple) else None


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
    return f"{host(name)}:{port(name)}" if isinstance(name, tuple) else repr(name)
