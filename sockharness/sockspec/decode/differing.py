"""Reads `differs` of a step, and makes the step that holds on the other engine."""

from sockharness.nearest import did_you_mean
from sockharness.printable import show
from sockharness.sockspec.decode import words
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal


def differs_of(step: MappingNode) -> Node | None:
    """Return the value of `differs` of a step: it stands beside an arrow or an expectation."""
    beside = (value for _, value in step.entries if isinstance(value, MappingNode))
    found = (node.get("differs") for node in (step, *beside))
    return next((each for each in found if each is not None), None)


def replaced(node: Node, others: tuple[tuple[Scalar, Node], ...] = ()) -> Node:
    """Return a step without `differs`, and with other values for some of its keys."""
    if not isinstance(node, MappingNode):
        return node
    if node.get("differs") is None:
        entries = [(key, replaced(value, others)) for key, value in node.entries]
        return MappingNode(tuple(entries), node.location)
    gone = {"differs", *(key.text for key, _ in others)}
    gone |= {"returns", "raises"} if gone & {"returns", "raises"} else set()
    kept = [each for each in node.entries if each[0].text not in gone]
    return MappingNode((*kept, *others), node.location)


def check_replaces(step: MappingNode, subject: tuple[Scalar, Node], key: Scalar) -> None:
    """Refuse a key in `differs` that is neither an engine nor a key of the step."""
    who, value = subject
    entries = value.entries if isinstance(value, MappingNode) else ()
    verb = next((each.text for each, _ in entries if each.text in words.VERBS), "")
    beside_verb = (verb, *words.beside(verb)) if verb else ()
    beside_peer = (who.text, "within") if step.get("differs") is not None else ()
    if key.text in (beside_peer or beside_verb):
        return
    known = (*words.ENGINES, *beside_peer, *beside_verb)
    near = "" if key.text in beside_verb else did_you_mean(key.text, known)
    is_beside_verb = key.text in beside_verb or any(f"'{each}'" in near for each in beside_verb)
    move = f"write 'differs' beside '{verb}'" if beside_peer and is_beside_verb else ""
    hint = " ".join(filter(None, (near, move))) or f"known: {', '.join(known)}"
    raise Refusal(key.location, f"unknown key '{show(key.text, limit=40)}' in differs", hint)
