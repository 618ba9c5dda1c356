"""The kinds of bad certificates.

The row of each kind has the answer of a verifying OpenSSL: the number of the verification error
(`ssl.SSLCertVerificationError.verify_code`), and the alert that it sends (RFC 8446 section 6.2;
OpenSSL's choice among the alerts is in ssl/statem/statem_lib.c). Clients and servers answer
alike, but a server checks no name. Two kinds need a setting of the verifier. The context of
`Authority.client_context` has both settings:

- `REVOKED` is refused only by a verifier with a revocation list (CRL, RFC 5280 section 5). An
  authority's list is in its `crl_pem` and `crl_file`. The serial numbers of its revoked
  certificates are drawn beforehand, so a list that was handed out early is complete.
- `WEAK_KEY` is an RSA key of 1024 bits. OpenSSL refuses it from security level 2 on, which is the
  default of Python's `ssl`. On that level a server cannot even load it, so
  `Certificate.server_context` lowers its own.
"""

from enum import Enum


class BadCertificate(Enum):
    """A kind of bad certificate.

    Attributes:
        alert: the alert that a verifying OpenSSL sends, by its name in RFC 8446.
        verify_code: the number of OpenSSL's verification error; 64 instead of 62 if the client
            connects to an IP address.
    """

    EXPIRED = ("expired", "certificate_expired", 10)
    NOT_YET_VALID = ("not yet valid", "bad_certificate", 9)
    WRONG_HOST = ("wrong host", "bad_certificate", 62)
    UNKNOWN_CA = ("unknown CA", "unknown_ca", 20)
    SELF_SIGNED = ("self-signed", "unknown_ca", 18)
    WRONG_USAGE = ("wrong usage", "unsupported_certificate", 26)
    WEAK_KEY = ("weak key", "bad_certificate", 66)
    REVOKED = ("revoked", "certificate_revoked", 23)
    CHAIN_TOO_SHORT = ("chain too short", "unknown_ca", 20)

    def __init__(self, label: str, alert: str, verify_code: int) -> None:
        self.label = label
        self.alert = alert
        self.verify_code = verify_code

    def __str__(self) -> str:
        return self.label
