"""Alert records, made here because OpenSSL does not make them for us.

A peer is judged after OpenSSL has let its certificate pass, because only then is every fault known
(TLS-022). A side that refuses it sends the alert that OpenSSL would have sent, in place of the
flight that OpenSSL has ready (D20):

- in plain, as long as this side has not changed to encrypting: a client of any version, and a
  server of TLS 1.2;
- a server of TLS 1.3 encrypts with its traffic secret since its Finished. The key log has that
  secret, and this is the first record under it, because what OpenSSL would send behind the client's
  Finished (tickets) is dropped. RFC 8446, sections 5.2, 5.3 and 7.3.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_FATAL = 2
_ALERT = 21
_IV_SIZE = 12
_TAG_SIZE = 16


def plain(number: int, *, version: int = 3) -> bytes:
    """Return a fatal alert as a record in plain."""
    return bytes((_ALERT, 3, version, 0, 2, _FATAL, number))


def is_plain(record: bytes) -> bool:
    """Return whether bytes begin with an alert in plain."""
    return len(record) >= 7 and record[:2] == bytes((_ALERT, 3)) and record[3:5] == b"\0\2"


def encrypted(number: int, *, cipher: str, secret: bytes) -> bytes:
    """Return a fatal alert as the first record of TLS 1.3 under a traffic secret."""
    hash_: hashes.HashAlgorithm = hashes.SHA384() if cipher.endswith("384") else hashes.SHA256()
    key = _expand(secret, b"key", 16 if "AES_128" in cipher else 32, hash_)
    iv = _expand(secret, b"iv", _IV_SIZE, hash_)  # sequence number 0 changes nothing in it
    header = bytes((23, 3, 3, 0, 3 + _TAG_SIZE))
    aead = ChaCha20Poly1305(key) if "CHACHA20" in cipher else AESGCM(key)
    return header + aead.encrypt(iv, bytes((_FATAL, number, _ALERT)), header)


def _expand(secret: bytes, label: bytes, length: int, hash_: hashes.HashAlgorithm) -> bytes:
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    return HKDFExpand(algorithm=hash_, length=length, info=info).derive(secret)
