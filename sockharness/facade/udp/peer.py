"""`UdpPeer`: a datagram socket as a test holds it. Thread-safe; `.aio` has awaitable methods."""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Never

from sockharness.facade.context import TIMEOUT, HarnessContext
from sockharness.facade.event_wait import EventWait
from sockharness.facade.interface import Interface
from sockharness.facade.ledger import Handler
from sockharness.facade.script import Exchange, Want, as_bytes
from sockharness.facade.udp.datagram import Address, Datagram, address_of
from sockharness.facade.udp.endpoint import UdpEndpoint
from sockharness.facade.udp.reading import DatagramWait, Silence, SilenceWait
from sockharness.handlers import DATAGRAM_HANDLERS
from sockharness.nearest import suggestion
from sockharness.printable import count
from sockharness.story.events import Event

if TYPE_CHECKING:
    from sockharness.engine.udp.socket import UDPSocket

    DrainHandler = Callable[[UDPSocket], object]
    ErrorHandler = Callable[[UDPSocket, BaseException], object]

__tracebackhide__ = True
A_WHILE = 0.1
"""Seconds in which nothing may come, by default."""


def udp_endpoint(
    context: HarnessContext, name: str, interface: Interface, hostname: str, recv_buffer: int | None
) -> UdpEndpoint:
    """Return the endpoint of a peer on a port that the system chooses."""

    def make(handlers: Mapping[str, Handler]) -> "UDPSocket":
        return interface.socket(context.runner.reactor, handlers, hostname=hostname)

    return UdpEndpoint(context, name, make, recv_buffer=recv_buffer)


