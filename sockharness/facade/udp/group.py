"""A multicast group of a test: its sockets, and why nobody else is heard.

**Whose it is.** Group and port are leased (`sockharness.machine.leases`), so no two tests of one
machine have the same, in whichever process. Members share the port (SO_REUSEADDR): programs under
test bind theirs to it, too.

**Who hears what.** A member is bound to the address of the group, so it hears nothing that was sent
to another group or to a host, and hears only what it has joined itself (IP_MULTICAST_ALL is off).
What is sent from here has a TTL of 0, so it stays on this host; of 1 on a
link between hosts of the test's own.

**Where.** Membership belongs to an interface, and so does sending: a program that does not name the
interface sends where the route of the group leads, which is seldom loopback. It names it by
IP_MULTICAST_IF, or by binding its socket to the interface's address.

**Whether it works** is found out by doing it, once in a process for each family: a datagram is sent
to a group, and has to come back.
"""

import os
import socket as _socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sockharness.errors import ClosedError, Unavailable
from sockharness.facade.context import HarnessContext, raised
from sockharness.facade.queues import joined_only
from sockharness.facade.udp.datagram import Address
from sockharness.facade.udp.endpoint import Handler, UdpEndpoint
from sockharness.facade.udp.interface import Interface
from sockharness.facade.wants import Settled
from sockharness.machine.leases import Leases
from sockharness.story.outcome import Failure

if TYPE_CHECKING:
    from sockharness.engine.udp.socket import UDPSocket

__tracebackhide__ = True
ROUND_TRIP = 5.0
"""Seconds that a datagram may take to come back: so long only where it never does."""
TOKEN = b"sockharness"


class Group:
    """A leased group: its members, and the sockets that send to it.

    Attributes:
        members: in the order of joining, also those that have left.
    """

    def __init__(
        self, context: HarnessContext, name: str, place: Interface, recv_buffer: int | None
    ) -> None:
        self.context = context
        self.name = name
        self.place = place
        self.closed = False
        self.failures: list[Failure] = []
        self.members: list[UdpEndpoint] = []
        self._senders: dict[str, UdpEndpoint] = {}
        self._recv_buffer = recv_buffer
        self._stack = ExitStack()
        family = _socket.AF_INET6 if place.ipv6 else _socket.AF_INET
        leased = self._stack.enter_context(_leases().group(family))
        self.host = place.host
        self.group, self.port = leased.address, leased.port
        self.address: Address = (self.group, self.port)

    def join(self, source: str | None, place: Interface | None = None) -> UdpEndpoint:
        """Add a member, of what comes from one source or from all; `place`: if not the group's."""
        self._refuse_closed()
        place = place or self.place
        number = 1 + max((each.number for each in self.members), default=0)
        endpoint = UdpEndpoint(
            self.context,
            self.name,
            self._member(source, place),
            number=number,
            recv_buffer=self._recv_buffer,
        )
        endpoint.source = self._own
        endpoint.hint = _hint(source, place)
        with self.context.lock:
            self.members.append(endpoint)
        return endpoint

    def leave(self, member: UdpEndpoint) -> None:
        """Take a member out; what has come by now stays with it."""
        if not member.closed:
            if not self.context.runner.reactor.in_thread:
                self.context.settle()
            member.close()

    def sender(self, source: str | None) -> UdpEndpoint:
        """Return what sends from an address of this host, made when it is first asked for."""
        self._refuse_closed()
        address = source or self.host
        sender = self._senders.get(address)
        if sender is None:
            sender = UdpEndpoint(
                self.context,
                f"{self.name}.tx",
                self._sending(address),
                number=len(self._senders) + 1,
                belongs_to=self.name,
                recv_buffer=self._recv_buffer,
            )
            with self.context.lock:
                self._senders[address] = sender
        return sender

    def send(self, data: bytes, source: str | None) -> None:
        """Send to the group."""
        self.sender(source).send(data, self.address, note=f"{len(data)} B to the group")

    # Judging

    @property
    def untouched(self) -> bool:
        """Whether nothing has come to any of its sockets."""
        return all(each.untouched for each in self._endpoints())

    @property
    def deferred(self) -> bool:
        """Whether an expectation that was left to tear-down is unmet; lock held."""
        return any(each.deferred for each in self._endpoints())

    def judge(self, *, final: bool) -> list[Failure]:
        """Return everything that is wrong.

        Args:
            final: count what was left to tear-down, too.
        """
        found = [each for endpoint in self._endpoints() for each in endpoint.judge(final=final)]
        return [*self.failures, *found]

    def certain(self) -> list[Failure]:
        """Return what is wrong whatever may yet come; lock held."""
        found = [failure for endpoint in self._endpoints() for failure in endpoint.certain()]
        return [*self.failures, *found]

    def stray(self, exception: BaseException) -> None:
        """Record an exception that belongs to no datagram."""
        with self.context.lock:
            self.failures.append(raised(self.name, exception))

    def clear(self) -> None:
        """Forget what happened and was expected, and who has left."""
        with self.context.lock:
            self.failures.clear()
            self.members = [each for each in self.members if not each.closed]
        for endpoint in self._endpoints():
            endpoint.clear()
        self.context.timeline.forget(self.name)

    def close(self) -> None:
        """Close all its sockets, and give the group back."""
        self.closed = True
        for endpoint in self._endpoints():
            endpoint.close()
        self._stack.close()

    def _endpoints(self) -> list[UdpEndpoint]:
        with self.context.lock:
            return [*self.members, *self._senders.values()]

    # Making sockets; what is returned runs on the harness's thread

    def _member(
        self, source: str | None, place: Interface
    ) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def join(udp: "UDPSocket") -> None:
            joined_only(udp.fileno())
            if source is None:
                udp.add_membership(self.group, place.named)
            else:
                udp.add_source_specific_membership(source, self.group, place.named)

        return self._made(place, join, hostname=self.group, port=self.port, reuse_addr=True)

    def _sending(self, source: str) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def aim(udp: "UDPSocket") -> None:
            udp.set_multicast_interface(self.place.named)
            udp.set_multicast_ttl(self.place.ttl)

        return self._made(self.place, aim, hostname=source)

    def _made(
        self, place: Interface, prepare: Callable[["UDPSocket"], None], **options: Any
    ) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def make(handlers: Mapping[str, Handler]) -> "UDPSocket":
            udp = place.socket(self.context.runner.reactor, handlers, **options)
            try:
                prepare(udp)
            except BaseException:
                udp.close()
                raise
            return udp

        return make

    def _own(self, address: Address) -> str:
        """Name the sender of what comes from an address, if it is one of ours; lock held."""
        for sender in self._senders.values():
            if (sender.host, sender.port) == address:
                return sender.title
        return ""

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ClosedError(f"{self.name} is closed")


