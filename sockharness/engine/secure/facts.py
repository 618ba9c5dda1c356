"""What a socket with TLS knows about it: the other half of `members`.

Everything is asked of the session, which a closed socket no longer has; what stays then is whether
the peer was authorized, and why not (TLS-018).
"""

from typing import Any

from cryptography import x509

from sockharness.engine import options
from sockharness.engine.tcp.members import Members
from sockharness.engine.tls import certificate as certificates
from sockharness.engine.tls.options import server_name
from sockharness.engine.tls.plan import Choice, Plan, resumable
from sockharness.engine.tls.session import ResumableSession, Session
from sockharness.errors import UsageError

_FRAGMENTS = range(512, 16385)
# OpenSSL's name of a group: Bun's name, and the size it tells.
_GROUPS = {
    "x25519": ("X25519", 253),
    "secp256r1": ("prime256v1", 256),
    "prime256v1": ("prime256v1", 256),
    "secp384r1": ("secp384r1", 384),
    "secp521r1": ("secp521r1", 521),
}


class Facts(Members):
    """The TLS members of a socket with TLS."""

    __slots__ = ()

    _choice: Choice
    _established: bool
    _failed: bool
    _known: tuple[bool, OSError | None]
    _leaving: bool
    _plan: Plan
    _session: Session | None
    _sock: Any

    def _done(self) -> Session | None:
        """Return the session when its handshake is done and it is not closed."""
        return self._session if self._established and self._sock is not None else None

    def _is_over(self) -> bool:
        return self._sock is None

    @property
    def authorized(self) -> bool:
        """Whether the peer showed a good certificate for the right name; stays after the close."""
        return self._known[0] if self._session is None else self._session.authorized

    @property
    def authorization_error(self) -> OSError | None:
        """What is wrong with the peer's certificate; `None` if nothing was asked for (D18)."""
        return self._known[1] if self._session is None else self._session.authorization_error

    @property
    def alpn_protocol(self) -> str | bool:
        """The protocol that was agreed on, `False` if there is none."""
        session = self._done()
        return False if session is None else session.alpn or False

    @property
    def servername(self) -> str | None:
        """The name that the client asks for; on a server once its hello was read (TLS-079)."""
        if self._is_over():
            return None
        if self._session is not None:
            return self._session.server_name
        if self._plan.config.server:
            return None
        given = (self._choice.server_name, self._plan.config.options.server_name, self._plan.host)
        return next((name for name in given if name is not None), None)

    @property
    def tls_version(self) -> str | None:
        """`"TLSv1.3"` and the like; `"TLSv1.2"` until it is known (TLS-089)."""
        if self._is_over() or self._leaving:
            return None
        return "TLSv1.2" if self._session is None else self._session.version

    @property
    def cipher(self) -> dict[str, str | None] | None:
        """A mapping of `name` (OpenSSL's), `standard_name` and `version` (TLS-084)."""
        if self._is_over():
            return None
        name, version = (None, None) if self._session is None else self._session.cipher
        return {"name": name, "standard_name": name and standard_name(name), "version": version}

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The peer's certificate as a mapping; see `tls.certificate` (TLS-091)."""
        return self.get_peer_certificate()

    def get_peer_certificate(self, abbreviated: bool = True) -> dict[str, Any] | None:  # noqa: FBT001, FBT002 - Bun's signature
        """Return the same; with `False` also its `issuer_certificate`, up to the root (TLS-090)."""
        found = self.peer_x509_certificate
        if found is None or self._session is None:
            return None
        if abbreviated:
            return certificates.described(found)
        chain = self._session.peer_chain
        return certificates.with_issuers(chain if chain[:1] == [found] else [found, *chain])

    @property
    def peer_x509_certificate(self) -> x509.Certificate | None:
        """The peer's certificate as an object of `cryptography`."""
        # A server that refuses a client shows in `handshake` what it refuses (TLS-032).
        session = self._session if self._established or self._failed else None
        return None if session is None or self._is_over() else session.peer_certificate

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The certificate that this side shows (TLS-092)."""
        found = self.x509_certificate
        return None if found is None else certificates.described(found)

    @property
    def x509_certificate(self) -> x509.Certificate | None:
        """The certificate that this side shows, as an object of `cryptography`."""
        return None if self._session is None else self._session.certificate

    @property
    def ephemeral_key_info(self) -> dict[str, Any] | None:
        """A client's key exchange: `type`, `name`, `size`, or nothing of these (TLS-085)."""
        session = self._done()
        if session is None or session.server:
            return None
        name, size = _GROUPS.get((session.group or "").lower(), (None, None))
        return {} if name is None else {"type": "ECDH", "name": name, "size": size}

    @property
    def shared_sigalgs(self) -> list[str] | None:
        """Always empty on an open TLS socket, as in Bun (TLS-086)."""
        return None if self._is_over() else []

    @property
    def tls_finished_message(self) -> bytes | None:
        """The Finished message that was sent; none in TLS 1.3 (TLS-083)."""
        session = self._done()
        return None if session is None else session.finished

    @property
    def tls_peer_finished_message(self) -> bytes | None:
        """The Finished message that was received; none in TLS 1.3."""
        session = self._done()
        return None if session is None else session.peer_finished

    @property
    def is_session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        session = self._done()
        return session is not None and bool(session.reused)

    @property
    def session(self) -> ResumableSession | None:
        """What the option `session` of a later connection takes; opaque (TLS-081)."""
        session = self._done()
        return None if session is None else session.resumable

    def set_session(self, session: Any) -> None:
        """Resume a session; in a client's `open` only, else ignored (TLS-080)."""
        if self._session is None:
            self._choice.session = resumable("session", session)

    def set_servername(self, name: str) -> None:
        """Ask for and check another name; in a client's `open` only (TLS-079).

        Raises:
            TypeError, ValueError: it is no `str`, or none that can be sent.
            UsageError: too late, or on a server.
        """
        server_name("name", name)
        if self._plan.config.server:
            raise UsageError("set_servername: a server does not choose the name")
        if self._is_over():
            return
        if self._session is not None:
            raise UsageError("set_servername: expected in `open`, the handshake has begun")
        self._choice.server_name = name

    def set_verify_mode(self, request_cert: bool, reject_unauthorized: bool) -> None:  # noqa: FBT001 - Bun's signature
        """Judge this one peer otherwise; in `open` only, else ignored (TLS-036)."""
        request = options.flag("request_cert", request_cert)
        reject = options.flag("reject_unauthorized", reject_unauthorized)
        if self._session is None:
            self._choice.request_cert, self._choice.reject_unauthorized = request, reject

    def set_max_send_fragment(self, size: int) -> bool:
        """Put at most `size` bytes into a record; return whether 512 <= size <= 16384 (TLS-087)."""
        options.integer("size", size, -(2**63), 2**63)
        if self._session is None or size not in _FRAGMENTS:
            return False
        self._session.set_fragment(size)
        return True

    def export_keying_material(
        self, length: int, label: str, context: bytes | str | None = None
    ) -> bytes | None:
        """Return `length` bytes that both sides can derive (RFC 5705; TLS-082).

        Raises:
            UsageError: the handshake is not done.
        """
        if self._is_over():
            return None
        options.integer("length", length, 0, 2**16)
        if not isinstance(label, str):
            raise TypeError(options.complain("label", "str", label))
        if context is not None and not isinstance(context, (bytes, bytearray, memoryview, str)):
            raise TypeError(options.complain("context", "bytes or str", context))
        session = self._done()
        if session is None:
            raise UsageError("export_keying_material: the handshake is not done yet")
        raw = context.encode() if isinstance(context, str) else context
        return session.export(label.encode(), length, None if raw is None else bytes(raw))

    def renegotiate(self) -> None:
        """Raise `UsageError` on a TLS socket: there is no renegotiation (TLS-088)."""
        if not self._is_over():
            raise UsageError("renegotiate: TLS 1.3 has no renegotiation, and 1.2 has it off here")


def standard_name(name: str) -> str:
    """Return the registered name of a cipher suite for OpenSSL's name of it (TLS-084)."""
    if name.startswith("TLS_"):
        return name
    exchange, _, rest = name.partition("-")
    if exchange in ("ECDHE", "DHE"):
        authentication, _, rest = rest.partition("-")
        exchange = f"{exchange}_{authentication}"
    elif exchange != "PSK":
        exchange, rest = "RSA", name
    words = rest.split("-")
    if words[0] == "CHACHA20":
        return f"TLS_{exchange}_WITH_CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_WITH_{_of_aes(words)}"


def _of_aes(words: list[str]) -> str:
    """Return `AES_128_GCM_SHA256` for `AES128 GCM SHA256`, `AES_128_CBC_SHA` for `AES128 SHA`."""
    cipher, bits = words[0].rstrip("0123456789"), words[0].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    mode = words[1:-1] or ["CBC"]
    if words[-1].startswith("CCM"):  # CCM has its hash in no name
        mode, words = [words[-1]], words[:-1]
        return "_".join([cipher, bits, *mode])
    return "_".join([cipher, bits, *mode, words[-1]])
