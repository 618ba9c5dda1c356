"""TLS on our own engine: its options for those of a spec, and the outcome of a handshake."""

from typing import Any

from sockharness.drivers.credentials import Credentials
from sockharness.errors import UsageError
from sockharness.sockspec import model
from sockharness.story.events import HandshakeFacts
from sockharness.story.handshakes import short_reason

_NUMBERS = {"": None, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
REFUSED = (UsageError, OSError, ValueError)
"""The exceptions of the engine's methods if TLS is not possible."""


def outcome(socket: Any, credentials: Credentials, *, success: bool) -> HandshakeFacts:
    """Return the outcome of a handshake, in its handler.

    Args:
        socket: whose it is.
        credentials: the certificates of the case.
        success: what the handler got.
    """
    shown = socket.peer_certificate or {}
    about = {
        "success": success,
        "authorized": socket.authorized,
        "server_name": socket.servername or "",
        "certificate": credentials.name_of(shown.get("fingerprint256", "")),
        "names": shown.get("subjectaltname", ""),
    }
    if isinstance(socket.handshake_outcome, OSError):  # nothing was agreed on
        return HandshakeFacts(**about)
    return HandshakeFacts(
        version=socket.tls_version or "",
        cipher=socket.cipher["name"] or "",
        alpn=socket.alpn_protocol or "",
        reused=socket.is_session_reused,
        **about,
    )


def why_it_failed(socket: Any) -> str:
    """Return why the handshake of a socket failed; the empty text if it did not."""
    outcome = getattr(socket, "handshake_outcome", None)
    return short_reason(outcome) if isinstance(outcome, OSError) else ""


def options(tls: model.Tls, credentials: Credentials, *, server: bool) -> dict[str, Any]:
    """Return the value for `tls=` of `listen`, `connect` and `upgrade_tls`.

    Args:
        tls: what the spec says.
        credentials: the certificates of the case.
        server: which side this is.
    """
    request, reject = tls.judgement(server=server)
    given: dict[str, Any] = {
        "alpn_protocols": tls.alpn or None,
        "min_version": _NUMBERS[tls.min_version],
        "max_version": _NUMBERS[tls.max_version],
        "ciphers": tls.ciphers or None,
        "server_name": tls.server_name or None,
        "reject_unauthorized": reject,
        "request_cert": server and request,
    }
    if request or not server:  # else its root would be sent along with its certificate (TLS-037)
        given["ca"] = credentials.ca_pem
        given["crl"] = credentials.crl_pem or None
    if server or tls.cert:
        given |= _pair(credentials, tls.cert)
    if tls.sni:
        given["sni"] = {name: _pair(credentials, cert) for name, cert in tls.sni.items()}
    return given


def _pair(credentials: Credentials, name: str) -> dict[str, bytes]:
    certificate = credentials.certificate(name)
    return {"key": certificate.key_pem, "cert": certificate.chain_pem}
