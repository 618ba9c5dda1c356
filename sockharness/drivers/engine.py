"""Who executes what a spec says: the interface of an engine that speaks for peers.

A driver does what it is told at once and returns; whatever comes of it, returned values
included, appears on the timeline. So a driver in this process and one in a child process look
the same to the replayer. Two levels:

- the *driver* is what a stage has: it judges addresses by the policy, finds out where a peer
  connects to, and knows which engine speaks for which peer (`driver.Driver`);
- an *engine* executes its own peers. It gets IP literals only, and judges nothing.

**Told and done.** An engine in another process has done what it was told only some time later.
What it is told between two waits goes to it together and is done in one turn of its loop, as it is
with an engine in this process; before another engine is told something, it is waited for.

**TLS.** Keys and certificates are `Run.credentials`' to give. An engine says with each `handshake`
what it came to (`events.Secured`), where the other side's certificate has the name that
`credentials.name_of` knows it by. A `close` may have as its note why a handshake failed of which no
handler was told.
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
"""The handlers of a peer with `on:`, beside those that it names."""
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
    """An engine died, hangs, or did what no engine may do: no verdict on a peer is possible.

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
    """What the engines of one replay share.

    Attributes:
        case: whose peers are executed.
        reactor: where an engine registers what it waits for; somebody else runs it.
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
        """Return what hands out the sockets of a peer; `None`: the reactor's own does."""
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
        """Take note of where datagrams to a peer go, whoever speaks for it."""
        ...

    def act(self, channel: Channel, action: Action) -> Event:
        """Do something on a connection (or on a listener or a UDP socket, connection 0).

        Returns the event of the action; its `result` is set when the method has returned.
        """
        ...

    def pending(self, event: Event) -> bool:
        """Say whether the call of an action has not returned yet."""
        ...

    def flush(self) -> None:
        """Hand over what was told, without waiting."""
        ...

    def sync(self) -> None:
        """Wait until all that was told is done; nothing is `pending` then.

        Raises:
            EngineFailed: if it died or does not answer.
        """
        ...

    def settle(self) -> None:
        """Let everything happen that is under way in its own process, if it has one."""
        ...

    def owes(self) -> list[Owed]:
        """Return what it still has to write, because the kernel took no more.

        A closed connection owes nothing, and a timer of `timeout` is no promise.
        """
        ...

    def remarks(self) -> list[str]:
        """Return what else there is to tell of it when a spec failed, such as its stderr."""
        ...

    def close(self) -> None:
        """Close every socket, abortively; nothing more goes to the timeline."""
        ...


def handler_names(
    handlers: HandlerSet | None, *, client: bool, secure: bool = False
) -> tuple[str, ...]:
    """Return which handlers a peer has: that they exist changes what an engine does."""
    if handlers is None:
        return ALL + (CLIENT_ONLY if client else ()) + (("handshake",) if secure else ())
    return tuple(dict.fromkeys((*ALWAYS, *handlers.actions)))


def udp_handler_names(handlers: HandlerSet | None) -> tuple[str, ...]:
    """Return which handlers a peer's UDP socket has."""
    return UDP_ALL if handlers is None else tuple(dict.fromkeys((*UDP_ALWAYS, *handlers.actions)))


def note_of(action: Action) -> str:
    """Return the argument of an action that is no bytes, as people write it."""
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
