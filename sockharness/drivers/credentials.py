"""The certificates of a case, from the one authority of this process.

The authority and each certificate are made at their first use and then kept, also for the cases
that follow: the same name under `certs:` with the same description is the same certificate. Two
names with the same description are two certificates, so steps can distinguish them.

Nothing here loads cryptography before a certificate is asked for.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256

from sockharness.certificates import Authority, BadCertificate, Certificate
from sockharness.sockspec import model
from sockharness.sockspec.decode.tls_words import DEFAULT, NO_ONE

UNKNOWN = "unknown"
"""The name of a certificate that is not one of the case."""


class Credentials:
    """The certificates that the peers of a case show and trust.

    Args:
        certs: what the case says of its certificates.
    """

    def __init__(self, certs: Mapping[str, model.Certificate]) -> None:
        self._certs = certs

    @property
    def ca_pem(self) -> bytes:
        """Return the certificate of the authority, which every peer trusts."""
        return _authority().ca_pem

    @property
    def crl_pem(self) -> bytes:
        """Return its revocation list if the case has a revoked certificate, else nothing."""
        revoked = any(each.bad == "revoked" for each in self._certs.values())
        return _authority().crl_pem if revoked else b""

    def certificate(self, name: str) -> Certificate:
        """Return a certificate by name; of an empty one, that of a listener that names none."""
        if not name:
            return _authority().issue(variant=DEFAULT)
        said = self._certs[name]
        if not said.bad:
            return _authority().issue(*said.names, variant=name)
        return _authority().bad(BadCertificate[said.bad.upper()], *said.names, variant=name)

    def prepare(self) -> None:
        """Make all certificates now, so that no step has to wait for that."""
        from sockharness.engine.tls import context as context  # which loads pyOpenSSL

        for _, certificate in self._all():
            _fingerprint(certificate.chain_pem)

    def name_of(self, fingerprint: str) -> str:
        """Return the name of a certificate.

        Args:
            fingerprint: SHA-256 of its DER, in hexadecimal; empty: there is none.
        """
        if not fingerprint:
            return NO_ONE
        plain = fingerprint.replace(":", "").lower()
        names = (name for name, each in self._all() if _fingerprint(each.chain_pem) == plain)
        return next(names, UNKNOWN)

    def _all(self) -> Iterator[tuple[str, Certificate]]:
        for name in self._certs:
            yield name, self.certificate(name)
        yield DEFAULT, self.certificate("")


@cache
def _authority() -> Authority:
    return Authority()


@cache
def _fingerprint(chain_pem: bytes) -> str:
    """Return that of the first certificate of a chain."""
    body = chain_pem.partition(b"-----BEGIN CERTIFICATE-----")[2].partition(b"-----END")[0]
    return sha256(b64decode(body)).hexdigest()
