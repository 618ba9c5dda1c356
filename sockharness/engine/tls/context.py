"""OpenSSL's contexts, made from checked options.

A `Config` holds what a listener or a client needs to make sessions. Contexts are shared by
connections, so their callbacks ask the connection, whose application data is its `Session`.

**Security level.** OpenSSL refuses RSA keys of 1024 bits and signatures with SHA-1 at its default
level, BoringSSL only the latter; that is level 1. TLS 1.0 and 1.1 sign with MD5 and SHA-1, so
a caller that asks for these gets level 0 (TLS-021, TLS-045).

**Resumption.** A listener's tickets are its own (TLS-080). A server that asks for certificates
resumes nothing: OpenSSL's tickets do not carry the chain, or our verdict on it.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto

from sockharness.engine.tls import material
from sockharness.engine.tls.options import Checked, ascii_name
from sockharness.errors import TLSError

_PARTIAL_WRITE = 0x1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets but does not name
_LEVEL = re.compile("@SECLEVEL=[0-9]+")
_CONTEXTS_KEPT = 32
_PLACES_OF_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # SSL_CTX_set_default_verify_paths(3)
_SESSION_ID = 16  # bytes of a session id context, at most 32


class Config:
    """The basis of sessions: contexts and the rules for judging a peer.

    Attributes:
        options: the checked options.
        server: which side this is.
        context: OpenSSL's context.
    """

    __slots__ = ("_by_name", "context", "options", "server")

    def __init__(self, options: Checked, *, server: bool) -> None:
        """Build the contexts.

        Raises:
            TLSError: key, certificate, passphrase or ciphers cannot be used.
        """
        self.options = options
        self.server = server
        self._by_name = {}
        if not server:
            self.context = _client_context(_shared(options), _default_trust(options))
            return
        # One for all names, so that a session is resumed whichever certificate was served.
        session_id = os.urandom(_SESSION_ID)
        self.context = _served(options, options, session_id)
        for name, served in options.sni:
            self._by_name[name] = _served(options, served, session_id)

    def context_for(self, name: str) -> SSL.Context | None:
        """Return the entry of `sni` for a name: the name itself, then its pattern (D22)."""
        plain = _as_in_sni(name)
        first, _, rest = plain.partition(".")
        pattern = f"*.{rest}" if first and rest else ""
        return self._by_name.get(plain) or self._by_name.get(pattern)


def _as_in_sni(name: str) -> str:
    try:
        return ascii_name(name)
    except UnicodeError:  # a client may send anything
        return ""


def _served(general: Checked, served: Checked, session_id: bytes) -> SSL.Context:
    context = _context(general, served, server=True)
    context.set_session_id(session_id)
    return context


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _client_context(options: Checked, _places: tuple[str | None, ...]) -> SSL.Context:
    """Make a client's context; kept, because reading the system's store takes long."""
    return _context(options, options, server=False)


def _default_trust(options: Checked) -> tuple[str | None, ...]:
    """Return the paths of OpenSSL's default trust store, as far as they can change."""
    return () if options.ca else tuple(os.environ.get(name) for name in _PLACES_OF_TRUST)


def _shared(options: Checked) -> Checked:
    """Return only the options that contexts have, so that more connections share a context.

    OpenSSL resumes only within a context.
    """
    return replace(options, server_name=None, reject_unauthorized=True, request_cert=False)


class _Pair(NamedTuple):
    leaf: x509.Certificate
    chain: Sequence[x509.Certificate]
    key: Any


