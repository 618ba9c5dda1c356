"""The abilities of this machine: the answers to a spec's `needs`.

Each ability is tried once per process, and the answer is kept: the empty text if it works, else
the reason, with remedies. A test is skipped with that reason.
"""

import socket
from collections.abc import Callable, Iterable
from functools import cache

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.errors import Unavailable
from sockharness.nearest import did_you_mean


@cache
def capture() -> str:
    """Try to capture on loopback."""
    # Imported here, because most runs never ask and a plugin must be light.
    from sockharness.wire.filter import port_filter
    from sockharness.wire.ring import LOOPBACK_INTERFACE, PacketSocket

    try:
        PacketSocket.open(LOOPBACK_INTERFACE, port_filter((), outgoing_only=True)).close()
    except Unavailable as error:
        return str(error)
    return ""


@cache
def ipv6() -> str:
    """Try to bind to the IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind((LOOPBACK6, 0))
    except OSError as error:
        return f"IPv6 on loopback needs {LOOPBACK6} on lo, which cannot be used: {error.strerror}"
    return ""


@cache
def multicast() -> str:
    """Try to receive from a group on loopback."""
    group, interface = "239.255.255.1", socket.inet_aton(LOOPBACK)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
            member.bind((group, 0))
            joined = socket.inet_aton(group) + interface
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
            member.settimeout(1)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
                sender.sendto(b"?", member.getsockname())
                member.recv(1)
    except OSError as error:
        return f"multicast on loopback cannot be used: {error.strerror or error}"
    return ""


@cache
def netns() -> str:
    """Try to make a network with a host."""
    from sockharness.netns.network import Network

    try:
        with Network.open() as network:
            network.host("probe")
    except Unavailable as error:
        return str(error)
    return ""


_PROBES: dict[str, Callable[[], str]] = {
    "capture": capture,
    "ipv6": ipv6,
    "multicast": multicast,
    "netns": netns,
}

NAMES = tuple(_PROBES)


def missing(needs: Iterable[str]) -> str:
    """Return the reason for the first of `needs` that this machine lacks, or the empty text.

    Raises:
        ValueError: a name is not in `NAMES`; the text suggests one.
    """
    probes = [_find(name) for name in needs]  # a wrong name is wrong on every machine
    return next((reason for probe in probes if (reason := probe())), "")


def _find(name: str) -> Callable[[], str]:
    probe = _PROBES.get(name)
    if probe is None:
        hint = did_you_mean(name, NAMES) or f"expected one of {', '.join(NAMES)}"
        raise ValueError(f"needs: unknown {name!r}; {hint}")
    return probe
