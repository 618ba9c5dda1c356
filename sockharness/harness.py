"""`Harness`: what one test owns. Inside pytest the fixtures make it; outside one does it oneself:

    with sockharness.Harness() as h:
        server = h.tcp_server()
        server.expect(b"PING").reply(b"PONG")
        ...

The `with` block checks at its end, also when it raised: then the failure is raised from what the
block raised. It always closes.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from sockharness.address import is_loopback
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.facade.context import HarnessContext, expectation_failed
from sockharness.facade.ledger import Ledger
from sockharness.facade.tcp.listeners import Options, Spares
from sockharness.facade.tcp.listening import Service
from sockharness.facade.tcp.server import TcpServer
from sockharness.facade.udp.group import open_group
from sockharness.facade.udp.interface import Interface, first_interface, kernel_of, loopback
from sockharness.facade.udp.multicast import MulticastGroup
from sockharness.facade.udp.peer import UdpPeer, udp_endpoint
from sockharness.story.outcome import Outcome
from sockharness.story.timeline import Timeline

if TYPE_CHECKING:
    from sockharness.certificates import Authority, Certificate
    from sockharness.engine.tls.options import TLSOptions
    from sockharness.facade.tcp.client import TcpClient
    from sockharness.facade.tcp.tls_pair import TlsPair
    from sockharness.netns import Host

    Handle = TcpServer | UdpPeer | MulticastGroup | TlsPair | TcpClient

__tracebackhide__ = True


class Participant(Protocol):
    """A server, a client, a datagram socket or a multicast group: what is judged at the end."""

    ledger: Ledger
    host: str
    port: int

    @property
    def untouched(self) -> bool:
        """Whether nothing has reached it, not even in the kernel."""
        ...

    def clear(self) -> None:
        """Forget what happened and what was expected."""
        ...

    def close(self) -> None:
        """Close what it has open; idempotent."""
        ...


class Harness:
    """Servers, the thread they run on, and the record of what happened.

    Args:
        runner: the thread to use, which stays its owner's; without one the harness has its own.
        timeout_scale: every time limit is multiplied by this.
        spares: listeners made ahead on that thread.

    Attributes:
        reserved: gives names that servers without one are not to have.
        authority: gives the authority that issues certificates, which stays its owner's; without it
            the harness has its own.
    """

    def __init__(
        self,
        runner: ThreadRunner | None = None,
        timeout_scale: float = 1.0,
        *,
        spares: Spares | None = None,
    ) -> None:
        self._spares = spares
        self._stack = ExitStack()
        self._handles: list[Handle] = []
        self._participants: list[Participant] = []
        self._tcp_client: TcpClient | None = None
        self._own_authority: Authority | None = None
        self.authority: Callable[[], Authority] | None = None
        self.reserved: Callable[[], set[str]] = set
        self._closed = False
        if runner is None:
            runner = ThreadRunner(on_exception=self.stray)
            self._stack.callback(runner.close)
        self._context = HarnessContext(runner, scale=timeout_scale)
        self._stack.callback(self._context.queues.close)

    @property
    def again(self) -> str:
        """The command that runs the test again; failure texts end with it."""
        return self._context.again

    @again.setter
    def again(self, command: str) -> None:
        self._context.again = command

    def tcp_server(
        self,
        *,
        name: str = "",
        hostname: str | None = None,
        allow_half_open: bool = False,
        pause_on_connect: bool = False,
        backlog: int = 512,
        send_buffer: int | None = None,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> TcpServer:
        """Return a new server that listens on loopback, on a port that the system chooses.

        Args:
            name: how failures call it; `tcp_server`, `tcp_server2`, … if absent.
            hostname: `"127.0.0.1"`, another loopback address, or `"localhost"`; inside a host any
                IP address, if absent that of its first link.
            allow_half_open: its end of a connection stays open after the client's FIN.
            pause_on_connect: connections do not read until `resume()`.
            backlog: how many connections may wait to be accepted.
            send_buffer: size of the kernel's buffer of a connection, in bytes.
            recv_buffer: the same for receiving.
            inside: a host of a `sockharness.netns.Network`; the server is there then.

        Raises:
            ValueError: it is no loopback address (inside: no IP address); the name is taken, or
                cannot be.
            OSError: the host has no such address.
            ClosedError: the harness is closed.
        """
        self._refuse_closed()
        _, hostname = _where(hostname, inside)
        options = Options(
            hostname=hostname,
            kernel=kernel_of(inside),
            allow_half_open=allow_half_open,
            pause_on_connect=pause_on_connect,
            backlog=backlog,
            send_buffer=send_buffer,
            recv_buffer=recv_buffer,
        )
        name = self._name(name, "tcp_server")
        service = Service(self._context, name, options, self._spares)
        server = TcpServer(service)
        self._take_in(service, server)
        return server

    def tls_pair(
        self,
        *,
        name: str = "",
        certificate: "Certificate | None" = None,
        tls: "TLSOptions | Mapping[str, Any] | None" = None,
        hostname: str = "localhost",
        allow_half_open: bool = False,
    ) -> "TlsPair":
        """Return a new server with TLS on loopback, and what its clients need.

        Args:
            name: how failures call it; `tls_pair`, `tls_pair2`, … if absent.
            certificate: the server's; if absent, one for `localhost` and the loopback addresses.
            tls: more of the engine's options of TLS for the server, as a mapping such as
                `{"request_cert": True}` or `TLSOptions`; a key and cert there are shown instead.
            hostname: `"localhost"`, or a loopback address.
            allow_half_open: as for `tcp_server`.

        Raises:
            ValueError, TypeError, TLSError: an option cannot be; the name is taken.
            ClosedError: the harness is closed.
        """
        from sockharness.facade.tcp.tls_pair import tls_pair

        self._refuse_closed()
        name = self._name(name, "tls_pair")
        pair, service, dialer = tls_pair(
            self._context,
            name,
            _loopback(hostname),
            ca=self._authority(),
            certificate=certificate,
            tls=tls,
            allow_half_open=allow_half_open,
        )
        self._stack.callback(pair.close)
        self._take_in(service, pair)
        self._take_in(dialer, None)
        return pair

    @property
    def tcp_client(self) -> "TcpClient":
        """What connects to servers under test: `tcp_client(host, port)` gives a `Connection`."""
        if self._tcp_client is None:
            from sockharness.facade.tcp.client import TcpClient
            from sockharness.facade.tcp.dialing import Dialer

            self._refuse_closed()
            dialer = Dialer(self._context, self._name("", "tcp_client"))
            self._tcp_client = TcpClient(dialer)
            self._take_in(dialer, self._tcp_client)
        return self._tcp_client

    def udp_peer(
        self,
        *,
        name: str = "",
        hostname: str | None = None,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> UdpPeer:
        """Return a new datagram socket on loopback, on a port that the system chooses.

        Args:
            name: how failures call it; `udp_peer`, `udp_peer2`, … if absent.
            hostname: `"127.0.0.1"`, another loopback address, or `"localhost"`; inside a host any
                IP address, if absent that of its first link.
            recv_buffer: size of the kernel's receive buffer, in bytes; if absent, what holds a long
                burst. What finds no room there is lost, and that is told.
            inside: a host of a `sockharness.netns.Network`; the socket is there then.

        Raises:
            ValueError: it is no loopback address (inside: no IP address); the name is taken, or
                cannot be.
            OSError: the host has no such address.
            ClosedError: the harness is closed.
        """
        self._refuse_closed()
        name = self._name(name, "udp_peer")
        interface, hostname = _where(hostname, inside)
        endpoint = udp_endpoint(self._context, name, interface, hostname, _size(recv_buffer))
        peer = UdpPeer(endpoint)
        self._take_in(endpoint, peer)
        return peer

    def multicast_group(
        self,
        *,
        name: str = "",
        ipv6: bool = False,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> MulticastGroup:
        """Return a new multicast group on loopback that nobody else on this machine uses.

        Args:
            name: how failures call it; `multicast_group`, `multicast_group2`, … if absent.
            ipv6: whether it is one of IPv6.
            recv_buffer: size of a member's receive buffer in the kernel; as for `udp_peer`.
            inside: a host of a `sockharness.netns.Network`; the group is there then, on its first
                link.

        Raises:
            Unavailable: a datagram sent to a group did not come back; says why.
            ValueError: the name is taken.
            ClosedError: the harness is closed.
        """
        self._refuse_closed()
        name = self._name(name, "multicast_group")
        interface = loopback(ipv6=ipv6) if inside is None else first_interface(inside, ipv6=ipv6)
        group = open_group(self._context, name, interface, _size(recv_buffer))
        handle = MulticastGroup(group)
        self._take_in(group, handle)
        return handle

    def verdict(
        self, *, final: bool = False, besides: BaseException | None = None
    ) -> Outcome | None:
        """Take in all that has arrived, and return what is wrong, or nothing.

        Args:
            final: count the expectations that were left to tear-down, too.
            besides: leave out the server whose wait raised this: it has told.
        """
        if not self._participants or self._closed:
            return None
        if not self.untouched:
            self._context.settle()
        reported = self._context.report_of(besides)
        silent = reported.by if reported is not None else None
        failures = [
            failure
            for each in self._participants
            if each.ledger.name != silent
            for failure in each.ledger.judge(final=final)
        ]
        return self._context.outcome(failures) if failures else None

    @property
    def untouched(self) -> bool:
        """Whether nothing has come, so that there is nothing to take in."""
        return all(each.untouched for each in self._participants)

    def reported(self, error: BaseException) -> Outcome | None:
        """Return what an exception reports, if a server of this harness made it just now."""
        report = self._context.report_of(error)
        return report.outcome if report is not None else None

    @property
    def timeline(self) -> Timeline:
        """What has happened on its servers."""
        return self._context.timeline

    @property
    def names(self) -> set[str]:
        """The names of its servers, peers and groups."""
        return {each.ledger.name for each in self._participants}

    @property
    def deferred(self) -> bool:
        """Whether expectations that were left to tear-down are unmet."""
        with self._context.lock:
            return any(each.ledger.deferred for each in self._participants)

    def recorded(self) -> Outcome | None:
        """Return what has gone wrong for certain by now, without missing what may yet come."""
        with self._context.lock:
            failures = [failure for each in self._participants for failure in each.ledger.certain()]
            return self._context.outcome(failures) if failures else None

    def check(self, *, final: bool = False) -> None:
        """Raise if anything is not as stated; what was raised is forgotten.

        Args:
            final: count the expectations that were left to tear-down, too.

        Raises:
            ExpectationFailed: unmet expectations, other bytes, unread bytes, what handlers raised.
        """
        outcome = self.verdict(final=final)
        if outcome is not None:
            error = expectation_failed(outcome, again=self.again)
            self.clear()
            raise error

    def clear(self) -> None:
        """Forget what happened and what was expected; see `TcpServer.clear`."""
        for handle in self._handles:
            handle.clear()

    def close(self) -> None:
        """Close everything, the last first. Idempotent."""
        self._closed = True
        self._stack.close()

    def close_soon(self) -> None:
        """Close on the thread, which is another's; wait only if something may still be learnt.

        Order is kept there: what this test left is closed before the next one's begins.
        """
        if not self.untouched:
            self.close()
            return
        self._closed = True
        self._context.runner.post(self._stack.close)

    def stray(self, exception: BaseException) -> None:
        """Record what was raised on the harness's thread and belongs to no connection."""
        for participant in self._participants[:1]:
            participant.ledger.raised(exception)

    def __enter__(self) -> "Harness":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.check(final=True)
            elif isinstance(error, Exception) and not isinstance(error, ExpectationFailed):
                self._explain(error)
        finally:
            self.close()

    def _explain(self, error: Exception) -> None:
        """Raise what explains an exception, or note it there, if something is wrong here."""
        outcome = self.verdict()
        if outcome is not None and explains(outcome, error):
            raise expectation_failed(outcome, again=self.again) from error
        if outcome is not None:
            note(error, outcome)

    def _take_in(self, participant: Participant, handle: "Handle | None") -> None:
        """Take a participant, and the handle that clears it."""
        self._stack.callback(participant.close)
        self._participants.append(participant)
        if handle is not None:
            self._handles.append(handle)

    def _authority(self) -> "Authority":
        if self.authority is not None:
            return self.authority()
        if self._own_authority is None:
            from sockharness.certificates import Authority

            self._own_authority = Authority()
            self._stack.callback(self._own_authority.close)
        return self._own_authority

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ClosedError("the harness is closed")

    def _name(self, name: str, kind: str) -> str:
        if not isinstance(name, str):
            raise TypeError(f"name: expected str, got {name!r}")
        if name and (not name.strip() or name.splitlines() != [name]):
            raise ValueError(f"name: expected a line, got {name!r}")
        if name in self.names:
            raise ValueError(f"name: there is a {name!r} already")
        taken = self.names | self.reserved()
        numbers = ["", *range(2, len(taken) + 2)]
        return name or next(each for each in (f"{kind}{n}" for n in numbers) if each not in taken)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        held = ", ".join(
            f"{each.ledger.name} {each.host}:{each.port}"
            for each in self._participants
            if each.port
        )
        return f"<Harness {state}{', ' + held if held else ''}>"


