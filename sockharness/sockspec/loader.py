"""Nodes to model: the schema of `sockspec: 1`, from the top.

Every problem has a location and, where there is one, the mend. All problems of a file are reported
at once. A key that `sockspec.table` does not have is an error, with the nearest known key.
`cases:` decodes the exchange once for each case, with the names that the case binds, and so the
peers if they use any.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sockharness.errors import Problem, SpecError
from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.sockspec import model, table
from sockharness.sockspec.decode import networks, payloads, words
from sockharness.sockspec.decode.actions import ActionDecoder
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.peers import PeerDecoder
from sockharness.sockspec.decode.scope import Scope, Uses
from sockharness.sockspec.decode.steps import StepDecoder
from sockharness.sockspec.decode.tls import TlsDecoder
from sockharness.sockspec.decode.wire_checks import WireDecoder
from sockharness.sockspec.decode.words import name_of, value_name
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text import nodes
from sockharness.sockspec.text.nodes import Node
from sockharness.sockspec.text.problems import Problems, TooMany, known_key
from sockharness.sockspec.text.typed import (
    Refusal,
    as_mapping,
    as_sequence,
    as_text,
    as_word,
    unexpected,
)

NOTHING = frozenset[str]()

REPORTED = 20
"""The most problems that are reported one by one."""
MAX_REPEATED = 100_000
"""The most nodes that may be decoded for all cases together: each case decodes the file anew."""

_RULE = re.compile(r"(?:TCP|TLS|UDP)-\d{3}|" + words.ROW.pattern, re.ASCII)
"""A rule of Bun's behaviour, or a row of the deliberate differences."""


def load(path: Path, *, shown: str = "") -> model.Spec:
    """Read a spec file.

    Args:
        path: the file.
        shown: the path as messages should show it.

    Raises:
        SpecError: with every problem found.
    """
    root = nodes.read(path, shown=shown)
    return _File(root, shown or str(path), path.parent).spec()


