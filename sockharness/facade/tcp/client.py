"""`TcpClient`: connects to servers under test. Thread-safe; `.aio` works in asyncio and trio."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from sockharness.facade.context import TIMEOUT, seconds
from sockharness.facade.options import ConnectOptions, refuse_unknown
from sockharness.facade.tcp.connection import Connection
from sockharness.facade.tcp.dialing import Dialer, Target
from sockharness.facade.waiting import refuse_in_loop
from sockharness.printable import count

if TYPE_CHECKING:
    from sockharness.engine.tls.options import TLSOptions

    Tls = TLSOptions | Mapping[str, Any] | bool | None

__tracebackhide__ = True


class TcpClient:
    """Connects: `tcp_client(host, port)` gives a `Connection`.

    Attributes:
        aio: has `connect(host, port)`, the same to be awaited.
    """

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self.aio = AioTcpClient(dialer)

    def __call__(
        self,
        host: str,
        port: int,
        *,
        tls: "Tls" = None,
        timeout: float = TIMEOUT,
        **options: Unpack[ConnectOptions],
    ) -> Connection:
        """Return a connection to a server, with TLS one whose handshake was good.

        Args:
            host: a name or an IP address.
            port: the port.
            tls: `True`, or the engine's options of TLS as a mapping or `TLSOptions`.
            timeout: seconds for the connect, and as many for the handshake.
            options: others of the engine's `connect`; see `ConnectOptions`.

        Raises:
            OSError: it cannot be connected, with `.code`; after `timeout` seconds ETIMEDOUT.
            TLSError: the handshake failed, or the server's certificate is refused.
            UsageError: a loop runs in this thread; await `.aio.connect` there.
        """
        return connected(self._dialer, _target(host, port, tls, timeout, options))

    def clear(self) -> None:
        """Forget events and expectations; open connections stay."""
        self._dialer.clear()

    def __repr__(self) -> str:
        return f"<TcpClient {count(self._dialer.ledger.came, 'connection')}>"


class AioTcpClient:
    """A `TcpClient` that can be awaited, in asyncio and trio."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def connect(
        self,
        host: str,
        port: int,
        *,
        tls: "Tls" = None,
        timeout: float = TIMEOUT,
        **options: Unpack[ConnectOptions],
    ) -> Connection:
        """Return a connection to a server; see `TcpClient`."""
        return await connected_async(self._dialer, _target(host, port, tls, timeout, options))


def connected(dialer: Dialer, target: Target) -> Connection:
    """Connect in this thread."""
    refuse_in_loop("connect")
    wait = dialer.dial(target)
    stream = dialer.context.wait("connect", wait, _longest(target))
    return Connection(dialer, stream)


async def connected_async(dialer: Dialer, target: Target) -> Connection:
    """Connect in this task; when it is cancelled, the connection is given up."""
    wait = dialer.dial(target)
    try:
        stream = await dialer.context.wait_async(wait, _longest(target))
    except BaseException:
        dialer.give_up(wait.stream)
        raise
    return Connection(dialer, stream)


def _longest(target: Target) -> float:
    """Return seconds that are enough for the engine's own time-outs of connect and handshake."""
    return 2 * target.timeout + TIMEOUT


def _target(host: str, port: int, tls: "Tls", timeout: float, options: ConnectOptions) -> Target:
    refuse_unknown("connect", options)
    return Target(hostname=host, port=port, tls=tls, timeout=seconds(timeout), options=options)
