"""The reports of real Bun: events, calls and their results, on their way to the timeline.

The first key of a message says what it is; `host.ts` lists them.
"""

import errno
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sockharness.address import Address
from sockharness.drivers.bun import tls as bun_tls
from sockharness.drivers.bun.actions import ActionEncoder
from sockharness.drivers.bun.jsonl import JsonlChild, Message
from sockharness.drivers.engine import EngineFailed, Owed, RaisedBySpec, Run
from sockharness.errors import os_error
from sockharness.story.events import Event, HandshakeFacts, Kind
from sockharness.story.timeline import LISTENER, Channel

KEEPS_WRITING = ("write_all", "echo")
"""The actions that write on at each `drain`."""


class BunError(Exception):
    """An error from Bun that is not one of the operating system; `code` names it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class Reports:
    """Takes the messages of one replay.

    Args:
        run: what the engines of the replay share.
        child: the child process that reports.
        encoder: knows the actions by their numbers.
        offset: what to add to the child's time to get that of the timeline.

    Attributes:
        acked: the number of the last batch that is done.
        replies: the last answer about each peer that listens, connects or is bound.
        known: the address that a peer listens at, connects to or is bound to.
        acting: the events of actions that the child was sent, by number, until it begins them.
        pending: the events of actions that have not returned.
    """

    def __init__(
        self, run: Run, child: JsonlChild, encoder: ActionEncoder, *, offset: float
    ) -> None:
        self._run = run
        self._child = child
        self._encoder = encoder
        self._offset = offset
        self._calls: dict[int, Event] = {}
        self._received: dict[Channel, bytes] = {}
        self.acked = 0
        self.replies: dict[str, Message] = {}
        self.known: dict[str, Address] = {}
        self.acting: dict[int, Event] = {}
        self.pending: set[Event] = set()

    def owes(self) -> list[Owed]:
        """Return the bytes that `write_all` and `echo` still owe; Bun drops the rest of `end`."""
        owed = []
        for event in self._calls.values():
            channel = self._run.timeline.channel(event.peer, event.connection)
            unfinished = event.name in KEEPS_WRITING and event.result is None
            if unfinished and channel.queued and channel.closed is None:
                owed.append(Owed(action=event, size=channel.queued))
        return owed

    def take(self, message: Message) -> None:
        """Take a message."""
        self._REPORTS[next(iter(message))](self, message)  # the first key says what it is

    def take_ack(self, message: Message) -> None:
        """Take a message if it says that a batch is done; drop any other."""
        if "ack" in message:
            self.acked = message["ack"]

    def _take_reply(self, message: Message) -> None:
        self.replies[message.get("listening") or message["refused"]] = message

    def _take_queued(self, message: Message) -> None:
        self._channel(message).queued = message["queued"]

    def _take_broken(self, message: Message) -> None:
        first, _, rest = message["broken"].partition("\n")
        self._child.failed = EngineFailed(f"bun: {first}", rest.split("\n"))

    def _take_event(self, message: Message) -> None:
        channel = self._channel(message)
        event = Event(
            name=message["event"],
            peer=channel.peer,
            connection=channel.connection,
            data=b64decode(message.get("data", "")),
            error=self._error(channel, message.get("error")),
            source=self._source(message),
            facts=self._outcome(message),
        )
        if event.name == "data":
            self._received[channel] = event.data
        self._run.timeline.add(event, at=message["at"] + self._offset)
        if "local" in message:
            self._pair(channel, message)

    def _outcome(self, message: Message) -> HandshakeFacts | None:
        facts = message.get("secured")
        return bun_tls.secured(facts, self._run.credentials) if facts else None

    def _source(self, message: Message) -> str:
        """Return the name of the peer that sent a datagram."""
        sender = message.get("from")
        return self._run.addresses.peer_at(Address(*sender)) if sender else ""

    def _pair(self, channel: Channel, message: Message) -> None:
        """Pair a connection; we know a client's remote address and a server's local one."""
        local, remote = (_name(message[side]) for side in ("local", "remote"))
        address = self.known[channel.peer]
        known = (address.host, address.port)
        if self._run.case.peers[channel.peer].listens:
            local = local or known
        else:
            remote = known
        if local is not None:
            self._run.pairing.add(channel, local, remote)

    def _take_action(self, message: Message) -> None:
        channel = self._channel(message)
        event = self.acting.pop(message["acted"], None)
        if event is None:  # of a handler
            name, data, note = self._encoder.shown(message["acted"])
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
        self.pending.discard(event)
        if "error" in message:
            event.error = error_of(message["error"])
        if message["result"] is not None:
            event.result = message["result"]
            if event.name in KEEPS_WRITING:
                self._run.timeline.channel(event.peer, event.connection).queued = 0

    _REPORTS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "event": _take_event,
        "acted": _take_action,
        "result": _take_result,
        "queued": _take_queued,
        "listening": _take_reply,
        "refused": _take_reply,
        "ack": take_ack,
        "broken": _take_broken,
    }

    def _channel(self, message: Message) -> Channel:
        return self._run.timeline.channel(message["peer"], message.get("connection", LISTENER))

    def _error(self, channel: Channel, error: Message | None) -> BaseException | None:
        if error is None:
            return None
        if error["raised"]:
            return RaisedBySpec(error["message"], channel.peer, channel.connection)
        return error_of(error)


def _name(address: list[Any]) -> tuple[str, int] | None:
    """Return an address for the pairing; a socket that was reset has forgotten it (D12)."""
    host, port = address
    return (host, port) if host and port else None


def error_of(error: Message) -> Exception:
    """Return Bun's error as a TLS error or `OSError` if it is one, else as a `BunError`."""
    if (of_tls := bun_tls.error_of(error)) is not None:
        return of_tls
    code = error.get("code", "")
    number = getattr(errno, code, None) if code else None
    if isinstance(number, int):
        return os_error(number)
    return BunError(error["message"], code or error["name"])
