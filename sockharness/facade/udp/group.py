"""A multicast group of a test: its members, and the sockets that send to it.

**Leases.** Group and port are leased (`sockharness.machine.leases`), so no two tests on one machine
have the same, in any process. Members share the port (SO_REUSEADDR), because programs under test
bind to it, too.

**What a member receives.** A member is bound to the address of the group, so it receives nothing
that was sent to another group or to a host. It receives only what it has joined itself
(IP_MULTICAST_ALL is off). Datagrams sent from here have a TTL of 0, so they stay on this machine;
on a link between hosts of the test's own it is 1.

**Interfaces.** A membership belongs to an interface, and so does sending. A program that names no
interface sends where the route of the group leads, which is seldom loopback. It names one by
IP_MULTICAST_IF, or by binding its socket to an address of the interface.

**Preflight.** Once in a process, for each family, a datagram is sent to a group and must come back.
If it does not, multicast does not work here.
"""

import os
import socket as _socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

from sockharness.errors import Unavailable
from sockharness.facade.context import HarnessContext
from sockharness.facade.interface import Interface
from sockharness.facade.ledger import Handler, Ledger, Settled
from sockharness.facade.queues import joined_only
from sockharness.facade.udp.datagram import Address
from sockharness.facade.udp.endpoint import UdpEndpoint
from sockharness.machine.leases import Leases

if TYPE_CHECKING:
    from sockharness.engine.udp.socket import UDPSocket

__tracebackhide__ = True
ROUND_TRIP = 5.0
"""Seconds to wait for a datagram to come back; where multicast works it takes far less."""
TOKEN = b"sockharness"


class Group:
    """A leased group: its members, and the sockets that send to it.

    Attributes:
        members: in the order of joining, including members that have left.
    """

    def __init__(
        self, context: HarnessContext, name: str, interface: Interface, recv_buffer: int | None
    ) -> None:
        self.context = context
        self.ledger = Ledger(context, name)
        self.interface = interface
        self.members: list[UdpEndpoint] = []
        self._senders: dict[str, UdpEndpoint] = {}
        self._recv_buffer = recv_buffer
        self._stack = ExitStack()
        family = _socket.AF_INET6 if interface.ipv6 else _socket.AF_INET
        leased = self._stack.enter_context(_leases().group(family))
        self.host = interface.address
        self.group, self.port = leased.address, leased.port
        self.address: Address = (self.group, self.port)

    def join(self, source: str | None, interface: Interface | None = None) -> UdpEndpoint:
        """Add a member.

        Args:
            source: an IP address, to receive from there only; `None`: from everywhere.
            interface: where, if not on the group's.
        """
        self.ledger.refuse_closed()
        interface = interface or self.interface
        number = 1 + max((each.ledger.number for each in self.members), default=0)
        endpoint = UdpEndpoint(
            self.context,
            self.ledger.name,
            self._member(source, interface),
            number=number,
            recv_buffer=self._recv_buffer,
        )
        endpoint.source = self._own
        endpoint.hint = _hint(source, interface)
        with self.context.lock:
            self.members.append(endpoint)
        self._list_parts()
        return endpoint

    def leave(self, member: UdpEndpoint) -> None:
        """Take a member out; it keeps the datagrams that have come by now."""
        if not member.ledger.closed:
            if not self.context.runner.reactor.in_thread:
                self.context.settle()
            member.close()

    def sender(self, source: str | None) -> UdpEndpoint:
        """Return the socket that sends from an address of this machine, made at the first call."""
        self.ledger.refuse_closed()
        address = source or self.host
        sender = self._senders.get(address)
        if sender is None:
            sender = UdpEndpoint(
                self.context,
                f"{self.ledger.name}.tx",
                self._sending(address),
                number=len(self._senders) + 1,
                belongs_to=self.ledger.name,
                recv_buffer=self._recv_buffer,
            )
            with self.context.lock:
                self._senders[address] = sender
            self._list_parts()
        return sender

    def send(self, data: bytes, source: str | None) -> None:
        """Send to the group."""
        self.sender(source).send(data, self.address, note=f"{len(data)} B to the group")

    @property
    def untouched(self) -> bool:
        """Whether nothing has come to any of its sockets."""
        return all(each.untouched for each in self._endpoints())

    def clear(self) -> None:
        """Forget events, expectations, and members that have left."""
        with self.context.lock:
            self.members = [each for each in self.members if not each.ledger.closed]
            self.ledger.clear()
        for endpoint in self._endpoints():
            endpoint.clear()
        self._list_parts()

    def close(self) -> None:
        """Close all its sockets, and give the group back."""
        self.ledger.closed = True
        for endpoint in self._endpoints():
            endpoint.close()
        self._stack.close()

    def _endpoints(self) -> list[UdpEndpoint]:
        with self.context.lock:
            return [*self.members, *self._senders.values()]

    def _list_parts(self) -> None:
        with self.context.lock:
            self.ledger.parts = [each.ledger for each in self._endpoints()]

    # Making sockets; what is returned runs on the harness's thread

    def _member(
        self, source: str | None, interface: Interface
    ) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def join(udp: "UDPSocket") -> None:
            joined_only(udp.fileno())
            if source is None:
                udp.add_membership(self.group, interface.named)
            else:
                udp.add_source_specific_membership(source, self.group, interface.named)

        return self._made(interface, join, hostname=self.group, port=self.port, reuse_addr=True)

    def _sending(self, source: str) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def aim(udp: "UDPSocket") -> None:
            udp.set_multicast_interface(self.interface.named)
            udp.set_multicast_ttl(self.interface.ttl)

        return self._made(self.interface, aim, hostname=source)

    def _made(
        self, interface: Interface, prepare: Callable[["UDPSocket"], None], **options: Any
    ) -> Callable[[Mapping[str, Handler]], "UDPSocket"]:
        def make(handlers: Mapping[str, Handler]) -> "UDPSocket":
            udp = interface.socket(self.context.runner.reactor, handlers, **options)
            try:
                prepare(udp)
            except BaseException:
                udp.close()
                raise
            return udp

        return make

    def _own(self, address: Address) -> str:
        """Return the name of the sender with this address, if it is one of ours; lock held."""
        for sender in self._senders.values():
            if (sender.host, sender.port) == address:
                return sender.ledger.title
        return ""