class UdpPeer:
    """A datagram socket that answers as a test says, and records what it receives.

    Attributes:
        host: the IP address it is bound to.
        port: chosen by the system, and held until the end.
        address: both.
        aio: the awaitable methods, for asyncio and trio.
    """

    protocol = "udp"

    def __init__(self, endpoint: UdpEndpoint) -> None:
        self._endpoint = endpoint
        self.host: str = endpoint.host
        self.port: int = endpoint.port
        self.address: Address = (self.host, self.port)
        self.aio = AioUdpPeer(endpoint)

    # Expectations

    def expect(self, want: Want) -> Exchange:
        """Expect a datagram, exactly once, in the order of these calls.

        It must match as a whole, no byte less and no byte more. Call `.reply` or `.ignore` on what
        this returns: an expectation that was met and has no answer fails the test.

        Raises:
            TypeError: it cannot be matched.
            UsageError: there is a handler for `data`.
        """
        return self._endpoint.expect(want, rule=False)

    def when(self, want: Want) -> Exchange:
        """Answer a datagram that may come any number of times; `expect` goes first."""
        return self._endpoint.expect(want, rule=True)

    def on(
        self,
        *,
        data: Handler | None = None,
        drain: "DrainHandler | None" = None,
        error: "ErrorHandler | None" = None,
        **unknown: Never,
    ) -> None:
        """Add handlers, which are called on the harness's thread with the engine's socket.

        Args:
            data: takes socket, bytes, port, address, and the flags if it has a fifth argument.
            drain: takes the socket.
            error: takes the socket and an exception: an error of the network, or one that a
                handler raised, which fails the test without it.
            unknown: nothing; a misspelt name is refused with the one that was meant.

        Raises:
            TypeError: an unknown handler, or one that cannot be called; `data` takes neither four
                nor five arguments.
            UsageError: an `async def` handler; `data` beside `expect` or `when`.
        """
        self._endpoint.handle({**_given(data, drain, error), **unknown}, merge=True)

    def reload(
        self,
        socket: Mapping[str, Handler] | None = None,
        *,
        data: Handler | None = None,
        drain: "DrainHandler | None" = None,
        error: "ErrorHandler | None" = None,
        **unknown: Never,
    ) -> None:
        """Replace all handlers; raises as `on`.

        Args:
            socket: the handlers as a mapping, as the engine takes them.
            data: and the others: the same by keyword.
            drain: see there.
            error: see there.
            unknown: nothing; a misspelt name is refused with the one that was meant.
        """
        given = _given(data, drain, error)
        self._endpoint.handle({**(socket or {}), **given, **unknown}, merge=False)

    # Sending and receiving

    def send(
        self, data: bytes | bytearray | memoryview | str, address: tuple[Any, ...] | list[Any]
    ) -> None:
        """Send one datagram, behind those that wait for room in the kernel; does not wait for them.

        Args:
            data: bytes-like, or text (UTF-8); may be empty.
            address: (host, port), where host is an IP address, as in `Datagram.address`.

        Raises:
            TypeError, ValueError: it is no such address.
            OSError: the system refuses, as EMSGSIZE for more than 65507 bytes over IPv4.
        """
        self._endpoint.send(as_bytes(data), address_of(address))

    def receive(self, *, timeout: float = TIMEOUT) -> Datagram:
        """Wait for a datagram that no expectation takes, and take it; the oldest first.

        Raises:
            ExpectationFailed: none came in `timeout` seconds, or something else went wrong.
            UsageError: a loop runs in this thread; await `.aio.receive` there.
        """
        return self._endpoint.context.wait("receive", DatagramWait(self._endpoint), timeout)

    def receive_nothing(self, *, within: float = A_WHILE) -> None:
        """Wait `within` seconds in which no datagram may come or be unread.

        Raises:
            ExpectationFailed: one did.
            UsageError: a loop runs in this thread; await `.aio.receive_nothing` there.
        """
        context, want = self._endpoint.context, SilenceWait(self._endpoint)
        try:
            context.wait("receive_nothing", want, within)
        except Silence:
            _look_once_more(context, want)

    @property
    def received(self) -> list[Datagram]:
        """All datagrams so far, taken or not. Datagrams that were looked at here do not fail the
        test any more, and can still be expected or received."""
        with self._endpoint.context.lock:
            return self._endpoint.received.look()

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for `data`, `drain` or `error`; an earlier one counts, each only once.

        Raises:
            ExpectationFailed: it did not come in `timeout` seconds.
            UsageError: a loop runs in this thread; await `.aio.wait_for` there.
        """
        return self._endpoint.context.wait("wait_for", _event(self._endpoint, event), timeout)

    # Judging

    def captured(self) -> AbstractContextManager[None]:
        """Send each datagram as a frame of its own within a `with` block, for `wire.capture`."""
        return self._endpoint.context.captured()

    def check(self) -> None:
        """Raise if anything has failed up to now, and forget it.

        Raises:
            ExpectationFailed: an expectation is unmet, other datagrams came, some are unread or
                lost, or a handler raised.
        """
        self._endpoint.ledger.check(self.clear)

    def clear(self) -> None:
        """Forget events and expectations; rules and handlers stay."""
        self._endpoint.clear()

    def __repr__(self) -> str:
        return f"<UdpPeer {self.host}:{self.port} {described(self._endpoint)}>"


class AioUdpPeer:
    """The awaitable methods of a `UdpPeer`, for asyncio and trio."""

    def __init__(self, endpoint: UdpEndpoint) -> None:
        self._endpoint = endpoint

    def receive(self, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Datagram]:
        """Wait for a datagram and take it; see `UdpPeer.receive`."""
        return self._endpoint.context.wait_async(DatagramWait(self._endpoint), timeout)

    def receive_nothing(self, *, within: float = A_WHILE) -> Coroutine[Any, Any, None]:
        """Wait for nothing; see `UdpPeer.receive_nothing`."""
        return self._nothing(SilenceWait(self._endpoint), within)

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Coroutine[Any, Any, Event]:
        """Wait for an event; see `UdpPeer.wait_for`."""
        return self._endpoint.context.wait_async(_event(self._endpoint, event), timeout)

    async def _nothing(self, want: SilenceWait, within: float) -> None:
        context = self._endpoint.context
        try:
            await context.wait_async(want, within)
        except Silence:
            _look_once_more(context, want)


def described(endpoint: UdpEndpoint) -> str:
    """Describe the state of a socket in a few words."""
    with endpoint.context.lock:
        state = "closed" if endpoint.ledger.closed else "open"
        unread, unmet = len(endpoint.received), len(endpoint.ledger.script.queue)
        came = count(len(endpoint.received.everything), "datagram")
    return f"{state}, {came}, {unread} unread, {unmet} expected"


def _look_once_more(context: HarnessContext, want: SilenceWait) -> None:
    """Read what is in the kernel at the end of the time: that has come, too."""
    context.settle()
    with context.lock:
        if want.ready():
            want.take()


def _event(endpoint: UdpEndpoint, name: str) -> EventWait:
    if name not in DATAGRAM_HANDLERS:
        hint = suggestion(str(name), DATAGRAM_HANDLERS)
        raise ValueError(
            f"event: expected one of {', '.join(DATAGRAM_HANDLERS)}, got {name!r}{hint}"
        )
    return EventWait(endpoint.ledger, name)


def _given(
    data: Handler | None, drain: "DrainHandler | None", error: "ErrorHandler | None"
) -> dict[str, Handler]:
    given = {"data": data, "drain": drain, "error": error}
    return {name: handler for name, handler in given.items() if handler is not None}
