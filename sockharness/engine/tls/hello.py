"""Find out whether a ServerHello resumes; OpenSSL's interface for Python does not report it.

A server that resumes names the pre-shared key (RFC 8446, section 4.2.11), or, up to TLS 1.2,
repeats the session id that the client offered (RFC 5246, section 7.4.1.3; RFC 5077, section 3.4).
The hellos are not encrypted, so the bytes that pass through a session show it.
"""

_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SUPPORTED_VERSIONS, _PRE_SHARED_KEY = 43, 41
# RFC 8446, section 4.1.3: a ServerHello with this random asks for another ClientHello.
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def session_id(flight: bytes) -> bytes:
    """Return the session id in a client's first flight, empty if there is none."""
    body = _body(flight, _CLIENT_HELLO)
    return body[35 : 35 + body[34]] if len(body) > 35 else b""


def resumes(flight: bytes, offered: bytes) -> bool | None:
    """Return whether a server's flight resumes; `None` if it does not show it.

    Args:
        flight: whole records, the first first.
        offered: the session id of the client's hello.
    """
    body = _body(flight, _SERVER_HELLO)
    if len(body) < 38 or body[2:34] == _RETRY:
        return None
    repeated = body[35 : 35 + body[34]]
    types = _extensions(body[35 + body[34] + 3 :])
    if _SUPPORTED_VERSIONS in types:
        return _PRE_SHARED_KEY in types
    return bool(repeated) and repeated == offered


def _body(flight: bytes, kind: int) -> bytes:
    """Return the first handshake message of a flight, if it is of a kind and in one record."""
    if len(flight) < 9 or flight[0] != _HANDSHAKE or flight[5] != kind:
        return b""
    return flight[9 : 9 + int.from_bytes(flight[6:9], "big")]


def _extensions(body: bytes) -> set[int]:
    types = set()
    at = 2  # behind the length of all
    while at + 4 <= len(body):
        types.add(int.from_bytes(body[at : at + 2], "big"))
        at += 4 + int.from_bytes(body[at + 2 : at + 4], "big")
    return types
