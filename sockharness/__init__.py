"""sockharness: test network clients, servers and protocols over real sockets.

The public names are loaded when they are first used (PEP 562): every pytest run in an environment
that holds this package imports it, and most of them use none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockharness import match as match
    from sockharness.certificates import Authority as Authority
    from sockharness.certificates import BadCertificate as BadCertificate
    from sockharness.certificates import Certificate as Certificate
    from sockharness.engine.loop.embed import attached as attached
    from sockharness.engine.loop.reactor import Reactor as Reactor
    from sockharness.engine.outbox import Outbox as Outbox
    from sockharness.engine.streams import Handlers as Handlers
    from sockharness.engine.streams import connect as connect
    from sockharness.engine.streams import listen as listen
    from sockharness.engine.tcp.connecting import Connecting as Connecting
    from sockharness.engine.tcp.listener import Listener as Listener
    from sockharness.engine.tcp.sink import ArrayBufferSink as ArrayBufferSink
    from sockharness.engine.tcp.socket import Socket as Socket
    from sockharness.engine.tcp.states import ReadyState as ReadyState
    from sockharness.engine.tls.options import TLSOptions as TLSOptions
    from sockharness.engine.udp.handlers import DatagramFlags as DatagramFlags
    from sockharness.engine.udp.socket import UDPSocket as UDPSocket
    from sockharness.engine.udp.socket import udp_socket as udp_socket
    from sockharness.errors import ClosedError as ClosedError
    from sockharness.errors import ExpectationFailed as ExpectationFailed
    from sockharness.errors import SpecError as SpecError
    from sockharness.errors import TLSError as TLSError
    from sockharness.errors import Unavailable as Unavailable
    from sockharness.errors import UsageError as UsageError
    from sockharness.facade.tcp.client import TcpClient as TcpClient
    from sockharness.facade.tcp.connection import Connection as Connection
    from sockharness.facade.tcp.handshake import Handshake as Handshake
    from sockharness.facade.tcp.server import TcpServer as TcpServer
    from sockharness.facade.tcp.tls_pair import TlsPair as TlsPair
    from sockharness.facade.tcp.tls_pair import TlsServer as TlsServer
    from sockharness.facade.udp.datagram import Datagram as Datagram
    from sockharness.facade.udp.multicast import Member as Member
    from sockharness.facade.udp.multicast import MulticastGroup as MulticastGroup
    from sockharness.facade.udp.peer import UdpPeer as UdpPeer
    from sockharness.harness import Harness as Harness
    from sockharness.suite.factories import MulticastGroupFactory as MulticastGroupFactory
    from sockharness.suite.factories import TcpServerFactory as TcpServerFactory
    from sockharness.suite.factories import TlsPairFactory as TlsPairFactory
    from sockharness.suite.factories import UdpPeerFactory as UdpPeerFactory

_HOMES = {
    "ArrayBufferSink": "sockharness.engine.tcp.sink",
    "Authority": "sockharness.certificates",
    "BadCertificate": "sockharness.certificates",
    "Certificate": "sockharness.certificates",
    "ClosedError": "sockharness.errors",
    "Connecting": "sockharness.engine.tcp.connecting",
    "Connection": "sockharness.facade.tcp.connection",
    "Datagram": "sockharness.facade.udp.datagram",
    "DatagramFlags": "sockharness.engine.udp.handlers",
    "ExpectationFailed": "sockharness.errors",
    "Handlers": "sockharness.engine.streams",
    "Handshake": "sockharness.facade.tcp.handshake",
    "Harness": "sockharness.harness",
    "Listener": "sockharness.engine.tcp.listener",
    "Member": "sockharness.facade.udp.multicast",
    "MulticastGroup": "sockharness.facade.udp.multicast",
    "MulticastGroupFactory": "sockharness.suite.factories",
    "Outbox": "sockharness.engine.outbox",
    "Reactor": "sockharness.engine.loop.reactor",
    "ReadyState": "sockharness.engine.tcp.states",
    "Socket": "sockharness.engine.tcp.socket",
    "SpecError": "sockharness.errors",
    "TLSError": "sockharness.errors",
    "TLSOptions": "sockharness.engine.tls.options",
    "TcpClient": "sockharness.facade.tcp.client",
    "TcpServer": "sockharness.facade.tcp.server",
    "TcpServerFactory": "sockharness.suite.factories",
    "TlsPair": "sockharness.facade.tcp.tls_pair",
    "TlsPairFactory": "sockharness.suite.factories",
    "TlsServer": "sockharness.facade.tcp.tls_pair",
    "UDPSocket": "sockharness.engine.udp.socket",
    "UdpPeer": "sockharness.facade.udp.peer",
    "UdpPeerFactory": "sockharness.suite.factories",
    "Unavailable": "sockharness.errors",
    "UsageError": "sockharness.errors",
    "attached": "sockharness.engine.loop.embed",
    "connect": "sockharness.engine.streams",
    "listen": "sockharness.engine.streams",
    "udp_socket": "sockharness.engine.udp.socket",
}

_MODULES = ("match",)

__all__ = sorted([*_HOMES, *_MODULES, "run"])


def run() -> None:
    """Run the calling thread's reactor until no referenced handle is left, as a Bun process does.

    Raises:
        Exception: a handler raised it, and there was no `error` handler for it (D17).
    """
    from sockharness.engine.loop.reactor import Reactor

    Reactor.current().run()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"sockharness.{name}")
    if name not in _HOMES:
        raise _unknown(name)
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def _unknown(name: str) -> AttributeError:
    from sockharness.nearest import nearest

    near = "" if name.startswith("_") else nearest(name, __all__, most=None)
    hint = f"; did you mean {near!r}?" if near else ""
    # With a name but no object the interpreter, too, does not add a suggestion of its own.
    return AttributeError(f"module 'sockharness' has no attribute {name!r}{hint}", name=name)


def __dir__() -> list[str]:
    return __all__
