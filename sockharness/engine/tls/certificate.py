"""A certificate as a mapping of its fields, as Node and Bun show it (TLS-091).

The names are those of Bun in snake_case: `subject`, `issuer`, `subjectaltname`; of an EC key
`bits`, `pubkey`, `asn1_curve`, `nist_curve`, of an RSA key `modulus`, `exponent`, `bits`, `pubkey`;
`valid_from`, `valid_to`, `fingerprint`, `fingerprint256`, `fingerprint512`, `ext_key_usage`,
`serial_number`, `raw`, `ca`. A field that a certificate lacks is absent.
"""

import hashlib
import itertools
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from sockharness.engine.tls import identity

# OpenSSL's short names, where cryptography has none.
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "1.2.840.113549.1.9.1": "emailAddress",
}
# cryptography's name of a curve: OpenSSL's, NIST's.
_CURVES = {
    "secp256r1": ("prime256v1", "P-256"),
    "secp384r1": ("secp384r1", "P-384"),
    "secp521r1": ("secp521r1", "P-521"),
}


def described(certificate: x509.Certificate) -> dict[str, Any]:
    """Return the fields of a certificate."""
    found: dict[str, Any] = {
        "subject": _name(certificate.subject),
        "issuer": _name(certificate.issuer),
    }
    names = identity.alternative_names(certificate)
    if names:
        found["subjectaltname"] = identity.shown(names)
    found |= _key(certificate)
    found["valid_from"] = _date(certificate.not_valid_before_utc)
    found["valid_to"] = _date(certificate.not_valid_after_utc)
    raw = certificate.public_bytes(serialization.Encoding.DER)
    for name, algorithm in (("", "sha1"), ("256", "sha256"), ("512", "sha512")):
        found[f"fingerprint{name}"] = _colons(hashlib.new(algorithm, raw).hexdigest())
    usage = identity.extension_of(certificate, ExtensionOID.EXTENDED_KEY_USAGE)
    if usage is not None:
        found["ext_key_usage"] = [each.dotted_string for each in usage]
    found["serial_number"] = f"{certificate.serial_number:X}"
    found["raw"] = raw
    constraints = identity.extension_of(certificate, ExtensionOID.BASIC_CONSTRAINTS)
    found["ca"] = constraints is not None and constraints.ca
    return found


def with_issuers(chain: list[x509.Certificate]) -> dict[str, Any]:
    """Return the first of a chain, with its issuer's description inside, up to the root.

    A root's issuer is itself (TLS-090).
    """
    described_chain = [described(each) for each in chain]
    for each, issuer in itertools.pairwise(described_chain):
        each["issuer_certificate"] = issuer
    if chain[-1].issuer == chain[-1].subject:
        described_chain[-1]["issuer_certificate"] = described_chain[-1]
    return described_chain[0]


def _name(name: x509.Name) -> dict[str, Any]:
    """Return the attributes; a repeated attribute has a list."""
    found: dict[str, Any] = {}
    for attribute in name:
        oid = attribute.oid.dotted_string
        key, value = _SHORT.get(oid, oid), attribute.value
        if key not in found:
            found[key] = value
        elif isinstance(found[key], list):
            found[key].append(value)
        else:
            found[key] = [found[key], value]
    return found


def _key(certificate: x509.Certificate) -> dict[str, Any]:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # shown without its key
        return {}
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "modulus": f"{numbers.n:X}",
            "exponent": hex(numbers.e),
            "bits": key.key_size,
            "pubkey": spki,
        }
    if isinstance(key, ec.EllipticCurvePublicKey):
        asn1, nist = _CURVES.get(key.curve.name, (key.curve.name, ""))
        point = key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        found = {"bits": key.key_size, "pubkey": point, "asn1_curve": asn1}
        return {**found, "nist_curve": nist} if nist else found
    return {"pubkey": spki}


def _date(when: Any) -> str:
    """Return a date in OpenSSL's form: `Nov  1 09:33:15 2026 GMT`."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{months[when.month - 1]} {when.day:2} {when:%H:%M:%S} {when.year} GMT"


def _colons(digest: str) -> str:
    return ":".join(digest[at : at + 2].upper() for at in range(0, len(digest), 2))
