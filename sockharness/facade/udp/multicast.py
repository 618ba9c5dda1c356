"""`MulticastGroup` and `Member`: what a test holds of a group. Thread-safe."""

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
    """A multicast group on loopback that is this test's alone.

    Attributes:
        group: its IP address.
        port: where its members listen.
        address: both.
        interface: the name of the interface that it is on.
        host: an IP address of this host on that interface: what IP_MULTICAST_IF takes.
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
        """Return a new member, which hears from now on what is sent to the group.

        Args:
            source: an IP address; hear only what comes from there (source-specific).
            inside: be one on another host of the network in which the group is.

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
        """Send one datagram to the group; it stays on this host.

        Args:
            data: bytes-like, or text (UTF-8); may be empty.
            source: the address to send from, one of this host such as `"127.0.0.5"`; `host` if
                absent.

        Raises:
            TypeError, ValueError: the source is no IP address of a host.
            OSError: the system refuses: EADDRNOTAVAIL, EMSGSIZE.
        """
        if source is not None:
            host_address("source", source)
        self._group.send(as_bytes(data), source)

    def sender(self, source: str | None = None) -> UdpPeer:
        """Return what `send` sends from, whose `address` the members see: answers come there."""
        if source is not None:
            host_address("source", source)
        return UdpPeer(self._group.sender(source))

    def captured(self) -> AbstractContextManager[None]:
        """Let each datagram be a frame of its own in a `with` block, as `wire.capture` wants it."""
        return self._group.context.captured()

    def _refuse_foreign(self, host: "Host") -> None:
        """Refuse a member on a host that nothing sent to the group can reach."""
        own = self._group.interface.host
        if own is None:
            raise UsageError(
                "inside: this group is on this machine, which no host of a network hears; "
                "make it in one, multicast_group(inside=…)"
            )
        if not own.is_beside(host):
            raise UsageError(f"inside: expected a host of the group's network, got {host!r}")

    def check(self) -> None:
        """Raise if anything is not as stated up to now; what was raised is forgotten.

        Raises:
            ExpectationFailed: of a member or sender: unmet expectations, other datagrams, unread
                ones, lost ones, what reply functions raised.
        """
        self._group.ledger.check(self.clear)

    def clear(self) -> None:
        """Forget what happened and what was expected; members stay, and what `when` states."""
        self._group.clear()

    def __repr__(self) -> str:
        group = self._group
        state = "closed" if group.ledger.closed else "open"
        members = sum(not each.ledger.closed for each in group.members)
        return f"<MulticastGroup {self.group}:{self.port} {state}, {count(members, 'member')}>"


class Member:
    """One member of a group. `with group.join() as member:` leaves at the end of the block.

    Attributes:
        source: from where it hears; `None`: from everywhere.
        aio: the methods that wait, for asyncio and trio.
    """

    def __init__(self, group: Group, endpoint: UdpEndpoint, source: str | None) -> None:
        self._group = group
        self._endpoint = endpoint
        self._peer = UdpPeer(endpoint)
        self.source = source
        self.aio = AioUdpPeer(endpoint)

    def expect(self, want: Want) -> Exchange:
        """State which datagram it is to hear next; see `UdpPeer.expect`.

        A reply goes to the sender alone, from the group's port.
        """
        self._refuse_gone()
        return self._peer.expect(want)

    def when(self, want: Want) -> Exchange:
        """State which datagram it may hear, any number of times; see `UdpPeer.when`."""
        self._refuse_gone()
        return self._peer.when(want)

    def receive(self, *, timeout: float = TIMEOUT) -> Datagram:
        """Wait for a datagram that no expectation wants, and take it; see `UdpPeer.receive`."""
        return self._peer.receive(timeout=timeout)

    def receive_nothing(self, *, within: float = A_WHILE) -> None:
        """Wait `within` seconds, in which none is to come; see `UdpPeer.receive_nothing`."""
        self._peer.receive_nothing(within=within)

    @property
    def received(self) -> list[Datagram]:
        """All datagrams so far, taken or not; see `UdpPeer.received`."""
        return self._peer.received

    def wait_for(self, event: str, *, timeout: float = TIMEOUT) -> Event:
        """Wait for `data` or `error`; see `UdpPeer.wait_for`."""
        return self._peer.wait_for(event, timeout=timeout)

    def leave(self) -> None:
        """Leave the group. What has come by now can still be received. Idempotent."""
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