def _hint(source: str | None, interface: Interface) -> str:
    named = f"set IP_MULTICAST_IF, or bind the sender to {interface.address}"
    if interface.ipv6:
        named = "set IPV6_MULTICAST_IF"
    heard = f", and from {source}" if source else ""
    return f"only what is sent by {interface.name}{heard} is heard: {named}"


@cache
def _leases() -> Leases:
    return Leases()


_reasons: dict[Interface, str] = {}
"""Why there is no multicast on an interface; empty: there is."""


def open_group(
    context: HarnessContext, name: str, interface: Interface, recv_buffer: int | None
) -> Group:
    """Return a group, if multicast works there.

    Raises:
        Unavailable: it does not; says why.
    """
    reason = _reasons.get(interface) if interface.host is None else None
    if reason is None:
        context.refuse_in_handler("multicast_group")
        reason = preflight(context, interface)
    if interface.host is None:
        _reasons[interface] = reason
    if reason:
        raise Unavailable(f"multicast does not work on {interface}: {reason}")
    return Group(context, name, interface, recv_buffer)


def preflight(context: HarnessContext, interface: Interface) -> str:
    """Send a datagram to a group of its own; return why it does not come back, or nothing."""
    group = Group(context, "preflight", interface, None)
    doing = "joining"
    try:
        member = group.join(None)
        doing = "sending"
        group.send(TOKEN, None)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        return f"{doing} failed with {os.strerror(number) if number else error}"
    else:
        token_came = Settled(lambda: TOKEN not in member.received.everything)
        back = context.wait_quietly(token_came, ROUND_TRIP)
        return "" if back else f"what is sent to {group.group} does not come back"
    finally:
        group.clear()
        group.close()
