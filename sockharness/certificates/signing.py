"""Certificates signed anew with one thing changed, and revocation lists (RFC 5280).

This module does the work that trustme cannot do. It imports cryptography, so it is itself imported
at its first use.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

if TYPE_CHECKING:
    import trustme

_RSA_EXPONENT = 65537
_WEAK_PRIMES = (
    int(
        "c862a7dcc39c176a3897fb9f6f86d4210d3924e982358d8c301956f4282545aa"
        "60a3a6b1a8b753b93a6d5e3e746acacb9410d8f0e9ef5d5ae0d477025b058015",
        16,
    ),
    int(
        "c6ee80f7826d238b0f098870f08741dc0aefaa5206d95cd79843b7d36671e969"
        "db00e33512902e5a806c55c43097e527a0c3cef11c3fd84eaadd93688c931975",
        16,
    ),
)
"""The primes of the one weak key. It is no secret: a search for primes would take too long."""


def signed_anew(
    leaf: "trustme.LeafCert",
    ca: "trustme.CA",
    *,
    weak_key: bool = False,
    serial: int | None = None,
    dates: tuple[datetime, datetime] | None = None,
    usage: str | None = None,
    self_signed: bool = False,
) -> tuple[bytes, bytes]:
    """Return the key and the certificate, in PEM, of a leaf with changes.

    Args:
        leaf: gives all values that no other argument gives.
        ca: signs it.
        weak_key: it gets an RSA key of 1024 bits, always the same.
        serial: its serial number.
        dates: when it begins and ends to be valid.
        usage: its only extended key usage, such as `"client_auth"`.
        self_signed: its own key signs it, not `ca`; it then has no key usage, which would deny it
            to sign, and for BoringSSL that is another fault than to be self-signed.
    """
    old = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key: Any = _weak_key() if weak_key else _load_key(leaf.private_key_pem.bytes())
    signer = key if self_signed else _load_key(ca.private_key_pem.bytes())
    changed: dict[Any, x509.ExtensionType] = {
        extension.oid: extension
        for extension in (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
        )
    }
    if usage is not None:
        purpose = getattr(ExtendedKeyUsageOID, usage.upper())
        changed[ExtensionOID.EXTENDED_KEY_USAGE] = x509.ExtendedKeyUsage([purpose])
    begins, ends = dates or (old.not_valid_before_utc, old.not_valid_after_utc)
    builder = x509.CertificateBuilder(
        issuer_name=old.subject if self_signed else old.issuer,
        subject_name=old.subject,
        public_key=key.public_key(),
        serial_number=serial or old.serial_number,
        not_valid_before=begins,
        not_valid_after=ends,
    )
    for extension in old.extensions:
        if self_signed and extension.oid == ExtensionOID.KEY_USAGE:
            continue
        value = changed.get(extension.oid, extension.value)
        builder = builder.add_extension(value, critical=extension.critical)
    certificate = builder.sign(signer, hashes.SHA256())
    return _dump_key(key), certificate.public_bytes(Encoding.PEM)


def revocation_list(
    ca: "trustme.CA", serials: Sequence[int], *, dates: tuple[datetime, datetime]
) -> bytes:
    """Return a list, in PEM, of revoked serial numbers.

    The list is valid from the first of the dates until the second.
    """
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    key = _load_key(ca.private_key_pem.bytes())
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.subject, last_update=dates[0], next_update=dates[1]
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial, dates[0]).build()
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _weak_key() -> Any:
    p, q = _WEAK_PRIMES
    exponent = pow(_RSA_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=exponent,
        dmp1=rsa.rsa_crt_dmp1(exponent, p),
        dmq1=rsa.rsa_crt_dmq1(exponent, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(_RSA_EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # they are primes


def _load_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, password=None)


def _dump_key(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return pem
