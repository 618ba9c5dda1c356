"""Decodes the exchange, step by step.

Adding an expectation is a row of `table.steps` and a branch in `_action_or_expectation`.
"""

import re
from collections.abc import Mapping
from typing import Any

from sockharness.location import Location
from sockharness.nearest import LONGEST_WORD, did_you_mean, nearest
from sockharness.printable import show
from sockharness.sockspec import model, table
from sockharness.sockspec.decode import words
from sockharness.sockspec.decode.actions import ActionDecoder
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.datagrams import check_arrow, check_send, datagrams
from sockharness.sockspec.decode.differing import check_replaces, differs_of, replaced
from sockharness.sockspec.decode.seeing import SeesDecoder, error_code
from sockharness.sockspec.model.bytes import is_empty
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.problems import known_key
from sockharness.sockspec.text.typed import (
    CASE_SECONDS,
    Known,
    Refusal,
    as_mapping,
    as_seconds,
    as_sequence,
    as_word,
    unexpected,
)

_NEARLY_ARROW = re.compile(r"([\w@-]+?)\s*(<-+|=>|<=|-+|>|→|\s)\s*([\w@-]+)")
_WORD = re.compile(r"[a-z_]*")
_REF = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:@([1-9][0-9]{0,3}))?")


class StepDecoder:
    """Decodes steps into `steps`; a wrong step is a problem of the context."""

    def __init__(self, context: Context, actions: ActionDecoder) -> None:
        self.steps: list[model.Step] = []
        self.differing: dict[int, dict[str, model.Difference]] = {}
        self._context = context
        self._actions = actions
        self._seeing = SeesDecoder(context)
        self._numbered: list[model.PeerRef] = []
        self._complete = False

    def decode(self, node: Node) -> None:
        """Decode the exchange."""
        items = as_sequence(node, "a list of steps", "begin each step with '- '").items
        if not items:
            raise Refusal(node.location, "expected at least one step, got none")
        if not self._context.names:
            raise Known  # without peers every step names an unknown one
        for item in items:
            with self._context.problems.collect():
                self._add(item)
        self._check_silence()
        self._complete = len(self.steps) == len(items)
        if self._complete:
            self._check_numbers()

    def _add(self, node: Node) -> None:
        """Decode a step, and how it differs on other engines."""
        differs = differs_of(node) if isinstance(node, MappingNode) else None
        if differs is None or not isinstance(node, MappingNode):
            self.steps.append(self._step(node))
            return
        step = self._step(replaced(node))
        if isinstance(step, model.Act) and step.returns is None and not step.raises:
            raise Refusal(differs.location, "'differs' goes with an expectation")
        self.differing[len(self.steps)] = self._differences(node, differs)
        self.steps.append(step)

    def _differences(self, step: MappingNode, differs: Node) -> dict[str, model.Difference]:
        entries = as_mapping(differs, words.DIFFERS).entries
        names = self._context.names
        rows = {key.text: value for key, value in entries if words.is_engine(key, names)}
        others = tuple((key, value) for key, value in entries if key.text not in rows)
        if not rows:
            hint = f"known: {', '.join(words.ENGINES)}"
            raise Refusal(differs.location, "'differs' names no engine", hint)
        plain = [entry for entry in step.entries if entry[0].text != "differs"]
        for key, _ in others:
            check_replaces(step, _subject(MappingNode(tuple(plain), step.location)), key)
        instead = self._step(replaced(step, others)) if others else None
        return {key: words.difference(key, row, instead) for key, row in rows.items()}

    def _check_silence(self) -> None:
        """Refuse a case whose `never` steps take as long as a case may."""
        total = 0.0
        for step in self.steps:
            total += step.lasting if isinstance(step, model.Never) else 0.0
            if total >= CASE_SECONDS:
                most = f"expected less than {CASE_SECONDS:g}s"
                with self._context.problems.collect():
                    hint = "make 'for' shorter, or split the case"
                    raise Refusal(
                        step.location, f"the case's 'never' take {total:g}s, {most}", hint
                    )
                return

    def _check_numbers(self) -> None:
        """Refuse a numbered connection that its client never makes."""
        for ref in self._numbered:
            peer = self._context.peers.get(ref.name)
            if peer is None or peer.listens:
                continue
            steps = sum(_connects(step, ref.name) for step in self.steps)
            made = max(1, steps)
            if made > 1 and (ref.connection or 0) <= made:
                continue
            with self._context.problems.collect():
                often = "once" if made == 1 else f"{made} times"
                hint = f"write '{ref.name}'" if made == 1 else "add '- " + ref.name + ": connect'"
                if steps == 1:
                    hint += ": its step 'connect' makes its first connection, a second such step"
                    hint += " another one"
                raise Refusal(ref.location, f"'{ref.name}' connects {often}, got '{ref}'", hint)

    def check_peers_are_used(self) -> None:
        """Refuse peers that no step and no other peer mentions, unless a step is wrong."""
        for peer in self._context.peers.values():
            if self._complete and peer.name not in self._context.mentioned:
                with self._context.problems.collect():
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
            return self._act(peer, words.plain(word, value.location), {"within": limit})
        return self._action_or_expectation(
            peer, as_mapping(value, "an action or an expectation"), limit
        )

    def _check_arrow(self, key: Scalar) -> None:
        """Refuse a key that looks like an arrow, an action or a pause where a peer is expected."""
        found = _NEARLY_ARROW.fullmatch(key.text) if len(key.text) <= LONGEST_WORD else None
        names = [end.partition("@")[0] for end in found.group(1, 3)] if found else []
        if found and set(names) <= set(self._context.names):
            left, right = (found[3], found[1]) if found[2] == "<-" else (found[1], found[3])
            hint = f"write '{left} -> {right}:'"
            raise Refusal(key.location, f"expected an arrow, got '{key.text}'", hint)
        if key.text in words.VERBS and key.text not in self._context.names:
            hint = f"begin with the peer: '{self._context.names[0]}: {{{key.text}: …}}'"
            raise Refusal(key.location, f"expected a peer, got '{key.text}'", hint)
        if key.text in words.PAUSES and key.text not in self._context.names:
            raise Refusal(key.location, f"unknown peer '{key.text}'", words.NO_PAUSE)

    def _bare_word(self, node: Scalar, name: str) -> str:
        """Return the word of an action. The hint for a text says how a peer writes it."""
        udp = self._context.is_udp(name)
        section = "udp step" if udp else "stream step"
        known = table.words(section)
        if not node.style and node.text in table.verbs(section) and node.text not in known:
            mend = f"write '{name}: {{{node.text}: …}}'"
            raise Refusal(node.location, f"'{node.text}' needs a value", mend)
        is_text = not _WORD.fullmatch(node.text) and not nearest(node.text, known)
        if node.style or is_text:
            raise unexpected(node, "an action", self._how_to_say(name))
        return as_word(node, known, "an action")

    def _how_to_say(self, name: str) -> str:
        """Return the hint how a peer writes a text."""
        peer = self._context.peers.get(name)
        other = peer.transport.peer if peer and isinstance(peer.transport, model.Connect) else ""
        for each in self._context.peers.values():
            if isinstance(each.transport, model.Connect) and each.transport.peer == name:
                other = other or each.name
        arrow = f" or '{name} -> {other}: …'" if other else ""
        verb = "send" if peer and peer.udp else "write"
        return f"write '{name}: {{{verb}: …}}'{arrow}"

    def _limit(self, node: MappingNode, default: float | None = None) -> float | None:
        """Return the seconds of `within`. A wrong one is a problem; the rest is still decoded."""
        within = node.get("within")
        if within is not None:
            with self._context.problems.collect():
                return as_seconds(within)
        return default

    def _arrow(self, key: Scalar, value: Node, within: float | None) -> model.Step:
        left, _, right = key.text.partition("->")
        sender, receiver = self._ref(key, left), self._ref(key, right)
        if self._context.is_udp(sender.name) or self._context.is_udp(receiver.name):
            return self._datagram_arrow(key, value, (sender, receiver), within)
        self._check_connected(key, sender, receiver)
        if isinstance(value, MappingNode) and any(
            key.text in words.VERBS for key, _ in value.entries
        ):
            name, number = sender.name, sender.connection
            linked = model.PeerRef(
                name=name, connection=number, other=receiver, location=sender.location
            )
            return self._action_or_expectation(linked, value, within)
        payload = self._context.payload(value)
        peer = self._context.peers.get(sender.name)
        if peer is None or peer.scripted:
            words.needs_example(payload, value.location)
        if is_empty(payload):
            raise Refusal(value.location, "expected at least one byte, got none")
        return model.Arrow(
            sender=sender, receiver=receiver, payload=payload, location=key.location, within=within
        )

    def _datagram_arrow(
        self,
        key: Scalar,
        value: Node,
        both: tuple[model.PeerRef, model.PeerRef],
        within: float | None,
    ) -> model.Arrow:
        sender, receiver = both
        for each in both:
            self._check_which(each)
        check_arrow(self._context, key, sender.name, receiver.name)
        payload = self._context.datagram(value)
        if self._context.peers[sender.name].scripted:
            words.needs_example(payload, value.location)
        return model.Arrow(
            sender=sender, receiver=receiver, payload=payload, location=key.location, within=within
        )

    def _check_connected(self, key: Scalar, one: model.PeerRef, other: model.PeerRef) -> None:
        """Refuse an arrow between two peers that are not connected."""
        both = [self._context.peers.get(one.name), self._context.peers.get(other.name)]
        if None in both:
            return  # a problem of that peer is known already
        if any(peer and self._context.has_wrong_target(peer) for peer in both):
            raise Known
        targets = [
            peer.transport.peer if peer and isinstance(peer.transport, model.Connect) else ""
            for peer in both
        ]
        if targets != [other.name, ""] and targets != ["", one.name]:
            raise Refusal(
                key.location,
                f"'{one.name}' and '{other.name}' are not connected",
                "an arrow goes between a peer and the one that it connects to",
            )

    def _ref(self, key: Scalar, text: str) -> model.PeerRef:
        """Return the peer that a text in a key names; it is the same in all cases of a file."""
        known = self._context.refs
        ref = known.get((key.location, text)) or self._new_ref(key, text)
        known[key.location, text] = ref
        self._context.mentioned.add(ref.name)
        if ref.connection is not None:
            self._numbered.append(ref)
        return ref

    def _new_ref(self, key: Scalar, text: str) -> model.PeerRef:
        found = _REF.fullmatch(text.strip())
        name = found[1] if found else text.strip()
        if name in self._context.names and not words.NAME.fullmatch(name):
            raise Known
        if found is None or name not in self._context.names:
            near = did_you_mean(name, self._context.names)
            hint = near or f"peers: {', '.join(self._context.names)}"
            raise Refusal(key.location, f"unknown peer '{show(name, limit=40)}'", hint)
        connection = int(found[2]) if found[2] else None
        return model.PeerRef(name=name, connection=connection, location=key.location)

    def _action_or_expectation(
        self, peer: model.PeerRef, node: MappingNode, within: float | None
    ) -> model.Step:
        known = self._context.peers.get(peer.name)
        verbs = words.verbs(udp=known.udp is not None) if known else words.VERBS
        verb, value, rest = self._actions.verb(node, verbs)
        for key in rest:
            known_key(key, (verb.text, *words.beside(verb.text)))
        within = self._limit(node, within)
        if verb.text not in ("stop", "reload"):
            self._check_which(peer)
        location = verb.location
        match verb.text:
            case "sees":
                return self._seeing.sees(peer, value, node, within)
            case "received":
                return self._received(peer, value, location, within)
            case "never":
                return self._seeing.never(peer, verb, value, node)
        returns, raises = node.get("returns"), node.get("raises")
        if returns is not None and raises is not None:
            raise Refusal(raises.location, "a call returns or raises, not both")
        if isinstance(raises, Scalar) and raises.text == "none":
            raise unexpected(raises, "an error's code or any", "without 'raises' it must not raise")
        checked = {
            "returns": self._actions.bounds(returns) if returns is not None else None,
            "raises": error_code(raises, "an error's code") if raises is not None else "",
            "within": within,
        }
        return self._act(peer, self._actions.action(verb, value, node), checked)

    def _received(
        self, peer: model.PeerRef, value: Node, location: Location, within: float | None
    ) -> model.Step:
        if not self._context.is_udp(peer.name):
            payload = self._context.payload(value)
            return model.Received(peer=peer, payload=payload, location=location, within=within)
        payloads, unordered = datagrams(value, self._context)
        return model.ReceivedDatagrams(
            peer=peer, payloads=payloads, unordered=unordered, location=location, within=within
        )

    def _check_which(self, peer: model.PeerRef) -> None:
        """Refuse a bare listener in a step, where several peers connect to it."""
        if self._context.is_udp(peer.name) and peer.connection is not None:
            message = f"'{peer.name}' has one UDP socket, got '{peer}'"
            raise Refusal(peer.location, message, f"write '{peer.name}'")
        if peer.connection is not None or peer.other is not None:
            return
        clients = [
            client.name
            for client in self._context.peers.values()
            if isinstance(client.transport, model.Connect) and client.transport.peer == peer.name
        ]
        if len(clients) > 1:
            raise Refusal(
                peer.location,
                f"'{peer.name}' has {len(clients)} connections",
                f"write '{peer.name}@1' for the first, or '{peer.name} -> {clients[0]}'",
            )

    def _act(
        self, peer: model.PeerRef, action: model.Action, checked: Mapping[str, Any]
    ) -> model.Act:
        """Return the step, if that kind of peer can do it; `checked`: the keys about the call."""
        known = self._context.peers.get(peer.name)
        if known is not None and action.name == "stop" and not known.listens:
            raise Refusal(action.location, f"'stop' is for a listener; '{peer.name}' connects")
        if known is not None and action.name == "connect" and known.listens:
            raise Refusal(action.location, f"'{peer.name}' listens, it cannot connect")
        if action.name not in ("stop", "reload", "connect"):
            self._check_which(peer)
        if known is not None:
            check_send(self._context, known, action, replies=False)
            if isinstance(action, model.Reload):
                self._check_reload(known, action)
            elif isinstance(action, model.UpgradeTls | model.ReloadTls):
                self._actions.check_tls(known, action)
        return model.Act(peer=peer, action=action, location=action.location, **checked)

    def _check_reload(self, peer: model.Peer, action: model.Reload) -> None:
        """Refuse handlers that this kind of peer does not have."""
        handlers = action.handlers
        found = self._context.handlers.get(handlers) if isinstance(handlers, str) else handlers
        self._actions.check_fits(found, peer, action.location)


def _subject(step: MappingNode) -> tuple[Scalar, Node]:
    """Return the entry of a step that names a peer or an arrow."""
    subjects = [(key, value) for key, value in step.entries if key.text != "within"]
    if len(subjects) == 1:
        return subjects[0]
    extra = subjects[1][0] if subjects else None
    got = f"'{show(extra.text, limit=40)}' too" if extra else "none"
    location = extra.location if extra else step.location
    raise Refusal(location, f"expected one peer or arrow in a step, got {got}")


def _connects(step: model.Step, name: str) -> bool:
    return isinstance(step, model.Act) and (step.peer.name, step.action.name) == (name, "connect")
