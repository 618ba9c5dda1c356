"""Certificates for tests: an authority, its certificates, and a catalogue of bad ones.

Only programs that load the certificate of an `Authority` trust it, so no test changes the trust
store of the machine. Its keys are on an elliptic curve, made in a fraction of a millisecond; each
certificate is made at its first use, and then kept: the same names give the same certificate.
trustme makes the good ones. It, and cryptography below it, are imported when the first authority
is made, since that takes longer than all the certificates of a test run.

The bad ones (`catalogue.py`) are good ones with one change, signed anew. So the change is the
only reason to refuse them.

Files are made when their names are first asked for, readable by their owner only, in a folder of
their own, which `close` removes.
"""

import datetime
import os
import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sockharness.certificates.catalogue import BadCertificate
from sockharness.certificates.files import PrivateFiles

if TYPE_CHECKING:
    import ssl

    import trustme

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_OTHER_NAME = "another-host.invalid"  # a name that no host has (RFC 6761 section 6.4)
_LONGEST_NAME = 64  # ub-common-name (RFC 5280 appendix A.1)
_REVOCABLE = 64

_DAY = datetime.timedelta(days=1)
_LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_FAR_AHEAD = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC)  # an authority ends then


class Certificate:
    """A certificate with its private key and the chain to its authority.

    Attributes:
        key_pem: the private key.
        chain_pem: the certificate, and below it the intermediate ones that it needs, if any.
        kind: the kind of a bad certificate; `None` if it is good.
    """

    __slots__ = ("_files", "chain_pem", "key_pem", "kind", "names")

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        key_pem: bytes,
        chain_pem: bytes,
        files: PrivateFiles,
        kind: BadCertificate | None = None,
    ) -> None:
        self.names = names
        self.key_pem = key_pem
        self.chain_pem = chain_pem
        self.kind = kind
        self._files = files

    def __repr__(self) -> str:
        kind = f" {self.kind}" if self.kind else ""
        return f"<Certificate {' '.join(self.names)}{kind}>"

    @property
    def pem(self) -> bytes:
        """Return key and chain in one text, for servers that want one file."""
        return self.key_pem + self.chain_pem

    @property
    def cert_file(self) -> str:
        """Return the path of a file with the chain; the authority's `close` removes it."""
        return self._files.path("chain", self.chain_pem)

    @property
    def key_file(self) -> str:
        """Return the path of a file with the private key; the authority's `close` removes it."""
        return self._files.path("key", self.key_pem)

    @property
    def pem_file(self) -> str:
        """Return the path of a file with both; the authority's `close` removes it."""
        return self._files.path("pem", self.pem)

    def server_context(
        self, *, client_ca: "Authority | None" = None, key_log: str | os.PathLike[str] | None = None
    ) -> "ssl.SSLContext":
        """Return a context of the standard library that presents this certificate.

        Args:
            client_ca: if given, clients must have an unrevoked certificate of this authority.
            key_log: a file to which the secrets of its connections are appended.

        Raises:
            TypeError: `client_ca` is no `Authority`.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.load_into(context)
        if client_ca is not None:
            if not isinstance(client_ca, Authority):
                raise TypeError(f"client_ca: expected an Authority, got {client_ca!r}")
            client_ca.trust_in(context)
            context.verify_mode = ssl.CERT_REQUIRED
        _log_keys(context, key_log)
        return context

    def load_into(self, context: "ssl.SSLContext") -> None:
        """Let a context present this certificate, even if it is bad."""
        if self.kind is BadCertificate.WEAK_KEY:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(self.cert_file, self.key_file)


def check_certificate(given: object) -> None:
    """Check that an argument is a `Certificate`.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(given, Certificate):
        wanted = "one of an Authority, such as issue_client(…)"
        raise TypeError(f"certificate: expected {wanted}, got {given!r}")


def _check_kind(given: object) -> None:
    if not isinstance(given, BadCertificate):
        wanted = "a BadCertificate such as BadCertificate.EXPIRED"
        raise TypeError(f"kind: expected {wanted}, got {given!r}")


def _check_names(given: tuple[object, ...]) -> None:
    for each in given:
        if not isinstance(each, str):
            raise TypeError(f"names: expected host names and addresses as str, got {each!r}")


def _check_common_name(given: object) -> None:
    if not isinstance(given, str):
        raise TypeError(f"name: expected str, got {given!r}")
    if not (1 <= len(given) <= _LONGEST_NAME and given.strip() and given.isprintable()):
        wanted = f"1 to {_LONGEST_NAME} printable characters"
        raise ValueError(f"name: expected {wanted}, got {given!r}")


