"""The errors of TLS: names and numbers, as in Bun.

A failure of the protocol has the code `EPROTO`; its reason is BoringSSL's name. OpenSSL has other
texts for the same reasons, and changes them with its versions ("sslv3 alert" became "ssl/tls
alert"), so alerts are known by what follows the word "alert".

A certificate that is refused has OpenSSL's name for the verdict as its code. The messages are
those of the tables of Bun, not OpenSSL's, which change too.
"""

import errno
from collections.abc import Sequence

from sockharness.errors import TLSError

# Alert number (RFC 8446, section 6, and the registry): BoringSSL's reason.
ALERTS = {
    0: "SSLV3_ALERT_CLOSE_NOTIFY",
    10: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    20: "SSLV3_ALERT_BAD_RECORD_MAC",
    21: "TLSV1_ALERT_DECRYPTION_FAILED",
    22: "TLSV1_ALERT_RECORD_OVERFLOW",
    30: "SSLV3_ALERT_DECOMPRESSION_FAILURE",
    40: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    41: "SSLV3_ALERT_NO_CERTIFICATE",
    42: "SSLV3_ALERT_BAD_CERTIFICATE",
    43: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    44: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    45: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    46: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    47: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    48: "TLSV1_ALERT_UNKNOWN_CA",
    49: "TLSV1_ALERT_ACCESS_DENIED",
    50: "TLSV1_ALERT_DECODE_ERROR",
    51: "TLSV1_ALERT_DECRYPT_ERROR",
    60: "TLSV1_ALERT_EXPORT_RESTRICTION",
    70: "TLSV1_ALERT_PROTOCOL_VERSION",
    71: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    80: "TLSV1_ALERT_INTERNAL_ERROR",
    86: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    90: "TLSV1_ALERT_USER_CANCELLED",
    100: "TLSV1_ALERT_NO_RENEGOTIATION",
    110: "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
    111: "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
    112: "TLSV1_ALERT_UNRECOGNIZED_NAME",
    113: "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
    114: "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
    115: "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
    116: "TLSV1_ALERT_CERTIFICATE_REQUIRED",
    120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}

_SPELLED_OTHERWISE = {"user_cancelled": "user_canceled"}  # in the RFC

# OpenSSL's words for them, where they are not those of the reason.
_OTHER_WORDS = {
    "unrecognized name": 112,
    "user canceled": 90,
    "decryption failed": 21,
    "no renegotiation": 100,
    "certificate unobtainable": 111,
    "bad certificate status response": 113,
    "bad certificate hash value": 114,
}

# OpenSSL's reason: BoringSSL's reason and number.
_REASONS = {
    "http request": ("HTTP_REQUEST", 0x9C),
    "https proxy request": ("HTTPS_PROXY_REQUEST", 0x9D),
    "wrong version number": ("WRONG_VERSION_NUMBER", 0xF7),
    "packet length too long": ("ENCRYPTED_LENGTH_TOO_LONG", 0x92),
    "data length too long": ("ENCRYPTED_LENGTH_TOO_LONG", 0x92),
    "encrypted length too long": ("ENCRYPTED_LENGTH_TOO_LONG", 0x92),
    "unexpected message": ("UNEXPECTED_RECORD", 0xE1),
    "decryption failed or bad record mac": ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", 0x8B),
    "bad record type": ("BAD_PACKET_LENGTH", 0x70),
    "no shared cipher": ("NO_SHARED_CIPHER", 0xB8),
    "unsupported protocol": ("UNSUPPORTED_PROTOCOL", 0xF0),
    "peer did not return a certificate": ("PEER_DID_NOT_RETURN_A_CERTIFICATE", 0xC0),
    "no protocols available": ("NO_SUPPORTED_VERSIONS_ENABLED", 0x118),
    "no ciphers available": ("NO_CIPHERS_AVAILABLE", 0xAF),
    "no suitable signature algorithm": ("NO_COMMON_SIGNATURE_ALGORITHMS", 0xFD),
    "no shared signature algorithms": ("NO_COMMON_SIGNATURE_ALGORITHMS", 0xFD),
}
NO_APPLICATION_PROTOCOL = ("NO_APPLICATION_PROTOCOL", 0x133)
NO_CERTIFICATE_SET = ("NO_CERTIFICATE_SET", 0xAE)

