"""Real Bun as an engine: a child process with a host script that uses Bun's public interface.

One child is kept and reused; between specs it is reset, and it is started again when it died. What
it is told is gathered and sent in one line, which it does in one turn of its loop. What it tells is
in true order, and each event has its own time: the child's clock is compared with ours once.

To use it without specs, for example to compare engines with random actions:

    with BunProgram() as program, Reactor() as reactor:
        run = Run(case=…, reactor=reactor, timeline=Timeline(), names=Bindings())
        engine = BunEngine(run, program)
        address = engine.listen(peer, Address("127.0.0.1"))
        event = engine.act(channel, action)
        engine.sync()      # all is done, and on the timeline
        engine.settle()    # what followed from it, too
        engine.close()
"""

import errno
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from sockharness.address import Address
from sockharness.drivers.bun import tls as bun_tls
from sockharness.drivers.bun.actions import ActionEncoder
from sockharness.drivers.bun.jsonl import Message
from sockharness.drivers.bun.program import ANSWER, BunProgram
from sockharness.drivers.engine import (
    EngineFailed,
    Owed,
    RaisedBySpec,
    Run,
)
from sockharness.errors import os_error
from sockharness.sockspec import model
from sockharness.sockspec.decode.words import does_not_fit
from sockharness.story.events import Event, HandshakeFacts, Kind
from sockharness.story.timeline import LISTENER, Channel

RESET = 2.0
"""Seconds in which it must have closed everything."""
NO_SIZE = "Bun's interface sets no sizes of buffers"
CANNOT = {
    "send_buffer": NO_SIZE,
    "recv_buffer": NO_SIZE,
    "backlog": "Bun's interface sets no backlog",
}
"""Keys under `tcp` that have no counterpart there, and why."""


KEEPS_WRITING = ("write_all", "echo")
"""The actions that write on at each `drain`."""


