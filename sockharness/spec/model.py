"""What a spec says, as values that never change: `Spec`, `Case`, `Peer`, `Step`.

Behind the loader nobody sees a mapping or a text that is still to be typed. Every part that a
message may have to point at carries its `Location`. Actions bear the names of the engine's
methods, events those of its handlers.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Protocol

from sockharness.location import Location
from sockharness.spec.bindings import Bindings
from sockharness.spec.matchers import Concat, Exact, Matcher

# ---- bytes, as something to write and as something to expect


class Payload(Protocol):
    """Bytes in a spec: one side writes them, the other expects them."""

    def data(self, names: Bindings) -> bytes:
        """Return the bytes to write."""
        ...

    def matcher(self, names: Bindings) -> Matcher:
        """Return what expects them."""
        ...


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that stand in the file."""

    content: bytes

    def data(self, names: Bindings) -> bytes:
        """Return the bytes."""
        return self.content

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.content)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Many bytes, described: `counter` (32-bit big-endian numbers from 0) or `zero`."""

    size: int
    kind: str

    def data(self, names: Bindings) -> bytes:
        """Make the bytes."""
        return pattern_bytes(self.size, self.kind)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.data(names))


@dataclass(frozen=True, slots=True)
class Repeated:
    """Bytes again and again, made when they are needed: many of them fit into a short file."""

    once: bytes
    times: int

    def data(self, names: Bindings) -> bytes:
        """Make the bytes."""
        return self.once * self.times

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.data(names))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a name is bound to while the case runs."""

    name: str

    def data(self, names: Bindings) -> bytes:
        """Return the value as bytes."""
        return names.data(self.name)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect the value."""
        return Exact(names.data(self.name))


@dataclass(frozen=True, slots=True)
class RestOf:
    """What is left of some bytes behind a captured count."""

    whole: Payload
    after: str

    def data(self, names: Bindings) -> bytes:
        """Return the bytes from the captured count on."""
        return self.whole.data(names)[names.number(self.after) :]

    def matcher(self, names: Bindings) -> Matcher:
        """Expect the rest."""
        return Exact(self.data(names))


@dataclass(frozen=True, slots=True)
class Joined:
    """One payload behind another."""

    parts: tuple[Payload, ...]

    def data(self, names: Bindings) -> bytes:
        """Return the bytes of all parts."""
        return b"".join(part.data(names) for part in self.parts)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect part after part."""
        return Concat([part.matcher(names) for part in self.parts])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bytes that are only described; `example` is what a scripted sender writes."""

    want: Matcher
    example: Payload | None = None

    def data(self, names: Bindings) -> bytes:
        """Return the example; the loader sees to it that a sender has one."""
        assert self.example is not None, "the loader asks a sender for an example"
        return self.example.data(names)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect what is described."""
        return self.want


# ---- actions: the engine's methods


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a call should return: every bound that is given must hold; `capture` names the value."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    less_than: int | None = None
    capture: str = ""

    def hold(self, value: int) -> bool:
        """Say whether a value is within the bounds."""
        return (
            (self.exactly is None or value == self.exactly)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.less_than is None or value < self.less_than)
        )

    @property
    def empty(self) -> bool:
        """Whether no number can be within the bounds."""
        most = [bound for bound in (self.at_most, self.exactly) if bound is not None]
        most += [self.less_than - 1] if self.less_than is not None else []
        return bool(most) and min(most) < (self.at_least or 0) and self.exactly is None

    def __str__(self) -> str:
        words = (
            ("", self.exactly),
            ("at least ", self.at_least),
            ("at most ", self.at_most),
            ("less than ", self.less_than),
        )
        return " and ".join(f"{word}{bound}" for word, bound in words if bound is not None)


@dataclass(frozen=True, slots=True)
class Write:
    """One call of `write`: what the kernel does not take is not sent."""

    name: ClassVar[str] = "write"
    payload: Payload
    location: Location


@dataclass(frozen=True, slots=True)
class WriteAll:
    """`write`, and again after each `drain`, until all is taken."""

    name: ClassVar[str] = "write_all"
    payload: Payload
    location: Location


@dataclass(frozen=True, slots=True)
class Echo:
    """In a `data` handler: write all of what was received."""

    name: ClassVar[str] = "echo"
    location: Location


@dataclass(frozen=True, slots=True)
class End:
    """Write, if there is something, then close (FIN)."""

    name: ClassVar[str] = "end"
    payload: Payload | None
    location: Location


@dataclass(frozen=True, slots=True)
class Call:
    """A method without bytes: `close`, `terminate`, `shutdown`, `pause`, `resume`, `flush`.

    `flag` is the method's one boolean argument where it has one (`shutdown` reading, `stop` all).
    """

    name: str
    location: Location
    flag: bool = False


