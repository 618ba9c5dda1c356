"""`Harness`: the servers of one test, and its verdict. Fixtures make it; outside pytest you do:

    with sockharness.Harness() as h:
        server = h.tcp_server()
        server.expect(b"PING").reply(b"PONG")
        ...

The end of the `with` block checks, even if the block raised: then the failure is raised from that
exception. It always closes.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Unpack

from sockharness.engine.loop.runner import ThreadRunner
from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.facade.context import HarnessContext, expectation_failed
from sockharness.facade.interface import first_interface, kernel_of, loopback, where
from sockharness.facade.ledger import Ledger
from sockharness.facade.options import (
    MulticastGroupOptions,
    ServerOptions,
    TlsPairOptions,
    UdpPeerOptions,
    buffer_size,
    of_listener,
    refuse_unknown,
)
from sockharness.facade.tcp.listeners import Spares
from sockharness.facade.tcp.listening import Service
from sockharness.facade.tcp.server import TcpServer
from sockharness.facade.udp.group import open_group
from sockharness.facade.udp.multicast import MulticastGroup
from sockharness.facade.udp.peer import UdpPeer, udp_endpoint
from sockharness.story.outcome import Outcome
from sockharness.story.timeline import Timeline

if TYPE_CHECKING:
    from sockharness.certificates import Authority
    from sockharness.facade.tcp.client import TcpClient
    from sockharness.facade.tcp.tls_pair import TlsPair

    Handle = TcpServer | UdpPeer | MulticastGroup | TlsPair | TcpClient

__tracebackhide__ = True


class Participant(Protocol):
    """A server, client, datagram socket or multicast group, checked at the end."""

    ledger: Ledger
    host: str
    port: int

    @property
    def untouched(self) -> bool:
        """True if nothing has reached it, not even in the kernel."""
        ...

    def clear(self) -> None:
        """Forget events and expectations."""
        ...

    def close(self) -> None:
        """Close what it has open; idempotent."""
        ...


class Harness:
    """Servers, the thread they run on, and the timeline of events.

    Args:
        runner: the thread to use, which the caller closes; without one the harness has its own.
        timeout_scale: the factor for every time limit.
        spares: listeners made ahead on that thread.

    Attributes:
        reserved: returns names that a server without a name does not get.
        authority: returns the authority that issues certificates, which the caller closes; without
            it the harness has its own.
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

    def tcp_server(self, **options: Unpack[ServerOptions]) -> TcpServer:
        """Return a new server that listens on loopback, on a port that the system chooses.

        Args:
            options: `name`, `hostname`, `inside` and others; see `ServerOptions`.

        Raises:
            TypeError: there is no such option.
            ValueError: it is no loopback address (inside: no IP address); the name is taken, or
                is not one line.
            OSError: the host has no such address.
            ClosedError: the harness is closed.
        """
        name = self._checked("tcp_server", options)
        inside = options.get("inside")
        _, hostname = where(options.get("hostname"), inside)
        engine = {"hostname": hostname, **of_listener(options)}
        if inside is not None:
            engine["kernel"] = kernel_of(inside)
        half_open = options.get("allow_half_open", False)
        service = Service(
            self._context, name, half_open=half_open, options=engine, spares=self._spares
        )
        server = TcpServer(service)
        self._take_in(service, server)
        return server

    def tls_pair(self, **options: Unpack[TlsPairOptions]) -> "TlsPair":
        """Return a new server with TLS on loopback, and what its clients need.

        Args:
            options: `name`, `certificate`, `tls` and others; see `TlsPairOptions`.

        Raises:
            ValueError, TypeError, TLSError: an option is wrong; the name is taken.
            ClosedError: the harness is closed.
        """
        from sockharness.facade.tcp.tls_pair import tls_pair

        name = self._checked("tls_pair", options)
        pair, service, dialer = tls_pair(self._context, name, self._authority(), options)
        self._stack.callback(pair.close)
        self._take_in(service, pair)
        self._take_in(dialer, None)
        return pair

    @property
    def tcp_client(self) -> "TcpClient":
        """The client for servers under test: `tcp_client(host, port)` returns a `Connection`."""
        if self._tcp_client is None:
            from sockharness.facade.tcp.client import TcpClient
            from sockharness.facade.tcp.dialing import Dialer

            self._refuse_closed()
            dialer = Dialer(self._context, self._name("tcp_client"))
            self._tcp_client = TcpClient(dialer)
            self._take_in(dialer, self._tcp_client)
        return self._tcp_client

    def udp_peer(self, **options: Unpack[UdpPeerOptions]) -> UdpPeer:
        """Return a new datagram socket on loopback, on a port that the system chooses.

        Args:
            options: `name`, `hostname`, `recv_buffer` and `inside`; see `UdpPeerOptions`.

        Raises:
            TypeError: there is no such option.
            ValueError: it is no loopback address (inside: no IP address); the name is taken, or
                is not one line.
            OSError: the host has no such address.
            ClosedError: the harness is closed.
        """
        name = self._checked("udp_peer", options)
        interface, hostname = where(options.get("hostname"), options.get("inside"))
        size = buffer_size(options.get("recv_buffer"))
        endpoint = udp_endpoint(self._context, name, interface, hostname, size)
        peer = UdpPeer(endpoint)
        self._take_in(endpoint, peer)
        return peer

    def multicast_group(self, **options: Unpack[MulticastGroupOptions]) -> MulticastGroup:
        """Return a new multicast group on loopback that no other test on this machine uses.

        Args:
            options: `name`, `ipv6`, `recv_buffer` and `inside`; see `MulticastGroupOptions`.

        Raises:
            Unavailable: a datagram sent to a group did not come back, and why.
            TypeError: there is no such option.
            ValueError: the name is taken.
            ClosedError: the harness is closed.
        """
        name = self._checked("multicast_group", options)
        ipv6, inside = options.get("ipv6", False), options.get("inside")
        interface = loopback(ipv6=ipv6) if inside is None else first_interface(inside, ipv6=ipv6)
        size = buffer_size(options.get("recv_buffer"))
        group = open_group(self._context, name, interface, size)
        handle = MulticastGroup(group)
        self._take_in(group, handle)
        return handle

    def verdict(
        self, *, final: bool = False, besides: BaseException | None = None
    ) -> Outcome | None:
        """Read everything that has arrived, and return what is wrong, or `None`.

        Args:
            final: include the expectations that were left to tear-down.
            besides: an exception of a wait; its server is left out, because it has reported that.
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
        """True if nothing has come, so that there is nothing to read."""
        return all(each.untouched for each in self._participants)

    def reported(self, error: BaseException) -> Outcome | None:
        """Return the outcome in an exception, if it is the last that a server of this harness
        made."""
        report = self._context.report_of(error)
        return report.outcome if report is not None else None

    @property
    def timeline(self) -> Timeline:
        """The events of its servers, clients and peers so far."""
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
        """Return the failures that are certain; an open expectation may still be met."""
        with self._context.lock:
            failures = [failure for each in self._participants for failure in each.ledger.certain()]
            return self._context.outcome(failures) if failures else None

    def check(self, *, final: bool = False) -> None:
        """Raise if anything has failed, and forget it.

        Args:
            final: include the expectations that were left to tear-down.

        Raises:
            ExpectationFailed: an expectation is unmet, other bytes came, bytes are unread, or a
                handler raised.
        """
        outcome = self.verdict(final=final)
        if outcome is not None:
            error = expectation_failed(outcome, again=self.again)
            self.clear()
            raise error

    def clear(self) -> None:
        """Forget events and expectations; see `TcpServer.clear`."""
        for handle in self._handles:
            handle.clear()

    def close(self) -> None:
        """Close everything, the last first. Idempotent."""
        self._closed = True
        self._stack.close()

    def close_soon(self) -> None:
        """Close on the shared thread; wait for that only if a server was used.

        The thread keeps the order: it closes this test's servers before it makes the next one's.
        """
        if not self.untouched:
            self.close()
            return
        self._closed = True
        self._context.runner.post(self._stack.close)

    def stray(self, exception: BaseException) -> None:
        """Record an exception on the harness's thread that belongs to no connection."""
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
        """If something failed here, raise that as the cause of an exception, or note it there."""
        outcome = self.verdict()
        if outcome is not None and explains(outcome, error):
            raise expectation_failed(outcome, again=self.again) from error
        if outcome is not None:
            note(error, outcome)

    def _take_in(self, participant: Participant, handle: "Handle | None") -> None:
        """Add a participant, and the handle that clears it."""
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

    def _checked(self, kind: str, options: Mapping[str, object]) -> str:
        """Check the names of options for a new participant, and return its own name."""
        refuse_unknown(kind, options)
        self._refuse_closed()
        return self._name(kind, options.get("name", ""))

    def _name(self, kind: str, name: object = "") -> str:
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
    """Return whether failures of servers may be the cause of a test's exception.

    They are not the cause if the test called this package wrongly. They are not the cause either if
    no connection and no datagram came: the exception then says why the client did not connect.
    """
    if isinstance(symptom, UsageError | TypeError | ValueError) and _raised_here(symptom):
        return False
    connected = any(channel.opened is not None for channel in outcome.timeline.channels())
    came = connected or any(event.name == "data" for event in outcome.timeline.entries)
    return came or any(failure.exception is not None for failure in outcome.failures)


def note(symptom: BaseException, outcome: Outcome) -> None:
    """Add the failures of servers as notes to an exception."""
    for failure in outcome.failures:
        symptom.add_note(f"sockharness: {failure.headline}")


def _raised_here(error: BaseException) -> bool:
    """Return whether a function of this package raised an error."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return str(module).partition(".")[0] == __package__
