"""Who executes what a spec says: the interface of an engine that speaks for peers.

A driver does what it is told at once and returns; whatever comes of it, returned values
included, appears on the timeline. So a driver in this process and one in a child process look
the same to the replayer. Addresses are judged by the policy before they reach an engine, which
gets IP literals only.
"""

from typing import Protocol

from sockharness.events import Event
from sockharness.spec.bindings import Value
from sockharness.spec.model import Action, Peer
from sockharness.timeline import Channel


class RaisedBySpec(Exception):
    """The exception of a spec's `raise:` action."""

    def __init__(self, message: str, peer: str, connection: int) -> None:
        super().__init__(message)
        self.peer = peer
        self.connection = connection


class Driver(Protocol):
    """Executes the peers of a case."""

    def listen(self, peer: Peer) -> None:
        """Make a listening peer listen; afterwards its facts are known.

        Raises:
            SpecError: if the policy or the operating system refuses.
        """
        ...

    def connect(self, peer: Peer) -> None:
        """Begin a connection of a connecting peer; `open` or `connect_error` follows."""
        ...

    def act(self, channel: Channel, action: Action) -> Event:
        """Do something on a connection (or on a listener, connection 0).

        Returns the event of the action; its `result` is set when the method has returned.
        """
        ...

    def fact(self, peer: str, name: str) -> Value | None:
        """Return what is known of a peer: its `host` and `port`."""
        ...

    def ports(self) -> list[int]:
        """Return the ports that peers listen on."""
        ...

    def close(self) -> None:
        """Close every socket, abortively; nothing more goes to the timeline."""
        ...
