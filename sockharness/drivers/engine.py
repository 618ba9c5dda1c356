"""The interface of an engine: it executes peers of a case.

A call returns at once; its result and every event appear on the timeline. So an engine in this
process and one in a child process look the same to the replayer. There are two levels:

- the *driver* (`driver.Driver`) judges addresses by the policy, finds the address that a peer
  connects to, and knows which engine plays which peer;
- an *engine* executes its own peers. It gets IP literals only, and judges nothing.

**Engines in another process.** Such an engine is done with an action only some time after the call.
The actions between two waits go to it together, and it does them in one turn of its loop, as an
engine in this process does. The driver waits for it before it calls another engine.

**TLS.** Keys and certificates come from `Run.credentials`. An engine adds the outcome to each
`handshake` event (`events.HandshakeFacts`), with the name that `credentials.name_of` gives to the
other side's certificate. If a handshake failed and no handler reported it, the note of the `close`
event says why.
"""

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from sockharness.address import LOOPBACK, Address
from sockharness.drivers.addresses import Addresses
from sockharness.drivers.credentials import Credentials
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.handlers import CLIENT_ONLY, DATAGRAM_HANDLERS, STREAM_EVENTS, TLS_ONLY, names
from sockharness.record import record
from sockharness.sockspec.model import (
    Action,
    Call,
    Case,
    HandlerSet,
    Membership,
    Peer,
    Reload,
    ReloadTls,
    Send,
    SendMany,
    SetOption,
    SetTimeout,
    UpgradeTls,
)
from sockharness.sockspec.model.bindings import Bindings
from sockharness.story.events import Event
from sockharness.story.pairing import Pairing
from sockharness.story.timeline import Channel, Timeline

if TYPE_CHECKING:
    from sockharness.drivers.network import Hosts

ALL = names(STREAM_EVENTS, without=(*CLIENT_ONLY, *TLS_ONLY))
"""The handlers of a peer without `on:`, beside those of a client and of TLS."""
ALWAYS = ("open", "data", "drain", "close")
"""The handlers of a peer with `on:`, besides those that `on:` names."""
UDP_ALL = tuple(DATAGRAM_HANDLERS)
UDP_ALWAYS = ("data", "drain")
"""The same of a UDP socket."""


class RaisedBySpec(Exception):
    """The exception of a spec's `raise:` action."""

    def __init__(self, message: str, peer: str, connection: int) -> None:
        super().__init__(message)
        self.peer = peer
        self.connection = connection


class EngineFailed(Exception):
    """An engine died, hangs, or broke its protocol, so there is no verdict on any peer.

    Args:
        headline: what happened, in words that stand alone.
        details: more lines for the report, such as what it wrote on stderr.
    """

    def __init__(self, headline: str, details: Sequence[str] = ()) -> None:
        super().__init__(headline, details)
        self.headline = headline
        self.details = tuple(details)

    def __str__(self) -> str:
        return "\n".join((self.headline, *self.details))


@record(kw_only=True)
class Owed:
    """Bytes that an engine has still to write.

    Attributes:
        action: the event of the action that promised them.
        size: how many bytes the kernel has not taken yet.
    """

    action: Event
    size: int


@record(kw_only=True)
class Run:
    """The values that the engines of one replay share.

    Attributes:
        case: whose peers are executed.
        reactor: where an engine registers its descriptors; the replay runs it.
        timeline: where events go.
        names: what `$name` stands for.
        pairing: finds the two ends of each connection.
        addresses: where the peers are.
        scale: multiplies time limits.
        hosts: those of the case's network, if it has one.
    """

    case: Case
    reactor: Reactor
    timeline: Timeline
    names: Bindings
    pairing: Pairing = field(default_factory=Pairing)
    addresses: Addresses = field(default_factory=Addresses)
    scale: float = 1.0
    hosts: "Hosts | None" = None

    def kernel(self, peer: str) -> Kernel | None:
        """Return the kernel that creates the sockets of a peer; `None`: the reactor's own does."""
        return self.hosts.kernel(self.case.peers[peer].host) if self.hosts is not None else None

    def interface(self, peer: str, text: str, *, ipv6: bool) -> str:
        """Return an interface of a peer's host as the engine takes it."""
        if self.hosts is None:
            return text or LOOPBACK
        return self.hosts.at(self.case.peers[peer].host, text, ipv6=ipv6)

    @property
    def credentials(self) -> Credentials:
        """The certificates of the case."""
        return Credentials(self.case.certs)

    def membership(self, peer: str, action: Membership) -> tuple[str, ...]:
        """Return the arguments of a method that joins or leaves a peer's group: literals."""
        udp, group = self.case.peers[peer].udp, self.addresses.group(peer)
        assert udp is not None, "the loader sees to it"
        assert udp.multicast is not None, "the loader sees to it"
        assert group is not None, "groups are leased before anybody joins"
        source = (self.addresses.source(action.source),) if action.source else ()
        at = self.interface(peer, udp.multicast.interface, ipv6=":" in group.host)
        return (*source, group.host, at)


