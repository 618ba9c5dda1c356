"""What a spec says, as values that never change: `Spec`, `Case`, `Peer`, `Step`.

Behind the loader nobody sees a mapping or a text that is still to be typed. Every part that a
message may have to point at carries its `Location`. Actions bear the names of the engine's
methods, events those of its handlers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import ClassVar

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.bounds import Bounds as Bounds
from sockharness.sockspec.model.bytes import Joined as Joined
from sockharness.sockspec.model.bytes import Literal as Literal
from sockharness.sockspec.model.bytes import Pattern as Pattern
from sockharness.sockspec.model.bytes import Payload as Payload
from sockharness.sockspec.model.bytes import Reference as Reference
from sockharness.sockspec.model.bytes import Repeated as Repeated
from sockharness.sockspec.model.bytes import RestOf as RestOf
from sockharness.sockspec.model.bytes import Wanted as Wanted
from sockharness.sockspec.model.bytes import pattern_bytes as pattern_bytes
from sockharness.sockspec.model.datagrams import GROUP as GROUP
from sockharness.sockspec.model.datagrams import DatagramAction as DatagramAction
from sockharness.sockspec.model.datagrams import Membership as Membership
from sockharness.sockspec.model.datagrams import Multicast as Multicast
from sockharness.sockspec.model.datagrams import Send as Send
from sockharness.sockspec.model.datagrams import SendMany as SendMany
from sockharness.sockspec.model.datagrams import SetOption as SetOption
from sockharness.sockspec.model.datagrams import Udp as Udp
from sockharness.sockspec.model.hosts import LINK as LINK
from sockharness.sockspec.model.hosts import LINK6 as LINK6
from sockharness.sockspec.model.hosts import LINK_LOCAL as LINK_LOCAL
from sockharness.sockspec.model.hosts import LINKS as LINKS
from sockharness.sockspec.model.hosts import LINKS6 as LINKS6
from sockharness.sockspec.model.streams import BACKLOG as BACKLOG
from sockharness.sockspec.model.streams import Connect as Connect
from sockharness.sockspec.model.streams import Listen as Listen
from sockharness.sockspec.model.streams import StreamOptions as StreamOptions
from sockharness.sockspec.model.tls import Certificate as Certificate
from sockharness.sockspec.model.tls import ReloadTls as ReloadTls
from sockharness.sockspec.model.tls import Tls as Tls
from sockharness.sockspec.model.wire import FieldTest as FieldTest
from sockharness.sockspec.model.wire import WireCheck as WireCheck

# ---- actions: the engine's methods


@record
class Write:
    """One call of `write`: what the kernel does not take is not sent."""

    name: ClassVar[str] = "write"
    payload: Payload
    location: Location


@record
class WriteAll:
    """`write`, and again after each `drain`, until all is taken."""

    name: ClassVar[str] = "write_all"
    payload: Payload
    location: Location


@record
class Echo:
    """In a `data` handler: write all of what was received, or send the datagram back."""

    name: ClassVar[str] = "echo"
    location: Location


@record
class End:
    """Write, if there is something, then close (FIN)."""

    name: ClassVar[str] = "end"
    payload: Payload | None
    location: Location


@record
class Call:
    """A method without bytes: `close`, `terminate`, `shutdown`, `pause`, `resume`, `flush`.

    `flag` is the method's one boolean argument where it has one (`shutdown` reading, `stop` all).
    """

    name: str
    location: Location
    flag: bool = False


@record
class SetTimeout:
    """Arm the socket's time-out, in seconds."""

    name: ClassVar[str] = "timeout"
    seconds: float
    location: Location


@record
class Reload:
    """Replace the handlers, by others or by those of a name (which may come later in the file)."""

    name: ClassVar[str] = "reload"
    handlers: "HandlerSet | str"
    location: Location


@record
class Raise:
    """In a handler: raise an exception with this message."""

    name: ClassVar[str] = "raise"
    message: str
    location: Location