def explains(outcome: Outcome, symptom: BaseException) -> bool:
    """Say whether what servers found may be the cause of what a test raised.

    It is not if the test called this package wrongly; and if no connection and no datagram came,
    what kept the client from it says more than that it did not.
    """
    if isinstance(symptom, UsageError | TypeError | ValueError) and _raised_here(symptom):
        return False
    connected = any(channel.opened is not None for channel in outcome.timeline.channels())
    came = connected or any(event.name == "data" for event in outcome.timeline.entries)
    return came or any(failure.exception is not None for failure in outcome.failures)


def note(symptom: BaseException, outcome: Outcome) -> None:
    """Note at an exception what servers found besides."""
    for failure in outcome.failures:
        symptom.add_note(f"sockharness: {failure.headline}")


def _raised_here(error: BaseException) -> bool:
    """Say whether a function of this package has raised it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return str(module).partition(".")[0] == __package__


class TcpServerFactory(Protocol):
    """What the fixture `tcp_server_factory` gives: `with tcp_server_factory() as server:`."""

    def __call__(
        self,
        *,
        name: str = "",
        hostname: str | None = None,
        allow_half_open: bool = False,
        pause_on_connect: bool = False,
        backlog: int = 512,
        send_buffer: int | None = None,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> AbstractContextManager[TcpServer]:
        """Make a server with a harness of its own; see `Harness.tcp_server`."""
        ...


class UdpPeerFactory(Protocol):
    """What the fixture `udp_peer_factory` gives: `with udp_peer_factory() as peer:`."""

    def __call__(
        self,
        *,
        name: str = "",
        hostname: str | None = None,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> AbstractContextManager[UdpPeer]:
        """Make a peer with a harness of its own; see `Harness.udp_peer`."""
        ...


class MulticastGroupFactory(Protocol):
    """What the fixture `multicast_group_factory` gives: `with multicast_group_factory() as g:`."""

    def __call__(
        self,
        *,
        name: str = "",
        ipv6: bool = False,
        recv_buffer: int | None = None,
        inside: "Host | None" = None,
    ) -> AbstractContextManager[MulticastGroup]:
        """Make a group with a harness of its own; see `Harness.multicast_group`.

        Skips the test with the reason where multicast does not work.
        """
        ...


def _size(recv_buffer: int | None) -> int | None:
    """Return the size of a buffer, if it is one."""
    if recv_buffer is None:
        return None
    if isinstance(recv_buffer, bool) or not isinstance(recv_buffer, int):
        raise TypeError(f"recv_buffer: expected bytes, got {recv_buffer!r}")
    if not 1 <= recv_buffer < 2**31:
        raise ValueError(f"recv_buffer: expected bytes from 1, got {recv_buffer!r}")
    return recv_buffer


def _where(hostname: str | None, inside: "Host | None") -> tuple[Interface, str]:
    """Return where a socket is to be, and the address to bind it to."""
    if inside is None:
        interface = loopback(ipv6=False)
        return interface, interface.address if hostname is None else _loopback(hostname)
    interface = first_interface(inside, ipv6=False)
    if hostname is None:
        return interface, interface.address
    try:
        ip_address(hostname)
    except ValueError:
        raise ValueError(f"hostname: expected an IP address, got {hostname!r}") from None
    return interface, hostname


def _loopback(hostname: str) -> str:
    """Return a name or address to bind to, if it is on loopback."""
    try:
        good = hostname == "localhost" or is_loopback(hostname)
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"hostname: expected a loopback address or 'localhost', got {hostname!r}")
    return hostname
