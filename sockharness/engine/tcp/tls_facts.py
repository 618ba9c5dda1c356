"""The TLS members of every stream socket, with TLS and without.

A plain socket has every member, too: it answers "none" and ignores what is set (TLS-093). It has no
session, so the same line answers for both. A closed socket has no session any more; what stays then
is whether the peer was authorized, and why not (TLS-018).

Names are Bun's in snake_case; what is `getX()` there and takes no argument is a property here.

cryptography is loaded when TLS is used, so nothing here imports it beforehand.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sockharness.engine import options
from sockharness.errors import UsageError

if TYPE_CHECKING:
    from cryptography import x509

    from sockharness.engine.tls.plan import Overrides, Plan
    from sockharness.engine.tls.session import ResumableSession, Session

_FRAGMENTS = range(512, 16385)

_upgrade: list[Callable[..., tuple[Any, Any]]] = []


def register_upgrade(upgrade: Callable[..., tuple[Any, Any]]) -> None:
    """Let this function do what `upgrade_tls` says: it stands in a room above this one."""
    _upgrade.append(upgrade)


class TLSFacts:
    """The TLS members of a socket; without TLS, nothing below ever changes."""

    __slots__ = ()

    _group: Any
    _reactor: Any
    _sock: Any
    _overrides: "Overrides | None" = None
    _established: bool = False
    _failed: bool = False
    _verdict: tuple[bool, OSError | None] = (False, None)
    _leaving: bool = False
    _plan: "Plan | None" = None
    _session: "Session | None" = None

    def upgrade_tls(
        self,
        *,
        tls: object = None,
        socket: object = None,
        data: Any = None,
        is_server: bool | None = None,
        handshake_timeout: float | None = None,
    ) -> tuple[Any, Any]:
        """Start TLS on this connection (STARTTLS); return two new sockets, (raw, secure).

        They replace this socket, which gets no `close`. `raw` keeps its handlers and `data` and
        gets the ciphertext; `secure` has the new handlers and data (TLS-094..099). An accepted
        socket is the server unless `is_server` says otherwise; a client checks the name to which
        it connected. `tls` and `socket` are required.

        Raises:
            UsageError: it is not open in both directions, or has TLS already (D41).
            TypeError, ValueError, TLSError, OSError: as `listen` and `connect`; nothing changed.
        """
        self._reactor.check()
        return _upgrade[-1](
            self,
            self._group,
            self._reactor,
            tls=tls,
            socket=socket,
            data=data,
            is_server=is_server,
            handshake_timeout=handshake_timeout,
        )

    def _done(self) -> "Session | None":
        """Return the session when its handshake is done and it is not closed."""
        return self._session if self._established and self._sock is not None else None

    def _is_over(self) -> bool:
        """Return whether there is no TLS, or the socket is closed."""
        return self._plan is None or self._sock is None

    @property
    def authorized(self) -> bool:
        """Whether the peer's certificate is valid for the name; stays after the close."""
        return self._verdict[0] if self._session is None else self._session.authorized

    @property
    def authorization_error(self) -> OSError | None:
        """The error of the peer's certificate; `None` if none was requested (D18)."""
        return self._verdict[1] if self._session is None else self._session.authorization_error

    @property
    def alpn_protocol(self) -> str | bool:
        """The agreed protocol (ALPN); `False` if there is none."""
        session = self._done()
        return False if session is None else session.alpn or False

    @property
    def servername(self) -> str | None:
        """The name that the client asks for; on a server, after its ClientHello (TLS-079)."""
        plan, overrides = self._plan, self._overrides
        if plan is None or overrides is None or self._sock is None:
            return None
        if self._session is not None:
            return self._session.server_name
        if plan.config.server:
            return None
        given = (overrides.server_name, plan.config.options.server_name, plan.hostname)
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
        from sockharness.engine.tls.ciphers import standard_name

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
        from sockharness.engine.tls import certificate

        if abbreviated:
            return certificate.described(found)
        chain = self._session.peer_chain
        return certificate.with_issuers(chain if chain[:1] == [found] else [found, *chain])

    @property
    def peer_x509_certificate(self) -> "x509.Certificate | None":
        """The peer's certificate as an object of `cryptography`."""
        # A server that refuses a client shows in `handshake` what it refuses (TLS-032).
        session = self._session if self._established or self._failed else None
        return None if session is None or self._is_over() else session.peer_certificate

    @property
    def certificate(self) -> dict[str, Any] | None:
        """This side's own certificate as a mapping (TLS-092)."""
        found = self.x509_certificate
        if found is None:
            return None
        from sockharness.engine.tls.certificate import described

        return described(found)

    @property
    def x509_certificate(self) -> "x509.Certificate | None":
        """This side's own certificate as an object of `cryptography`."""
        return None if self._session is None else self._session.certificate

    @property
    def ephemeral_key_info(self) -> dict[str, Any] | None:
        """A client's key exchange: `type`, `name` and `size`, or an empty mapping (TLS-085)."""
        session = self._done()
        if session is None or session.server:
            return None
        from sockharness.engine.tls.ciphers import GROUPS

        name, size = GROUPS.get((session.group or "").lower(), (None, None))
        return {} if name is None else {"type": "ECDH", "name": name, "size": size}

    @property
    def shared_sigalgs(self) -> list[str] | None:
        """Always empty on an open TLS socket, as in Bun (TLS-086)."""
        return None if self._is_over() else []

    @property
    def tls_finished_message(self) -> bytes | None:
        """The Finished message that was sent; `None` in TLS 1.3 (TLS-083)."""
        session = self._done()
        return None if session is None else session.finished

    @property
    def tls_peer_finished_message(self) -> bytes | None:
        """The Finished message that was received; `None` in TLS 1.3."""
        session = self._done()
        return None if session is None else session.peer_finished

    @property
    def is_session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        session = self._done()
        return session is not None and bool(session.reused)

    @property
    def session(self) -> "ResumableSession | None":
        """The session, for the option `session` of a later connection; opaque (TLS-081)."""
        session = self._done()
        return None if session is None else session.resumable

    def set_session(self, session: Any) -> None:
        """Resume a session. Only in a client's `open`; ignored elsewhere (TLS-080)."""
        if self._overrides is not None and self._session is None:
            from sockharness.engine.tls.plan import resumable

            self._overrides.session = resumable("session", session)

    def set_servername(self, name: str) -> None:
        """Ask for another name, and check it. Only in a client's `open` (TLS-079).

        Raises:
            TypeError, ValueError: `name` is not a `str`, or cannot be sent.
            UsageError: the handshake has begun, or this is a server.
        """
        if self._plan is None or self._overrides is None:
            return
        from sockharness.engine.tls.options import server_name

        server_name("name", name)
        if self._plan.config.server:
            raise UsageError("set_servername: a server does not choose the name")
        if self._is_over():
            return
        if self._session is not None:
            raise UsageError("set_servername: expected in `open`, the handshake has begun")
        self._overrides.server_name = name

    def set_verify_mode(self, request_cert: bool, reject_unauthorized: bool) -> None:  # noqa: FBT001 - Bun's signature
        """Change the policy for this peer. Only in `open`; ignored elsewhere (TLS-036)."""
        if self._overrides is None:
            return
        request = options.flag("request_cert", request_cert)
        reject = options.flag("reject_unauthorized", reject_unauthorized)
        if self._session is None:
            self._overrides.request_cert, self._overrides.reject_unauthorized = request, reject

    def set_max_send_fragment(self, size: int) -> bool:
        """Put at most `size` bytes into a record; return whether 512 <= size <= 16384 (TLS-087)."""
        if self._plan is None:
            return False
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

    def disable_renegotiation(self) -> None:
        """Do nothing: there is no renegotiation (TLS-088)."""

    def renegotiate(self) -> None:
        """Raise `UsageError` on a TLS socket: there is no renegotiation (TLS-088)."""
        if not self._is_over():
            raise UsageError("renegotiate: TLS 1.3 has no renegotiation, and 1.2 has it off here")
