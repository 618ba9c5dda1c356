"""Nodes to model: the schema of `sockspec: 1`, from the top.

Every complaint has a place and, where there is one, the mend; all of a file's complaints are
reported at once. A key that is in no table is an error with the nearest known key. `cases:`
decodes the peers and the exchange once for each case, with the names that the case binds.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sockharness.errors import Problem, SpecError
from sockharness.location import Location
from sockharness.spec import model, nodes, payloads
from sockharness.spec.case import CaseDecoder, name_of
from sockharness.spec.model import Payload
from sockharness.spec.nodes import Node
from sockharness.spec.problems import Problems, TooMany
from sockharness.spec.typed import (
    Refusal,
    as_mapping,
    as_sequence,
    as_text,
    as_word,
    unexpected,
)

FINDINGS = ("unread_bytes", "extra_connections", "unclaimed_events")
"""What `allow:` may name: findings at the end that would fail a spec."""
NEEDS = ("capture", "ipv6")
"""What `needs:` may name."""

MAX_REPEATED = 100_000
"""The most nodes that may be decoded for all cases together: each case decodes the file anew."""

_TOP = (
    "sockspec", "name", "shows", "peers", "exchange", "let", "cases", "handlers", "wire", "needs",
    "allow",
)  # fmt: skip

_RULE = re.compile(r"(?:TCP|TLS|UDP)-\d{3}|D[1-9]\d?", re.ASCII)
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
            last = [Problem(found[-1].location, "there may be more problems")] if more else []
            raise SpecError([*found, *last])
        return spec

    def _spec(self) -> model.Spec:
        root = as_mapping(self._root, "a mapping that begins with 'sockspec: 1'")
        version = root.get("sockspec")
        if version is None:
            raise Refusal(root.location, "no 'sockspec' key", "begin with 'sockspec: 1'")
        as_word(version, ("1",), "a version of the format")
        known = self._problems.entries(root, _TOP)
        name = Path(self._shown).stem
        with self._problems.collect():
            if "name" in known:
                name = as_text(known["name"], "a title")
        return model.Spec(
            path=self._shown,
            name=name,
            cases=self._cases(known),
            needs=self._needs(known.get("needs")),
            shows=self._shows(known.get("shows")),
        )

    def _cases(self, known: Mapping[str, Node]) -> tuple[model.Case, ...]:
        let = self._let(known.get("let"), {})
        if "cases" not in known:
            return (self._case(known, "", self._root.location, let),)
        entries = as_mapping(known["cases"], "cases by name").entries
        if not entries:
            raise Refusal(known["cases"].location, "expected at least one case, got none")
        repeated = sum(map(nodes.size_of, known.values())) - nodes.size_of(known["cases"])
        if len(entries) * repeated > MAX_REPEATED:
            message = f"expected at most {MAX_REPEATED} nodes in all cases together, got more"
            raise Refusal(known["cases"].location, message, "split it into several files")
        cases = []
        for key, node in entries:
            with self._problems.collect():
                name_of(key, "a case's name")
                cases.append(self._case(known, key.text, key.location, self._let(node, let)))
        return tuple(cases)

    def _let(self, node: Node | None, outer: Mapping[str, Payload]) -> Mapping[str, Payload]:
        names = dict(outer)
        if node is None:
            return names
        for key, value in as_mapping(node, "values by name").entries:
            with self._problems.collect():
                name_of(key, "a name")
                scope = payloads.Scope(names, set(), (), self._folder)
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
                    shown.append(text)
        return tuple(shown)

    def _needs(self, node: Node | None) -> Mapping[str, Location]:
        needs: dict[str, Location] = {}
        if node is not None:
            for item in as_sequence(node, "a list of needs").items:
                with self._problems.collect():
                    needs[as_word(item, NEEDS, "a need")] = item.location
        return needs

    def _case(
        self, known: Mapping[str, Node], id: str, place: Location, let: Mapping[str, Payload]
    ) -> model.Case:
        case = CaseDecoder(self._problems, let, self._folder)
        with self._problems.collect():
            case.decode_peers(self._required(known, "peers"), known.get("handlers"))
        with self._problems.collect():
            case.decode_steps(self._required(known, "exchange"))
        if "wire" in known:
            with self._problems.collect():
                case.decode_wire(known["wire"])
        allow = frozenset[str]()
        with self._problems.collect():
            if "allow" in known:
                words = as_sequence(known["allow"], "a list of findings").items
                allow = frozenset(as_word(word, FINDINGS, "a finding") for word in words)
        case.check_peers_are_used()
        return model.Case(
            id=id,
            peers=case.peers,
            handlers=case.handlers,
            steps=tuple(case.steps),
            wire=tuple(case.wire),
            allow=allow,
            location=place,
        )

    def _required(self, known: Mapping[str, Node], key: str) -> Node:
        if key not in known:
            root = as_mapping(self._root)
            raise self._problems.missing(root, known, f"no '{key}' key", f"a spec needs '{key}:'")
        return known[key]