class _File:
    """Decodes one file."""

    def __init__(self, root: Node, shown: str, folder: Path) -> None:
        self._root = root
        self._shown = shown
        self._folder = folder
        self._problems = Problems()
        self._uses = Uses()
        self._same_peers: Context | None = None
        self._refs: dict[tuple[Location, str], model.PeerRef] = {}

    def spec(self) -> model.Spec:
        """Return the model, or raise all problems."""
        spec, more = None, False
        try:
            with self._problems.collect():
                spec = self._spec()
        except TooMany:
            more = True
        if self._problems or spec is None:
            found = self._problems.in_order()
            raise SpecError(_reported(found, more=more))
        return spec

    def _spec(self) -> model.Spec:
        root = as_mapping(self._root, "a mapping that begins with 'sockspec: 1'")
        version = root.get("sockspec")
        if version is None:
            raise Refusal(root.location, "no 'sockspec' key", "begin with 'sockspec: 1'")
        as_word(version, ("1",), "a version of the format")
        known = self._problems.entries(root, table.keys("file"))
        title = ""
        with self._problems.collect():
            if "name" in known:
                title = as_text(known["name"], "a title")
        cases = self._cases(known)
        if not self._problems:
            self._check_names_are_used(known)
        return model.Spec(
            path=self._shown,
            title=title,
            cases=cases,
            needs=self._needs(known.get("needs")),
            shows=self._shows(known.get("shows")),
            engines=self._engines(known.get("engines")),
        )

    def _cases(self, known: Mapping[str, Node]) -> tuple[model.Case, ...]:
        let = self._let(known.get("let"), {}, "")
        if "cases" not in known:
            return (self._case(known, "", self._root.location, let),)
        entries = as_mapping(known["cases"], "cases by name").entries
        if not entries:
            raise Refusal(known["cases"].location, "expected at least one case, got none")
        repeated = sum(map(nodes.size_of, known.values())) - nodes.size_of(known["cases"])
        if len(entries) * repeated > MAX_REPEATED:
            message = f"expected at most {MAX_REPEATED} nodes in all cases together, got more"
            raise Refusal(known["cases"].location, message, "split it into several files")
        for _, node in entries:
            self._uses.in_cases.update(key.text for key in _keys(node))
        cases = []
        for key, node in entries:
            with self._problems.collect():
                name_of(key, "a case's name")
                cases.append(
                    self._case(known, key.text, key.location, self._let(node, let, key.text))
                )
        return tuple(cases)

    def _check_names_are_used(self, known: Mapping[str, Node]) -> None:
        """Refuse names that nothing uses: they are misspelt, or left over."""
        cases = known.get("cases")
        values = cases.entries if isinstance(cases, nodes.Mapping) else ()
        defined: dict[str, Location] = {}
        for node in (known.get("let"), *(value for _, value in values)):
            for key in _keys(node):
                defined.setdefault(key.text, key.location)
        for name, location in defined.items():
            self._check_is_used(name, location, f"${name} is used nowhere", defined)
        for name, location in self._uses.captures.items():
            self._check_is_used(name, location, f"${name} is captured but read nowhere", defined)
        for key in _keys(known.get("handlers")):
            if key.text not in self._uses.handlers:
                with self._problems.collect():
                    message = f"the handlers '{key.text}' are used nowhere"
                    hint = "'on:' or 'reload:' uses them by this name"
                    raise Refusal(key.location, message, hint)

        for key in _keys(known.get("certs")):
            if key.text not in self._uses.certs:
                with self._problems.collect():
                    message = f"the certificate '{key.text}' is used nowhere"
                    raise Refusal(key.location, message, "'cert:' or 'sni:' uses it by this name")

    def _check_is_used(
        self, name: str, location: Location, message: str, defined: Mapping[str, Location]
    ) -> None:
        if name in self._uses.read:
            return
        others = [other for other in (*defined, *self._uses.captures) if other != name]
        hint = did_you_mean(name, others) or f"write ${name} where it is meant"
        with self._problems.collect():
            raise Refusal(location, message, hint)

    def _let(
        self, node: Node | None, outer: Mapping[str, Payload], case: str
    ) -> Mapping[str, Payload]:
        names = dict(outer)
        if node is None:
            return names
        for key, value in as_mapping(node, "values by name").entries:
            with self._problems.collect():
                value_name(key)
                scope = Scope(names, set(), {}, self._folder, self._problems, self._uses, case)
                names[key.text] = payloads.decode(value, scope)
            names.setdefault(key.text, model.Literal(b"?"))  # wrong: one problem, not one a use
        return names

    def _shows(self, node: Node | None) -> tuple[str, ...]:
        shown: list[str] = []
        if node is not None:
            for item in as_sequence(node, "a list of rules such as TCP-022 or D1").items:
                with self._problems.collect():
                    text = as_text(item, "a rule such as TCP-022 or D1")
                    if not _RULE.fullmatch(text):
                        raise unexpected(item, "a rule such as TCP-022 or D1")
                    if words.ROW.fullmatch(text):
                        words.check_row(item, text)
                    shown.append(text)
        return tuple(shown)

    def _engines(self, node: Node | None) -> Mapping[str, Location]:
        engines: dict[str, Location] = {}
        if node is not None:
            items = as_sequence(node, "a list of engines").items
            if not items:
                raise Refusal(node.location, "expected at least one engine, got none")
            for item in items:
                with self._problems.collect():
                    engines[as_word(item, words.ENGINES, "an engine")] = item.location
        return engines

    def _differs(self, node: Node | None, peers: tuple[str, ...]) -> Mapping[str, model.Difference]:
        differs: dict[str, model.Difference] = {}
        entries = as_mapping(node, words.DIFFERS).entries if node is not None else ()
        for key, value in entries:
            with self._problems.collect():
                if not words.is_engine(key, peers):
                    known_key(key, words.ENGINES)
                differs[key.text] = words.difference(key.text, value)
        return differs

    def _needs(self, node: Node | None) -> Mapping[str, Location]:
        needs: dict[str, Location] = {}
        if node is not None:
            for item in as_sequence(node, "a list of needs").items:
                with self._problems.collect():
                    needs[as_word(item, words.NEEDS, "a need")] = item.location
        return needs

    def _case(
        self, known: Mapping[str, Node], id: str, location: Location, let: Mapping[str, Payload]
    ) -> model.Case:
        context = Context(self._problems, let, self._folder, self._uses, id, refs=self._refs)
        actions = ActionDecoder(context)
        steps, wire = StepDecoder(context, actions), WireDecoder(context, actions)
        with self._problems.collect():
            if "certs" in known:
                TlsDecoder(context).certs(known["certs"])
        with self._problems.collect():
            context.hosts = networks.hosts(known.get("hosts"))
            self._peers(known, context, actions)
        with self._problems.collect():
            steps.decode(self._required(known, "exchange"))
        if "wire" in known:
            with self._problems.collect():
                wire.decode(known["wire"])
        allow = NOTHING
        with self._problems.collect():
            if "allow" in known:
                findings = as_sequence(known["allow"], "a list of findings").items
                allow = frozenset(as_word(each, words.FINDINGS, "a finding") for each in findings)
        differs: Mapping[str, model.Difference] = {}
        with self._problems.collect():
            differs = self._differs(known.get("differs"), context.names)
        steps.check_peers_are_used()
        if not self._problems:
            networks.check_all_are_used(context)
        return model.Case(
            id=id,
            peers=context.peers,
            handlers=context.handlers,
            steps=tuple(steps.steps),
            wire=tuple(wire.checks),
            allow=allow,
            differing=steps.differing,
            differs=differs,
            hosts=context.hosts,
            certs=context.certs,
            location=location,
        )

    def _peers(self, known: Mapping[str, Node], context: Context, actions: ActionDecoder) -> None:
        """Decode the peers; if they use no name, once for all cases."""
        if self._same_peers is not None:
            context.with_peers_of(self._same_peers)
            return
        node, handlers = self._required(known, "peers"), known.get("handlers")
        PeerDecoder(context, actions).decode(node, handlers)
        if not any(each and nodes.names_something(each) for each in (node, handlers)):
            mentioned, captured = set(context.mentioned), set(context.captured)
            self._same_peers = replace(context, mentioned=mentioned, captured=captured)

    def _required(self, known: Mapping[str, Node], key: str) -> Node:
        if key not in known:
            root = as_mapping(self._root)
            raise self._problems.missing(root, known, f"no '{key}' key", f"a spec needs '{key}:'")
        return known[key]


def _keys(node: Node | None) -> list[nodes.Scalar]:
    return [key for key, _ in node.entries] if isinstance(node, nodes.Mapping) else []


def _reported(found: list[Problem], *, more: bool) -> list[Problem]:
    """Return the first problems, and one line that counts the rest."""
    hidden = len(found) - REPORTED
    if hidden <= 0:
        return found
    rest = f"… and {hidden} more problems" + (", or still more" if more else "")
    return [*found[:REPORTED], Problem(found[REPORTED].location, rest)]
