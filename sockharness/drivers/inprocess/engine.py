"""Our own engine: an ordinary user of its handlers.

Its handlers are `Heard`. A peer without `on:` has all of them, and they only record. `write_all`
and `echo` keep what the kernel did not take and write on at each `drain`, in order.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sockharness.address import Address
from sockharness.drivers.engine import Owed, RaisedBySpec, Run, handler_names, note_of
from sockharness.drivers.inprocess.connection import Connection
from sockharness.drivers.inprocess.handlers import Heard
from sockharness.drivers.inprocess.tls import TlsPeers
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.sockspec import model
from sockharness.story.events import Event, Kind, Secured
from sockharness.story.timeline import LISTENER, Channel

if TYPE_CHECKING:
    from sockharness.drivers.inprocess.udp import UdpPeers


class InProcess:
    """Executes peers with the engine of this package, on a reactor that somebody else runs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._case = run.case
        self._reactor = run.reactor
        self._timeline = run.timeline
        self._names = run.names
        self._pairing = run.pairing
        self._listeners: dict[str, Listener] = {}
        self._connections: dict[Channel, Connection] = {}
        self._numbers: dict[str, int] = {}
        self._current = {name: peer.handlers for name, peer in run.case.peers.items()}
        self.tls = TlsPeers(run)
        self._udp: UdpPeers | None = None
        self._recording = True

    # ---- what the engine is told

    def listen(self, peer: model.Peer, address: Address) -> Address:
        """Listen, with the peer's handlers; see `Engine.listen`."""
        transport = peer.transport
        assert isinstance(transport, model.Listen)
        listener = self._listeners[peer.name] = listen(
            socket=self._handlers(peer.name, peer.handlers, client=False, secure=bool(peer.tls)),
            hostname=address.host,
            port=address.port,
            reactor=self._reactor,
            kernel=self._run.kernel(peer.name),
            backlog=transport.backlog,
            **self._options(peer.name, transport.options),
        )
        return Address(str(listener.hostname), int(listener.port or 0))

    def connect(self, peer: model.Peer, address: Address) -> None:
        """Connect, with the peer's handlers; see `Engine.connect`."""
        assert isinstance(peer.transport, model.Connect)
        connect(
            socket=self._handlers(peer.name, peer.handlers, client=True, secure=bool(peer.tls)),
            hostname=address.host,
            port=address.port,
            data=self.connection(peer.name),
            reactor=self._reactor,
            kernel=self._run.kernel(peer.name),
            **self._options(peer.name, peer.transport.options),
        )

    def bind(self, peer: model.Peer, address: Address, remote: Address | None) -> Address:
        """Make a UDP socket, with the peer's handlers; see `Engine.bind`."""
        if self._udp is None:
            from sockharness.drivers.inprocess.udp import UdpPeers  # most specs have none

            self._udp = UdpPeers(self._run)
        return self._udp.bind(peer, address, remote)

    def learn(self, peer: str, address: Address) -> None:
        """Do nothing: it is asked for when it is needed."""

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do what a step says; see `Engine.act`."""
        if self._udp is not None and channel.peer in self._udp:
            return self._udp.act(channel, action)
        if channel.connection == LISTENER:
            return self._act_on_listener(channel, action)
        return self.perform(self._connections[channel], action)

    def pending(self, event: Event) -> bool:
        """Return `False`: what is told is done at once."""
        return False

    def flush(self) -> None:
        """Do nothing: it is done already."""

    def sync(self) -> None:
        """Do nothing: it is done already."""

    def settle(self) -> None:
        """Do nothing: whoever runs the reactor settles it."""

    def owes(self) -> list[Owed]:
        """Return what waits in the outboxes, and the rest of each `end`."""
        found = (connection.owed() for connection in self._connections.values())
        return [owed for owed in found if owed is not None]

    def remarks(self) -> list[str]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Stop every listener, reset every connection and close every UDP socket.

        None of them is kept: what refers to each other would wait for a garbage collection, which
        goes through everything that pytest has collected.
        """
        self._recording = False
        if self._udp is not None:
            self._udp.close()
        for connection in self._connections.values():
            if connection.socket is not None:
                connection.socket.terminate()
                connection.socket = None
        for listener in self._listeners.values():
            listener.stop(close_active=True)
        self._connections.clear()
        self._listeners.clear()

    def _options(self, peer: str, options: model.StreamOptions) -> dict[str, Any]:
        """Return the engine's options for those of a spec."""
        return {
            "allow_half_open": options.allow_half_open,
            "pause_on_connect": options.pause_on_connect,
            "send_buffer": options.send_buffer,
            "recv_buffer": options.recv_buffer,
            **self.tls.options(peer),
        }

    # ---- what the engine tells

    def _handlers(
        self, peer: str, handlers: model.HandlerSet | None, *, client: bool, secure: bool
    ) -> dict[str, Callable[..., None]]:
        """Return the handlers of a peer: each records, then does what the spec says."""
        names = handler_names(handlers, client=client, secure=secure)
        heard = Heard(self, peer, {} if handlers is None else handlers.actions)
        return {name: getattr(heard, name) for name in names}

    def failed(self, peer: str, error: BaseException | None) -> None:
        """Put a listener's own error on the timeline."""
        self._timeline.add(Event(name="error", peer=peer, error=error))

    def record(
        self,
        connection: Connection,
        socket: Socket,
        name: str,
        *,
        data: bytes = b"",
        error: BaseException | None = None,
        came_to: Secured | None = None,
        note: str = "",
    ) -> bool:
        """Put an event on the timeline, unless it is of a socket below another one, or the run is
        over; say whether it was put there."""
        if not self._recording or connection.is_below(socket):
            return False
        channel = connection.channel
        event = Event(
            name=name,
            peer=channel.peer,
            connection=channel.connection,
            data=data,
            error=error,
            secured=came_to,
            note=note,
        )
        self._timeline.add(event)
        return True

    def connection(self, peer: str) -> Connection:
        """Return a new connection of a peer."""
        number = self._numbers[peer] = self._numbers.get(peer, 0) + 1
        channel = self._timeline.channel(peer, number)
        secure = self._case.peers[peer].tls is not None
        connection = self._connections[channel] = Connection(peer, channel, secure=secure)
        return connection

    def link(self, connection: Connection, socket: Socket) -> None:
        """Tell who is at the other end, once: after `upgrade_tls` it opens again."""
        if connection.linked:
            return
        connection.linked = True
        local = Address(str(socket.local_address), int(socket.local_port or 0))
        remote = Address(str(socket.remote_address), int(socket.remote_port or 0))
        self._pairing.add(connection.channel, local, remote)

    # ---- actions

    def perform(self, connection: Connection, action: model.Action, data: bytes = b"") -> Event:
        """Do what a step or a handler says; `data` is what the handler got."""
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
                event = self._acted(connection, action.name, note=note_of(action))
                socket.timeout(action.seconds)
            case model.Reload():
                event = self._reload(connection, socket, action)
            case model.UpgradeTls() | model.ReloadTls():
                event = self._tls_action(connection, socket, action)
            case model.Raise():
                channel = connection.channel
                self._acted(connection, action.name)
                raise RaisedBySpec(action.message, channel.peer, channel.connection)
            case model.Call():
                event = self._call(connection, socket, action)
            case _:
                raise AssertionError(f"'{action.name}' is for UDP sockets, as the loader knows")
        return event

    def _call(self, connection: Connection, socket: Socket, action: model.Call) -> Event:
        event = self._acted(connection, action.name, note=note_of(action))
        match action.name:
            case "stop":
                self._listeners[connection.peer].stop(action.flag)
            case "shutdown" if action.flag:
                socket.shutdown(read=True)
            case _:
                getattr(socket, action.name)()
        return event

    def _reload(self, connection: Connection, socket: Socket, action: model.Reload) -> Event:
        event = self._acted(connection, action.name, note=note_of(action))
        client, secure = socket.listener is None, connection.secure
        handlers = self._reloaded(connection.peer, action)
        socket.reload(
            socket=self._handlers(connection.peer, handlers, client=client, secure=secure)
        )
        return event

    def _reloaded(self, peer: str, action: model.Reload) -> model.HandlerSet:
        handlers = self._current[peer] = self._case.handler_set(action.handlers)
        return handlers

    def _tls_action(
        self, connection: Connection, socket: Socket, action: model.UpgradeTls | model.ReloadTls
    ) -> Event:
        event = self._acted(connection, action.name, note=note_of(action))
        if isinstance(action, model.ReloadTls):
            self.tls.reload(self._listeners[connection.peer], action, event)
            return event
        peer, client = connection.peer, socket.listener is None
        handlers = self._current[peer]
        if action.handlers is not None:
            handlers = self._case.handler_set(action.handlers)
        made = self._handlers(peer, handlers, client=client, secure=True)
        self.tls.upgrade(connection, socket, action, handlers=made, event=event)
        return event

    def _act_on_listener(self, channel: Channel, action: model.Action) -> Event:
        event = self._timeline.add(
            Event(name=action.name, peer=channel.peer, kind=Kind.ACTION, note=note_of(action))
        )
        listener = self._listeners[channel.peer]
        if isinstance(action, model.ReloadTls):
            self.tls.reload(listener, action, event)
        elif isinstance(action, model.Reload):
            handlers, secure = (
                self._reloaded(channel.peer, action),
                bool(self._case.peers[channel.peer].tls),
            )
            listener.reload(
                socket=self._handlers(channel.peer, handlers, client=False, secure=secure)
            )
        else:
            assert isinstance(action, model.Call)
            listener.stop(action.flag)
        return event

    def _acted(
        self, connection: Connection, name: str, data: bytes = b"", *, note: str = ""
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

    def _write_all(self, connection: Connection, data: bytes, name: str) -> Event:
        event = self._acted(connection, name, data)
        connection.write_all(event)
        return event
