"""The words for what can happen, the same in YAML, Python, JSON lines and HTML.

An event has one of two kinds. A *handler* event is what an engine told a peer by calling one of its
handlers; an *action* is what a peer was told to do, which is a call of one of the engine's methods.
Both carry the engine's own name (`data`, `close`; `write`, `shutdown`).
"""

from dataclasses import dataclass
from enum import StrEnum

from sockharness.errors import code_of
from sockharness.handlers import STREAM_EVENTS
from sockharness.record import record

HANDLER_EVENTS = (*STREAM_EVENTS, "uncaught_exception")


class Kind(StrEnum):
    """Who speaks in an event: the engine (a handler was called) or the peer (a method was
    called)."""

    HANDLER = "handler"
    ACTION = "action"


@record(kw_only=True)
class HandshakeFacts:
    """What a handshake of TLS came to, as one end knows it; text is empty where there is nothing.

    Attributes:
        success: what the handler was told.
        authorized: whether the other side showed a good certificate for the right name.
        version: such as `"TLSv1.3"`.
        cipher: its name in OpenSSL.
        alpn: the protocol that was agreed on.
        server_name: the name that the client asked for.
        certificate: the other side's, by its name in the spec.
        names: what that certificate is for, as text.
        reused: whether an earlier session was resumed.
    """

    success: bool
    authorized: bool = False
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    server_name: str = ""
    certificate: str = ""
    names: str = ""
    reused: bool = False

    def fact(self, word: str) -> str:
        """Return one of them as a spec writes it."""
        value = getattr(self, word)
        return str(value).lower() if isinstance(value, bool) else value or "none"


@dataclass(slots=True, kw_only=True, eq=False)
class Event:
    """One thing that happened to one peer.

    Attributes:
        name: the handler's or the method's name.
        peer: the participant to whom it happened.
        connection: which of the peer's connections, from 1; 0 for the peer itself (a listener).
        at: seconds since the timeline began, when it happened.
        data: the bytes received, or offered to be written.
        error: the error or exception that came with it.
        result: what the method returned; `None` as long as it has not returned. The only field that
            changes.
        note: a few words more, for people.
        source: the participant from whom it came, where that is known besides.
        facts: of a `handshake`, what it came to.
    """

    name: str
    peer: str
    connection: int = 0
    kind: Kind = Kind.HANDLER
    at: float = 0.0
    data: bytes = b""
    error: BaseException | None = None
    result: int | None = None
    note: str = ""
    source: str = ""
    facts: HandshakeFacts | None = None

    @property
    def code(self) -> str:
        """The name of its error, such as `"ECONNRESET"`; empty without one."""
        return code_of(self.error) if self.error is not None else ""

    @property
    def alert(self) -> str:
        """The alert of TLS that the other side sent, if its error tells of one; else empty."""
        return alert_of(self.error)

    def __repr__(self) -> str:
        parts = [f"{self.peer}@{self.connection}" if self.connection else self.peer, self.name]
        if self.data:
            parts.append(f"{len(self.data)} B")
        if self.error is not None:
            parts.append(self.code)
        return f"<Event {' '.join(parts)} at {self.at:.3f} s>"


def alert_of(error: BaseException | None) -> str:
    """Return the alert of TLS of which an error tells; empty without one."""
    number = getattr(error, "alert", None)
    if number is None:
        return ""
    from sockharness.engine.tls.codes import alert_name

    return alert_name(number)
