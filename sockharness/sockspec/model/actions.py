"""Actions, as values that never change: they bear the names of the engine's methods."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.bytes import Payload
from sockharness.sockspec.model.datagrams import DatagramAction
from sockharness.sockspec.model.tls import ReloadTls, Tls


@record
class Write:
    """One call of `write`: bytes that the kernel does not take are not sent."""

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
    """The handlers that a peer has, each with its actions."""

    actions: Mapping[str, tuple[Action, ...]]


def actions_of(handlers: HandlerSet) -> Iterator[Action]:
    """Yield all actions of some handlers."""
    for actions in handlers.actions.values():
        for action in actions:
            yield from with_inner(action)


def with_inner(action: Action) -> Iterator[Action]:
    """Yield an action, and those of the handlers that it gives."""
    yield action
    if isinstance(action, Reload | UpgradeTls) and isinstance(action.handlers, HandlerSet):
        yield from actions_of(action.handlers)
