"""Judges TLS handshakes, and reports those that differ from what was expected.

A step may state facts of a handshake (`version`, `alpn`, the other side's `certificate`), the code
and message of its error, and the alert that the other side sent. The first difference is the
headline; all known facts stand below it.
"""

from collections.abc import Callable, Iterator, Mapping

from sockharness.errors import TLSError, code_of
from sockharness.printable import show
from sockharness.story.events import Event, HandshakeFacts, alert_of
from sockharness.story.expectations import ANY_ERROR, NO_ERROR, Mismatch, first_that_fits

FACTS = (
    "success", "certificate", "authorized", "version", "alpn", "server_name", "cipher", "reused",
)  # fmt: skip
"""The facts of a handshake. Each may explain the ones after it."""
NO_FACTS = HandshakeFacts(success=False)


def handshake_judge(
    *,
    facts: Mapping[str, str],
    error: str = ANY_ERROR,
    message: str = "",
    alert: str = "",
) -> Callable[[Event], Mismatch | None]:
    """Return a function that judges a `handshake` event; it returns `None` for a right one.

    Args:
        facts: the expected values, as a spec writes them.
        error: the expected code, `"none"` or `"any"`.
        message: text that the error's message must contain, if any.
        alert: the alert that the other side must have sent, or `"none"`; empty for any.
    """

    def judge(event: Event) -> Mismatch | None:
        complaints = (
            _about_success(event, facts),
            _about_alert(event, alert),
            _about_error(event, error, message),
            *_about_facts(event, facts),
        )
        return next((each for each in complaints if each is not None), None)

    return judge


def alert_judge(alert: str) -> Callable[[Event], Mismatch | None]:
    """Return a function that judges the alert that an `error` event names."""
    return lambda event: _about_alert(event, alert)


def is_failed_handshake(event: Event) -> bool:
    """Return whether an event is a handshake that failed."""
    return event.name == "handshake" and event.facts is not None and not event.facts.success


def reason_of(event: Event) -> str:
    """Return the shortest name for a handshake's error; empty without one."""
    return short_reason(event.error) if event.error is not None else ""


def short_reason(error: BaseException) -> str:
    """Return the shortest name for an error: the alert, else the reason, else the code."""
    reason = error.reason if isinstance(error, TLSError) else ""
    return alert_of(error) or reason or code_of(error)


def handshake_failure(event: Event) -> Mismatch:
    """Return the report of a handshake that failed."""
    peer, alert = event.peer, event.alert
    said, reason = f"{peer} handshake failed", reason_of(event)
    hint = f"write `error: {event.code}` if that is meant" if event.code else ""
    error = f": {show(str(event.error), limit=120)}" if event.error is not None else ""
    return _complaint(
        event,
        *((f"{said}: alert {alert}",) if alert else ()),
        *((f"{said}: {reason}", f"{peer}: {reason}") if reason else ()),
        said,
        note="; ".join(filter(None, (f"{said}{error}", hint))),
    )


def _about_success(event: Event, facts: Mapping[str, str]) -> Mismatch | None:
    got = (event.facts or NO_FACTS).fact("success")
    if facts.get("success", got) == got:
        return None
    if got == "false":
        return handshake_failure(event)
    return _complaint(event, f"{event.peer} handshake succeeded, expected a failure")


def _about_error(event: Event, expected: str, message: str) -> Mismatch | None:
    got = event.code or NO_ERROR
    peer, meant = event.peer, f"write `error: {got}` if that is meant"
    if expected not in (ANY_ERROR, got):
        headline = f"{peer} handshake: {got}, expected {expected}"
        short = f"{peer} handshake: expected {expected}"
        return _complaint(event, headline, short, note=f"{headline}; {meant}")
    text = str(event.error) if event.error is not None else ""
    if message and message not in text:
        headline = f'{peer} handshake: "{show(text, limit=60)}", expected "{message}"'
        return _complaint(event, headline, f"{peer} handshake has another message", note=headline)
    return None


def _about_alert(event: Event, expected: str) -> Mismatch | None:
    got = event.alert or NO_ERROR
    if expected in ("", got):
        return None
    return _complaint(
        event,
        f"{event.peer} got alert {got}, expected {expected}",
        f"{event.peer} got alert {got}",
        note=f"{event.peer} got alert {got}, expected {expected}",
    )


def _about_facts(event: Event, facts: Mapping[str, str]) -> Iterator[Mismatch | None]:
    known = event.facts or NO_FACTS
    for word in FACTS:
        got = known.fact(word)
        expected = facts.get(word, got)
        if expected == got:
            continue
        because = f" ({event.code})" if word == "authorized" and event.error is not None else ""
        came = f"{event.peer} got {word} {got}"
        headline = f"{came}{because}, expected {expected}"
        shorter = (f"{came}{because}", came, f"{event.peer} got another {word}")
        yield _complaint(event, headline, *shorter, note=headline)


def _complaint(event: Event, *headlines: str, note: str = "") -> Mismatch:
    return Mismatch(
        headline=first_that_fits(*headlines),
        note=note or headlines[0],
        details=tuple(_known(event)),
        events=(event,),
    )


def _known(event: Event) -> Iterator[str]:
    """Yield all known facts of a handshake, in a few lines."""
    known = event.facts
    if known is None:
        return
    names = f" ({show(known.names, limit=80)})" if known.names else ""
    facts = {word: known.fact(word) for word in FACTS}
    facts["certificate"] += names
    first, second = ("success", "authorized"), ("version", "cipher", "alpn", "server_name")
    verdict = ", ".join(f"{word} {facts[word]}" for word in first)
    error = f", {show(str(event.error), limit=120)}" if event.error is not None else ""
    yield f"handshake    {verdict}{error}"
    yield f"certificate  {facts['certificate']}"
    if known.version:
        yield f"agreed       {', '.join(f'{word} {facts[word]}' for word in second)}"
