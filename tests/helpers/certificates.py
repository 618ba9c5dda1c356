"""Certificates good and bad, made when they are asked for."""

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PAST = (NOW - 10 * DAY, NOW - DAY)
FUTURE = (NOW + DAY, NOW + 10 * DAY)
PRESENT = (NOW - DAY, NOW + 10 * DAY)
CLIENT_ONLY = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SIGNS_NOTHING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, PEM.

    Attributes:
        cert: the certificate alone.
        chain: itself and the intermediates.
        key: PKCS #8, not encrypted.
    """

    cert: bytes
    chain: bytes
    key: bytes
    certificate: x509.Certificate
    private: Any

    @property
    def options(self) -> dict[str, Any]:
        """As the options of TLS."""
        return {"cert": self.chain, "key": self.key}

    def encrypted_key(self, passphrase: bytes) -> bytes:
        """Return the key, encrypted."""
        return pem_of(self.private, serialization.BestAvailableEncryption(passphrase))


class Authority:
    """A certification authority; with a parent, an intermediate one."""

    def __init__(
        self,
        name: str = "test root",
        parent: "Authority | None" = None,
        *,
        is_ca: bool = True,
        path_length: int | None = None,
        may_sign: bool = True,
        dates: tuple[datetime.datetime, datetime.datetime] = PRESENT,
    ) -> None:
        self.parent = parent
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = parent or self
        builder = _builder(self.name, issuer.name, self.private, dates).add_extension(
            x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True
        )
        if not may_sign:
            builder = builder.add_extension(SIGNS_NOTHING, critical=True)
        self.certificate = builder.sign(issuer.private, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain(self) -> bytes:
        """This and its parents, without the root, PEM."""
        return b"" if self.parent is None else self.pem + self.parent.chain

    def issue(
        self,
        *names: str,
        common: str | None = None,
        dates: tuple[datetime.datetime, datetime.datetime] = PRESENT,
        usage: Sequence[x509.ObjectIdentifier] = (),
        private: Any = None,
        extra: Sequence[x509.GeneralName] = (),
        self_signed: bool = False,
        key_usage: x509.KeyUsage | None = None,
    ) -> Issued:
        """Issue a certificate for names and addresses."""
        private = private or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
        issuer, signer = (subject, private) if self_signed else (self.name, self.private)
        builder = _builder(subject, issuer, private, dates)
        alternatives = [*(_general_name(name) for name in names), *extra]
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=not common
            )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if key_usage is not None:
            builder = builder.add_extension(key_usage, critical=True)
        certificate = builder.sign(signer, hashes.SHA256())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Issued(pem, pem + self.chain, pem_of(private), certificate, private)

    def revoke(self, *issued: Issued) -> bytes:
        """Return a list of revoked certificates, PEM."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.name, last_update=PRESENT[0], next_update=PRESENT[1]
        )
        for each in issued:
            revoked = x509.RevokedCertificateBuilder(
                serial_number=each.certificate.serial_number, revocation_date=NOW - DAY / 2
            )
            builder = builder.add_revoked_certificate(revoked.build())
        signed = builder.sign(self.private, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def with_names_twice(authority: Authority, *, self_signed: bool = False) -> Issued:
    """Issue a certificate that has the same extension twice, which RFC 5280 forbids."""
    issued = authority.issue(
        "localhost", usage=[ExtendedKeyUsageOID.CLIENT_AUTH], self_signed=self_signed
    )
    purposes, names = bytes.fromhex("0603551d25"), bytes.fromhex("0603551d11")  # their OIDs
    body = issued.certificate.tbs_certificate_bytes.replace(purposes, names)
    signer = issued.private if self_signed else authority.private
    signature = signer.sign(body, ec.ECDSA(hashes.SHA256()))
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    der = _tagged(0x30, body + ecdsa_with_sha256 + _tagged(0x03, b"\0" + signature))
    certificate = x509.load_der_x509_certificate(der)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Issued(pem, pem + authority.chain, issued.key, certificate, issued.private)


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def pem_of(private: Any, encryption: Any = None) -> bytes:
    """Return a private key as PEM."""
    return bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption or serialization.NoEncryption(),
        )
    )


@functools.cache
def root() -> Authority:
    """Return the authority that tests trust."""
    return Authority()


@functools.cache
def good() -> Issued:
    """Return a certificate for localhost and the loopback addresses."""
    return root().issue("localhost", "127.0.0.1", "::1", common="localhost")


@functools.cache
def stranger() -> Authority:
    """Return an authority that no peer trusts."""
    return Authority("a stranger")


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return an RSA key; making one takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    private: Any,
    dates: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=dates[0],
        not_valid_after=dates[1],
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
