"""What a connection needs of the server, or the client, to which it belongs."""

from collections.abc import Callable, Mapping
from typing import Protocol

from sockharness.facade.context import HarnessContext
from sockharness.facade.script import Exchange, Script
from sockharness.story.events import Event
from sockharness.story.outcome import Failure


class Home(Protocol):
    """The server, or the client, to which streams belong.

    Attributes:
        other: what the program at the other end is.
        keeps: unread bytes lie there until the end, for somebody will read them.
        secure: whether its connections have TLS.
        watched: somebody waits for its events or has looked at what it received.
        bare: exchanges that were met before an answer was stated.
    """

    name: str
    other: str
    keeps: bool
    context: HarnessContext
    script: Script
    secure: bool
    failures: list[Failure]
    events: list[Event]
    handlers: Mapping[str, Callable[..., object]]
    accepted: int
    watched: bool
    closed: bool
    bare: list[Exchange]

    def state(self, want: object, *, number: int = 0, rule: bool = False) -> Exchange:
        """State an expectation or a rule."""
        ...

    def happened(self, event: Event) -> None:
        """Take in an event of one of its connections; lock held."""
        ...

    def found(self) -> list[Failure]:
        """Return what has failed so far; lock held."""
        ...

    def look_again(self) -> None:
        """Loop: let the connections with unread bytes try again."""
        ...
