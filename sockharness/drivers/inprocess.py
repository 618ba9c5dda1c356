"""Our own engine as a driver: an ordinary user of its handlers.

Every handler puts its event on the timeline first, then does what the spec's `on:` says. A peer
without `on:` has all handlers, and they only record. `write_all` and `echo` keep what the kernel
did not take and write on at each `drain`, in order.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from sockharness.address import Address
from sockharness.drivers.base import RaisedBySpec
from sockharness.engine.connector import connect
from sockharness.engine.listener import Listener, listen
from sockharness.engine.reactor import Reactor
from sockharness.engine.stream import Socket
from sockharness.errors import Problem, SpecError, code_of
from sockharness.events import Event, Kind
from sockharness.policy import Policy
from sockharness.spec import model
from sockharness.spec.bindings import Bindings, Value
from sockharness.timeline import LISTENER, Channel, Timeline

ALL = ("open", "data", "drain", "end", "close", "error", "timeout")
CLIENT_ONLY = ("connect_error",)
ALWAYS = ("open", "data", "drain", "close")
"""The handlers of a peer with `on:`, beside those that it names."""


class _Connection:
    """One connection of a peer: its channel, its socket, and what is still to be written."""

    __slots__ = ("channel", "peer", "pending", "socket")

    def __init__(self, peer: str, channel: Channel) -> None:
        self.peer = peer
        self.channel = channel
        self.socket: Socket | None = None
        self.pending: deque[tuple[Event, memoryview]] = deque()


class InProcessDriver:
    """Drives peers with the engine of this package, on a reactor that somebody else runs."""

    def __init__(
        self,
        case: model.Case,
        *,
        reactor: Reactor,
        timeline: Timeline,
        names: Bindings,
        policy: Policy,
    ) -> None:
        self._case = case
        self._reactor = reactor
        self._timeline = timeline
        self._names = names
        self._policy = policy
        self._listeners: dict[str, Listener] = {}
        self._connections: dict[Channel, _Connection] = {}
        self._numbers: dict[str, int] = {}
        self._half_linked: dict[tuple[str, int, str, int], Channel] = {}
        self._recording = True

    # ---- what the driver is told

    def listen(self, peer: model.Peer) -> None:
        """Listen, with the peer's handlers; see `Driver.listen`."""
        transport = peer.transport
        assert isinstance(transport, model.Listen)
        address = Address(transport.host, transport.port)
        self._policy.judge(address, transport.location)
        try:
            self._listeners[peer.name] = listen(
                socket=self._handlers(peer.name, peer.handlers, ALL),
                hostname=transport.host,
                port=transport.port,
                reactor=self._reactor,
                backlog=transport.backlog,
                **_options(transport.options),
            )
        except OSError as error:
            message = f"{peer.name} cannot listen on {address}: {code_of(error)}"
            hint = "leave 'port' out: the system chooses one" if transport.port else ""
            raise SpecError([Problem(peer.location, message, hint)]) from None

    def connect(self, peer: model.Peer) -> None:
        """Connect, with the peer's handlers; see `Driver.connect`."""
        transport = peer.transport
        assert isinstance(transport, model.Connect)
        host, port = transport.host, transport.port
        if transport.peer:
            listener = self._listeners[transport.peer]
            host, port = str(listener.hostname), int(listener.port or 0)
        self._policy.judge(Address(host, port), transport.location)
        connect(
            socket=self._handlers(peer.name, peer.handlers, ALL + CLIENT_ONLY),
            hostname=host,
            port=port,
            data=self._connection(peer.name),
            reactor=self._reactor,
            **_options(transport.options),
        )

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do what a step says; see `Driver.act`."""
        if channel.connection == LISTENER:
            return self._act_on_listener(channel, action)
        return self._perform(self._connections[channel], action)

    def fact(self, peer: str, name: str) -> Value | None:
        """Return a listener's `host` or `port`."""
        listener = self._listeners.get(peer)
        if listener is None:
            return None
        return {"host": listener.hostname, "port": listener.port}.get(name)

    def ports(self) -> list[int]:
        """Return the ports of the listeners."""
        return [int(listener.port or 0) for listener in self._listeners.values()]

    def close(self) -> None:
        """Stop every listener and reset every connection."""
        self._recording = False
        for connection in self._connections.values():
            if connection.socket is not None:
                connection.socket.terminate()
        for listener in self._listeners.values():
            listener.stop(close_active=True)

    # ---- what the engine tells

    def _handlers(
        self, peer: str, handlers: model.HandlerSet | None, all_names: tuple[str, ...]
    ) -> dict[str, Callable[..., None]]:
        """Return the handlers of a peer: each records, then does what the spec says."""
        actions = {} if handlers is None else handlers.actions
        names = all_names if handlers is None else {*ALWAYS, *actions}
        special = {"open": self._open, "data": self._data, "drain": self._drain}
        result: dict[str, Callable[..., None]] = {}
        for name in names:
            make = special.get(name, self._other)
            result[name] = make(peer, name, actions.get(name, ()))
        return result

    def _open(self, peer: str, name: str, actions: tuple[model.Action, ...]) -> Any:
        def on_open(socket: Socket) -> None:
            connection = socket.data
            if not isinstance(connection, _Connection):
                connection = socket.data = self._connection(peer)
            connection.socket = socket
            if self._record(connection, name):
                self._link(connection.channel, socket)
                self._perform_all(connection, actions)

        return on_open

    def _data(self, peer: str, name: str, actions: tuple[model.Action, ...]) -> Any:
        def on_data(socket: Socket, data: bytes) -> None:
            if self._record(socket.data, name, data=data):
                self._perform_all(socket.data, actions, data)

        return on_data

    def _drain(self, peer: str, name: str, actions: tuple[model.Action, ...]) -> Any:
        def on_drain(socket: Socket) -> None:
            if self._record(socket.data, name):
                self._write_on(socket.data)
                self._perform_all(socket.data, actions)

        return on_drain

    def _other(self, peer: str, name: str, actions: tuple[model.Action, ...]) -> Any:
        def handler(socket: Socket | Listener, error: BaseException | None = None) -> None:
            connection = socket.data
            if not isinstance(connection, _Connection):  # a listener's own error
                channel = self._timeline.channel(peer)
                self._timeline.add(Event(name=name, peer=channel.peer, error=error))
            elif self._record(connection, name, error=error):
                self._perform_all(connection, actions)

        return handler

    def _record(
        self,
        connection: _Connection,
        name: str,
        *,
        data: bytes = b"",
        error: BaseException | None = None,
    ) -> bool:
        """Put an event on the timeline; say whether the run still goes on."""
        if self._recording:
            channel = connection.channel
            event = Event(
                name=name, peer=channel.peer, connection=channel.connection, data=data, error=error
            )
            self._timeline.add(event)
        return self._recording

    def _connection(self, peer: str) -> _Connection:
        number = self._numbers[peer] = self._numbers.get(peer, 0) + 1
        channel = self._timeline.channel(peer, number)
        connection = self._connections[channel] = _Connection(peer, channel)
        return connection

    def _link(self, channel: Channel, socket: Socket) -> None:
        """Join the two ends of a connection: what is local to one is remote to the other."""
        local = (str(socket.local_address), int(socket.local_port or 0))
        remote = (str(socket.remote_address), int(socket.remote_port or 0))
        other = self._half_linked.pop((*remote, *local), None)
        if other is None:
            self._half_linked[(*local, *remote)] = channel
            return
        channel.remote, other.remote = other, channel

    # ---- actions

    def _perform_all(
        self, connection: _Connection, actions: tuple[model.Action, ...], data: bytes = b""
    ) -> None:
        for action in actions:
            self._perform(connection, action, data)

    def _perform(self, connection: _Connection, action: model.Action, data: bytes = b"") -> Event:
        socket = connection.socket
        assert socket is not None, "the replayer waits for the connection first"
        match action:
            case model.Write():
                payload = action.payload.data(self._names)
                event = self._acted(connection, action.name, payload)
                event.result = socket.write(payload)
            case model.WriteAll():
                event = self._write_all(connection, action.payload.data(self._names), action.name)
            case model.Echo():
                event = self._write_all(connection, data, action.name)
            case model.End():
                payload = action.payload.data(self._names) if action.payload else b""
                event = self._acted(connection, action.name, payload)
                event.result = socket.end(payload) if payload else socket.end()
            case model.SetTimeout():
                event = self._acted(connection, action.name, note=f"{action.seconds:g}")
                socket.timeout(action.seconds)
            case model.Reload():
                note = action.handlers if isinstance(action.handlers, str) else "…"
                event = self._acted(connection, action.name, note=note)
                names = ALL if socket.listener is not None else ALL + CLIENT_ONLY
                handlers = self._case.handler_set(action.handlers)
                socket.reload(socket=self._handlers(connection.peer, handlers, names))
            case model.Raise():
                channel = connection.channel
                self._acted(connection, action.name)
                raise RaisedBySpec(action.message, channel.peer, channel.connection)
            case model.Call():
                event = self._call(connection, socket, action)
        return event

    def _call(self, connection: _Connection, socket: Socket, action: model.Call) -> Event:
        event = self._acted(connection, action.name, note=_argument(action))
        match action.name:
            case "stop":
                self._listeners[connection.peer].stop(action.flag)
            case "shutdown" if action.flag:
                socket.shutdown(read=True)
            case _:
                getattr(socket, action.name)()
        return event

    def _act_on_listener(self, channel: Channel, action: model.Action) -> Event:
        note = _argument(action) if isinstance(action, model.Call) else ""
        event = Event(name=action.name, peer=channel.peer, kind=Kind.ACTION, note=note)
        self._timeline.add(event)
        listener = self._listeners[channel.peer]
        if isinstance(action, model.Reload):
            handlers = self._case.handler_set(action.handlers)
            listener.reload(socket=self._handlers(channel.peer, handlers, ALL))
        else:
            assert isinstance(action, model.Call)
            listener.stop(action.flag)
        return event

    def _acted(
        self, connection: _Connection, name: str, data: bytes = b"", *, note: str = ""
    ) -> Event:
        channel = connection.channel
        event = Event(
            name=name,
            peer=channel.peer,
            connection=channel.connection,
            kind=Kind.ACTION,
            data=data,
            note=note,
        )
        return self._timeline.add(event) if self._recording else event

    def _write_all(self, connection: _Connection, data: bytes, name: str) -> Event:
        event = self._acted(connection, name, data)
        connection.pending.append((event, memoryview(data)))
        if len(connection.pending) == 1:
            self._write_on(connection)
        return event

    def _write_on(self, connection: _Connection) -> None:
        """Write what is pending until the kernel takes no more."""
        socket, pending = connection.socket, connection.pending
        assert socket is not None
        while pending:
            event, rest = pending[0]
            taken = socket.write(rest)
            if 0 <= taken < len(rest):
                pending[0] = (event, rest[taken:])
                break
            event.result = -1 if taken < 0 else len(event.data)
            pending.popleft()
        connection.channel.queued = sum(len(rest) for _, rest in pending)


def _argument(action: model.Call) -> str:
    """Return the argument of a call, as people write it."""
    if not action.flag:
        return ""
    return "read" if action.name == "shutdown" else "true"


def _options(options: model.StreamOptions) -> dict[str, Any]:
    return {
        "allow_half_open": options.allow_half_open,
        "pause_on_connect": options.pause_on_connect,
        "send_buffer": options.send_buffer,
        "recv_buffer": options.recv_buffer,
    }
