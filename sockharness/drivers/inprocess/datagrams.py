"""A peer with a UDP socket on our own engine; what `stream` is for TCP.

Every handler puts its event on the timeline first, then does what the spec's `on:` says. What a
call raises stays with its event: a step may expect it, and what no step expects is a finding.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from sockharness.address import Address
from sockharness.drivers.engine import RaisedBySpec, Run, note_of, udp_handler_names
from sockharness.engine.udp.socket import UDPSocket, udp_socket
from sockharness.errors import ClosedError
from sockharness.sockspec import model
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import Channel

RAISED = (OSError, ValueError, TypeError, ClosedError)
"""The exceptions that the engine's methods document."""


class Received(NamedTuple):
    """The arguments of a `data` handler."""

    data: bytes
    sender: Address


class DatagramPeer:
    """Executes a peer with a UDP socket.

    Attributes:
        closed: whether the replay is over, so that nothing more goes to the timeline.
    """

    __slots__ = ("_channel", "_peer", "_run", "_udp", "closed")

    def __init__(self, run: Run, peer: model.Peer) -> None:
        self._run = run
        self._peer = peer
        self._channel = run.timeline.channel(peer.name)
        self._udp: UDPSocket | None = None
        self.closed = False

    def bind(self, address: Address, remote: Address | None) -> Address:
        """Make the socket; see `Engine.bind`."""
        assert self._peer.udp is not None
        connect = {"hostname": remote.host, "port": remote.port} if remote is not None else None
        udp = self._udp = udp_socket(
            hostname=address.host,
            port=address.port,
            connect=connect,
            socket=self._made(self._peer.handlers),
            reuse_addr=self._peer.udp.in_group,
            reactor=self._run.reactor,
            kernel=self._run.kernel(self._peer.name),
        )
        host, port = udp.address
        return Address(address.host if "%" in address.host else host, port)

    def close(self) -> None:
        """Close the socket."""
        self.closed = True
        if self._udp is not None:
            self._udp.close()

    # ---- actions

    def act(
        self, channel: Channel, action: model.Action, *, received: Received | None = None
    ) -> Event:
        """Do what a step or a handler says.

        Args:
            channel: of the peer.
            action: what to do.
            received: the datagram that its `data` handler got.
        """
        event = Event(
            name=action.name,
            peer=channel.peer,
            kind=Kind.ACTION,
            data=self._bytes(action, received),
            note=note_of(action),
        )
        if not self.closed:
            self._run.timeline.add(event)
        try:
            event.result = self._METHODS[type(action)](self, action, received)
        except RAISED as error:
            event.error = error
        return event

    @property
    def _socket(self) -> UDPSocket:
        assert self._udp is not None, "it is bound before anything is done"
        return self._udp

    def _bytes(self, action: model.Action, received: Received | None) -> bytes:
        """Return the bytes that an action sends."""
        match action:
            case model.Send():
                return action.payload.data(self._run.names)
            case model.SendMany():
                return b"".join(self._datagrams(action))
            case model.Echo():
                return received.data if received is not None else b""
        return b""

    def _datagrams(self, action: model.SendMany) -> list[bytes]:
        return [payload.data(self._run.names) for payload in action.payloads]

    def _send(self, action: model.Send, received: Received | None) -> object:
        data = action.payload.data(self._run.names)
        return self._socket.send(data, *self._to(action.to, received))

    def _send_many(self, action: model.SendMany, _received: Received | None) -> object:
        datagrams, to = self._datagrams(action), self._to(action.to, None)
        return self._socket.send_many([(data, *to) for data in datagrams] if to else datagrams)

    def _echo(self, _action: model.Echo, received: Received | None) -> object:
        assert received is not None, "echo is for a data handler"
        to = () if self._socket.remote_address else self._to("", received)
        return self._socket.send(received.data, *to)

    def _set(self, action: model.SetOption, _received: Received | None) -> object:
        value = action.value
        if isinstance(value, str):  # an interface
            ipv6 = self._socket.family == "IPv6"
            value = self._run.interface(self._peer.name, value, ipv6=ipv6)
        return getattr(self._socket, action.name)(value)

    def _membership(self, action: model.Membership, _received: Received | None) -> object:
        arguments = self._run.membership(self._peer.name, action)
        return getattr(self._socket, action.name)(*arguments)

    def _reload(self, action: model.Reload, _received: Received | None) -> object:
        handlers = self._run.case.handler_set(action.handlers)
        self._socket.reload(self._made(handlers))
        return None

    def _raise(self, action: model.Raise, _received: Received | None) -> object:
        raise RaisedBySpec(action.message, self._peer.name, self._channel.connection)

    def _call(self, action: model.Call, _received: Received | None) -> object:
        """Call the method of that name."""
        return getattr(self._socket, action.name)()

    _METHODS: ClassVar[Mapping[type[model.Action], Callable[..., Any]]] = {
        model.Send: _send,
        model.SendMany: _send_many,
        model.Echo: _echo,
        model.SetOption: _set,
        model.Membership: _membership,
        model.Reload: _reload,
        model.Raise: _raise,
        model.Call: _call,
    }

    def _to(self, peer: str, received: Received | None) -> tuple[int, str] | tuple[()]:
        """Return port and address of a peer, or of the sender of a datagram; or nothing."""
        if peer:
            address = self._run.addresses.bound(peer)
            assert address is not None, "all sockets are bound before anything is sent"
            return address.port, address.host
        if received is None:
            return ()
        return received.sender.port, received.sender.host

    # ---- handlers

    def _made(self, handlers: model.HandlerSet | None) -> dict[str, Callable[..., None]]:
        """Return the engine's handlers for those of a spec."""
        made = _Handlers(self, {} if handlers is None else handlers.actions)
        return {name: getattr(made, name) for name in udp_handler_names(handlers)}

    def source(self, sender: Address) -> str:
        """Return the name of the peer that sends from there, if it is one."""
        return self._run.addresses.peer_at(sender)

    def record(
        self,
        event: Event,
        actions: tuple[model.Action, ...],
        received: Received | None = None,
    ) -> None:
        """Put a handler's event on the timeline, then do its actions."""
        if self.closed:
            return
        self._run.timeline.add(event)
        for action in actions:
            self.act(self._channel, action, received=received)

    @property
    def name(self) -> str:
        """The peer's name."""
        return self._peer.name


class _Handlers:
    """The engine's handlers of a peer."""

    __slots__ = ("_actions", "_peer")

    def __init__(self, peer: DatagramPeer, actions: Mapping[str, tuple[model.Action, ...]]) -> None:
        self._peer = peer
        self._actions = actions

    def data(self, _socket: UDPSocket, data: bytes, port: int, address: str) -> None:
        sender = Address(address, port)
        source = self._peer.source(sender)
        event = Event(name="data", peer=self._peer.name, data=data, source=source)
        self._peer.record(event, self._actions.get("data", ()), Received(data, sender))

    def drain(self, _socket: UDPSocket) -> None:
        event = Event(name="drain", peer=self._peer.name)
        self._peer.record(event, self._actions.get("drain", ()))

    def error(self, _socket: UDPSocket, error: BaseException) -> None:
        event = Event(name="error", peer=self._peer.name, error=error)
        self._peer.record(event, self._actions.get("error", ()))