@record
class UpgradeTls:
    """A plain stream goes over to TLS (STARTTLS), with the handlers it has or with others."""

    name: ClassVar[str] = "upgrade_tls"
    tls: Tls
    location: Location
    handlers: "HandlerSet | str | None" = None


TlsAction = UpgradeTls | ReloadTls
Action = (
    Write | WriteAll | Echo | End | Call | SetTimeout | Reload | Raise | DatagramAction | TlsAction
)


@record
class HandlerSet:
    """Which handlers a peer has, and what each does."""

    actions: Mapping[str, tuple[Action, ...]]


# ---- peers


@record(kw_only=True)
class Peer:
    """A named participant. Without `handlers` it speaks the script.

    Attributes:
        host: the host of the spec's network that it is on; empty: this machine.
    """

    name: str
    transport: Listen | Connect | Udp
    handlers: HandlerSet | None
    location: Location
    host: str = ""

    @property
    def scripted(self) -> bool:
        """Whether arrows make it write, instead of handlers of its own."""
        return self.handlers is None

    @property
    def listens(self) -> bool:
        """Whether it is a listener."""
        return isinstance(self.transport, Listen)

    @property
    def serves(self) -> bool:
        """Whether others turn to it: it listens, or is bound and connected to nobody."""
        return self.listens or (isinstance(self.transport, Udp) and not self.transport.connected)

    @property
    def on_ipv6_link(self) -> bool:
        """Whether it is at an IPv6 address of a link, or has to do with an IPv6 group there."""
        multicast = self.udp.multicast if self.udp is not None else None
        at = "" if isinstance(self.transport, Connect) else self.transport.host
        return at in LINKS6 or (multicast is not None and multicast.ipv6)

    @property
    def udp(self) -> Udp | None:
        """How its UDP socket is made, if it has one."""
        return self.transport if isinstance(self.transport, Udp) else None

    @property
    def tls(self) -> Tls | None:
        """How it is secured from its first byte on, if it is."""
        return None if isinstance(self.transport, Udp) else self.transport.options.tls


# ---- steps


@record(kw_only=True)
class PeerRef:
    """A peer in a step: its only connection, its n-th (`server@2`), or the one with `other`."""

    name: str
    location: Location
    connection: int | None = None
    other: "PeerRef | None" = None

    def __str__(self) -> str:
        return self.name if self.connection is None else f"{self.name}@{self.connection}"


@record(kw_only=True)
class Arrow:
    """`sender -> receiver: payload`: the receiver gets it; a scripted sender writes it."""

    sender: PeerRef
    receiver: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@record(kw_only=True)
class Act:
    """A peer is told to do something; what it returns or raises (a code) may be checked."""

    peer: PeerRef
    action: Action
    location: Location
    returns: Bounds | None = None
    raises: str = ""
    within: float | None = None


@record(kw_only=True)
class Sees:
    """A peer's handler is called: `error` is a code, `none` or `any`; empty, of a `handshake`:
    whatever it is, if only it is a success.

    Attributes:
        alert: the name of the alert that the other side sent, or `none`; empty: any.
        facts: what must be true of a handshake: the words of `tls_words.FACTS` with their values.
    """

    peer: PeerRef
    event: str
    error: str
    location: Location
    message: str = ""
    alert: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None


@record(kw_only=True)
class Received:
    """A peer has got these bytes next."""

    peer: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@record(kw_only=True)
class ReceivedDatagrams:
    """A peer has got these datagrams next, in this order or in any."""

    peer: PeerRef
    payloads: tuple[Payload, ...]
    location: Location
    unordered: bool = False
    within: float | None = None


@record(kw_only=True)
class Never:
    """An event does not come for so many seconds."""

    peer: PeerRef
    event: str
    lasting: float
    location: Location


Step = Arrow | Act | Sees | Received | ReceivedDatagrams | Never


# ---- the whole


