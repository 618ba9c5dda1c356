"""A peer with a stream on our own engine: its listener or its connections.

Every handler puts its event on the timeline first, then does what the spec's `on:` says. A peer
without `on:` has all handlers, and they only record.

`_METHODS` has the method for each kind of action. A step and a handler do an action in the same
way: its event goes to the timeline, then the method calls the engine and notes what that returned.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sockharness.address import Address
from sockharness.drivers.engine import Owed, RaisedBySpec, Run, handler_names, note_of
from sockharness.drivers.inprocess import tls
from sockharness.drivers.inprocess.connection import Connection
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.sockspec import model
from sockharness.story.events import Event, HandshakeFacts, Kind
from sockharness.story.timeline import LISTENER, Channel


class StreamPeer:
    """Executes a peer that listens or connects.

    Attributes:
        name: of the peer.
        timeline: where its events go.
        closed: whether the replay is over, so that nothing more goes there.
        credentials: the certificates of the case.
        resumes: whether its next connection resumes the TLS session of the one before.
        session: that session.
    """

    __slots__ = (
        "_connections", "_handlers", "_listener", "_peer", "_run", "closed", "credentials", "name",
        "resumes", "session", "timeline",
    )  # fmt: skip

    def __init__(self, run: Run, peer: model.Peer) -> None:
        self._run = run
        self._peer = peer
        self._handlers = peer.handlers  # those of the last `reload`
        self._listener: Listener | None = None
        self._connections: list[Connection] = []
        self.session: Any = None
        self.name = peer.name
        self.timeline = run.timeline
        self.closed = False
        self.credentials = run.credentials
        self.resumes = peer.tls is not None and peer.tls.resume

    def listen(self, address: Address) -> Address:
        """Listen there; return where it does; see `Engine.listen`."""
        transport = self._peer.transport
        assert isinstance(transport, model.Listen)
        listener = self._listener = listen(
            hostname=address.host,
            port=address.port,
            backlog=transport.backlog,
            **self._options(transport.options),
        )
        return Address(str(listener.hostname), int(listener.port or 0))

    def connect(self, address: Address) -> None:
        """Begin a connection; see `Engine.connect`."""
        transport = self._peer.transport
        assert isinstance(transport, model.Connect)
        connect(
            hostname=address.host,
            port=address.port,
            data=self.connection(),
            **self._options(transport.options),
        )

    def _options(self, options: model.StreamOptions) -> dict[str, Any]:
        """Return the arguments that `listen` and `connect` have in common."""
        given = {
            "socket": self._made(self._handlers, secure=options.tls is not None),
            "reactor": self._run.reactor,
            "kernel": self._run.kernel(self.name),
            "allow_half_open": options.allow_half_open,
            "pause_on_connect": options.pause_on_connect,
            "send_buffer": options.send_buffer,
            "recv_buffer": options.recv_buffer,
        }
        if options.tls is not None:
            given |= self._secured(options.tls, session=self.session)
        return given

    def _secured(self, options: model.Tls, *, session: Any = None) -> dict[str, Any]:
        given = tls.options(options, self.credentials, server=self._peer.listens)
        return {
            "tls": {**given, "session": session},
            "handshake_timeout": options.handshake_timeout,
        }

    def _made(
        self, handlers: model.HandlerSet | None, *, secure: bool
    ) -> dict[str, Callable[..., None]]:
        """Return the engine's handlers for those of a spec."""
        names = handler_names(handlers, client=not self._peer.listens, secure=secure)
        made = _Handlers(self, {} if handlers is None else handlers.actions)
        return {name: getattr(made, name) for name in names}

    def owes(self) -> list[Owed]:
        """Return the bytes that its connections still have to write."""
        return [owed for each in self._connections if (owed := each.owed()) is not None]

    def close(self) -> None:
        """Reset every connection and stop the listener.

        None of them is kept: what refers to each other would wait for a garbage collection, which
        goes through everything that pytest has collected.
        """
        self.closed = True
        for connection in self._connections:
            if connection.socket is not None:
                connection.socket.terminate()
                connection.socket = None
        if self._listener is not None:
            self._listener.stop(close_active=True)
        self._listener = None
        self._connections.clear()

    # ---- for the handlers

    def connection(self) -> Connection:
        """Return a new connection."""
        channel = self.timeline.channel(self.name, len(self._connections) + 1)
        connection = Connection(channel, secure=self._peer.tls is not None)
        self._connections.append(connection)
        return connection

    def pair(self, connection: Connection, socket: Socket) -> None:
        """Let the two ends of a connection know each other."""
        connection.paired = True
        local = (socket.local_address, socket.local_port)
        remote = (socket.remote_address, socket.remote_port)
        self._run.pairing.add(connection.channel, local, remote)

    # ---- actions

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do what a step says; see `Engine.act`."""
        if channel.connection == LISTENER:
            return self.perform(channel, None, action)
        return self.perform(channel, self._connections[channel.connection - 1], action)

    def perform(
        self,
        channel: Channel,
        connection: Connection | None,
        action: model.Action,
        received: bytes = b"",
    ) -> Event:
        """Do an action.

        Args:
            channel: where its event goes.
            connection: whose socket does it; `None` for the listener.
            action: what to do.
            received: what the `data` handler got that does it.
        """
        event = Event(
            name=action.name,
            peer=self.name,
            connection=channel.connection,
            kind=Kind.ACTION,
            data=self._bytes(action, received),
            note=note_of(action),
        )
        if not self.closed:
            self.timeline.add(event)
        self._METHODS[type(action)](self, connection, action, event)
        return event

    def _bytes(self, action: model.Action, received: bytes) -> bytes:
        """Return the bytes that an action writes."""
        if isinstance(action, model.Echo):
            return received
        if isinstance(action, model.Write | model.WriteAll | model.End):
            return action.payload.data(self._run.names) if action.payload is not None else b""
        return b""

    def _write(self, connection: Connection, _action: model.Write, event: Event) -> None:
        event.result = connection.opened.write(event.data)

    def _write_all(
        self, connection: Connection, _action: model.WriteAll | model.Echo, event: Event
    ) -> None:
        connection.write_all(event)

    def _end(self, connection: Connection, _action: model.End, event: Event) -> None:
        socket = connection.opened
        event.result = socket.end(event.data) if event.data else socket.end()

    def _timeout(self, connection: Connection, action: model.SetTimeout, _event: Event) -> None:
        connection.opened.timeout(action.seconds)

    def _call(self, connection: Connection | None, action: model.Call, _event: Event) -> None:
        """Call the method of that name."""
        callee: Any = self._listener
        if connection is not None and action.name != "stop":
            callee = connection.opened
        getattr(callee, action.name)(*(True,) if action.flag else ())

    def _set(self, connection: Connection, action: model.SetOption, event: Event) -> None:
        event.result = getattr(connection.opened, action.name)(action.value)

    def _reload(self, connection: Connection | None, action: model.Reload, _event: Event) -> None:
        self._handlers = self._run.case.handler_set(action.handlers)
        callee: Any = self._listener if connection is None else connection.opened
        secure = self._peer.tls is not None if connection is None else connection.secure
        callee.reload(socket=self._made(self._handlers, secure=secure))

    def _reload_tls(self, _on: Connection | None, action: model.ReloadTls, event: Event) -> None:
        assert self._listener is not None
        options = tls.options(action.tls, self.credentials, server=True)
        try:
            self._listener.reload(tls=options)
        except tls.REFUSED as error:
            event.error = error

    def _upgrade_tls(self, connection: Connection, action: model.UpgradeTls, event: Event) -> None:
        handlers = self._handlers
        if action.handlers is not None:
            handlers = self._run.case.handler_set(action.handlers)
        before, connection.secure = connection.secure, True
        try:
            _, connection.socket = connection.opened.upgrade_tls(
                socket=self._made(handlers, secure=True),
                data=connection,
                **self._secured(action.tls),
            )
        except tls.REFUSED as error:
            event.error, connection.secure = error, before

    def _raise(self, connection: Connection, action: model.Raise, _event: Event) -> None:
        raise RaisedBySpec(action.message, self.name, connection.channel.connection)

    _METHODS: ClassVar[
        dict[type[model.Action], Callable[["StreamPeer", Any, Any, Event], None]]
    ] = {
        model.Write: _write,
        model.WriteAll: _write_all,
        model.Echo: _write_all,
        model.End: _end,
        model.SetTimeout: _timeout,
        model.SetOption: _set,
        model.Reload: _reload,
        model.ReloadTls: _reload_tls,
        model.UpgradeTls: _upgrade_tls,
        model.Raise: _raise,
        model.Call: _call,
    }


class _Handlers:
    """The engine's handlers of a peer: each records, then does what the spec says.

    Methods, not functions made inside a function: a replay makes a score of handlers, and each of
    those would take seven more objects along.
    """

    __slots__ = ("_actions", "_peer")

    def __init__(self, peer: StreamPeer, actions: Mapping[str, tuple[model.Action, ...]]) -> None:
        self._peer = peer
        self._actions = actions

    def open(self, socket: Socket) -> None:
        connection = socket.data
        if not isinstance(connection, Connection):
            connection = self._adopt(socket)
        connection.socket = socket
        if not connection.paired:  # after `upgrade_tls` it opens again
            self._peer.pair(connection, socket)
        self._on("open", socket)

    def data(self, socket: Socket, data: bytes) -> None:
        if self._peer.resumes:
            self._peer.session = socket.session  # in TLS 1.3 it comes with data (TLS-080)
        self._on("data", socket, data=data)

    def handshake(self, socket: Socket, success: bool, error: OSError | None) -> None:  # noqa: FBT001 - Bun's signature
        if self._peer.resumes:
            self._peer.session = socket.session
        outcome = tls.outcome(socket, self._peer.credentials, success=success)
        self._on("handshake", socket, error=error, facts=outcome)

    def drain(self, socket: Socket) -> None:
        socket.data.written_on()
        self._on("drain", socket)

    def end(self, socket: Socket) -> None:
        self._on("end", socket)

    def timeout(self, socket: Socket) -> None:
        self._on("timeout", socket)

    def close(self, socket: Socket, error: BaseException | None) -> None:
        connection = socket.data
        reported = isinstance(connection, Connection) and connection.channel.handshake is not None
        note = "" if reported else tls.why_it_failed(socket)
        self._on("close", socket, error=error, note=note)

    def connect_error(self, socket: Socket, error: BaseException | None) -> None:
        self._on("connect_error", socket, error=error)

    def error(self, socket: Socket | Listener, error: BaseException | None) -> None:
        if isinstance(socket, Listener):  # its own error
            self._peer.timeline.add(Event(name="error", peer=self._peer.name, error=error))
            return
        self._on("error", socket, error=error)

    def _on(
        self,
        name: str,
        socket: Socket,
        *,
        data: bytes = b"",
        error: BaseException | None = None,
        facts: HandshakeFacts | None = None,
        note: str = "",
    ) -> None:
        """Record an event and act, unless the socket lies below one with TLS (its data is the same
        connection) or the replay is over."""
        peer, connection = self._peer, socket.data
        if not isinstance(connection, Connection):
            connection = self._adopt(socket)
        if peer.closed or connection.socket not in (None, socket):
            return
        channel = connection.channel
        event = Event(
            name=name,
            peer=peer.name,
            connection=channel.connection,
            data=data,
            error=error,
            facts=facts,
            note=note,
        )
        peer.timeline.add(event)
        for action in self._actions.get(name, ()):
            peer.perform(channel, connection, action, data)

    def _adopt(self, socket: Socket) -> Connection:
        """Return the new connection of a socket that a listener has accepted; it may close before
        it opens (TLS-057)."""
        connection = socket.data = self._peer.connection()
        return connection
