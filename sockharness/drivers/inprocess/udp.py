"""UDP peers on our own engine; what `inprocess` is for streams.

Every handler puts its event on the timeline first, then does what the spec's `on:` says. What a
call raises stays with its event: a step may expect it, and what no step expects is a finding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sockharness.address import Address
from sockharness.drivers.engine import RaisedBySpec, Run, note_of, udp_handler_names
from sockharness.engine.udp.socket import UDPSocket, udp_socket
from sockharness.errors import ClosedError
from sockharness.sockspec import model
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import Channel

RAISED = (OSError, ValueError, TypeError, ClosedError)
"""What the engine's methods raise, as they say."""


class Received(NamedTuple):
    """What a `data` handler got."""

    data: bytes
    sender: Address


class UdpPeers:
    """The UDP sockets of a replay."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sockets: dict[str, UDPSocket] = {}
        self._recording = True

    def __contains__(self, peer: str) -> bool:
        return peer in self._sockets

    def bind(self, peer: model.Peer, address: Address, remote: Address | None) -> Address:
        """Make a peer's socket; see `Engine.bind`."""
        assert peer.udp is not None
        connect = {"hostname": remote.host, "port": remote.port} if remote is not None else None
        udp = self._sockets[peer.name] = udp_socket(
            hostname=address.host,
            port=address.port,
            connect=connect,
            socket=self._handlers(peer.name, peer.handlers),
            reuse_addr=peer.udp.in_group,
            reactor=self._run.reactor,
            kernel=self._run.kernel(peer.name),
        )
        host, port = udp.address
        return Address(address.host if "%" in address.host else host, port)

    def act(
        self, channel: Channel, action: model.Action, *, received: Received | None = None
    ) -> Event:
        """Do what a step or a handler says.

        Args:
            channel: of the peer.
            action: what to do.
            received: the datagram that its `data` handler got.
        """
        socket = self._sockets[channel.peer]
        match action:
            case model.Send():
                payload = action.payload.data(self._run.names)
                event = self._acted(channel, action, payload)
                return self._call(event, socket.send, payload, *self._to(action.to, received))
            case model.SendMany():
                payloads = [payload.data(self._run.names) for payload in action.payloads]
                event = self._acted(channel, action, b"".join(payloads))
                to = self._to(action.to, None)
                batch = [(payload, *to) for payload in payloads] if to else payloads
                return self._call(event, socket.send_many, batch)
            case model.Echo():
                assert received is not None, "echo is for a data handler"
                event = self._acted(channel, action, received.data)
                to = () if socket.remote_address else self._to("", received)
                return self._call(event, socket.send, received.data, *to)
            case model.SetOption():
                event = self._acted(channel, action)
                value = action.value
                if isinstance(value, str):  # an interface
                    ipv6 = socket.family == "IPv6"
                    value = self._run.interface(channel.peer, value, ipv6=ipv6)
                return self._call(event, getattr(socket, action.name), value)
            case model.Membership():
                event = self._acted(channel, action)
                arguments = self._run.membership(channel.peer, action)
                return self._call(event, getattr(socket, action.name), *arguments)
            case model.Reload():
                event = self._acted(channel, action)
                handlers = self._run.case.handler_set(action.handlers)
                return self._call(event, socket.reload, self._handlers(channel.peer, handlers))
            case model.Raise():
                self._acted(channel, action)
                raise RaisedBySpec(action.message, channel.peer, channel.connection)
        event = self._acted(channel, action)
        return self._call(event, getattr(socket, action.name))

    def close(self) -> None:
        """Close every socket; nothing more goes to the timeline."""
        self._recording = False
        for udp in self._sockets.values():
            udp.close()

    def _to(self, peer: str, received: Received | None) -> tuple[int, str] | tuple[()]:
        """Return port and address of a peer, or of whom a datagram came from; or nothing."""
        if peer:
            address = self._run.places.bound(peer)
            assert address is not None, "all sockets are bound before anything is sent"
            return address.port, address.host
        if received is None:
            return ()
        return received.sender.port, received.sender.host

    def _call(self, event: Event, method: Callable[..., Any], *arguments: Any) -> Event:
        try:
            event.result = method(*arguments)
        except RAISED as error:
            event.error = error
        return event

    def _acted(self, channel: Channel, action: model.Action, data: bytes = b"") -> Event:
        event = Event(
            name=action.name,
            peer=channel.peer,
            kind=Kind.ACTION,
            data=data,
            note=note_of(action),
        )
        return self._run.timeline.add(event) if self._recording else event

    # ---- what the engine tells

    def _handlers(
        self, peer: str, handlers: model.HandlerSet | None
    ) -> dict[str, Callable[..., None]]:
        actions = {} if handlers is None else handlers.actions
        names = udp_handler_names(handlers)
        makers = {"data": self._data, "drain": self._drain, "error": self._error}
        channel = self._run.timeline.channel(peer)
        return {name: makers[name](channel, actions.get(name, ())) for name in names}

    def _data(self, channel: Channel, actions: tuple[model.Action, ...]) -> Any:
        def on_data(socket: UDPSocket, data: bytes, port: int, address: str) -> None:
            sender = Address(address, port)
            source = self._run.places.who(sender)
            event = Event(name="data", peer=channel.peer, data=data, source=source)
            self._told(channel, event, actions, Received(data, sender))

        return on_data

    def _drain(self, channel: Channel, actions: tuple[model.Action, ...]) -> Any:
        def on_drain(socket: UDPSocket) -> None:
            self._told(channel, Event(name="drain", peer=channel.peer), actions)

        return on_drain

    def _error(self, channel: Channel, actions: tuple[model.Action, ...]) -> Any:
        def on_error(socket: UDPSocket, error: BaseException) -> None:
            self._told(channel, Event(name="error", peer=channel.peer, error=error), actions)

        return on_error

    def _told(
        self,
        channel: Channel,
        event: Event,
        actions: tuple[model.Action, ...],
        received: Received | None = None,
    ) -> None:
        if not self._recording:
            return
        self._run.timeline.add(event)
        for action in actions:
            self.act(channel, action, received=received)