def _context(general: Checked, served: Checked, *, server: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KiB less for an idle connection
    context.clear_mode(_PARTIAL_WRITE)  # a write is one call, however many records it makes
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_min_proto_version(general.min_version or SSL.TLS1_2_VERSION)
    context.set_max_proto_version(general.max_version or SSL.TLS1_3_VERSION)
    _set_ciphers(context, general)
    for pair in _pairs(served):
        _use(context, pair, general.ciphers)
    _trust(context, general, by_default=not server or general.request_cert)
    _ask(context, general, server=server)
    _call_sessions(context, general, server=server)
    return context


def _set_ciphers(context: SSL.Context, options: Checked) -> None:
    old = 0 < options.min_version < SSL.TLS1_2_VERSION
    names = [name for name in options.ciphers.split(":") if name]
    of_13 = [name for name in names if name.startswith("TLS_")]
    others = [name for name in names if not name.startswith("TLS_")] or ["DEFAULT"]
    if "@SECLEVEL" not in options.ciphers:
        others.append(f"@SECLEVEL={0 if old else 1}")
    try:
        context.set_cipher_list(":".join(others).encode())
        if of_13:
            context.set_tls13_ciphersuites(":".join(of_13).encode())
    except (SSL.Error, UnicodeError):
        raise TLSError("ERR_BORINGSSL", f"Invalid ciphers: {options.ciphers!r}") from None


# Key and certificate


def _pairs(options: Checked) -> list[_Pair]:
    """Match keys and certificates, in any order (TLS-044)."""
    if not (options.key and options.cert):
        return []  # a client's key or certificate alone is ignored (TLS-043)
    keys = [
        _private_key(block, options.passphrase)
        for block in material.all_blocks("key", options.key, material.KEY)
    ]
    return [_pair(_certificates("cert", text), keys) for text in options.cert]


def _private_key(block: bytes, passphrase: bytes | None) -> Any:
    encrypted = b"ENCRYPTED" in block
    try:
        return serialization.load_pem_private_key(block, (passphrase or b"") if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            text = "key: expected the passphrase of the encrypted key"
            text += ", got a wrong one" if passphrase else ", got none"
            raise TLSError("ERR_OSSL_BAD_DECRYPT", text) from None
        raise material.undecodable("key", error) from None


def _certificates(option: str, text: bytes) -> list[x509.Certificate]:
    try:
        return [
            x509.load_pem_x509_certificate(block)
            for block in material.blocks(option, text, material.CERTIFICATE)
        ]
    except ValueError as error:
        raise material.undecodable(option, error) from None


def _pair(chain: list[x509.Certificate], keys: Sequence[Any]) -> _Pair:
    public = chain[0].public_key()
    for key in keys:
        if _raw(key.public_key()) == _raw(public):
            return _Pair(chain[0], chain[1:], key)
    if any(type(key.public_key()) is type(public) for key in keys):
        raise TLSError(
            "ERR_OSSL_X509_KEY_VALUES_MISMATCH", "the key is not that of the certificate"
        )
    raise TLSError(
        "ERR_OSSL_X509_KEY_TYPE_MISMATCH", "the key is of another type than the certificate's"
    )


def _raw(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def _use(context: SSL.Context, pair: _Pair, ciphers: str) -> None:
    try:
        context.use_certificate(pair.leaf)
        context.use_privatekey(pair.key)
        for certificate in pair.chain:
            context.add_extra_chain_cert(certificate)
    except SSL.Error as error:
        raise _unusable(pair.leaf, error, ciphers) from None


def _unusable(leaf: x509.Certificate, error: SSL.Error, ciphers: str) -> TLSError:
    reasons = [entry[2] for entry in error.args[0]]
    if "ee key too small" not in reasons:
        return TLSError("ERR_OSSL_SSL", f"key and cert: OpenSSL does not take them: {reasons}")
    level = _LEVEL.search(ciphers)
    wanted = f"{level[0]} in ciphers" if level else "OpenSSL"
    key: Any = leaf.public_key()
    got = f"{type(key).__name__.removesuffix('PublicKey')} of {key.key_size} bits"
    text = f"cert: expected a key that is strong enough for {wanted}, got {got}"
    return TLSError("EE_KEY_TOO_SMALL", text)


# Trust


def _trust(context: SSL.Context, options: Checked, *, by_default: bool) -> None:
    if by_default and not options.ca:
        context.set_default_verify_paths()
    store = context.get_cert_store()
    assert store is not None
    for text in options.ca:
        for certificate in _certificates("ca", text):
            store.add_cert(crypto.X509.from_cryptography(certificate))
    for block in material.all_blocks("crl", options.crl, material.CRL):
        store.add_crl(_revocations(block))
    if options.crl:
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


def _revocations(block: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(block)
    except ValueError as error:
        raise material.undecodable("crl", error) from None


def verify_mode(*, server: bool, request_cert: bool, reject_unauthorized: bool) -> int:
    """Return OpenSSL's flags; the callback lets every certificate pass, and we judge it."""
    if server and not request_cert:
        return SSL.VERIFY_NONE
    if server and reject_unauthorized:
        return SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    return SSL.VERIFY_PEER


def _ask(context: SSL.Context, options: Checked, *, server: bool) -> None:
    mode = verify_mode(
        server=server,
        request_cert=options.request_cert,
        reject_unauthorized=options.reject_unauthorized,
    )
    context.set_verify(mode, on_verify)
    if server and options.request_cert:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)


# What OpenSSL calls


def _call_sessions(context: SSL.Context, options: Checked, *, server: bool) -> None:
    context.set_keylog_callback(_on_secret)
    if server:
        context.set_tlsext_servername_callback(_on_server_name)
        context.set_alpn_select_callback(_on_protocols)
    elif options.alpn:
        context.set_alpn_protos(list(options.alpn))


def on_verify(
    connection: SSL.Connection, certificate: crypto.X509, number: int, depth: int, _ok: int
) -> bool:
    """Let every certificate pass; its session notes the fault."""
    session = connection.get_app_data()  # none once a handler has closed the socket
    if session is not None:
        session.on_verify(certificate, number, depth)
    return True


def _on_secret(connection: SSL.Connection, line: bytes) -> None:
    session = connection.get_app_data()
    if session is not None:
        session.on_secret(line)


def _on_server_name(connection: SSL.Connection) -> None:
    session = connection.get_app_data()
    if session is not None:
        session.on_server_name()


def _on_protocols(connection: SSL.Connection, offered: list[bytes]) -> Any:
    session = connection.get_app_data()
    return SSL.NO_OVERLAPPING_PROTOCOLS if session is None else session.on_protocols(offered)
