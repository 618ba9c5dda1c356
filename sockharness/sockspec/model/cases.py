"""A whole file, as values that never change: its cases, and its differences on engines."""

from collections.abc import Iterator, Mapping
from dataclasses import field

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.actions import (
    Action,
    HandlerSet,
    UpgradeTls,
    actions_of,
    with_inner,
)
from sockharness.sockspec.model.peers import Peer
from sockharness.sockspec.model.steps import Act, Step
from sockharness.sockspec.model.tls import Certificate
from sockharness.sockspec.model.wire import WireCheck


@record(kw_only=True)
class Difference:
    """A difference on an engine, and the row of the deliberate differences that explains it.

    `instead` is the step that holds there; without it, the step must not hold there. `peer` is the
    one that must run on the engine, if it matters which.
    """

    row: str
    location: Location
    peer: str = ""
    instead: Step | None = None


@record(kw_only=True)
class Case:
    """One conversation: the peers, the steps in order, and the checks of the wire.

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
        """Yield the actions of its peers: of steps and of handlers."""
        for step in self.steps:
            if isinstance(step, Act):
                yield from with_inner(step.action)
        peers = (peer.handlers for peer in self.peers.values() if peer.handlers is not None)
        for handlers in (*peers, *self.handlers.values()):
            yield from actions_of(handlers)

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
        """The needs that its file implies."""
        multicast = ("multicast",) if self.has_groups and not self.hosts else ()
        ipv6 = ("ipv6",) if any(peer.on_ipv6_link for peer in self.peers.values()) else ()
        return (*multicast, *(("netns", *ipv6) if self.hosts else ()))

    def joins_by_itself(self, peer: str) -> bool:
        """Return whether a member joins before step 1: it does, unless a step makes it join."""
        names = ("add_membership", "add_source_specific_membership")
        return not any(
            isinstance(step, Act) and step.peer.name == peer and step.action.name in names
            for step in self.steps
        )

    def connects_by_itself(self, peer: str) -> bool:
        """Return whether a client connects before step 1: it does, unless a step connects it."""
        return not any(
            isinstance(step, Act) and step.peer.name == peer and step.action.name == "connect"
            for step in self.steps
        )


@record(kw_only=True)
class Spec:
    """A file: its cases, at least one, and its title, which may be empty.

    Attributes:
        shows: the rules that it proves.
        engines: the engines that it is for; empty: all.
    """

    path: str
    title: str
    cases: tuple[Case, ...]
    needs: Mapping[str, Location] = field(default_factory=dict)
    shows: tuple[str, ...] = ()
    engines: Mapping[str, Location] = field(default_factory=dict)
