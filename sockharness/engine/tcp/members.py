"""What a socket knows about TLS: on a plain one all of it is there and says nothing (TLS-093).

Names are Bun's in snake_case; what is `getX()` there and takes no argument is a property here.
`facts` has the other half.
"""

from collections.abc import Callable
from typing import Any

_upgrade: list[Callable[..., tuple[Any, Any]]] = []


def register_upgrade(upgrade: Callable[..., tuple[Any, Any]]) -> None:
    """Let this function do what `upgrade_tls` says: it stands in a room above this one."""
    _upgrade.append(upgrade)


class Members:
    """The TLS members of a socket without TLS."""

    __slots__ = ()

    _group: Any
    _reactor: Any

    def upgrade_tls(
        self,
        *,
        tls: object = None,
        socket: object = None,
        data: Any = None,
        is_server: bool | None = None,
        handshake_timeout: float | None = None,
    ) -> tuple[Any, Any]:
        """Go on with TLS (STARTTLS); return (raw, secure), two new sockets in place of this one.

        This one is dead from then on, without a `close`. `raw` keeps its handlers and `data` and
        gets the ciphertext; `secure` has the new ones (TLS-094..099). An accepted socket is the
        server's side unless `is_server` says otherwise; a client checks the name it connected to.
        `tls` and `socket` have to be given.

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

    @property
    def authorized(self) -> bool:
        """Whether the peer showed a good certificate for the right name; stays after the close."""
        return False

    @property
    def authorization_error(self) -> OSError | None:
        """What is wrong with the peer's certificate; `None` if nothing was asked for (D18)."""
        return None

    @property
    def alpn_protocol(self) -> str | bool:
        """The protocol that was agreed on, `False` if there is none."""
        return False

    @property
    def servername(self) -> str | None:
        """The name that the client asks for."""
        return None

    @property
    def tls_version(self) -> str | None:
        """`"TLSv1.3"` and the like; `"TLSv1.2"` until it is known (TLS-089)."""
        return None

    @property
    def cipher(self) -> dict[str, str | None] | None:
        """A mapping of `name` (OpenSSL's), `standard_name` and `version` (TLS-084)."""
        return None

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The peer's certificate as a mapping; see `tls.certificate` (TLS-091)."""
        return None

    def get_peer_certificate(self, abbreviated: bool = True) -> dict[str, Any] | None:  # noqa: FBT001, FBT002 - Bun's signature
        """Return the same; with `False` also its `issuer_certificate`, up to the root (TLS-090)."""
        return None

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The certificate that this side shows (TLS-092)."""
        return None

    @property
    def ephemeral_key_info(self) -> dict[str, Any] | None:
        """A client's key exchange: `type`, `name`, `size`, or nothing of these (TLS-085)."""
        return None

    @property
    def shared_sigalgs(self) -> list[str] | None:
        """Always empty on an open TLS socket, as in Bun (TLS-086)."""
        return None

    @property
    def tls_finished_message(self) -> bytes | None:
        """The Finished message that was sent; none in TLS 1.3 (TLS-083)."""
        return None

    @property
    def tls_peer_finished_message(self) -> bytes | None:
        """The Finished message that was received; none in TLS 1.3."""
        return None

    @property
    def is_session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return False

    @property
    def session(self) -> Any:
        """What the option `session` of a later connection takes; opaque (TLS-081)."""
        return None

    def set_session(self, session: Any) -> None:
        """Resume a session; in a client's `open` only, else ignored (TLS-080)."""

    def set_servername(self, name: str) -> None:
        """Ask for and check another name; in a client's `open` only (TLS-079).

        Raises:
            TypeError, ValueError: it is no `str`, or none that can be sent.
            UsageError: too late, or on a server.
        """

    def set_verify_mode(self, request_cert: bool, reject_unauthorized: bool) -> None:  # noqa: FBT001 - Bun's signature
        """Judge this one peer otherwise; in `open` only, else ignored (TLS-036)."""

    def set_max_send_fragment(self, size: int) -> bool:
        """Put at most `size` bytes into a record; return whether 512 <= size <= 16384 (TLS-087)."""
        return False

    def export_keying_material(
        self, length: int, label: str, context: bytes | str | None = None
    ) -> bytes | None:
        """Return `length` bytes that both sides can derive (RFC 5705; TLS-082).

        Raises:
            UsageError: the handshake is not done.
        """
        return None

    def disable_renegotiation(self) -> None:
        """Do nothing: there is no renegotiation (TLS-088)."""

    def renegotiate(self) -> None:
        """Raise `UsageError` on a TLS socket: there is no renegotiation (TLS-088)."""