def _hint(source: str | None, place: Interface) -> str:
    named = f"set IP_MULTICAST_IF, or bind the sender to {place.host}"
    if place.ipv6:
        named = "set IPV6_MULTICAST_IF"
    heard = f", and from {source}" if source else ""
    return f"only what is sent by {place.interface}{heard} is heard: {named}"


@cache
def _leases() -> Leases:
    return Leases()


_reasons: dict[Interface, str] = {}
"""Why there is no multicast at a place; empty: there is."""


def open_group(
    context: HarnessContext, name: str, place: Interface, recv_buffer: int | None
) -> Group:
    """Return a group, if multicast works there.

    Raises:
        Unavailable: it does not; says why.
    """
    reason = _reasons.get(place) if place.inside is None else None
    if reason is None:
        context.refuse_in_handler("multicast_group")
        reason = preflight(context, place)
    if place.inside is None:
        _reasons[place] = reason
    if reason:
        raise Unavailable(f"multicast does not work on {place}: {reason}")
    return Group(context, name, place, recv_buffer)


def preflight(context: HarnessContext, place: Interface) -> str:
    """Send a datagram to a group of its own; return why it does not come back, or nothing."""
    group = Group(context, "preflight", place, None)
    doing = "joining"
    try:
        member = group.join(None)
        doing = "sending"
        group.send(TOKEN, None)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        return f"{doing} failed with {os.strerror(number) if number else error}"
    else:
        back = context.wait_quietly(Settled(_Unheard(member)), ROUND_TRIP)
        return "" if back else f"what is sent to {group.group} does not come back"
    finally:
        group.clear()
        group.close()


@dataclass(frozen=True, slots=True)
class _Unheard:
    """Whether the token has not yet come."""

    member: UdpEndpoint

    def missing(self) -> bool:
        return TOKEN not in self.member.came
