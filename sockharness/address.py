"""Socket addresses as values.

An `Address` is what the kernel says (`getsockname`, `getpeername`), never text that a user wrote:
text has too many spellings of one address (`127.1`, `0x7f.1`, `2130706433`) to be compared or
judged.
"""

from functools import lru_cache
from ipaddress import ip_address

from sockharness.record import record

LOOPBACK = "127.0.0.1"
LOOPBACK6 = "::1"


@record
class Address:
    """A host and a port, or the path of a unix socket.

    Attributes:
        host: an IP literal without brackets, with a zone only if it is link-local and inside a host
            of a network; empty for a unix socket.
        port: 0 to 65535; 0 for a unix socket.
        path: the path of a unix socket (a leading NUL marks an abstract name), else empty.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return "unix:" + self.path.replace("\0", "@")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@lru_cache(maxsize=64)  # specs and fixtures ask for the same few addresses again and again
def is_loopback(host: str) -> bool:
    """Return whether an IP literal is a loopback address (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)."""
    address = ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_unspecified(host: str) -> bool:
    """Return whether an IP literal is 0.0.0.0 or `::`: all of a host (RFC 4291 §2.5.2)."""
    return ip_address(host).is_unspecified
