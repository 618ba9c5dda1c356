"""`MulticastGroup` and `Member`: the handles of a group for a test. Thread-safe."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from sockharness.errors import ClosedError, UsageError
from sockharness.facade.context import TIMEOUT
from sockharness.facade.interface import first_interface, host_address
from sockharness.facade.script import Exchange, Want, as_bytes
from sockharness.facade.udp.datagram import Address, Datagram
from sockharness.facade.udp.endpoint import UdpEndpoint
from sockharness.facade.udp.group import Group
from sockharness.facade.udp.peer import A_WHILE, AioUdpPeer, UdpPeer, described
from sockharness.printable import count
from sockharness.story.events import Event

if TYPE_CHECKING:
    from sockharness.netns import Host

__tracebackhide__ = True


class MulticastGroup:
    """A multicast group on loopback for this test alone.

    Attributes:
        group: its IP address.
        port: where its members listen.
        address: both.
        interface: the name of its interface.
        host: an IP address on that interface, for IP_MULTICAST_IF.
    """

    protocol = "udp"

    def __init__(self, group: Group) -> None:
        self._group = group
        self.group: str = group.group
        self.port: int = group.port
        self.address: Address = group.address
        self.interface: str = group.interface.name
        self.host: str = group.host

    def join(self, source: str | None = None, *, inside: "Host | None" = None) -> "Member":
        """Return a new member, which receives from now on what is sent to the group.

        Args:
            source: an IP address; receive only from there (source-specific).
            inside: another host of the group's network, for the member.

        Raises:
            TypeError, ValueError: the source is no IP address of the group's family.
            UsageError: `inside` is in another network than the group.
            OSError: the system refuses.
        """
        if source is not None:
            host_address("source", source)
        there = None
        if inside is not None:
            there = first_interface(inside, ipv6=self._group.interface.ipv6)
            self._refuse_foreign(inside)
        return Member(self._group, self._group.join(source, there), source)

    def send(self, data: bytes | bytearray | memoryview | str, source: str | None = None) -> None:
        """Send one datagram to the group; it stays on this machine.

        Args:
            data: bytes-like, or text (UTF-8); may be empty.
            source: the address to send from, one of this machine, such as `"127.0.0.5"`; `host`
                if absent.

        Raises:
            TypeError, ValueError: the source is no IP address of a host.
            OSError: the system refuses: EADDRNOTAVAIL, EMSGSIZE.
        """
        if source is not None:
            host_address("source", source)
        self._group.send(as_bytes(data), source)

    def sender(self, source: str | None = None) -> UdpPeer:
        """Return the socket that `send` uses: members see its `address` and answer to it."""
        if source is not None:
            host_address("source", source)
        return UdpPeer(self._group.sender(source))

    def captured(self) -> AbstractContextManager[None]:
        """Send each datagram as a frame of its own within a `with` block, for `wire.capture`."""
        return self._group.context.captured()

    def _refuse_foreign(self, host: "Host") -> None:
        """Raise for a host that datagrams to the group cannot reach."""
        own = self._group.interface.host
        if own is None:
            raise UsageError(
                "inside: this group is on this machine, which no host of a network hears; "
                "make it in one, multicast_group(inside=…)"
            )
        if not own.is_beside(host):
            raise UsageError(f"inside: expected a host of the group's network, got {host!r}")

    def check(self) -> None:
        """Raise if anything has failed up to now, and forget it.

        Raises:
            ExpectationFailed: of a member or sender an expectation is unmet, other datagrams came,
                some are unread or lost, or a reply function raised.
        """
        self._group.ledger.check(self.clear)

    def clear(self) -> None:
        """Forget events and expectations; members and rules stay."""
        self._group.clear()

    def __repr__(self) -> str:
        group = self._group
        state = "closed" if group.ledger.closed else "open"
        members = sum(not each.ledger.closed for each in group.members)
        return f"<MulticastGroup {self.group}:{self.port} {state}, {count(members, 'member')}>"


class Member:
    """One member of a group. `with group.join() as member:` leaves at the end of the block.

    Attributes:
        source: the only address that it receives from; `None`: from everywhere.
        aio: the awaitable methods, for asyncio and trio.
    """

    def __init__(self, group: Group, endpoint: UdpEndpoint, source: str | None) -> None:
        self._group = group
        self._endpoint = endpoint
        self._peer = UdpPeer(endpoint)
        self.source = source
        self.aio = AioUdpPeer(endpoint)

    def expect(self, want: Want) -> Exchange:
        """Expect a datagram; see `UdpPeer.expect`.

        A reply goes to the sender alone, from the group's port.
        """
        self._refuse_gone()
        return self._peer.expect(want)

    def when(self, want: Want) -> Exchange:
        """Answer a datagram that may come any number of times; see `UdpPeer.when`."""
        self._refuse_gone()
        return self._peer.when(want)

    def receive(self, *, timeout: float = TIMEOUT) -> Datagram:
        """Wait for a datagram that no expectation takes, and take it; see `UdpPeer.receive`."""
        return self._peer.receive(timeout=timeout)

    def receive_nothing(self, *, within: float = A_WHILE) -> None:
        """Wait `within` seconds in which none may come; see `UdpPeer.receive_nothing`."""
        self._peer.receive_nothing(within=within)

    @property
    def received(self) -> list[Datagram]:
        """All datagrams so far, taken or not; see `UdpPeer.received`."""
        return self._peer.received

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for `data` or `error`; see `UdpPeer.wait_for`."""
        return self._peer.wait_for(event, timeout=timeout)

    def leave(self) -> None:
        """Leave the group; datagrams that have come can still be received. Idempotent."""
        self._group.leave(self._endpoint)

    def _refuse_gone(self) -> None:
        if self._endpoint.ledger.closed and not self._group.ledger.closed:
            raise ClosedError(f"{self._endpoint.ledger.title} has left its group")

    def __enter__(self) -> "Member":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def __repr__(self) -> str:
        source = f" from {self.source}" if self.source else ""
        return f"<Member of {self._group.group}{source} {described(self._endpoint)}>"
