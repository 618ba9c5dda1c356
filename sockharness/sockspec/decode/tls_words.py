"""The words of TLS in specs: versions, alerts, codes, and what can be wrong with a certificate.

They are those of the engine, of RFC 8446 and of the certificates' catalogue. This package does not
know those, and a test holds the lists against them.
"""

from sockharness.sockspec import table

VERSIONS = ("TLSv1.2", "TLSv1.3")
VERIFY = ("require", "request", "none")
"""The ways to judge the other side's certificate: refuse a bad one, look at it, do not ask."""
BAD = (
    "expired", "not_yet_valid", "wrong_host", "unknown_ca", "self_signed", "wrong_usage",
    "weak_key", "revoked", "chain_too_short",
)  # fmt: skip
"""The defects that a certificate can have."""
NO_ONE = "none"
"""The word for a missing fact: a certificate, a protocol, a name, an alert."""
DEFAULT = "default"
"""The certificate of a listener that names none."""
_FAILURE = ("error", "message", "alert")
FACTS = tuple(key for key in table.keys("sees handshake") if key not in _FAILURE)
"""The facts of a handshake that a step can state, beside its error."""
ALERTS = (
    "access_denied", "bad_certificate", "bad_certificate_hash_value",
    "bad_certificate_status_response", "bad_record_mac", "certificate_expired",
    "certificate_required", "certificate_revoked", "certificate_unknown",
    "certificate_unobtainable", "close_notify", "decode_error", "decompression_failure",
    "decrypt_error", "decryption_failed", "export_restriction", "handshake_failure",
    "illegal_parameter", "inappropriate_fallback", "insufficient_security", "internal_error",
    "no_application_protocol", "no_certificate", "no_renegotiation", "protocol_version",
    "record_overflow", "unexpected_message", "unknown_ca", "unknown_psk_identity",
    "unrecognized_name", "unsupported_certificate", "unsupported_extension", "user_canceled",
)  # fmt: skip
"""The alerts of RFC 8446 section 6, of older versions and of the registry."""
CODES = (
    "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CERT_CHAIN_TOO_LONG", "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID", "CERT_REJECTED", "CERT_REVOKED", "CERT_SIGNATURE_FAILURE",
    "CERT_UNTRUSTED", "CRL_HAS_EXPIRED", "CRL_NOT_YET_VALID", "DEPTH_ZERO_SELF_SIGNED_CERT",
    "EE_KEY_TOO_SMALL", "ERROR_IN_CERT_NOT_AFTER_FIELD", "ERROR_IN_CERT_NOT_BEFORE_FIELD",
    "ERR_TLS_CERT_ALTNAME_INVALID", "INVALID_PURPOSE", "PATH_LENGTH_EXCEEDED",
    "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_CRL", "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
)  # fmt: skip
"""The errors of TLS that are no errors of the operating system; EPROTO and ECONNRESET are."""
