"""The words of the language, and small things that several decoders need."""

import re

from sockharness.handlers import DATAGRAM_HANDLERS, STREAM_EVENTS, names
from sockharness.location import Location
from sockharness.nearest import did_you_mean
from sockharness.sockspec import model
from sockharness.sockspec.decode import payloads, tls_words
from sockharness.sockspec.model import Payload
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal, as_text, unexpected

EVENTS = names(STREAM_EVENTS, without=("data",))
"""What a handler can be for, beside `data`; what `sees` can name, beside `uncaught_exception`."""
UDP_EVENTS = names(DATAGRAM_HANDLERS, without=("data",))
"""Those of them that a UDP socket has."""
HANDLERS = tuple(STREAM_EVENTS)
UDP_HANDLERS = tuple(DATAGRAM_HANDLERS)
PLAIN_ACTIONS = (
    "close", "terminate", "shutdown", "pause", "resume", "flush", "end", "stop", "upgrade_tls",
)  # fmt: skip
"""The actions of a stream that a bare word names."""
UDP_PLAIN_ACTIONS = ("close", "add_membership", "drop_membership")
"""Those of a UDP socket."""
ALL_PLAIN_ACTIONS = tuple(dict.fromkeys((*PLAIN_ACTIONS, *UDP_PLAIN_ACTIONS)))
_CALL = ("returns", "raises")
STREAM_ACTIONS: dict[str, tuple[str, ...]] = {
    "write": ("returns",),
    "write_all": (),
    "end": ("returns",),
    "timeout": (),
    "reload": (),
    "shutdown": (),
    "stop": (),
    "upgrade_tls": (),
}
"""The actions that take a value, with the keys that a step may have beside each."""
UDP_ACTIONS: dict[str, tuple[str, ...]] = {
    "send": ("to", *_CALL),
    "send_many": ("to", *_CALL),
    "set_broadcast": _CALL,
    "set_ttl": _CALL,
    "set_multicast_ttl": _CALL,
    "set_multicast_loopback": _CALL,
    "set_multicast_interface": _CALL,
    "add_membership": _CALL,
    "drop_membership": _CALL,
    "add_source_specific_membership": _CALL,
    "drop_source_specific_membership": _CALL,
    "reload": (),
}
ACTIONS = STREAM_ACTIONS | UDP_ACTIONS
_EXPECTATIONS: dict[str, tuple[str, ...]] = {
    "sees": ("error", "message", "alert", *tls_words.FACTS, "within"),
    "received": ("within",),
    "never": ("for",),
}
VERBS: dict[str, tuple[str, ...]] = {**ACTIONS, **_EXPECTATIONS}
"""What a step may be about: an action or an expectation."""
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
ENGINES = ("sockharness", "bun")
"""What can speak for peers; the first is our own, and the default."""
ROW = re.compile(r"D[1-9]\d?", re.ASCII)
"""How a row of the deliberate differences is written."""
ROWS = (*(f"D{number}" for number in range(1, 34)), *(f"D{number}" for number in range(41, 49)))
"""The rows that there are. The page is not part of an installed package; a test compares both."""
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
    """Tell the word of ours for one that is not: another program's, or misspelt."""
    if word in PAUSES:
        return NO_PAUSE
    meant = SYNONYMS.get(word, "")
    if meant not in verbs:
        meant = UDP_SYNONYMS.get(word, "")
    if meant in verbs:
        return f"did you mean '{meant}'?"
    return did_you_mean(word, verbs)


def verbs(*, udp: bool) -> tuple[str, ...]:
    """Return what a step may be about, with a UDP socket or a stream."""
    return (*actions(udp=udp), *_EXPECTATIONS)


def actions(*, udp: bool) -> dict[str, tuple[str, ...]]:
    """Return the actions with a value of a UDP socket or a stream."""
    return UDP_ACTIONS if udp else STREAM_ACTIONS


def does_not_fit(action: str, *, udp: bool) -> bool:
    """Say whether an action is for the other kind of peer."""
    common = ("echo", "raise", "connect")
    fitting = (*UDP_ACTIONS, *UDP_PLAIN_ACTIONS) if udp else (*STREAM_ACTIONS, *PLAIN_ACTIONS)
    return action not in (*common, *fitting)


def plain(word: str, place: Location) -> model.Action:
    """Return the action of a bare word."""
    if word in ("add_membership", "drop_membership"):
        return model.Membership(word, place)
    if word == "upgrade_tls":
        return model.UpgradeTls(model.Tls(location=place), place)
    return model.End(None, place) if word == "end" else model.Call(word, place)


def is_engine(key: Scalar, peers: tuple[str, ...]) -> bool:
    """Say whether a key under `differs` is an engine, or a peer's engine such as `server:bun`.

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
    """Return a difference that is stated by the name of its row, under an engine's key."""
    text = as_text(node, "a row such as D1")
    if not ROW.fullmatch(text):
        raise unexpected(node, "a row such as D1", "docs/bun-differences.md has the rows")
    check_row(node, text)
    peer = key.rpartition(":")[0]
    return model.Difference(row=text, peer=peer, instead=instead, location=node.location)


def check_row(node: Node, text: str) -> None:
    """Refuse a row that there is not: a wrong one would explain any failure away."""
    if text not in ROWS:
        raise Refusal(node.location, f"no row '{text}'", f"docs/bun-differences.md has {_rows()}")


def _rows() -> str:
    """Tell the rows by what begins and ends each run of numbers: `D1 to D33 and D41 to D48`."""
    numbers = [int(row[1:]) for row in ROWS]
    firsts = [number for number in numbers if number - 1 not in numbers]
    lasts = [number for number in numbers if number + 1 not in numbers]
    runs = zip(firsts, lasts, strict=True)
    return " and ".join(f"D{one} to D{last}" if one < last else f"D{one}" for one, last in runs)


def needs_example(payload: Payload, place: Location) -> None:
    """Refuse to write what is only described: the sender needs bytes."""
    if not payloads.can_be_written(payload):
        hint = "add 'example:', or give the sender handlers of its own"
        raise Refusal(place, "a scripted sender needs bytes to write", hint)