@dataclass(frozen=True, slots=True)
class SetTimeout:
    """Arm the socket's time-out, in seconds."""

    name: ClassVar[str] = "timeout"
    seconds: float
    location: Location


@dataclass(frozen=True, slots=True)
class Reload:
    """Replace the handlers, by others or by those of a name (which may come later in the file)."""

    name: ClassVar[str] = "reload"
    handlers: "HandlerSet | str"
    location: Location


@dataclass(frozen=True, slots=True)
class Raise:
    """In a handler: raise an exception with this message."""

    name: ClassVar[str] = "raise"
    message: str
    location: Location


Action = Write | WriteAll | Echo | End | Call | SetTimeout | Reload | Raise


@dataclass(frozen=True, slots=True)
class HandlerSet:
    """Which handlers a peer has, and what each does."""

    actions: Mapping[str, tuple[Action, ...]]


# ---- peers


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What `listen` and `connect` have in common; sizes in bytes."""

    allow_half_open: bool = False
    pause_on_connect: bool = False
    send_buffer: int | None = None
    recv_buffer: int | None = None


BACKLOG = 512
"""How many connections may wait to be accepted, unless a listener says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """A peer that listens at an IP literal; port 0 lets the kernel choose."""

    host: str
    port: int = 0
    backlog: int = BACKLOG
    options: StreamOptions
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A peer that connects: to another peer by name, or to an IP literal and a port."""

    peer: str = ""
    host: str = ""
    port: int = 0
    options: StreamOptions
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A named participant. Without `handlers` it speaks the script."""

    name: str
    transport: Listen | Connect
    handlers: HandlerSet | None
    location: Location

    @property
    def scripted(self) -> bool:
        """Whether arrows make it write, instead of handlers of its own."""
        return self.handlers is None

    @property
    def listens(self) -> bool:
        """Whether it is a listener."""
        return isinstance(self.transport, Listen)


# ---- steps


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRef:
    """A peer in a step: its only connection, its n-th (`server@2`), or the one with `other`."""

    name: str
    location: Location
    connection: int | None = None
    other: "PeerRef | None" = None

    def __str__(self) -> str:
        return self.name if self.connection is None else f"{self.name}@{self.connection}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """`sender -> receiver: payload`: the receiver gets it; a scripted sender writes it."""

    sender: PeerRef
    receiver: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A peer is told to do something; what it returns may be checked."""

    peer: PeerRef
    action: Action
    location: Location
    returns: Bounds | None = None
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """A peer's handler is called: `error` is a code, `none` or `any`."""

    peer: PeerRef
    event: str
    error: str
    location: Location
    message: str = ""
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A peer has got these bytes next."""

    peer: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """An event does not come for so many seconds."""

    peer: PeerRef
    event: str
    lasting: float
    location: Location


Step = Arrow | Act | Sees | Received | Never


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTest:
    """A field of a frame by scapy's name, and the text or name that it must equal."""

    field: str
    value: str | Reference
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCheck:
    """How many frames fit `where`; each of those must also fit `each`."""

    where: tuple[FieldTest, ...]
    count: Bounds | None
    each: tuple[FieldTest, ...]
    location: Location
    within: float | None = None


# ---- the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is otherwise on an engine, and which row of the deliberate differences says so.

    `instead` is the step that holds there; without it, the step must not hold there. `peer` is the
    one that must run on the engine, if it matters which.
    """

    row: str
    location: Location
    peer: str = ""
    instead: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversation: the peers, what they say in order, and what must have crossed the wire.

    `differs` has the engines on which it does not hold, each with the row that says why;
    `differing` has, for a step's number from 0, what is otherwise on an engine.
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

    def handler_set(self, handlers: HandlerSet | str) -> HandlerSet:
        """Return the handlers that a name stands for."""
        return self.handlers[handlers] if isinstance(handlers, str) else handlers

    def connects_by_itself(self, peer: str) -> bool:
        """Say whether a client connects before step 1: it does, unless a step tells it to."""
        return not any(
            isinstance(step, Act) and step.peer.name == peer and step.action.name == "connect"
            for step in self.steps
        )


@dataclass(frozen=True, slots=True, kw_only=True)
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


@lru_cache(maxsize=8)
def pattern_bytes(size: int, kind: str) -> bytes:
    """Return `size` bytes of a pattern; the few most recent ones are kept."""
    if kind == "zero":
        return bytes(size)
    numbers = array("I", range(size // 4 + 1))
    numbers.byteswap()
    return numbers.tobytes()[:size]
