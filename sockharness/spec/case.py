"""Decodes one case: its peers with their handlers, the exchange step by step, the wire checks.

The tables at the end are the schema of peers and steps: which keys a mapping may have, and what
each one's text means. Adding an action or an expectation is a line there and a branch in
`_action` or `_told`.
"""

import errno
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.location import Location
from sockharness.printable import show
from sockharness.spec import model, payloads
from sockharness.spec.bindings import LONGEST_WORD, suggestion
from sockharness.spec.model import Payload
from sockharness.spec.nodes import Mapping as MappingNode
from sockharness.spec.nodes import Node, Scalar
from sockharness.spec.problems import Decoder, Problems, known_key
from sockharness.spec.typed import (
    Known,
    Refusal,
    as_bool,
    as_int,
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

EVENTS = ("open", "drain", "end", "close", "error", "connect_error", "timeout")
"""What a handler can be for, beside `data`; what `sees` can name, beside `uncaught_exception`."""
HANDLERS = ("open", "data", *EVENTS[1:])
WITH_ERROR = ("close", "error", "connect_error", "uncaught_exception")
WITH_MESSAGE = ("error", "connect_error", "uncaught_exception")
ERRORS = ("none", "any", *sorted(errno.errorcode.values()), "ENOTFOUND", "EAI_AGAIN")
"""What `error:` can say: the names of the operating system, and two of name look-ups."""
PLAIN_ACTIONS = ("close", "terminate", "shutdown", "pause", "resume", "flush", "end", "stop")
"""The actions that a bare word names."""

PAUSES = ("sleep", "wait", "delay")
NO_PAUSE = "there is no sleep; use 'within:', or 'never: …, for: …'"
SYNONYMS = {
    "send": "write",
    "sends": "write",
    "writes": "write",
    "expect": "received",
    "expects": "received",
    "receive": "received",
    "receives": "received",
    "recv": "received",
    "read": "received",
    "see": "sees",
    "saw": "sees",
    "event": "sees",
}
"""Words of other programs, with ours."""
_NEARLY_ARROW = re.compile(r"([\w@-]+?)\s*(<-+|=>|<=|-+|>|→|\s)\s*([\w@-]+)")
_WORD = re.compile(r"[a-z_]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_REF = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:@([1-9][0-9]{0,3}))?")


class CaseDecoder:
    """Decodes one case: what is wrong goes to `problems`, what is right to the attributes."""

    def __init__(
        self,
        problems: Problems,
        let: Mapping[str, Payload],
        folder: Path,
        uses: payloads.Uses,
        case: str,
    ) -> None:
        self.peers: dict[str, model.Peer] = {}
        self.steps: list[model.Step] = []
        self.wire: list[model.WireCheck] = []
        self._problems = problems
        self._let = let
        self._folder = folder
        self._uses = uses
        self._case = case
        self._numbered: list[model.PeerRef] = []
        self._captured: set[str] = set()
        self.handlers: dict[str, model.HandlerSet] = {}
        self._handler_names: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._listening: tuple[str, ...] = ()
        self._mentioned: set[str] = set()
        self._complete = False

    def _payload(self, node: Node) -> Payload:
        return payloads.decode(node, self._scope())

    def _scope(self) -> payloads.Scope:
        return payloads.Scope(
            self._let, self._captured, self._listening, self._folder, self._uses, self._case
        )

    # ---- peers and handlers

    def decode_peers(self, node: Node, handlers: Node | None) -> None:
        """Decode the peers, with the named handler sets that they use."""
        entries = as_mapping(node, "peers by name").entries
        if not entries:
            raise Refusal(node.location, "expected at least one peer, got none")
        self._names = tuple(key.text for key, _ in entries)
        self._listening = tuple(key.text for key, value in entries if _listens(value))
        if handlers is not None:
            self._handler_sets(handlers)
        for key, value in entries:
            with self._problems.collect():
                name_of(key, "a peer's name")
                self.peers[key.text] = self._peer(key, value)
        for peer in self.peers.values():
            with self._problems.collect():
                self._check_target(peer)

    def _handler_sets(self, node: Node) -> None:
        with self._problems.collect():
            entries = as_mapping(node, "handlers by name").entries
            self._handler_names = tuple(key.text for key, _ in entries)
            for key, value in entries:
                with self._problems.collect():
                    name_of(key, "a name")
                    self.handlers[key.text] = self._handlers(value)

    def _peer(self, key: Scalar, node: Node) -> model.Peer:
        what = "a peer such as {tcp: {listen: loopback}}"
        known = self._problems.entries(as_mapping(node, what), _PEER)
        if "tcp" not in known:
            message = f"peer '{key.text}' has no transport"
            raise self._problems.missing(as_mapping(node), known, message, "give it 'tcp:'")
        handlers = self._peer_handlers(known["on"]) if "on" in known else None
        transport = self._tcp(as_mapping(known["tcp"], "{listen: …} or {connect: …}"))
        return model.Peer(
            name=key.text, transport=transport, handlers=handlers, location=key.location
        )

    def _peer_handlers(self, node: Node) -> model.HandlerSet:
        handlers = self._handlers_or_name(node)
        if isinstance(handlers, str):
            return self.handlers.get(handlers) or model.HandlerSet({})
        return handlers

    def _tcp(self, node: MappingNode) -> model.Listen | model.Connect:
        known = self._problems.decode(node, _TCP)
        decoded = tuple(known)
        options = model.StreamOptions(**{name: known.pop(name) for name in _OPTIONS.keys() & known})
        if ("listen" in known) == ("connect" in known):
            hint = "{listen: loopback} waits for connections, {connect: server} makes one"
            message = "expected either 'listen' or 'connect'"
            raise self._problems.missing(node, decoded, message, hint)
        if "connect" in known:
            return self._connect(node, known, options)
        return model.Listen(
            host=known.pop("listen"), options=options, location=node.location, **known
        )

    def _connect(
        self, node: MappingNode, known: dict[str, Any], options: model.StreamOptions
    ) -> model.Connect:
        value, target = node.get("connect"), known["connect"]
        assert value is not None, "its text was decoded"
        backlog, port = node.get("backlog"), node.get("port")
        if backlog is not None:
            raise Refusal(backlog.location, "'backlog' goes with 'listen'")
        if target in self._names:
            if port is not None:
                raise Refusal(port.location, "'port' goes with an address, not with a peer")
            return model.Connect(peer=target, options=options, location=value.location)
        host = self._target_host(value, target)
        if not known.get("port"):
            if port is not None and "port" not in known:
                raise Known
            raise Refusal(value.location, "an address needs 'port', from 1 to 65535")
        return model.Connect(
            host=host, port=known["port"], options=options, location=value.location
        )

    def _target_host(self, node: Node, target: str) -> str:
        """Return the address that is no peer's name."""
        if near := suggestion(target, self._names).removeprefix("; "):
            message = f"'{show(target, limit=40)}' is neither a peer nor an address"
            raise Refusal(node.location, message, near)
        try:
            return _host(node)
        except Refusal as refusal:
            message = f"'{show(target, limit=40)}' is neither a peer nor an address"
            raise Refusal(node.location, message, refusal.problem.hint) from None

    def _check_target(self, peer: model.Peer) -> None:
        if not isinstance(peer.transport, model.Connect) or not peer.transport.peer:
            return
        target = peer.transport.peer
        self._mentioned.add(target)
        if self._has_wrong_target(peer):
            raise Refusal(peer.transport.location, f"peer '{target}' does not listen")

    def _has_wrong_target(self, peer: model.Peer) -> bool:
        name = peer.transport.peer if isinstance(peer.transport, model.Connect) else ""
        target = self.peers.get(name)
        return target is not None and not target.listens

    def _handlers_or_name(self, node: Node) -> model.HandlerSet | str:
        if isinstance(node, Scalar):
            name = as_word(node, self._handler_names, "the name of handlers")
            self._uses.handlers.add(name)
            return name
        return self._handlers(node)

    def _handlers(self, node: Node) -> model.HandlerSet:
        actions: dict[str, tuple[model.Action, ...]] = {}
        for key, value in as_mapping(node, "handlers by event").entries:
            with self._problems.collect():
                if key.text not in HANDLERS:
                    near = suggestion(key.text.removeprefix("on_"), HANDLERS)
                    hint = near.removeprefix("; ") or f"known: {', '.join(HANDLERS)}"
                    raise Refusal(
                        key.location, f"unknown handler '{show(key.text, limit=40)}'", hint
                    )
                hint = f"write [{_first_word(value)}: …]" if isinstance(value, MappingNode) else ""
                items = as_sequence(value, "a list of actions", hint).items
                actions[key.text] = tuple(self._handler_action(item, key.text) for item in items)
        return model.HandlerSet(actions)

    def _handler_action(self, node: Node, event: str) -> model.Action:
        if isinstance(node, Scalar):
            word = as_word(node, ("echo", *PLAIN_ACTIONS), "an action")
            if word == "echo" and event != "data":
                raise Refusal(node.location, "'echo' needs data", "it goes into 'data:'")
            return model.Echo(node.location) if word == "echo" else _plain(word, node.location)
        verb, value, rest = self._verb(node, (*_ACTION_VERBS, "raise"))
        if rest:
            raise Refusal(rest[0].location, f"unknown key '{show(rest[0].text, limit=40)}'")
        if verb.text == "raise":
            return model.Raise(as_text(value, "a message"), verb.location)
        return self._action(verb, value)

    # ---- steps

    def decode_steps(self, node: Node) -> None:
        """Decode the exchange."""
        items = as_sequence(node, "a list of steps", "begin each step with '- '").items
        if not items:
            raise Refusal(node.location, "expected at least one step, got none")
        if not self._names:
            raise Known  # without peers every step names an unknown one
        for item in items:
            with self._problems.collect():
                self.steps.append(self._step(item))
        self._complete = len(self.steps) == len(items)
        if self._complete:
            self._check_numbers()

    def _check_numbers(self) -> None:
        """Complain of a client's n-th connection that it never makes."""
        for ref in self._numbered:
            peer = self.peers.get(ref.name)
            if peer is None or peer.listens:
                continue
            made = max(1, sum(_connects(step, ref.name) for step in self.steps))
            if made > 1 and (ref.connection or 0) <= made:
                continue
            with self._problems.collect():
                often = "once" if made == 1 else f"{made} times"
                hint = f"write '{ref.name}'" if made == 1 else "add '- " + ref.name + ": connect'"
                raise Refusal(ref.location, f"'{ref.name}' connects {often}, got '{ref}'", hint)

    def check_peers_are_used(self) -> None:
        """Complain of peers that no step and no other peer mentions; a wrong step may mean any."""
        for peer in self.peers.values():
            if self._complete and peer.name not in self._mentioned:
                with self._problems.collect():
                    raise Refusal(peer.location, f"peer '{peer.name}' is in no step")

    def _step(self, node: Node) -> model.Step:
        step = as_mapping(node, "a step such as 'client -> server: \"hello\"'")
        key, value = _subject(step)
        limit = self._limit(step)
        if "->" in key.text:
            return self._arrow(key, value, limit)
        self._check_arrow(key)
        peer = self._ref(key, key.text)
        if isinstance(value, Scalar):
            word = self._bare_word(value, peer.name)
            return self._act(peer, _plain(word, value.location), within=limit)
        return self._told(peer, as_mapping(value, "an action or an expectation"), limit)

    def _check_arrow(self, key: Scalar) -> None:
        """Refuse what was meant as an arrow, and the pause that other languages have."""
        found = _NEARLY_ARROW.fullmatch(key.text) if len(key.text) <= LONGEST_WORD else None
        names = [end.partition("@")[0] for end in found.group(1, 3)] if found else []
        if found and set(names) <= set(self._names):
            left, right = (found[3], found[1]) if found[2] == "<-" else (found[1], found[3])
            hint = f"write '{left} -> {right}:'"
            raise Refusal(key.location, f"expected an arrow, got '{key.text}'", hint)
        if key.text in _VERBS and key.text not in self._names:
            hint = f"begin with the peer: '{self._names[0]}: {{{key.text}: …}}'"
            raise Refusal(key.location, f"expected a peer, got '{key.text}'", hint)
        if key.text in PAUSES and key.text not in self._names:
            raise Refusal(key.location, f"unknown peer '{key.text}'", NO_PAUSE)

    def _bare_word(self, node: Scalar, name: str) -> str:
        """Return the word of an action; what looks like bytes gets the mend for those."""
        words = (*PLAIN_ACTIONS, "connect")
        is_text = not _WORD.fullmatch(node.text) and not suggestion(node.text, words)
        if node.style or is_text:
            raise unexpected(node, "an action", self._how_to_say(name))
        return as_word(node, words, "an action")

    def _how_to_say(self, name: str) -> str:
        """Tell how a peer writes a text."""
        peer = self.peers.get(name)
        other = peer.transport.peer if peer and isinstance(peer.transport, model.Connect) else ""
        for each in self.peers.values():
            if isinstance(each.transport, model.Connect) and each.transport.peer == name:
                other = other or each.name
        arrow = f" or '{name} -> {other}: …'" if other else ""
        return f"write '{name}: {{write: …}}'{arrow}"

    def _limit(self, node: MappingNode, default: float | None = None) -> float | None:
        """Return the seconds that `within` gives; a wrong one does not hide the rest of a step."""
        within = node.get("within")
        if within is not None:
            with self._problems.collect():
                return as_seconds(within)
        return default

    def _arrow(self, key: Scalar, value: Node, within: float | None) -> model.Step:
        left, _, right = key.text.partition("->")
        sender, receiver = self._ref(key, left), self._ref(key, right)
        self._check_connected(key, sender, receiver)
        if isinstance(value, MappingNode) and any(key.text in _VERBS for key, _ in value.entries):
            name, number = sender.name, sender.connection
            linked = model.PeerRef(
                name=name, connection=number, other=receiver, location=sender.location
            )
            return self._told(linked, value, within)
        payload = self._payload(value)
        peer = self.peers.get(sender.name)
        if peer is None or peer.scripted:
            _needs_example(payload, value.location)
        if payloads.is_empty(payload):
            raise Refusal(value.location, "expected at least one byte, got none")
        return model.Arrow(
            sender=sender, receiver=receiver, payload=payload, location=key.location, within=within
        )

    def _check_connected(self, key: Scalar, one: model.PeerRef, other: model.PeerRef) -> None:
        """Refuse an arrow between peers of which neither connects to the other."""
        ends = [self.peers.get(one.name), self.peers.get(other.name)]
        if None in ends:
            return  # a problem of that peer is known already
        if any(end and self._has_wrong_target(end) for end in ends):
            raise Known
        targets = [
            end.transport.peer if end and isinstance(end.transport, model.Connect) else ""
            for end in ends
        ]
        if targets != [other.name, ""] and targets != ["", one.name]:
            raise Refusal(
                key.location,
                f"'{one.name}' and '{other.name}' are not connected",
                "an arrow goes between a peer and the one that it connects to",
            )

    def _ref(self, key: Scalar, text: str) -> model.PeerRef:
        found = _REF.fullmatch(text.strip())
        name = found[1] if found else text.strip()
        if name in self._names and not _NAME.fullmatch(name):
            raise Known
        if found is None or name not in self._names:
            near = suggestion(name, self._names).removeprefix("; ")
            hint = near or f"peers: {', '.join(self._names)}"
            raise Refusal(key.location, f"unknown peer '{show(name, limit=40)}'", hint)
        self._mentioned.add(name)
        connection = int(found[2]) if found[2] else None
        ref = model.PeerRef(name=name, connection=connection, location=key.location)
        if connection is not None:
            self._numbered.append(ref)
        return ref

    def _told(self, peer: model.PeerRef, node: MappingNode, within: float | None) -> model.Step:
        verb, value, rest = self._verb(node, tuple(_VERBS))
        for key in rest:
            known_key(key, (verb.text, *_VERBS[verb.text]))
        within = self._limit(node, within)
        if verb.text not in ("stop", "reload"):
            self._check_which(peer)
        place = verb.location
        match verb.text:
            case "sees":
                return self._sees(peer, value, node, within)
            case "received":
                payload = self._payload(value)
                return model.Received(peer=peer, payload=payload, location=place, within=within)
            case "never":
                return self._never(peer, verb, value, node)
            case _:
                returns = node.get("returns")
                bounds = self._bounds(returns) if returns is not None else None
                action = self._action(verb, value)
                return self._act(peer, action, returns=bounds, within=within)

    def _check_which(self, peer: model.PeerRef) -> None:
        """Refuse a bare listener in a step, where several peers connect to it."""
        if peer.connection is not None or peer.other is not None:
            return
        clients = [
            client.name
            for client in self.peers.values()
            if isinstance(client.transport, model.Connect) and client.transport.peer == peer.name
        ]
        if len(clients) > 1:
            raise Refusal(
                peer.location,
                f"'{peer.name}' has {len(clients)} connections",
                f"write '{peer.name}@1' for the first, or '{peer.name} -> {clients[0]}'",
            )

    def _act(
        self,
        peer: model.PeerRef,
        action: model.Action,
        *,
        returns: model.Bounds | None = None,
        within: float | None = None,
    ) -> model.Act:
        """Return the step, if that kind of peer can do it."""
        known = self.peers.get(peer.name)
        if known is not None and action.name == "stop" and not known.listens:
            raise Refusal(action.location, f"'stop' is for a listener; '{peer.name}' connects")
        if known is not None and action.name == "connect" and known.listens:
            raise Refusal(action.location, f"'{peer.name}' listens, it cannot connect")
        if action.name not in ("stop", "reload", "connect"):
            self._check_which(peer)
        return model.Act(
            peer=peer, action=action, returns=returns, within=within, location=action.location
        )

    def _sees(
        self, peer: model.PeerRef, value: Node, node: MappingNode, within: float | None
    ) -> model.Sees:
        if isinstance(value, Scalar) and value.text == "data":
            raise Refusal(value.location, "'sees' is not for data", "use 'received: \"…\"'")
        event = as_word(value, (*EVENTS, "uncaught_exception"), "an event")
        error, message = node.get("error"), node.get("message")
        for key, fitting in ((error, WITH_ERROR), (message, WITH_MESSAGE)):
            if key is not None and event not in fitting:
                name = "error" if key is error else "message"
                told = f"'{name}' goes with {', '.join(fitting)}"
                raise Refusal(key.location, f"'{event}' has no {name}", told)
        default = "none" if event == "close" else "any"
        return model.Sees(
            peer=peer,
            event=event,
            error=_error_code(error) if error is not None else default,
            message=as_text(message, "a text") if message is not None else "",
            location=value.location,
            within=within,
        )

    def _never(
        self, peer: model.PeerRef, verb: Scalar, value: Node, node: MappingNode
    ) -> model.Never:
        lasting = node.get("for")
        if lasting is None:
            raise Refusal(verb.location, "'never' needs 'for'", "how long, e.g. for: 200ms")
        event = as_word(value, ("data", *EVENTS), "an event")
        return model.Never(
            peer=peer, event=event, lasting=as_seconds(lasting), location=verb.location
        )

    def _verb(self, node: Node, verbs: tuple[str, ...]) -> tuple[Scalar, Node, list[Scalar]]:
        """Return the key that says what a mapping is about, its value, and the other keys."""
        entries = as_mapping(node, "an action").entries
        found = [(key, value) for key, value in entries if key.text in verbs]
        if not found:
            key = entries[0][0] if entries else None
            hint = (key and _other_word(key.text, verbs)) or f"known: {', '.join(verbs)}"
            got = f"'{show(key.text, limit=40)}'" if key else kind_of(node)
            place = key.location if key else node.location
            message = expected_got("an action or an expectation", got)
            raise Refusal(place, message, hint)
        if len(found) > 1:
            first, second = found[0][0], found[1][0]
            message = f"expected one action or expectation, got '{first.text}' and '{second.text}'"
            raise Refusal(second.location, message, "make it a step of its own")
        verb, value = found[0]
        return verb, value, [key for key, _ in entries if key is not verb]

    def _action(self, verb: Scalar, value: Node) -> model.Action:
        place = verb.location
        match verb.text:
            case "write":
                return model.Write(self._writable(value), place)
            case "write_all":
                return model.WriteAll(self._writable(value), place)
            case "end":
                return model.End(self._writable(value), place)
            case "timeout":
                return model.SetTimeout(as_seconds(value), place)
            case "reload":
                return model.Reload(self._handlers_or_name(value), place)
            case "shutdown":
                as_word(value, ("read",), "'read' (or the bare word 'shutdown')")
                return model.Call("shutdown", place, flag=True)
            case _:  # stop
                return model.Call("stop", place, flag=as_bool(value))

    def _writable(self, node: Node) -> Payload:
        payload = self._payload(node)
        _needs_example(payload, node.location)
        return payload

    def _bounds(self, node: Node) -> model.Bounds:
        if isinstance(node, Scalar):
            return model.Bounds(exactly=-1 if node.text == "-1" else as_size(node))
        entries = as_mapping(node, "bounds or a number")
        values = self._problems.decode(entries, _BOUNDS)
        if not entries.entries:
            raise Refusal(node.location, "expected at least one bound, got none", _KNOWN_BOUNDS)
        bounds = model.Bounds(**values)
        if bounds.empty:
            raise Refusal(
                node.location, "expected a range, got an empty one", f"no number: {bounds}"
            )
        capture = entries.get("capture")
        if bounds.capture and capture is not None:
            self._captured.add(bounds.capture)
            self._uses.captures.setdefault(bounds.capture, capture.location)
        return bounds

    # ---- the wire

    def decode_wire(self, node: Node) -> None:
        """Decode the checks of frames."""
        for item in as_sequence(node, "a list of checks").items:
            with self._problems.collect():
                self.wire.append(self._wire_check(as_mapping(item, "a check with 'where'")))

    def _wire_check(self, node: MappingNode) -> model.WireCheck:
        known = self._problems.decode(
            node,
            {
                "where": self._field_tests,
                "each": self._field_tests,
                "count": self._count,
                "within": as_seconds,
            },
        )
        if "where" not in known:
            hint = "e.g. where: {TCP.flags: S}"
            raise self._problems.missing(node, known, "a check needs 'where'", hint)
        if "count" not in known and "each" not in known:
            message = "a check needs 'count' or 'each'"
            raise self._problems.missing(node, known, message, "e.g. count: 1")
        return model.WireCheck(
            where=known["where"],
            each=known.get("each", ()),
            count=known.get("count"),
            within=known.get("within"),
            location=node.location,
        )

    def _count(self, node: Node) -> model.Bounds:
        bounds = self._bounds(node)
        if bounds.capture or bounds.exactly == -1:
            raise unexpected(node, "a count of frames")
        return bounds

    def _field_tests(self, node: Node) -> tuple[model.FieldTest, ...]:
        return tuple(
            model.FieldTest(field=key.text, value=self._field_value(value), location=key.location)
            for key, value in as_mapping(node, "fields such as {TCP.flags: S}").entries
        )

    def _field_value(self, node: Node) -> str | model.Reference:
        text = as_text(node, "a field's value")
        found = payloads.reference(node, self._scope()) if isinstance(node, Scalar) else None
        if found is not None and not isinstance(found, model.Reference):
            raise unexpected(node, "a text or a live value such as $server.port")
        return found or text


# ---- the tables

_PEER = ("tcp", "on")
_ACTION_VERBS: dict[str, tuple[str, ...]] = {
    "write": ("returns",),
    "write_all": (),
    "end": ("returns",),
    "timeout": (),
    "reload": (),
    "shutdown": (),
    "stop": (),
}
_VERBS: dict[str, tuple[str, ...]] = {
    **_ACTION_VERBS,
    "sees": ("error", "message", "within"),
    "received": ("within",),
    "never": ("for",),
}
_OPTIONS: dict[str, Decoder] = {
    "allow_half_open": as_bool,
    "pause_on_connect": as_bool,
    "send_buffer": lambda node: as_size(node, least=1),
    "recv_buffer": lambda node: as_size(node, least=1),
}


def name_of(key: Scalar, what: str) -> str:
    """Return a name of letters, digits, `_` and `-`."""
    if not _NAME.fullmatch(key.text):
        raise unexpected(key, f"{what} of letters, digits, _ and -, beginning with a letter")
    return key.text


def value_name(key: Scalar) -> str:
    """Return a name that `$name` can refer to."""
    if "-" in key.text:
        raise unexpected(key, "a name of letters, digits and _", "a '-' ends a $name")
    return name_of(key, "a name")


def _host(node: Node) -> str:
    what = "loopback, loopback6 or an IP address"
    text = as_text(node, what)
    words = {"loopback": LOOPBACK, "loopback6": LOOPBACK6}
    if text in words:
        return words[text]
    try:
        if "%" in text:
            raise ValueError("an address with a zone")
        return str(ip_address(text))
    except ValueError:
        raise unexpected(
            node, what, _host_hint(text) or suggestion(text, words).removeprefix("; ")
        ) from None


def _host_hint(text: str) -> str:
    """Guess the mend for an address that is none."""
    if text == "localhost":
        return "write loopback"
    if found := re.fullmatch(r"\[([0-9a-fA-F:.]+)\](:[0-9]+)?", text):
        port = ", and put the port under 'port:'" if found[2] else ""
        return f"write '{found[1]}' without brackets{port}"
    if re.fullmatch(r"[\w.-]+:[0-9]+", text):
        return "put the port under 'port:'"
    return ""


def _capture_name(node: Node) -> str:
    as_text(node, "a name")
    assert isinstance(node, Scalar)
    return value_name(node)


_TCP: dict[str, Decoder] = {
    "listen": _host,
    "connect": lambda node: as_text(node, "a peer's name or an IP address"),
    "port": lambda node: as_int(node, least=0, most=65535, what="a port"),
    "backlog": lambda node: as_int(node, least=0, most=65535, what="a backlog"),
    **_OPTIONS,
}
_BOUNDS: dict[str, Decoder] = {
    "at_least": as_size,
    "at_most": as_size,
    "less_than": as_size,
    "capture": _capture_name,
}
_KNOWN_BOUNDS = f"known: {', '.join(_BOUNDS)}"


def _subject(step: MappingNode) -> tuple[Scalar, Node]:
    """Return the one entry of a step that is no option."""
    subjects = [(key, value) for key, value in step.entries if key.text != "within"]
    if len(subjects) == 1:
        return subjects[0]
    extra = subjects[1][0] if subjects else None
    got = f"'{show(extra.text, limit=40)}' too" if extra else "none"
    place = extra.location if extra else step.location
    raise Refusal(place, f"expected one peer or arrow in a step, got {got}")


def _other_word(word: str, verbs: tuple[str, ...]) -> str:
    """Tell the word of ours for one that is not: another program's, or misspelt."""
    if word in PAUSES:
        return NO_PAUSE
    meant = SYNONYMS.get(word, "")
    if meant in verbs:
        return f"did you mean '{meant}'?"
    return suggestion(word, verbs).removeprefix("; ")


def _first_word(node: MappingNode) -> str:
    return show(node.entries[0][0].text, limit=20) if node.entries else "close"


def _connects(step: model.Step, name: str) -> bool:
    return isinstance(step, model.Act) and (step.peer.name, step.action.name) == (name, "connect")


def _error_code(node: Node) -> str:
    what = "an error's code or none"
    text = as_text(node, what)
    if text in ERRORS:
        return text
    near = get_close_matches(text[:LONGEST_WORD].upper(), ERRORS, n=1, cutoff=0.6)
    hint = (
        f"did you mean '{near[0]}'?" if near else "known: none, any, and codes such as ECONNRESET"
    )
    raise unexpected(node, what, hint)


def _listens(peer: Node) -> bool:
    """Say whether a peer that was not decoded yet listens: only such a one has facts."""
    tcp = peer.get("tcp") if isinstance(peer, MappingNode) else None
    return isinstance(tcp, MappingNode) and tcp.get("listen") is not None


def _plain(word: str, place: Location) -> model.Action:
    return model.End(None, place) if word == "end" else model.Call(word, place)


def _needs_example(payload: Payload, place: Location) -> None:
    """Refuse to write what is only described: the sender needs bytes."""
    if not payloads.can_be_written(payload):
        hint = "add 'example:', or give the sender handlers of its own"
        raise Refusal(place, "a scripted sender needs bytes to write", hint)
