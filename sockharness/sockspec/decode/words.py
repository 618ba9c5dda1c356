"""The words of the language, and small things that several decoders need."""

import re

from sockharness.handlers import DATAGRAM_HANDLERS, STREAM_EVENTS, names
from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.sockspec import model, table
from sockharness.sockspec.model import Payload
from sockharness.sockspec.model.bytes import can_be_written
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal, as_text, unexpected

EVENTS = names(STREAM_EVENTS, without=("data",))
"""The events of handlers beside `data`, and of `sees` beside `uncaught_exception`."""
UDP_EVENTS = names(DATAGRAM_HANDLERS, without=("data",))
"""Those of them that a UDP socket has."""
HANDLERS = tuple(STREAM_EVENTS)
UDP_HANDLERS = tuple(DATAGRAM_HANDLERS)
_STEP = ("stream step", "stream expectation", "udp step", "udp expectation")
VERBS = table.verbs(*_STEP)
"""The verbs of a step: an action or an expectation."""
_SEES = tuple(f"sees {event}" for event in (*EVENTS, "uncaught_exception"))
SEEN_WITH = {
    row.key: tuple(section.removeprefix("sees ") for section in row.at)
    for row in table.rows(*_SEES)
}
"""The keys that may stand beside `sees`, each with the events that have it."""
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
UDP_SYNONYMS = {"write": "send", "write_all": "send_many", "sends": "send", "writes": "send"}
"""The same, where a UDP socket is meant."""
FINDINGS = ("unread_bytes", "unread_datagrams", "extra_connections", "unclaimed_events")
"""The findings that `allow:` may name: those at the end that would fail a spec."""
NEEDS = ("capture", "ipv6", "multicast", "netns", "one_process")
"""The names that `needs:` may list."""
ENGINES = ("sockharness", "bun")
"""The engines that can play peers; the first is our own, and the default."""
ROW = re.compile(r"D[1-9]\d?", re.ASCII)
"""The name of a row of the deliberate differences."""
ROWS = (*(f"D{number}" for number in range(1, 34)), *(f"D{number}" for number in range(41, 49)))
"""All rows. The page is not part of an installed package; a test compares both."""
DIFFERS = "a row, such as {bun: D1}"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def name_of(key: Scalar, what: str) -> str:
    """Return a name of letters, digits, `_` and `-`."""
    if not NAME.fullmatch(key.text):
        raise unexpected(key, f"{what} of letters, digits, _ and -, beginning with a letter")
    return key.text


def value_name(key: Scalar) -> str:
    """Return a name that `$name` can refer to."""
    if "-" in key.text:
        raise unexpected(key, "a name of letters, digits and _", "a '-' ends a $name")
    return name_of(key, "a name")


def other_word(word: str, verbs: tuple[str, ...]) -> str:
    """Suggest our word for an unknown one: another program's, or a misspelt one."""
    if word in PAUSES:
        return NO_PAUSE
    meant = SYNONYMS.get(word, "")
    if meant not in verbs:
        meant = UDP_SYNONYMS.get(word, "")
    if meant in verbs:
        return f"did you mean '{meant}'?"
    return did_you_mean(word, verbs)


def verbs(*, udp: bool) -> tuple[str, ...]:
    """Return the verbs of a step for a UDP socket or a stream."""
    return table.verbs(*(_STEP[2:] if udp else _STEP[:2]))


def beside(verb: str) -> tuple[str, ...]:
    """Return the keys that a step may have beside one of `VERBS`."""
    return table.keys(f"step {verb}", *(_SEES if verb == "sees" else ()))


def does_not_fit(action: str, *, udp: bool) -> bool:
    """Return whether a stream, or a UDP socket, lacks an action."""
    kind = "udp" if udp else "stream"
    return action not in table.keys(f"{kind} step", f"{kind} handler")


def plain(word: str, location: Location) -> model.Action:
    """Return the action of a bare word."""
    if word in ("add_membership", "drop_membership"):
        return model.Membership(word, location)
    if word == "upgrade_tls":
        return model.UpgradeTls(model.Tls(location=location), location)
    return model.End(None, location) if word == "end" else model.Call(word, location)


def is_engine(key: Scalar, peers: tuple[str, ...]) -> bool:
    """Return whether a key under `differs` is an engine, or a peer's engine such as `server:bun`.

    Raises:
        Refusal: if it is a peer's engine, but there is no such peer or engine.
    """
    peer, colon, engine = key.text.partition(":")
    if not colon:
        return key.text in ENGINES
    for name, known in ((peer, peers), (engine, ENGINES)):
        if name not in known:
            near = did_you_mean(name, known)
            hint = near or f"known: {', '.join(known)}"
            raise unexpected(key, "a peer's engine", hint)
    return True


def difference(key: str, node: Node, instead: model.Step | None = None) -> model.Difference:
    """Return a difference that the name of its row explains, under an engine's key."""
    text = as_text(node, "a row such as D1")
    if not ROW.fullmatch(text):
        raise unexpected(node, "a row such as D1", "docs/bun-differences.md has the rows")
    check_row(node, text)
    peer = key.rpartition(":")[0]
    return model.Difference(row=text, peer=peer, instead=instead, location=node.location)


def check_row(node: Node, text: str) -> None:
    """Refuse an unknown row: any failure could hide behind it."""
    if text not in ROWS:
        raise Refusal(node.location, f"no row '{text}'", f"docs/bun-differences.md has {_rows()}")


def _rows() -> str:
    """Name the rows by the ends of each run of numbers: `D1 to D33 and D41 to D48`."""
    numbers = [int(row[1:]) for row in ROWS]
    firsts = [number for number in numbers if number - 1 not in numbers]
    lasts = [number for number in numbers if number + 1 not in numbers]
    runs = zip(firsts, lasts, strict=True)
    return " and ".join(f"D{one} to D{last}" if one < last else f"D{one}" for one, last in runs)


def needs_example(payload: Payload, location: Location) -> None:
    """Refuse to write bytes that are only described."""
    if not can_be_written(payload):
        hint = "add 'example:', or give the sender handlers of its own"
        raise Refusal(location, "a scripted sender needs bytes to write", hint)
