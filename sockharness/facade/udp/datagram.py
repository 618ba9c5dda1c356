"""A datagram as a test gets it."""

__tracebackhide__ = True

Address = tuple[str, int]
"""A host, which is an IP address, and a port."""


class Datagram(bytes):
    """The bytes of one datagram, and what is known about it.

    Attributes:
        address: (host, port) of the sender.
        ttl: the TTL of IPv4, or hop limit of IPv6, with which it arrived; `None` if unknown.
        at: when it came, in seconds since the harness began.
        truncated: whether it was longer than these bytes.
    """

    address: Address
    ttl: int | None
    at: float
    truncated: bool

    def __new__(
        cls,
        data: bytes = b"",
        *,
        address: Address = ("", 0),
        ttl: int | None = None,
        at: float = 0.0,
        truncated: bool = False,
    ) -> "Datagram":
        """Make a datagram to compare with; the harness makes those from the network."""
        made = super().__new__(cls, data)
        made.address, made.ttl, made.at, made.truncated = address, ttl, at, truncated
        return made


def address_of(value: object) -> Address:
    """Return an address as the engine takes it: host and port, of IPv6 also with flow and scope.

    Raises:
        TypeError: it is no such tuple.
    """
    if isinstance(value, tuple | list) and len(value) in (2, 4):
        host, port, *rest = value
        if isinstance(host, str) and isinstance(port, int):
            zone = f"%{rest[1]}" if rest and rest[1] and "%" not in host else ""
            return host + zone, port
    raise TypeError(f"address: expected (host, port), got {value!r}")