# Number of X509_V_ERR_*: Bun's code, its message, the alert that OpenSSL answers with.
_VERDICTS = {
    2: ("UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate", 48),
    3: ("UNABLE_TO_GET_CRL", "unable to get certificate CRL", 48),
    7: ("CERT_SIGNATURE_FAILURE", "certificate signature failure", 51),
    9: ("CERT_NOT_YET_VALID", "certificate is not yet valid", 42),
    10: ("CERT_HAS_EXPIRED", "certificate has expired", 45),
    11: ("CRL_NOT_YET_VALID", "CRL is not yet valid", 42),
    12: ("CRL_HAS_EXPIRED", "CRL has expired", 45),
    13: ("ERROR_IN_CERT_NOT_BEFORE_FIELD", "format error in certificate's notBefore field", 42),
    14: ("ERROR_IN_CERT_NOT_AFTER_FIELD", "format error in certificate's notAfter field", 42),
    18: ("DEPTH_ZERO_SELF_SIGNED_CERT", "self signed certificate", 48),
    19: ("SELF_SIGNED_CERT_IN_CHAIN", "self signed certificate in certificate chain", 48),
    20: ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate", 48),
    21: ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate", 48),
    22: ("CERT_CHAIN_TOO_LONG", "certificate chain too long", 48),
    23: ("CERT_REVOKED", "certificate revoked", 44),
    25: ("PATH_LENGTH_EXCEEDED", "path length constraint exceeded", 48),
    26: ("INVALID_PURPOSE", "unsupported certificate purpose", 43),
    27: ("CERT_UNTRUSTED", "certificate not trusted", 42),
    28: ("CERT_REJECTED", "certificate rejected", 42),
    # Of OpenSSL alone, on a security level that was asked for.
    66: ("EE_KEY_TOO_SMALL", "EE certificate key too weak", 42),
    67: ("CA_KEY_TOO_SMALL", "CA certificate key too weak", 42),
    68: ("CA_MD_TOO_WEAK", "CA signature digest algorithm too weak", 42),
}
# BoringSSL judges an issuer that is no CA by its purpose (X509_V_ERR_INVALID_CA is OpenSSL's), and
# does not find one that may not sign certificates (KEYUSAGE_NO_CERTSIGN).
_SAME_AS = {24: 26, 79: 26, 32: 21}
SELF_SIGNED = 18  # as OpenSSL says it of every leaf that issued itself
UNKNOWN_ISSUER = 21  # as BoringSSL says it of one that may not sign certificates, itself included
# What OpenSSL complains of and BoringSSL does not know.
_UNKNOWN_CERTIFICATE = 46

WRONG_NAME = "ERR_TLS_CERT_ALTNAME_INVALID"
WRONG_NAME_ALERT = 42


def protocol_error(reason: str, number: int | None = None, *, alert: int | None = None) -> TLSError:
    """Return the error of a protocol that failed: code EPROTO, in the words of Bun."""
    hexadecimal = "" if number is None else f"{0x10000000 + number:08x}:"
    text = f"error:{hexadecimal}SSL routines:OPENSSL_internal:{reason}"
    return TLSError("EPROTO", text, errno.EPROTO, reason=reason, alert=alert)


def cause(reasons: Sequence[str]) -> str:
    """Return the OpenSSL reason to report: the first that has a name in Bun."""
    known = (each for each in reasons if each in _REASONS or _alert_in(each) is not None)
    return next(known, reasons[0] if reasons else "")


def alert_received(number: int) -> TLSError:
    """Return the error for an alert of the peer; close_notify (0) is a disconnection (TLS-070)."""
    if number == 0:
        return disconnected()
    return protocol_error(ALERTS.get(number, f"ALERT_{number}"), 1000 + number, alert=number)


def alert_name(number: int) -> str:
    """Return the name of an alert in RFC 8446, section 6, and the registry."""
    words = ALERTS.get(number, f"_ALERT_{number}").partition("_ALERT_")[2].lower()
    return _SPELLED_OTHERWISE.get(words, words)


def of_openssl(text: str) -> TLSError:
    """Return the error for the reason that OpenSSL gives as a text."""
    number = _alert_in(text)
    if number is not None:
        return alert_received(number)
    if text in _REASONS:
        return protocol_error(*_REASONS[text])
    return protocol_error(text.upper().replace(" ", "_") or "UNKNOWN")


def _alert_in(text: str) -> int | None:
    """Return the number of the alert that the peer sent, if the text names one."""
    before, alert, words = text.rpartition(" alert ")
    if not alert:
        # "tlsv1 unrecognized name" alone has no "alert" in it
        before, _, words = text.partition(" ")
        return _OTHER_WORDS.get(words) if before in ("tlsv1", "tlsv13") else None
    return _ALERT_WORDS.get(words, _OTHER_WORDS.get(words))


_ALERT_WORDS = {
    name.partition("_ALERT_")[2].lower().replace("_", " "): number
    for number, name in ALERTS.items()
}


def verdict(number: int) -> tuple[TLSError, int]:
    """Return the error and the alert for a bad certificate."""
    number = _SAME_AS.get(number, number)
    code, text, alert = _VERDICTS.get(
        number,
        (
            f"CERT_ERROR_{number}",
            f"certificate verification failed: {number}",
            _UNKNOWN_CERTIFICATE,
        ),
    )
    return TLSError(code, text), alert


def no_certificate() -> TLSError:
    """Return the error for a peer that has no certificate though one was requested (TLS-033)."""
    return verdict(2)[0]


def disconnected() -> TLSError:
    """Return the error of a connection that ended before the handshake was done (TLS-070)."""
    text = "Client network socket disconnected before secure TLS connection was established"
    return TLSError("ECONNRESET", text, errno.ECONNRESET)


def timed_out(seconds: float) -> TLSError:
    """Return the error of a handshake that was not done in time (D11)."""
    text = f"the TLS handshake was not done within {seconds:g} s"
    return TLSError("ETIMEDOUT", text, errno.ETIMEDOUT)