class BunError(Exception):
    """What Bun gave to a handler and is no error of the operating system; `code` names it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class BunEngine:
    """Executes peers with Bun; see `Engine`.

    Args:
        run: what it shares with the other engines of the replay.
        program: whose child is used, until `close()`.
    """

    def __init__(self, run: Run, program: BunProgram) -> None:
        self._run = run
        self._child = program.child()
        self._offset = program.offset - run.timeline.began
        self._batch: list[Message] = []
        self._sent = self._acked = 0
        self._replies: dict[str, Message] = {}
        self._numbers: dict[str, int] = {}
        self._known: dict[str, Address] = {}
        self._encoder = ActionEncoder(run)
        self._told: dict[int, Event] = {}
        self._calls: dict[int, Event] = {}
        self._pending: set[Event] = set()
        self._received: dict[Channel, bytes] = {}
        self._child.attach(run.reactor, self._take)
        for name, handlers in run.case.handlers.items():
            if _are_of_udp(handlers):
                continue  # those are sent when they are used
            self._tell("handlers", name=name, set=self._encoder.handlers(handlers, client=False))

    @staticmethod
    def cannot(case: model.Case, peers: Sequence[model.Peer]) -> str:
        """Return why Bun cannot do what peers ask for, naming the key; empty if it can."""
        if case.hosts and peers:
            line = next(iter(case.hosts.values())).line
            return f"'hosts' (line {line}): Bun runs on this machine, not in a network of a spec"
        for peer in peers:
            transport = peer.transport
            if isinstance(transport, model.Udp):
                continue
            asked = {
                "send_buffer": transport.options.send_buffer is not None,
                "recv_buffer": transport.options.recv_buffer is not None,
                "backlog": isinstance(transport, model.Listen)
                and transport.backlog != model.BACKLOG,
            }
            for key, has in asked.items():
                if has:
                    line = transport.location.line
                    return f"'{key}' of {peer.name} (line {line}): {CANNOT[key]}"
            if reason := bun_tls.cannot(case, peer):
                return reason
        return ""

    # ---- what it is told

    def listen(self, peer: model.Peer, address: Address) -> Address:
        """Listen, with the peer's handlers; see `Engine.listen`."""
        self._open("listen", peer, address)
        return self._answer(peer.name)

    def _answer(self, peer: str) -> Address:
        """Return where a peer listens or is bound, or raise why not."""
        self.sync()
        reply = self._replies[peer]
        if "refused" in reply:
            raise _error(reply["error"])
        bound = self._known[peer] = Address(reply["hostname"], reply["port"])
        return bound

    def connect(self, peer: model.Peer, address: Address) -> None:
        """Connect, with the peer's handlers; see `Engine.connect`."""
        number = self._numbers[peer.name] = self._numbers.get(peer.name, 0) + 1
        self._run.timeline.channel(peer.name, number)
        self._known[peer.name] = address
        self._open("connect", peer, address)
        if peer.tls is not None and peer.tls.ciphers:  # all else that it is told, it can
            self._answer_to_connect(peer.name)

    def _answer_to_connect(self, peer: str) -> None:
        self.sync()
        refused = self._replies.pop(peer, None)
        if refused is not None:
            raise _error(refused["error"])

    def bind(self, peer: model.Peer, address: Address, remote: Address | None) -> Address:
        """Make a UDP socket, with the peer's handlers; see `Engine.bind`."""
        assert peer.udp is not None
        self._tell(
            "bind",
            peer=peer.name,
            hostname=address.host,
            port=address.port,
            shared=peer.udp.in_group,
            connect={"hostname": remote.host, "port": remote.port} if remote else None,
            handlers=self._encoder.udp_handlers(peer.name, peer.handlers),
        )
        return self._answer(peer.name)

    def learn(self, peer: str, address: Address) -> None:
        """Tell it where datagrams to a peer go; see `Engine.learn`."""
        self._tell("learn", peer=peer, hostname=address.host, port=address.port)

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Let it do what a step says, soon; see `Engine.act`."""
        encoded = self._encoder.action(action, channel.peer)
        name, data, note = self._encoder.told(encoded["id"])
        event = Event(
            name=name,
            peer=channel.peer,
            connection=channel.connection,
            kind=Kind.ACTION,
            data=data or b"",
            note=note,
        )
        self._told[encoded["id"]] = event
        self._pending.add(event)
        self._tell("act", peer=channel.peer, connection=channel.connection, action=encoded)
        return event

    def pending(self, event: Event) -> bool:
        """Say whether it has not told yet what a call returned."""
        return event in self._pending

    def flush(self) -> None:
        """Send what was gathered."""
        self._child.check()
        self._batch[:0] = self._encoder.late()
        if self._batch:
            self._send()

    def sync(self) -> None:
        """Wait until it has done what it was told; ask for an answer in any case."""
        self._batch[:0] = self._encoder.late()
        self._send()
        self._child.wait(lambda: self._acked == self._sent, timeout=self._patience)

    def settle(self) -> None:
        """Let its loop turn until turns bring nothing new."""
        self._tell("settle")
        self.sync()

    def owes(self) -> list[Owed]:
        """Return what `write_all` and `echo` have still to write; Bun drops the rest of `end`."""
        owed = []
        for event in self._calls.values():
            channel = self._run.timeline.channel(event.peer, event.connection)
            unfinished = event.name in KEEPS_WRITING and event.result is None
            if unfinished and channel.queued and channel.closed is None:
                owed.append(Owed(action=event, size=channel.queued))
        return owed

    def remarks(self) -> list[str]:
        """Return what it wrote on stderr."""
        return self._child.remarks()

    def close(self) -> None:
        """Reset every connection, and stop every listener; the child lives on.

        Raises:
            EngineFailed: if it does not answer; then it lives no more.
        """
        try:
            if self._child.failed is None:
                self._child.on_message = self._take_ack
                self._batch = [{"do": "reset"}]
                self._send()
                self._child.wait(lambda: self._acked == self._sent, timeout=RESET)
        finally:
            self._child.detach()

    @property
    def _patience(self) -> float:
        """Seconds in which it must answer."""
        return ANSWER * max(1.0, self._run.scale)

    def _open(self, how: str, peer: model.Peer, address: Address) -> None:
        assert not isinstance(peer.transport, model.Udp)
        options, secure = peer.transport.options, peer.tls is not None
        handlers = self._encoder.handlers(peer.handlers, client=not peer.listens, secure=secure)
        self._tell(
            how,
            peer=peer.name,
            hostname=address.host,
            port=address.port,
            handlers=handlers,
            upgraded=handlers if peer.handlers is not None else {**handlers, "handshake": []},
            tls=self._secured(peer),
            options={
                "allowHalfOpen": options.allow_half_open,
                "pauseOnConnect": options.pause_on_connect,
            },
        )

    def _secured(self, peer: model.Peer) -> Message | None:
        tls = peer.tls
        if tls is None:
            return None
        return bun_tls.told(tls, self._run.credentials, server=peer.listens)

    def _tell(self, command: str, **more: Any) -> None:
        self._batch.append({"do": command, **more})

    def _send(self) -> None:
        self._sent += 1
        batch, self._batch = self._batch, []
        message = {"ack": self._sent, "do": batch}
        self._child.send(message, timeout=self._patience)

    # ---- what it tells

    def _take(self, message: Message) -> None:
        if "event" in message:
            self._take_event(message)
        elif "acted" in message:
            self._take_action(message)
        elif "result" in message:
            self._take_result(message)
        elif "queued" in message:
            self._channel(message).queued = message["queued"]
        elif "broken" in message:
            first, _, rest = message["broken"].partition("\n")
            self._child.failed = EngineFailed(f"bun: {first}", rest.split("\n"))
        else:
            self._take_ack(message)

    def _take_ack(self, message: Message) -> None:
        if "ack" in message:
            self._acked = message["ack"]
        elif reply := message.get("listening") or message.get("refused"):
            self._replies[reply] = message

    def _take_event(self, message: Message) -> None:
        channel = self._channel(message)
        event = Event(
            name=message["event"],
            peer=channel.peer,
            connection=channel.connection,
            data=b64decode(message.get("data", "")),
            error=self._error(channel, message.get("error")),
            source=self._source(message),
            facts=self._came_to(message),
        )
        if event.name == "data":
            self._received[channel] = event.data
        self._run.timeline.add(event, at=message["at"] + self._offset)
        if "local" in message:
            self._link(channel, message)

    def _came_to(self, message: Message) -> HandshakeFacts | None:
        told = message.get("secured")
        return bun_tls.secured(told, self._run.credentials) if told else None

    def _source(self, message: Message) -> str:
        """Name who sent a datagram."""
        sender = message.get("from")
        return self._run.addresses.peer_at(Address(*sender)) if sender else ""

    def _link(self, channel: Channel, message: Message) -> None:
        """Tell who is at the other end; a client's is known, a server's own address as well."""
        local, remote = (_name(message[side]) for side in ("local", "remote"))
        address = self._known[channel.peer]
        known = (address.host, address.port)
        if self._run.case.peers[channel.peer].listens:
            local = local or known
        else:
            remote = known
        if local is not None:
            self._run.pairing.add(channel, local, remote)

    def _take_action(self, message: Message) -> None:
        channel = self._channel(message)
        event = self._told.pop(message["acted"], None)
        if event is None:  # of a handler
            name, data, note = self._encoder.told(message["acted"])
            event = Event(
                name=name,
                peer=channel.peer,
                connection=channel.connection,
                kind=Kind.ACTION,
                data=self._received[channel] if data is None else data,
                note=note,
            )
        self._calls[message["call"]] = event
        self._run.timeline.add(event, at=message["at"] + self._offset)

    def _take_result(self, message: Message) -> None:
        event = self._calls[message["call"]]
        self._pending.discard(event)
        if "error" in message:
            event.error = _error(message["error"])
        if message["result"] is not None:
            event.result = message["result"]
            if event.name in KEEPS_WRITING:
                self._run.timeline.channel(event.peer, event.connection).queued = 0

    def _channel(self, message: Message) -> Channel:
        return self._run.timeline.channel(message["peer"], message.get("connection", LISTENER))

    def _error(self, channel: Channel, error: Message | None) -> BaseException | None:
        if error is None:
            return None
        if error["raised"]:
            return RaisedBySpec(error["message"], channel.peer, channel.connection)
        return _error(error)


def _are_of_udp(handlers: model.HandlerSet) -> bool:
    """Say whether handlers do what only UDP sockets can."""
    actions = (action for each in handlers.actions.values() for action in each)
    return any(does_not_fit(action.name, udp=False) for action in actions)


def _name(address: list[Any]) -> tuple[str, int] | None:
    """Return an address for the pairing; a socket that was reset has forgotten it (D12)."""
    host, port = address
    return (host, port) if host and port else None


def _error(error: Message) -> Exception:
    """Return Bun's error as one of Python's: one of TLS or of the operating system, if it is."""
    if (of_tls := bun_tls.error_of(error)) is not None:
        return of_tls
    code = error.get("code", "")
    number = getattr(errno, code, None) if code else None
    if isinstance(number, int):
        return os_error(number)
    return BunError(error["message"], code or error["name"])