class Engine(Protocol):
    """Executes peers of a case."""

    def listen(self, peer: Peer, address: Address) -> Address:
        """Make a listening peer listen there; returns where it does.

        Raises:
            OSError: if the operating system refuses.
        """
        ...

    def connect(self, peer: Peer, address: Address) -> None:
        """Begin a connection of a connecting peer; `open` or `connect_error` follows.

        Raises:
            OSError: if the engine refuses what the peer asks for.
        """
        ...

    def bind(self, peer: Peer, address: Address, remote: Address | None) -> Address:
        """Make a peer's UDP socket, bound there and connected to `remote`; returns where it is.

        Raises:
            OSError: if the operating system refuses.
        """
        ...

    def learn(self, peer: str, address: Address) -> None:
        """Note the address of a UDP peer; another engine may play that peer."""
        ...

    def act(self, channel: Channel, action: Action) -> Event:
        """Do something on a connection (or on a listener or a UDP socket, connection 0).

        Returns the event of the action; its `result` is set when the method has returned.
        """
        ...

    def pending(self, event: Event) -> bool:
        """Return whether the call of an action has not returned yet."""
        ...

    def flush(self) -> None:
        """Send the actions that wait to its process, without waiting for it."""
        ...

    def sync(self) -> None:
        """Wait until every action is done; no call is `pending` then.

        Raises:
            EngineFailed: if it died or does not answer.
        """
        ...

    def settle(self) -> None:
        """Run the loop of its process, if any, until that has nothing more to do."""
        ...

    def owes(self) -> list[Owed]:
        """Return the bytes that it still has to write, because the kernel took no more.

        A closed connection owes nothing, and a timer of `timeout` is no promise.
        """
        ...

    def remarks(self) -> list[str]:
        """Return more lines for the report of a failure, such as its stderr."""
        ...

    def close(self) -> None:
        """Close every socket, abortively; nothing more goes to the timeline."""
        ...


def handler_names(
    handlers: HandlerSet | None, *, client: bool, secure: bool = False
) -> tuple[str, ...]:
    """Return the names of a peer's handlers: their presence alone changes what an engine does."""
    if handlers is None:
        return ALL + (CLIENT_ONLY if client else ()) + (("handshake",) if secure else ())
    return tuple(dict.fromkeys((*ALWAYS, *handlers.actions)))


def udp_handler_names(handlers: HandlerSet | None) -> tuple[str, ...]:
    """Return the names of the handlers of a peer's UDP socket."""
    return UDP_ALL if handlers is None else tuple(dict.fromkeys((*UDP_ALWAYS, *handlers.actions)))


def note_of(action: Action) -> str:
    """Return the argument of an action, unless it is bytes, as people write it."""
    match action:
        case SetTimeout():
            return f"{action.seconds:g}"
        case UpgradeTls() | ReloadTls():
            return action.tls.cert or "tls"
        case Reload():
            return action.handlers if isinstance(action.handlers, str) else "…"
        case Send():
            return f"to {action.to}" if action.to else ""
        case SendMany():
            size = f"{len(action.payloads)} datagrams"
            return f"{size} to {action.to}" if action.to else size
        case SetOption():
            return str(action.value).lower()
        case Membership():
            return action.source
        case Call(flag=True):
            return "read" if action.name == "shutdown" else "true"
    return ""
