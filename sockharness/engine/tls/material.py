"""Keys and certificates as users give them: text, bytes, paths, or lists of those.

Only PEM is taken. Text before, between and behind the blocks is ignored, and a key may stand in one
text with its certificate (TLS-040). A `str` is PEM text and never a path; a path is an
`os.PathLike`, read at once, so that the call itself raises if one is missing (TLS-038, TLS-040).
"""

import binascii
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sockharness.engine import options
from sockharness.errors import TLSError, with_code

One = str | bytes | bytearray | memoryview | os.PathLike[str]
Material = One | Sequence[One] | None

KEY = "PRIVATE KEY"
CERTIFICATE = "CERTIFICATE"
CRL = "X509 CRL"

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_HEADER = re.compile(rb"^[A-Za-z0-9-]+:.*$", re.MULTILINE)  # RFC 1421, of old encrypted keys
_ACCEPTED = "PEM as str or bytes, or a path"
# Names of the blocks that hold a thing: TRUSTED and X509 are OpenSSL's own.
_LABELS = {
    KEY: ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    CERTIFICATE: ("CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"),
    CRL: ("X509 CRL",),
}

# The words of cryptography's decoder, and ours for them; the first that is there counts.
_UNDECODABLE = {
    "ShortData": "bytes that end too early",
    "ExtraData": "bytes behind its end",
    "ParseError": "bytes that are none",
    "Could not deserialize": "bytes that are none, or of an unknown kind",
}
# What Bun says of whatever is wrong with these (TLS-042).
_CODES = {"ca": "ERR_BORINGSSL", "crl": "ERR_CRYPTO_OPERATION_FAILED"}


def texts(option: str, value: object) -> tuple[bytes, ...]:
    """Return each given text, with paths read; none for `None` and an empty list.

    Raises:
        TypeError: it is nothing that can be PEM or a path.
        OSError: a file cannot be read; with `.code`.
    """
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(_text(f"{option}[{at}]", each, _ACCEPTED) for at, each in enumerate(value))
    return (_text(option, value, f"{_ACCEPTED}, or a list of those"),)


def _text(option: str, value: Any, accepted: str) -> bytes:
    if isinstance(value, str):
        return options.utf8(option, value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, os.PathLike):
        raise TypeError(options.complain_unseen(option, accepted, value))
    try:
        with open(value, "rb") as file:
            return file.read()
    except OSError as error:
        text = f"{error.strerror}: {option}: {os.fspath(value)!r}"
        raise with_code(OSError(error.errno, text)) from error


def blocks(option: str, text: bytes, kind: str) -> list[bytes]:
    """Return the PEM blocks of a kind in a text.

    Raises:
        TLSError: ERR_OSSL_PEM_NO_START_LINE: there is none; ERR_OSSL_PEM_BAD_BASE64_DECODE; of
            `ca` and `crl` other codes.
    """
    found = [each for each in _BLOCK.finditer(text) if each[1].decode() in _LABELS[kind]]
    if not found:
        hint = "" if b"-----BEGIN" in text else _hint(text)
        message = f"{option}: expected a PEM block {kind!r}, got none in {len(text)} bytes{hint}"
        raise TLSError(_CODES.get(option, "ERR_OSSL_PEM_NO_START_LINE"), message)
    for each in found:
        _check_base64(option, each[2])
    return [each[0] + b"\n" for each in found]


def _hint(text: bytes) -> str:
    if text[:1] == b"\x30":  # a SEQUENCE: what DER begins with
        return "; is it DER? Only PEM is taken"
    if 0 < len(text) < 4096 and b"\0" not in text and os.path.exists(text):
        return "; a path has to be a pathlib.Path, because a str is PEM text"
    return ""


def _check_base64(option: str, body: bytes) -> None:
    try:
        binascii.a2b_base64(b"".join(_HEADER.sub(b"", body).split()), strict_mode=True)
    except binascii.Error as error:
        message = f"{option}: expected base64 in PEM: {error}"
        raise TLSError(_CODES.get(option, "ERR_OSSL_PEM_BAD_BASE64_DECODE"), message) from None


def undecodable(option: str, error: Exception) -> TLSError:
    """Return the error for a block that has the wrong content once decoded."""
    code = _CODES.get(option, "ERR_OSSL_ASN1_DECODE_ERROR")
    said = str(error)
    got = next((ours for theirs, ours in _UNDECODABLE.items() if theirs in said), said)
    return TLSError(code, f"{option}: expected it to be well-formed, got {got}")


def all_blocks(option: str, given: Sequence[bytes], kind: str) -> Iterator[bytes]:
    """Return the PEM blocks of a kind in all the texts, each of which must have one."""
    for text in given:
        yield from blocks(option, text, kind)
