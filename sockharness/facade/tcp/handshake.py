"""The outcome of a connection's handshake, and the failure if a test did not expect it.

A fault of TLS fails the test: a handshake that fails, or an error that breaks the connection later.
A test claims the fault by looking at the connection's `handshake`, or by waiting for its event.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sockharness.errors import TLSError, code_of, os_error
from sockharness.facade.ledger import Fault, Ledger
from sockharness.story.events import Event, alert_of
from sockharness.story.expectations import CLOSING, Mismatch, first_that_fits
from sockharness.story.outcome import Failure

if TYPE_CHECKING:
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """The outcome of a connection's handshake. Names are those of the engine's `Socket`.

    Attributes:
        established: whether the connection was secured.
        error: why it was not secured; if it was, what is wrong with the other side's certificate,
            which was accepted all the same.
        alert: the name in RFC 8446 of the fatal alert that the other side sent; `None` without one.
        authorized: whether the other side showed a good certificate for the right name.
        servername: the name that the client asked for (SNI).
        peer_certificate: the other side's certificate as a mapping, even if it was refused; `None`
            if it showed none.
        tls_version: such as `"TLSv1.3"`; this and the following only if it was secured.
        cipher: its name in OpenSSL.
        alpn_protocol: the protocol that was agreed on; `None`: none.
        is_session_reused: whether an earlier session was resumed.
    """

    established: bool
    error: OSError | None = None
    alert: str | None = None
    authorized: bool = False
    tls_version: str | None = None
    cipher: str | None = None
    alpn_protocol: str | None = None
    servername: str | None = None
    peer_certificate: Mapping[str, Any] | None = field(default=None, repr=False)
    is_session_reused: bool = False

    @classmethod
    def of(cls, socket: "Socket", error: OSError | None) -> "Handshake":
        """Describe the handshake of a socket, in its `handshake` handler; *loop*."""
        about: Any = socket  # its class with TLS, which is heavy
        outcome: OSError | bool | None = about.handshake_outcome
        if isinstance(outcome, OSError):  # nothing is settled yet when it was good
            return cls.failed(
                error or outcome,
                servername=about.servername,
                peer_certificate=about.peer_certificate,
            )
        return cls(
            established=True,
            error=error,
            authorized=about.authorized,
            tls_version=about.tls_version,
            cipher=about.cipher["name"],
            alpn_protocol=about.alpn_protocol or None,
            servername=about.servername,
            peer_certificate=about.peer_certificate,
            is_session_reused=about.is_session_reused,
        )

    @classmethod
    def failed(
        cls,
        error: OSError,
        *,
        servername: str | None = None,
        peer_certificate: Mapping[str, Any] | None = None,
    ) -> "Handshake":
        """Describe a handshake that failed."""
        return cls(
            established=False,
            error=error,
            alert=alert_of(error) or None,
            servername=servername,
            peer_certificate=peer_certificate,
        )

    @property
    def code(self) -> str:
        """The name of its error, such as `"CERT_HAS_EXPIRED"`; empty without one."""
        return code_of(self.error) if self.error is not None else ""

    @property
    def summary(self) -> str:
        """A word or two for the ladder."""
        if self.established:
            return self.tls_version or ""
        return self.alert or (cause(self.error) if self.error is not None else "")


def cause(error: BaseException) -> str:
    """Return the shortest name of an error."""
    return (error.reason if isinstance(error, TLSError) else "") or code_of(error)


def reset_before(error: BaseException | None) -> OSError:
    """Return the error of a connection that closed before its handshake was over."""
    return error if isinstance(error, OSError) else os_error(errno.ECONNRESET)


def blame(ledger: Ledger, event: Event, *, other: str) -> None:
    """Record a fault of TLS, unless an action of the test has caused it; lock held.

    Args:
        ledger: the connection's.
        event: the `handshake` that failed, or the `error` after it.
        other: what the program at the other end is.
    """
    own = any(action.name in CLOSING for action in ledger.channel.actions)
    if not own and not ledger.root.closed:
        ledger.root.faults.append(Fault(event, _failure(ledger, event, other), ledger))


def claim(ledger: Ledger) -> None:
    """Take note that a test knows how a connection's handshake ended; lock held."""
    faults = ledger.root.faults
    faults[:] = [each for each in faults if each.ledger is not ledger or each.event.name == "error"]


def _failure(ledger: Ledger, event: Event, other: str) -> Failure:
    error, title = event.error, ledger.title
    later = event.name == "error"
    look = 'wait_for("error")' if later else "handshake"
    failed = f"{title}: {'TLS' if later else 'handshake'} failed"
    alert = alert_of(error)
    if alert:
        said = f"{title}: the {other} sent {alert}"
    else:
        because = (f"{failed}: {cause(error)}", f"{title}: {cause(error)}") if error else ()
        said = first_that_fits(*because, failed)
    details = [str(error)] if error is not None else []
    details.append(f"hint: if it is meant to, look at connection({ledger.number}).{look}")
    return Failure(
        mismatch=Mismatch(headline=said, note=said, details=tuple(details), events=(event,))
    )
