"""The names of all events: the same in YAML, Python, JSON lines and HTML.

An event is of one of two kinds. A *handler* event is a call by an engine of a peer's handler. An
*action* is a call of one of the engine's methods for a peer. Both have the engine's own name
(`data`, `close`; `write`, `shutdown`).
"""

from dataclasses import dataclass
from enum import StrEnum

from sockharness.errors import code_of
from sockharness.handlers import STREAM_EVENTS
from sockharness.record import record

HANDLER_EVENTS = (*STREAM_EVENTS, "uncaught_exception")


class Kind(StrEnum):
    """Whether the engine called a handler, or the peer called a method."""

    HANDLER = "handler"
    ACTION = "action"


@record(kw_only=True)
class HandshakeFacts:
    """The outcome of a TLS handshake, as one end knows it. Text is empty if there is none.

    Attributes:
        success: what the `handshake` handler got.
        authorized: whether the other side showed a good certificate for the right name.
        version: such as `"TLSv1.3"`.
        cipher: its name in OpenSSL.
        alpn: the negotiated protocol.
        server_name: the name that the client asked for.
        certificate: the name in the spec of the other side's certificate.
        names: the host names and addresses in that certificate, as text.
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
        """Return the value of a fact as a spec writes it."""
        value = getattr(self, word)
        return str(value).lower() if isinstance(value, bool) else value or "none"


@dataclass(slots=True, kw_only=True, eq=False)
class Event:
    """One thing that happened to one peer.

    Attributes:
        name: the handler's or the method's name.
        peer: the name of the peer to which it happened.
        connection: the number of the peer's connection, from 1; 0 for the peer itself (a listener).
        kind: whether it is a handler event or an action.
        at: when it happened, in seconds since the timeline began.
        data: the bytes received, or offered to be written.
        error: the error or exception that came with it.
        result: the method's return value; `None` until it has returned. The only field that
            changes.
        note: a few more words for people.
        source: the name of the peer that sent it, if the event itself says so.
        facts: the outcome of a handshake, for a `handshake` event.
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
        """The TLS alert of the other side that its error names; empty without one."""
        return alert_of(self.error)

    def __repr__(self) -> str:
        parts = [f"{self.peer}@{self.connection}" if self.connection else self.peer, self.name]
        if self.data:
            parts.append(f"{len(self.data)} B")
        if self.error is not None:
            parts.append(self.code)
        return f"<Event {' '.join(parts)} at {self.at:.3f} s>"


def alert_of(error: BaseException | None) -> str:
    """Return the TLS alert of the other side that an error names; empty without one."""
    number = getattr(error, "alert", None)
    if number is None:
        return ""
    from sockharness.engine.tls.codes import alert_name

    return alert_name(number)
