"""The options of servers, clients, datagram sockets and multicast groups.

Each is named here and nowhere else: the methods of `Harness`, the factory fixtures and `TcpClient`
take them as keywords, and pass those of the engine on by their names.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from sockharness.nearest import suggestion

if TYPE_CHECKING:
    from sockharness.certificates import Certificate
    from sockharness.engine.tls.options import TLSOptions
    from sockharness.netns import Host

__tracebackhide__ = True


class ServerOptions(TypedDict, total=False):
    """The options of `tcp_server`.

    Attributes:
        name: how failures call it; `tcp_server`, `tcp_server2`, … if absent.
        hostname: `"127.0.0.1"`, another loopback address, or `"localhost"`; inside a host any IP
            address, if absent that of its first link.
        allow_half_open: our end of a connection stays open after the client's FIN.
        pause_on_connect: connections do not read until `resume()`.
        backlog: how many connections may wait to be accepted; 512 if absent.
        send_buffer: size of the kernel's send buffer of a connection, in bytes.
        recv_buffer: the same for receiving.
        inside: a host of a `sockharness.netns.Network`; the server is there then.
    """

    name: str
    hostname: str | None
    allow_half_open: bool
    pause_on_connect: bool
    backlog: int
    send_buffer: int | None
    recv_buffer: int | None
    inside: "Host | None"


class TlsPairOptions(TypedDict, total=False):
    """The options of `tls_pair`.

    Attributes:
        name: how failures call it; `tls_pair`, `tls_pair2`, … if absent.
        certificate: the server's; if absent, one for `localhost` and the loopback addresses.
        tls: more of the engine's options of TLS for the server, as a mapping such as
            `{"request_cert": True}` or `TLSOptions`; a key and cert there are shown instead.
        hostname: `"localhost"` (if absent), or a loopback address.
        allow_half_open: as for `tcp_server`.
    """

    name: str
    certificate: "Certificate | None"
    tls: "TLSOptions | Mapping[str, Any] | None"
    hostname: str
    allow_half_open: bool


class UdpPeerOptions(TypedDict, total=False):
    """The options of `udp_peer`.

    Attributes:
        name: how failures call it; `udp_peer`, `udp_peer2`, … if absent.
        hostname: as for `tcp_server`.
        recv_buffer: size of the kernel's receive buffer, in bytes; if absent, one for long bursts.
            The kernel drops a datagram that finds no room there, and the test fails as
            inconclusive.
        inside: a host of a `sockharness.netns.Network`; the socket is there then.
    """

    name: str
    hostname: str | None
    recv_buffer: int | None
    inside: "Host | None"


class MulticastGroupOptions(TypedDict, total=False):
    """The options of `multicast_group`.

    Attributes:
        name: how failures call it; `multicast_group`, `multicast_group2`, … if absent.
        ipv6: whether it is a group of IPv6.
        recv_buffer: size of a member's receive buffer; as for `udp_peer`.
        inside: a host of a `sockharness.netns.Network`; the group is on its first link then.
    """

    name: str
    ipv6: bool
    recv_buffer: int | None
    inside: "Host | None"


class ConnectOptions(TypedDict, total=False):
    """The options of `tcp_client` beside host, port, `tls` and `timeout`; see `connect`.

    Attributes:
        local_address: the IP address to connect from.
        local_port: the port to connect from.
        pause_on_connect: the connection does not read until `resume()`.
        send_buffer: size of the kernel's send buffer, in bytes.
        recv_buffer: the same for receiving.
    """

    local_address: str
    local_port: int
    pause_on_connect: bool
    send_buffer: int
    recv_buffer: int


OPTIONS = {
    "tcp_server": ServerOptions,
    "tls_pair": TlsPairOptions,
    "udp_peer": UdpPeerOptions,
    "multicast_group": MulticastGroupOptions,
    "connect": ConnectOptions,
}
_OURS = ("name", "hostname", "allow_half_open", "inside")


def known(kind: str) -> tuple[str, ...]:
    """Return the names of the options of `"tcp_server"` and the like, in their order."""
    return tuple(OPTIONS[kind].__annotations__)


def refuse_unknown(kind: str, options: Mapping[str, object], where: str = "") -> None:
    """Raise `TypeError` for an option that does not exist.

    Args:
        kind: whose options: `"tcp_server"` and the like.
        options: those given.
        where: what the error calls the function; `kind` if absent.
    """
    names = known(kind)
    for option in options:
        if option not in names:
            near = suggestion(option, names) or f"; there are {', '.join(names)}"
            raise TypeError(f"{where or kind}: there is no option {option!r}{near}")


def of_listener(options: ServerOptions) -> dict[str, Any]:
    """Return the options that the engine's `listen` takes with the same name and meaning."""
    return {name: value for name, value in options.items() if name not in _OURS}


def buffer_size(recv_buffer: int | None) -> int | None:
    """Return the size of a buffer in bytes, if it can be one."""
    if recv_buffer is None:
        return None
    if isinstance(recv_buffer, bool) or not isinstance(recv_buffer, int):
        raise TypeError(f"recv_buffer: expected bytes, got {recv_buffer!r}")
    if not 1 <= recv_buffer < 2**31:
        raise ValueError(f"recv_buffer: expected bytes from 1, got {recv_buffer!r}")
    return recv_buffer
