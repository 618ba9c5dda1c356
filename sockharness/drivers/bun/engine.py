"""Real Bun as an engine: a child process with a host script that uses Bun's public interface.

One child is kept and reused: it is reset between specs, and started again if it died. Commands are
gathered and sent in one line; the child does them in one turn of its loop. Its reports come in the
order in which things happened, and each event has its own time: the child's clock is compared with
ours once.

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

from collections.abc import Sequence
from typing import Any

from sockharness.address import Address
from sockharness.drivers.bun import tls as bun_tls
from sockharness.drivers.bun.actions import ActionEncoder
from sockharness.drivers.bun.jsonl import Message
from sockharness.drivers.bun.program import ANSWER, BunProgram
from sockharness.drivers.bun.reports import Reports, error_of
from sockharness.drivers.engine import (
    Owed,
    Run,
)
from sockharness.sockspec import model
from sockharness.sockspec.decode.words import does_not_fit
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import Channel

RESET = 2.0
"""Seconds in which it must have closed everything."""
NO_SIZE = "Bun's interface sets no sizes of buffers"
CANNOT = {
    "send_buffer": NO_SIZE,
    "recv_buffer": NO_SIZE,
    "backlog": "Bun's interface sets no backlog",
}
"""The keys under `tcp` that have no counterpart in Bun, and why."""


class BunEngine:
    """Executes peers with Bun; see `Engine`.

    Args:
        run: what it shares with the other engines of the replay.
        program: the program whose child it uses until `close()`.
    """

    def __init__(self, run: Run, program: BunProgram) -> None:
        self._run = run
        self._child = program.child()
        self._batch: list[Message] = []
        self._sent = 0
        self._numbers: dict[str, int] = {}
        self._encoder = ActionEncoder(run)
        offset = program.offset - run.timeline.began
        self._reports = Reports(run, self._child, self._encoder, offset=offset)
        self._child.attach(run.reactor, self._reports.take)
        for name, handlers in run.case.handlers.items():
            if _are_of_udp(handlers):
                continue  # those are sent when they are used
            self._add("handlers", name=name, set=self._encoder.handlers(handlers, client=False))

    @staticmethod
    def cannot(case: model.Case, peers: Sequence[model.Peer]) -> str:
        """Return the key that Bun cannot do for these peers, and why; empty if it can do all."""
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

    # ---- commands

    def listen(self, peer: model.Peer, address: Address) -> Address:
        """Listen, with the peer's handlers; see `Engine.listen`."""
        self._open("listen", peer, address)
        return self._answer(peer.name)

    def _answer(self, peer: str) -> Address:
        """Return the address that a peer listens at or is bound to, or raise the error."""
        self.sync()
        reply = self._reports.replies[peer]
        if "refused" in reply:
            raise error_of(reply["error"])
        bound = self._reports.known[peer] = Address(reply["hostname"], reply["port"])
        return bound

    def connect(self, peer: model.Peer, address: Address) -> None:
        """Connect, with the peer's handlers; see `Engine.connect`."""
        number = self._numbers[peer.name] = self._numbers.get(peer.name, 0) + 1
        self._run.timeline.channel(peer.name, number)
        self._reports.known[peer.name] = address
        self._open("connect", peer, address)
        if peer.tls is not None and peer.tls.ciphers:  # nothing else is refused
            self._answer_to_connect(peer.name)

    def _answer_to_connect(self, peer: str) -> None:
        self.sync()
        refused = self._reports.replies.pop(peer, None)
        if refused is not None:
            raise error_of(refused["error"])

    def bind(self, peer: model.Peer, address: Address, remote: Address | None) -> Address:
        """Make a UDP socket, with the peer's handlers; see `Engine.bind`."""
        assert peer.udp is not None
        self._add(
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
        """Send it the address of a UDP peer; see `Engine.learn`."""
        self._add("learn", peer=peer, hostname=address.host, port=address.port)

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Let it do an action, soon; see `Engine.act`."""
        encoded = self._encoder.action(action, channel.peer)
        name, data, note = self._encoder.shown(encoded["id"])
        event = Event(
            name=name,
            peer=channel.peer,
            connection=channel.connection,
            kind=Kind.ACTION,
            data=data or b"",
            note=note,
        )
        self._reports.acting[encoded["id"]] = event
        self._reports.pending.add(event)
        self._add("act", peer=channel.peer, connection=channel.connection, action=encoded)
        return event

    def pending(self, event: Event) -> bool:
        """Return whether it has not reported yet what a call returned."""
        return event in self._reports.pending

    def flush(self) -> None:
        """Send the commands that were gathered."""
        self._child.check()
        self._batch[:0] = self._encoder.late()
        if self._batch:
            self._send()

    def sync(self) -> None:
        """Wait until it has done all commands; ask for an answer in any case."""
        self._batch[:0] = self._encoder.late()
        self._send()
        self._child.wait(lambda: self._reports.acked == self._sent, timeout=self._patience)

    def settle(self) -> None:
        """Let its loop turn until a turn brings nothing new."""
        self._add("settle")
        self.sync()

    def owes(self) -> list[Owed]:
        """Return what it has still to write; see `Reports.owes`."""
        return self._reports.owes()

    def remarks(self) -> list[str]:
        """Return its lines on stderr."""
        return self._child.remarks()

    def close(self) -> None:
        """Reset every connection, and stop every listener; the child lives on.

        Raises:
            EngineFailed: if it does not answer; then it was killed.
        """
        try:
            if self._child.failed is None:
                self._child.on_message = self._reports.take_ack
                self._batch = [{"do": "reset"}]
                self._send()
                self._child.wait(lambda: self._reports.acked == self._sent, timeout=RESET)
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
        self._add(
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
        return bun_tls.encoded(tls, self._run.credentials, server=peer.listens)

    def _add(self, command: str, **more: Any) -> None:
        self._batch.append({"do": command, **more})

    def _send(self) -> None:
        self._sent += 1
        batch, self._batch = self._batch, []
        message = {"ack": self._sent, "do": batch}
        self._child.send(message, timeout=self._patience)


def _are_of_udp(handlers: model.HandlerSet) -> bool:
    """Return whether handlers have actions that only UDP sockets have."""
    actions = (action for each in handlers.actions.values() for action in each)
    return any(does_not_fit(action.name, udp=False) for action in actions)