@record(kw_only=True)
class Difference:
    """What is otherwise on an engine, and which row of the deliberate differences says so.

    `instead` is the step that holds there; without it, the step must not hold there. `peer` is the
    one that must run on the engine, if it matters which.
    """

    row: str
    location: Location
    peer: str = ""
    instead: Step | None = None


@record(kw_only=True)
class Case:
    """One conversation: the peers, what they say in order, and what must have crossed the wire.

    `hosts` are those of a network of its own, on which all peers are, or none.
    `differs` has the engines on which it does not hold, each with the row that says why;
    `differing` has, for a step's number from 0, what is otherwise on an engine. `certs` has the
    certificates by name.
    """

    id: str
    peers: Mapping[str, Peer]
    steps: tuple[Step, ...]
    location: Location
    handlers: Mapping[str, HandlerSet] = field(default_factory=dict)
    wire: tuple[WireCheck, ...] = ()
    allow: frozenset[str] = frozenset()
    differing: Mapping[int, Mapping[str, Difference]] = field(default_factory=dict)
    differs: Mapping[str, Difference] = field(default_factory=dict)
    hosts: Mapping[str, Location] = field(default_factory=dict)
    certs: Mapping[str, Certificate] = field(default_factory=dict)

    def handler_set(self, handlers: HandlerSet | str) -> HandlerSet:
        """Return the handlers that a name stands for."""
        return self.handlers[handlers] if isinstance(handlers, str) else handlers

    def actions(self) -> Iterator[Action]:
        """Yield what its peers may be told to do: by steps and by handlers."""
        for step in self.steps:
            if isinstance(step, Act):
                yield from _with_inner(step.action)
        peers = (peer.handlers for peer in self.peers.values() if peer.handlers is not None)
        for handlers in (*peers, *self.handlers.values()):
            yield from _actions(handlers)

    @property
    def speaks_tls(self) -> bool:
        """Whether a peer has TLS or goes over to it."""
        return any(peer.tls for peer in self.peers.values()) or any(
            isinstance(action, UpgradeTls) for action in self.actions()
        )

    @property
    def has_groups(self) -> bool:
        """Whether a peer has to do with a multicast group."""
        return any(peer.udp and peer.udp.multicast for peer in self.peers.values())

    @property
    def needs(self) -> tuple[str, ...]:
        """What it needs though its file does not say so."""
        multicast = ("multicast",) if self.has_groups and not self.hosts else ()
        ipv6 = ("ipv6",) if any(peer.on_ipv6_link for peer in self.peers.values()) else ()
        return (*multicast, *(("netns", *ipv6) if self.hosts else ()))

    def joins_by_itself(self, peer: str) -> bool:
        """Say whether a member joins before step 1: it does, unless a step tells it to."""
        names = ("add_membership", "add_source_specific_membership")
        return not any(
            isinstance(step, Act) and step.peer.name == peer and step.action.name in names
            for step in self.steps
        )

    def connects_by_itself(self, peer: str) -> bool:
        """Say whether a client connects before step 1: it does, unless a step tells it to."""
        return not any(
            isinstance(step, Act) and step.peer.name == peer and step.action.name == "connect"
            for step in self.steps
        )


@record(kw_only=True)
class Spec:
    """A file: its cases, at least one, and its title, which may be empty.

    Attributes:
        shows: the rules that it proves.
        engines: those that it is for; empty: all.
    """

    path: str
    title: str
    cases: tuple[Case, ...]
    needs: Mapping[str, Location] = field(default_factory=dict)
    shows: tuple[str, ...] = ()
    engines: Mapping[str, Location] = field(default_factory=dict)


def _actions(handlers: HandlerSet) -> Iterator[Action]:
    for actions in handlers.actions.values():
        for action in actions:
            yield from _with_inner(action)


def _with_inner(action: Action) -> Iterator[Action]:
    """Yield an action, and those of the handlers that it gives."""
    yield action
    if isinstance(action, Reload | UpgradeTls) and isinstance(action.handlers, HandlerSet):
        yield from _actions(action.handlers)
