"""Decodes the actions of steps and of handlers, with the values that they return.

A setting (`set_ttl: 5`) is a row of `table.actions` and nothing here. Another action is a row there
and an entry of `_ACTIONS`; for a UDP socket, of the one in `datagrams`.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec import model, table
from sockharness.sockspec.decode import networks, words
from sockharness.sockspec.decode.by_table import PLAIN, decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.datagrams import DatagramActions, check_send, interface
from sockharness.sockspec.decode.tls import TlsDecoder
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.problems import Decoder
from sockharness.sockspec.text.typed import (
    Refusal,
    as_bool,
    as_mapping,
    as_seconds,
    as_sequence,
    as_size,
    as_text,
    as_word,
    expected_got,
    kind_of,
    unexpected,
)


class ActionDecoder:
    """Decodes actions, handlers and bounds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._datagrams = DatagramActions(context)
        self._tls = TlsDecoder(context)
        self._checked: set[tuple[str, str]] = set()

    def action(self, verb: Scalar, value: Node, node: Node) -> model.Action:
        """Decode an action that takes a value; `node` is the mapping in which it stands."""
        if verb.text.startswith(table.SETTING):
            return self._setting(verb, value)
        decode = self._ACTIONS.get(verb.text)
        if decode is not None:
            return decode(self, value, verb.location)
        return self._datagrams.decode(verb, value, node)

    def _setting(self, verb: Scalar, value: Node) -> model.Action:
        """Decode a setting by the kind of value that the table gives it."""
        if isinstance(value, Scalar):
            networks.check_word(self._context, value)
        row = table.row(verb.text, "stream step", "udp step")
        return model.SetOption(verb.text, _SETTINGS[row.takes](value), verb.location)

    def _write(self, value: Node, location: Location) -> model.Action:
        return model.Write(self._writable(value), location)

    def _write_all(self, value: Node, location: Location) -> model.Action:
        return model.WriteAll(self._writable(value), location)

    def _end(self, value: Node, location: Location) -> model.Action:
        return model.End(self._writable(value), location)

    def _timeout(self, value: Node, location: Location) -> model.Action:
        return model.SetTimeout(as_seconds(value), location)

    def _shutdown(self, value: Node, location: Location) -> model.Action:
        as_word(value, ("read",), "'read' (or the bare word 'shutdown')")
        return model.Call("shutdown", location, flag=True)

    def _stop(self, value: Node, location: Location) -> model.Action:
        return model.Call("stop", location, flag=as_bool(value))

    def _reload(self, value: Node, location: Location) -> model.Action:
        [key] = table.keys("reload")
        tls = value.get(key) if isinstance(value, MappingNode) else None
        if tls is None:
            return model.Reload(self.handlers_or_name(value), location)
        assert isinstance(value, MappingNode)
        if len(value.entries) > 1:
            hint = "make it a step of its own"
            raise Refusal(tls.location, "'tls' is reloaded without handlers", hint)
        secured = self._tls.tls(as_mapping(tls, "options of TLS such as {cert: NAME}"))
        return model.ReloadTls(secured, location)

    def _upgrade(self, node: Node, location: Location) -> model.UpgradeTls:
        if not isinstance(node, MappingNode):
            hint = "without options write the bare word 'upgrade_tls'"
            raise unexpected(node, "options of TLS such as {cert: NAME}", hint)
        known = self._context.problems.decode(
            node, decoders("upgrade_tls", {**self._tls.keys, "on": self._stream_handlers})
        )
        return model.UpgradeTls(self._tls.secured(node, known), location, known.get("on"))

    def _stream_handlers(self, node: Node) -> model.HandlerSet | str:
        return self.handlers_or_name(node, udp=False)

    def _raise(self, value: Node, location: Location) -> model.Action:
        return model.Raise(as_text(value, "a message"), location)

    _ACTIONS: ClassVar[Mapping[str, Callable[..., model.Action]]] = {
        "write": _write,
        "write_all": _write_all,
        "end": _end,
        "timeout": _timeout,
        "reload": _reload,
        "upgrade_tls": _upgrade,
        "shutdown": _shutdown,
        "stop": _stop,
        "raise": _raise,
    }
    """By the word of the action. The others are of UDP sockets, or settings."""

    def verb(self, node: Node, verbs: tuple[str, ...]) -> tuple[Scalar, Node, list[Scalar]]:
        """Return the key that says what a mapping is about, its value, and the other keys."""
        entries = as_mapping(node, "an action").entries
        found = [(key, value) for key, value in entries if key.text in verbs]
        if not found:
            key = entries[0][0] if entries else None
            hint = (key and words.other_word(key.text, verbs)) or f"known: {', '.join(verbs)}"
            got = f"'{show(key.text, limit=40)}'" if key else kind_of(node)
            location = key.location if key else node.location
            message = expected_got("an action or an expectation", got)
            raise Refusal(location, message, hint)
        if len(found) > 1:
            first, second = found[0][0], found[1][0]
            message = f"expected one action or expectation, got '{first.text}' and '{second.text}'"
            raise Refusal(second.location, message, "make it a step of its own")
        verb, value = found[0]
        return verb, value, [key for key, _ in entries if key is not verb]

    def bounds(self, node: Node) -> model.Bounds:
        """Decode the expected value of a call: a number or bounds."""
        if isinstance(node, Scalar):
            truths = {"-1": -1, "true": True, "false": False}
            exactly = truths[node.text] if node.text in truths else as_size(node)
            return model.Bounds(exactly=exactly)
        entries = as_mapping(node, "bounds or a number")
        bounds = self.bounded(entries, _BOUNDS)
        capture = entries.get("capture")
        if bounds.capture and capture is not None:
            self._context.captured.add(bounds.capture)
            self._context.uses.captures.setdefault(bounds.capture, capture.location)
        return bounds

    def bounded(self, node: MappingNode, table: Mapping[str, Decoder]) -> model.Bounds:
        """Decode bounds; `table` has the known bounds."""
        values = self._context.problems.decode(node, table)
        if not node.entries:
            known = f"known: {', '.join(table)}"
            raise Refusal(node.location, "expected at least one bound, got none", known)
        bounds = model.Bounds(**values)
        if bounds.empty:
            raise Refusal(
                node.location, "expected a range, got an empty one", f"no number: {bounds}"
            )
        return bounds

    def handlers_or_name(self, node: Node, *, udp: bool | None = None) -> model.HandlerSet | str:
        """Decode handlers, or the name of some; `udp`: of what kind of peer, where it is known."""
        if isinstance(node, Scalar):
            name = as_word(node, self._context.handler_names, "the name of handlers")
            self._context.uses.handlers.add(name)
            return name
        return self.handlers(node, udp=udp)

    def handlers(self, node: Node, *, udp: bool | None = None) -> model.HandlerSet:
        """Decode a peer's handlers with their actions; `udp` as above."""
        actions: dict[str, tuple[model.Action, ...]] = {}
        for key, value in as_mapping(node, "handlers by event").entries:
            with self._context.problems.collect():
                if key.text not in words.HANDLERS:
                    near = did_you_mean(key.text.removeprefix("on_"), words.HANDLERS)
                    hint = near or f"known: {', '.join(words.HANDLERS)}"
                    raise Refusal(
                        key.location, f"unknown handler '{show(key.text, limit=40)}'", hint
                    )
                hint = f"write [{_first_word(value)}: …]" if isinstance(value, MappingNode) else ""
                items = as_sequence(value, "a list of actions", hint).items
                actions[key.text] = tuple(
                    self._handler_action(each, key.text, udp=udp) for each in items
                )
        return model.HandlerSet(actions)

    def _handler_action(self, node: Node, event: str, *, udp: bool | None) -> model.Action:
        if isinstance(node, Scalar):
            word = as_word(node, table.words(*_INSIDE), "an action")
            if word == "echo" and event != "data":
                raise Refusal(node.location, "'echo' needs data", "it goes into 'data:'")
            return model.Echo(node.location) if word == "echo" else words.plain(word, node.location)
        sections = _INSIDE if udp is None else (_INSIDE[udp],)
        verb, value, rest = self.verb(node, table.verbs(*sections))
        for key in rest:
            if key.text not in table.keys(f"handler {verb.text}"):
                raise Refusal(key.location, f"unknown key '{show(key.text, limit=40)}'")
        return self.action(verb, value, node)

    def check_fits(
        self, handlers: model.HandlerSet | None, peer: model.Peer, location: Location
    ) -> None:
        """Refuse handlers, and actions in them, that a peer of that kind does not have.

        Args:
            handlers: what it has, or gets by `reload`.
            peer: whose they are.
            location: where they are given to it.
        """
        udp = peer.udp is not None
        kind = "a UDP socket" if udp else "a stream"
        for event, actions in handlers.actions.items() if handlers else ():
            if udp and event not in words.UDP_HANDLERS:
                hint = f"known: {', '.join(words.UDP_HANDLERS)}"
                raise Refusal(location, f"{kind} has no handler '{event}'", hint)
            for action in actions:
                if words.does_not_fit(action.name, udp=udp):
                    hint = words.other_word(action.name, table.verbs(_INSIDE[udp]))
                    raise Refusal(action.location, f"{kind} has no '{action.name}'", hint)
                check_send(self._context, peer, action, replies=event == "data")
                if isinstance(action, model.UpgradeTls | model.ReloadTls):
                    self.check_tls(peer, action)
                if isinstance(action, model.Reload) and isinstance(
                    action.handlers, model.HandlerSet
                ):
                    self.check_fits(action.handlers, peer, action.location)
        if handlers and "handshake" in handlers.actions and not self._context.speaks_tls(peer):
            hint = "write 'tls:' in place of 'tcp:', or put it into 'on:' of 'upgrade_tls'"
            raise Refusal(location, f"'{peer.name}' has no TLS, so no 'handshake'", hint)

    def check_tls(self, peer: model.Peer, action: model.UpgradeTls | model.ReloadTls) -> None:
        """Refuse actions that a peer cannot do with TLS; take note if it goes over to it."""
        if isinstance(action, model.ReloadTls):
            if peer.tls is None or not peer.listens:
                message = f"'reload: {{tls: …}}' is for a listener with TLS; not '{peer.name}'"
                raise Refusal(action.location, message)
            self._tls.check_side(action.tls, server=True)
            return
        if peer.tls is not None:
            raise Refusal(action.location, f"'{peer.name}' has TLS already", "make it 'tcp:'")
        self._tls.check_side(action.tls, server=peer.listens)
        self._context.upgraded.add(peer.name)
        named = action.handlers
        if isinstance(named, str):
            if (peer.name, named) in self._checked:
                return  # they may go over to themselves
            self._checked.add((peer.name, named))
        found = self._context.handlers.get(named) if isinstance(named, str) else named
        self.check_fits(found, peer, action.location)

    def _writable(self, node: Node) -> Payload:
        payload = self._context.payload(node)
        words.needs_example(payload, node.location)
        return payload


def _capture_name(node: Node) -> str:
    as_text(node, "a name")
    assert isinstance(node, Scalar)
    return words.value_name(node)


_INSIDE = ("stream handler", "udp handler")
_SETTINGS: dict[str, Decoder] = {**PLAIN, "interface": interface}
"""The decoders of a setting's value, by the kind of value."""
_BOUNDS = decoders("returns", {"capture": _capture_name})


def _first_word(node: MappingNode) -> str:
    return show(node.entries[0][0].text, limit=20) if node.entries else "close"