class Authority:
    """A certificate authority; its files are gone when it is closed. Threads may share it."""

    def __init__(self) -> None:
        import trustme

        self._ca = trustme.CA()
        self._files = PrivateFiles()
        self._lock = threading.RLock()
        self._made: dict[tuple[Any, ...], Certificate] = {}
        self._crl = b""
        # Like those of other certificates (RFC 5280 section 4.1.2.2): positive, within 20 octets.
        self._revoked = [secrets.randbits(158) + 1 for _ in range(_REVOCABLE)]
        self._next_revoked = 0

    def __enter__(self) -> "Authority":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._files.closed else "open"
        return f"<Authority {state} certificates={len(self._made)}>"

    def close(self) -> None:
        """Remove the files; certificates in memory stay usable. Idempotent."""
        self._files.close()

    @property
    def ca_pem(self) -> bytes:
        """Return the authority's certificate, for clients to trust."""
        return self._ca.cert_pem.bytes()

    @property
    def ca_file(self) -> str:
        """Return the path of a file with it; it is there until `close`."""
        return self._files.path("ca", self.ca_pem)

    @property
    def crl_pem(self) -> bytes:
        """Return the revocation list; it also lists certificates still to be made."""
        with self._lock:
            if not self._crl:
                from sockharness.certificates.signing import revocation_list

                dates = (_LONG_AGO, _FAR_AHEAD)
                self._crl = revocation_list(self._ca, self._revoked, dates=dates)
            return self._crl

    @property
    def crl_file(self) -> str:
        """Return the path of a file with it; it is there until `close`."""
        return self._files.path("crl", self.crl_pem)

    def issue(self, *names: str, variant: str = "") -> Certificate:
        """Return a good certificate for host names and addresses, by default those of loopback.

        It is good for clients, too. Another `variant` is another certificate for the same names.

        Raises:
            TypeError, ValueError: a name cannot be in a certificate.
        """
        _check_names(names)
        names = names or LOOPBACK_NAMES
        return self._kept((names, variant), lambda: self._good(names))

    def issue_client(self, name: str) -> Certificate:
        """Return a certificate for a client of that name (CN), which no server may use.

        Raises:
            TypeError, ValueError: the name cannot be in a certificate.
        """
        _check_common_name(name)
        return self._kept(("client", name), lambda: self._client(name))

    def bad(self, kind: BadCertificate, *names: str, variant: str = "") -> Certificate:
        """Return a certificate for these names (by default loopback's) with one thing wrong.

        Another `variant` is another certificate of this kind.

        The docstring of `catalogue.py` names the kinds for which trust in `ca_file` is not enough.

        Raises:
            TypeError, ValueError: `kind` is no kind; a name cannot be in a certificate.
        """
        _check_kind(kind)
        _check_names(names)
        names = names or LOOPBACK_NAMES
        return self._kept((kind, names, variant), lambda: self._bad(kind, names))

    def client_context(
        self,
        certificate: Certificate | None = None,
        *,
        key_log: str | os.PathLike[str] | None = None,
    ) -> "ssl.SSLContext":
        """Return a context of the standard library that trusts this authority alone.

        It verifies names, and refuses every kind of the catalogue.

        Args:
            certificate: the client's own.
            key_log: a file to which the secrets of its connections are appended, in the format
                that Wireshark reads (draft-ietf-tls-keylogfile).

        Raises:
            TypeError: `certificate` is no `Certificate`.
        """
        import ssl

        if certificate is not None:
            check_certificate(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.trust_in(context)
        if certificate is not None:
            certificate.load_into(context)
        _log_keys(context, key_log)
        return context

    def trust_in(self, context: "ssl.SSLContext") -> None:
        """Let a context trust this authority and check its revocation list."""
        import ssl

        context.load_verify_locations(cadata=self.ca_pem.decode("ascii"))
        context.load_verify_locations(self.crl_file)  # lists can be loaded from files only
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF

    def _kept(self, key: tuple[Any, ...], make: Callable[[], Certificate]) -> Certificate:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def _good(self, names: tuple[str, ...]) -> Certificate:
        return self._from(self._ca.issue_cert(*names), names)

    def _client(self, name: str) -> Certificate:
        leaf = self._ca.issue_cert("client.invalid", common_name=name)
        return self._changed(leaf, (name,), usage="client_auth")

    def _bad(self, kind: BadCertificate, names: tuple[str, ...]) -> Certificate:
        match kind:
            case BadCertificate.WRONG_HOST:
                return self._from(self._ca.issue_cert(_OTHER_NAME), (_OTHER_NAME,), kind)
            case BadCertificate.UNKNOWN_CA:
                return self._from(type(self._ca)().issue_cert(*names), names, kind)
            case BadCertificate.CHAIN_TOO_SHORT:
                return self._from(self._ca.create_child_ca().issue_cert(*names), names, kind)
        leaf = self._ca.issue_cert(*names)
        match kind:
            case BadCertificate.EXPIRED:
                return self._changed(leaf, names, kind, dates=(_LONG_AGO, _LONG_AGO + _DAY))
            case BadCertificate.NOT_YET_VALID:
                return self._changed(leaf, names, kind, dates=(_FAR_AHEAD - _DAY, _FAR_AHEAD))
            case BadCertificate.WRONG_USAGE:
                return self._changed(leaf, names, kind, usage="code_signing")
            case BadCertificate.WEAK_KEY:
                return self._changed(leaf, names, kind, weak_key=True)
            case BadCertificate.REVOKED:
                self._next_revoked += 1
                serial = self._revoked[self._next_revoked % _REVOCABLE]
                return self._changed(leaf, names, kind, serial=serial)
            case BadCertificate.SELF_SIGNED:
                return self._changed(leaf, names, kind, self_signed=True)

    def _from(
        self, leaf: "trustme.LeafCert", names: tuple[str, ...], kind: BadCertificate | None = None
    ) -> Certificate:
        """Return a leaf of trustme's, with only the first certificate of its chain."""
        return Certificate(
            names,
            key_pem=leaf.private_key_pem.bytes(),
            chain_pem=leaf.cert_chain_pems[0].bytes(),
            files=self._files,
            kind=kind,
        )

    def _changed(
        self,
        leaf: "trustme.LeafCert",
        names: tuple[str, ...],
        kind: BadCertificate | None = None,
        **changes: Any,
    ) -> Certificate:
        from sockharness.certificates.signing import signed_anew

        key_pem, chain_pem = signed_anew(leaf, self._ca, **changes)
        return Certificate(
            names, key_pem=key_pem, chain_pem=chain_pem, files=self._files, kind=kind
        )


def _log_keys(context: "ssl.SSLContext", path: str | os.PathLike[str] | None) -> None:
    if path is not None:
        # Made first, because OpenSSL would let others read the secrets.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        context.keylog_filename = os.fspath(path)
