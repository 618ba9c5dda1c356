"""The handlers that our own engine gets for a peer.

Every handler puts its event on the timeline first, then does what the spec's `on:` says.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sockharness.drivers.inprocess.connection import Connection
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.sockspec import model

if TYPE_CHECKING:
    from sockharness.drivers.inprocess.engine import InProcess


class Heard:
    """The handlers of one peer: each records, then does what the spec says.

    Methods, not functions made inside a function: a replay makes a score of handlers, and each of
    those would take seven more objects along.
    """

    __slots__ = ("_actions", "_engine", "_peer")

    def __init__(
        self, engine: "InProcess", peer: str, actions: Mapping[str, tuple[model.Action, ...]]
    ) -> None:
        self._engine = engine
        self._peer = peer
        self._actions = actions

    def open(self, socket: Socket) -> None:
        connection = self._known(socket)
        connection.socket = socket
        if self._engine.record(connection, socket, "open"):
            self._engine.link(connection, socket)
            self._act(connection, "open")

    def data(self, socket: Socket, data: bytes) -> None:
        self._engine.tls.keep_session(socket)
        if self._engine.record(socket.data, socket, "data", data=data):
            self._act(socket.data, "data", data)

    def handshake(self, socket: Socket, success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        self._engine.tls.keep_session(socket)
        came_to = self._engine.tls.secured(socket, success=success)
        if self._engine.record(socket.data, socket, "handshake", error=error, came_to=came_to):
            self._act(socket.data, "handshake")

    def drain(self, socket: Socket) -> None:
        if self._engine.record(socket.data, socket, "drain"):
            socket.data.written_on()
            self._act(socket.data, "drain")

    def end(self, socket: Socket) -> None:
        self._heard("end", socket)

    def timeout(self, socket: Socket) -> None:
        self._heard("timeout", socket)

    def close(self, socket: Socket, error: BaseException | None) -> None:
        connection = self._known(socket)
        self._heard("close", socket, error, note=self._engine.tls.untold(connection, socket))

    def connect_error(self, socket: Socket, error: BaseException | None) -> None:
        self._heard("connect_error", socket, error)

    def error(self, socket: Socket | Listener, error: BaseException | None) -> None:
        if isinstance(socket, Listener):  # its own error
            self._engine.failed(self._peer, error)
            return
        self._heard("error", socket, error)

    def _heard(
        self, name: str, socket: Socket, error: BaseException | None = None, *, note: str = ""
    ) -> None:
        connection = self._known(socket)
        if self._engine.record(connection, socket, name, error=error, note=note):
            self._act(connection, name)

    def _known(self, socket: Socket) -> Connection:
        """Return the connection of a socket: a new one when a listener has accepted it, also if it
        closes before it opens (TLS-057)."""
        connection = socket.data
        if not isinstance(connection, Connection):
            connection = socket.data = self._engine.connection(self._peer)
        return connection

    def _act(self, connection: Connection, name: str, data: bytes = b"") -> None:
        for action in self._actions.get(name, ()):
            self._engine.perform(connection, action, data)
