"""Actions and handlers as JSON for real Bun, with the bytes in them.

Each action has a number; the host script names the action by it. The bytes of a name that has no
value yet are sent when it has one.
"""

import contextlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from sockharness.drivers.bun import tls as bun_tls
from sockharness.drivers.bun.jsonl import Message
from sockharness.drivers.engine import Run, handler_names, note_of, udp_handler_names
from sockharness.errors import UsageError
from sockharness.sockspec import model
from sockharness.sockspec.model.bindings import Bindings


class ActionEncoder:
    """Encodes the actions of a replay."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._actions: list[tuple[str, bytes | None, str]] = []
        self._late: dict[int, model.Payload] = {}

    def shown(self, number: int) -> tuple[str, bytes | None, str]:
        """Return name, bytes and note of an action for the timeline; `None`: the bytes received."""
        return self._actions[number]

    def handlers(
        self, handlers: model.HandlerSet | None, *, client: bool, secure: bool = False
    ) -> Message:
        actions = {} if handlers is None else handlers.actions
        return {
            name: [self.action(action) for action in actions.get(name, ())]
            for name in handler_names(handlers, client=client, secure=secure)
        }

    def udp_handlers(self, peer: str, handlers: model.HandlerSet | None) -> Message:
        actions = {} if handlers is None else handlers.actions
        return {
            name: [self.action(action, peer) for action in actions.get(name, ())]
            for name in udp_handler_names(handlers)
        }

    def action(self, action: model.Action, peer: str = "") -> Message:
        """Encode an action, and keep its name, bytes and note for the timeline.

        Args:
            action: what to encode.
            peer: whose it is, if it has a UDP socket.
        """
        number = len(self._actions)
        self._actions.append(("", None, ""))
        encoded: Message = {"id": number, "name": action.name}
        data = self._METHODS[type(action)](self, action, encoded, peer)
        self._actions[number] = (action.name, data, note_of(action))
        return encoded

    # Each adds the value of an action; returns the bytes that the timeline shows. `None` stands for
    # those that a `data` handler gets.

    def _bytes(
        self, action: model.Write | model.WriteAll | model.End, encoded: Message, _peer: str
    ) -> bytes:
        data = b""
        if action.payload is not None:
            data, encoded["data"] = self._payload(encoded["id"], action.payload)
        return data

    def _echo(self, _action: model.Echo, _encoded: Message, _peer: str) -> None:
        return None

    def _timeout(self, action: model.SetTimeout, encoded: Message, _peer: str) -> bytes:
        encoded["seconds"] = action.seconds
        return b""

    def _raise(self, action: model.Raise, encoded: Message, _peer: str) -> bytes:
        encoded["message"] = action.message
        return b""

    def _call(self, action: model.Call, encoded: Message, _peer: str) -> bytes:
        encoded["flag"] = action.flag
        return b""

    def _reload(self, action: model.Reload, encoded: Message, peer: str) -> bytes:
        encoded["handlers"] = self._reloaded(action, peer)
        return b""

    def _upgrade_tls(self, action: model.UpgradeTls, encoded: Message, _peer: str) -> bytes:
        encoded |= self._upgraded(action)
        return b""

    def _reload_tls(self, _action: model.ReloadTls, _encoded: Message, _peer: str) -> bytes:
        return b""

    def _send(self, action: model.Send, encoded: Message, _peer: str) -> bytes:
        encoded["to"] = action.to
        data, encoded["data"] = self._payload(encoded["id"], action.payload)
        return data

    def _send_many(self, action: model.SendMany, encoded: Message, _peer: str) -> bytes:
        encoded["to"] = action.to
        data, encoded["many"] = self._payloads(action.payloads)
        return data

    def _set(self, action: model.SetOption, encoded: Message, _peer: str) -> bytes:
        encoded["arguments"] = [action.value]
        return b""

    def _membership(self, action: model.Membership, encoded: Message, peer: str) -> bytes:
        encoded["arguments"] = self._run.membership(peer, action)
        return b""

    _METHODS: ClassVar[Mapping[type[model.Action], Callable[..., bytes | None]]] = {
        model.Write: _bytes,
        model.WriteAll: _bytes,
        model.End: _bytes,
        model.Echo: _echo,
        model.SetTimeout: _timeout,
        model.Raise: _raise,
        model.Call: _call,
        model.Reload: _reload,
        model.ReloadTls: _reload_tls,
        model.UpgradeTls: _upgrade_tls,
        model.Send: _send,
        model.SendMany: _send_many,
        model.SetOption: _set,
        model.Membership: _membership,
    }

    def _reloaded(self, action: model.Reload, peer: str) -> Message | str:
        if peer and self._run.case.peers[peer].udp is not None:
            return self.udp_handlers(peer, self._run.case.handler_set(action.handlers))
        handlers = action.handlers
        return handlers if isinstance(handlers, str) else self.handlers(handlers, client=False)

    def _upgraded(self, action: model.UpgradeTls) -> Message:
        """Encode for both sides: named handlers may be a server's or a client's."""
        credentials = self._run.credentials
        encoded: Message = {
            "server": bun_tls.encoded(action.tls, credentials, server=True),
            "client": bun_tls.encoded(action.tls, credentials, server=False),
        }
        handlers = action.handlers
        if isinstance(handlers, model.HandlerSet):
            encoded["handlers"] = self.handlers(handlers, client=False)
        elif handlers is not None:
            encoded["handlers"] = handlers
        return encoded

    def _payloads(self, payloads: Sequence[model.Payload]) -> tuple[bytes, list[Message]]:
        """Encode several datagrams; each has its own number, in case its bytes are sent later."""
        encoded = []
        for payload in payloads:
            number = len(self._actions)
            self._actions.append(("", None, ""))
            encoded.append(self._payload(number, payload))
        return b"".join(data for data, _ in encoded), [message for _, message in encoded]

    def _payload(self, number: int, payload: model.Payload) -> tuple[bytes, Message]:
        """Encode bytes; if a name has no value yet, they are sent later."""
        try:
            data = payload.data(self._run.names)
        except UsageError:
            self._late[number] = payload
            return b"", {"late": number}
        return data, _described(payload, self._run.names) or {"base64": b64encode(data).decode()}

    def late(self) -> list[Message]:
        """Return commands with the bytes of names that have a value now."""
        commands = []
        for number, payload in list(self._late.items()):
            with contextlib.suppress(UsageError):
                data = payload.data(self._run.names)
                del self._late[number]
                name, _, note = self._actions[number]
                self._actions[number] = (name, data, note)
                commands.append({"do": "late", "id": number, "data": b64encode(data).decode()})
        return commands


def _described(payload: model.Payload, names: Bindings) -> Message:
    """Describe a pattern so that the host script makes it, for it may be big; else nothing."""
    match payload:
        case model.Pattern(size=size, kind=kind):
            return {"pattern": kind, "size": size, "from": 0}
        case model.RestOf(whole=model.Pattern(size=size, kind=kind), after=after):
            return {"pattern": kind, "size": size, "from": names.number(after)}
    return {}
