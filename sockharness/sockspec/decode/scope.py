"""The meaning of names at a location of a spec: names of `let`, of cases, of captures and of peers.

A reference is a whole scalar, `$name` or `$peer.fact`.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.record import record
from sockharness.sockspec import model
from sockharness.sockspec.model import Payload
from sockharness.sockspec.model.bytes import captured_names
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.problems import Problems
from sockharness.sockspec.text.typed import Refusal

REFERENCE = re.compile(r"\$([A-Za-z]\w*(?:\.\w+)*)", re.ASCII)

PEER_FACTS = ("host", "port")
"""The facts of `$peer.fact` for a peer that listens or has a UDP socket."""
GROUP_FACTS = (*PEER_FACTS, "group")
"""The facts for a peer with a multicast group."""


@record
class Uses:
    """The names that a file uses, over all of its cases: the decoders record them here.

    Attributes:
        read: the names that are read.
        captures: the names that are captured, each with its first location.
        handlers: the handler sets that are used.
        certs: the certificates that are used.
        in_cases: the names that any case defines.
    """

    read: set[str] = field(default_factory=set)
    captures: dict[str, Location] = field(default_factory=dict)
    handlers: set[str] = field(default_factory=set)
    certs: set[str] = field(default_factory=set)
    in_cases: set[str] = field(default_factory=set)


@record
class Scope:
    """The names that a value can refer to at a location of the file.

    Attributes:
        let: the names that `let` and the case define.
        captured: the names that an earlier step captures.
        peers: the peers of which there are facts, for `$server.port`, each with their names.
        folder: where `file:` looks, and no further.
        problems: where problems go, if there are several.
        uses: where it is noted which names are used.
        case: the case's name; empty outside of cases.
        messages: whether the bytes are a message of their own, as a datagram is.
    """

    let: Mapping[str, Payload]
    captured: set[str]
    peers: Mapping[str, tuple[str, ...]]
    folder: Path
    problems: Problems
    uses: Uses = field(default_factory=Uses)
    case: str = ""
    messages: bool = False


def reference(node: Scalar, scope: Scope) -> Payload | None:
    """Return the payload that a scalar `$name` refers to; `None` if it is no reference."""
    found = REFERENCE.fullmatch(node.text)
    if found is None:
        return None
    name = found[1]
    scope.uses.read.add(name)
    if name in scope.let:
        scope.captured.update(captured_names(scope.let[name]))
        return scope.let[name]
    if name not in scope.captured and not is_fact(name, scope):
        if scope.case and name in scope.uses.in_cases:
            message = f"${name} is not defined in case '{scope.case}'"
            raise Refusal(node.location, message, "define it there too, or under 'let'")
        known = [*scope.let, *scope.captured, *(f"{peer}.port" for peer in scope.peers)]
        hint = did_you_mean(name, known) or "define it under 'let', or capture it"
        raise Refusal(node.location, f"${name} is not defined here", hint)
    return model.Reference(name)


def is_fact(name: str, scope: Scope) -> bool:
    """Return whether a name is a fact of a peer, such as `server.port`."""
    peer, dot, fact = name.partition(".")
    return bool(dot) and fact in scope.peers.get(peer, ())


def check_is_free(name: str, node: Node, scope: Scope) -> None:
    """Refuse to capture under a name of `let`, which would win."""
    if name in scope.let:
        raise Refusal(node.location, f"'{name}' is a name under 'let' already", "choose another")
