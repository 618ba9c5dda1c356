"""TLS on our own engine: what a spec says as the engine's options, and what a handshake came to."""

from collections.abc import Callable
from typing import Any

from sockharness.drivers.credentials import Credentials
from sockharness.drivers.engine import Run
from sockharness.drivers.inprocess.connection import Connection
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from sockharness.errors import UsageError
from sockharness.sockspec import model
from sockharness.story.events import Event, Secured
from sockharness.story.handshakes import shortest

_NUMBERS = {"": None, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
REFUSED = (UsageError, OSError, ValueError)
"""What the engine's methods raise where TLS cannot be."""


class TlsPeers:
    """The peers of a replay that have TLS, or go over to it."""

    def __init__(self, run: Run) -> None:
        self._peers = run.case.peers
        self._credentials = run.credentials
        self._sessions: dict[str, Any] = {}

    def options(self, name: str) -> dict[str, Any]:
        """Return what `listen` or `connect` is given for a peer; nothing if it has no TLS."""
        peer = self._peers[name]
        if peer.tls is None:
            return {}
        session = self._sessions.get(name)
        return self._secured(peer.tls, server=peer.listens, session=session)

    def _secured(self, tls: model.Tls, *, server: bool, session: Any = None) -> dict[str, Any]:
        options = engine_options(tls, self._credentials, server=server)
        return {
            "tls": {**options, "session": session},
            "handshake_timeout": tls.handshake_timeout,
        }

    def keep_session(self, socket: Socket) -> None:
        """Keep what a client resumes the next time; in TLS 1.3 it comes with data (TLS-080)."""
        name = socket.data.peer
        tls = self._peers[name].tls
        if tls is not None and tls.resume:
            self._sessions[name] = socket.session

    def secured(self, socket: Any, *, success: bool) -> Secured:
        """Return what a handshake came to, in its handler.

        Args:
            socket: whose it is.
            success: what the handler was told.
        """
        shown = socket.peer_certificate or {}
        about = {
            "success": success,
            "authorized": socket.authorized,
            "server_name": socket.servername or "",
            "certificate": self._credentials.name_of(shown.get("fingerprint256", "")),
            "names": shown.get("subjectaltname", ""),
        }
        if isinstance(socket.handshake_outcome, OSError):  # nothing was agreed on
            return Secured(**about)
        return Secured(
            version=socket.tls_version or "",
            cipher=socket.cipher["name"] or "",
            alpn=socket.alpn_protocol or "",
            reused=socket.is_session_reused,
            **about,
        )

    def untold(self, connection: Connection, socket: Any) -> str:
        """Return why a handshake failed of which no handler was told; empty if none did."""
        outcome = getattr(socket, "handshake_outcome", None)
        told = connection.channel.secured is not None
        return shortest(outcome) if isinstance(outcome, OSError) and not told else ""

    def upgrade(
        self,
        connection: Connection,
        socket: Socket,
        action: model.UpgradeTls,
        *,
        handlers: dict[str, Callable[..., None]],
        event: Event,
    ) -> None:
        """Go over to TLS; what goes wrong stays with the event."""
        options = self._secured(action.tls, server=socket.listener is not None)
        was, connection.secure = connection.secure, True
        try:
            _, secure = socket.upgrade_tls(socket=handlers, data=connection, **options)
        except REFUSED as error:
            event.error, connection.secure = error, was
        else:
            connection.socket = secure

    def reload(self, listener: Listener, action: model.ReloadTls, event: Event) -> None:
        """Let a listener serve by other options; what goes wrong stays with the event."""
        try:
            listener.reload(tls=engine_options(action.tls, self._credentials, server=True))
        except REFUSED as error:
            event.error = error


def engine_options(tls: model.Tls, credentials: Credentials, *, server: bool) -> dict[str, Any]:
    """Return the value for `tls=` of `listen`, `connect` and `upgrade_tls`.

    Args:
        tls: what the spec says.
        credentials: the certificates of the case.
        server: which side this is.
    """
    request, reject = tls.judgement(server=server)
    options: dict[str, Any] = {
        "alpn_protocols": tls.alpn or None,
        "min_version": _NUMBERS[tls.min_version],
        "max_version": _NUMBERS[tls.max_version],
        "ciphers": tls.ciphers or None,
        "server_name": tls.server_name or None,
        "reject_unauthorized": reject,
        "request_cert": server and request,
    }
    if request or not server:  # else its root would be sent along with its certificate (TLS-037)
        options["ca"] = credentials.ca_pem
        options["crl"] = credentials.crl_pem or None
    if server or tls.cert:
        options |= _pair(credentials, tls.cert)
    if tls.sni:
        options["sni"] = {name: _pair(credentials, cert) for name, cert in tls.sni.items()}
    return options


def _pair(credentials: Credentials, name: str) -> dict[str, bytes]:
    certificate = credentials.certificate(name)
    return {"key": certificate.key_pem, "cert": certificate.chain_pem}
