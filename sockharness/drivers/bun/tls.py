"""TLS on real Bun: its options for those of a spec, what it cannot do, and its outcomes.

Bun's interface has no certificates by name, no deadline for a handshake, and no list that chooses
ciphers of TLS 1.3; a listener's `reload` takes `tls` and changes nothing. A spec that needs one of
these is skipped on Bun.
"""

import errno
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator

from sockharness.drivers.bun.jsonl import Message
from sockharness.drivers.credentials import Credentials
from sockharness.engine.tls import codes
from sockharness.errors import TLSError
from sockharness.sockspec import model
from sockharness.sockspec.decode import tls_words
from sockharness.story.events import HandshakeFacts

_NUMBERS = {"": 0, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_PROTOCOL = re.compile(r"error:([0-9a-f]{8}):SSL routines:OPENSSL_internal:(\w+)")
_OF_THE_LIBRARY = 0x10000000  # where BoringSSL's numbers of reasons begin
_ALERTS = range(1000, 1256)  # of these reasons: 1000 and the alert's number
CANNOT = {
    "sni": "Bun's listeners have one certificate (D22)",
    "handshake_timeout": "Bun's interface sets no deadline for handshakes (D11)",
    "ciphers": "Bun's list has no ciphers of TLS 1.3 and no security levels (D42)",
    "reload": "Bun's listeners keep their options of TLS (D46)",
}
"""The TLS keys that have no counterpart in Bun, and why."""


def encoded(tls: model.Tls, credentials: Credentials, *, server: bool) -> Message:
    """Return the options for Bun, with what its host script needs beside them.

    Args:
        tls: what the spec says.
        credentials: the certificates of the case.
        server: which side this is.
    """
    asks, refuses = tls.judgement(server=server)
    options: Message = {"rejectUnauthorized": refuses}
    if server:
        options["requestCert"] = asks
    if asks or not server:  # else its root would be sent along with its certificate (TLS-037)
        options["ca"] = credentials.ca_pem.decode()
        options["crl"] = credentials.crl_pem.decode() or None
    if server or tls.cert:
        certificate = credentials.certificate(tls.cert)
        options["key"] = certificate.key_pem.decode()
        options["cert"] = certificate.chain_pem.decode()
    if tls.server_name:
        options["serverName"] = tls.server_name
    if tls.ciphers:
        options["ciphers"] = tls.ciphers
    versions = {"minVersion": _NUMBERS[tls.min_version], "maxVersion": _NUMBERS[tls.max_version]}
    options |= {name: number for name, number in versions.items() if number}
    return {
        "options": options,
        "alpn": _wire_format(tls.alpn),
        "judges": refuses and (asks or not server),
        "resume": tls.resume,
    }


def _wire_format(protocols: tuple[str, ...]) -> str:
    """Return the list of ALPN names as Bun takes it, in base64 (D21)."""
    names = [name.encode() for name in protocols]
    return b64encode(b"".join(bytes((len(name),)) + name for name in names)).decode()


def cannot(case: model.Case, peer: model.Peer) -> str:
    """Return why Bun cannot secure a peer as the spec says, naming the key; empty if it can."""
    for action in _actions(case, peer):
        if isinstance(action, model.ReloadTls):
            return _why("reload", peer, action.tls)
    for tls in _all_of(case, peer):
        for key in ("sni", "handshake_timeout"):
            if getattr(tls, key):
                return _why(key, peer, tls)
        if "@" in tls.ciphers or any(each.startswith("TLS_") for each in tls.ciphers.split(":")):
            return _why("ciphers", peer, tls)
    return ""


def _why(key: str, peer: model.Peer, tls: model.Tls) -> str:
    return f"'{key}' of {peer.name} (line {tls.location.line}): {CANNOT[key]}"


def _all_of(case: model.Case, peer: model.Peer) -> Iterator[model.Tls]:
    if peer.tls is not None:
        yield peer.tls
    for action in _actions(case, peer):
        if isinstance(action, model.UpgradeTls):
            yield action.tls


def _actions(case: model.Case, peer: model.Peer) -> Iterator[model.Action]:
    """Yield the actions of a peer: in steps, in its handlers, and in handlers that come later."""
    seen: list[model.HandlerSet] = []

    def those_of(handlers: model.HandlerSet) -> Iterator[model.Action]:
        if not any(handlers is each for each in seen):
            seen.append(handlers)
            for actions in handlers.actions.values():
                yield from with_later_ones(actions)

    def with_later_ones(actions: Iterable[model.Action]) -> Iterator[model.Action]:
        for action in actions:
            yield action
            if isinstance(action, model.Reload | model.UpgradeTls) and action.handlers is not None:
                yield from those_of(case.handler_set(action.handlers))

    if peer.handlers is not None:
        yield from those_of(peer.handlers)
    acts = (step for step in case.steps if isinstance(step, model.Act))
    yield from with_later_ones(step.action for step in acts if step.peer.name == peer.name)


def secured(message: Message, credentials: Credentials) -> HandshakeFacts:
    """Return the outcome of a handshake that the host script reported."""
    return HandshakeFacts(**{**message, "certificate": credentials.name_of(message["certificate"])})


def error_of(error: Message) -> TLSError | None:
    """Return Bun's error as a TLS error with its reason and alert; `None` if it is none."""
    code, text = error.get("code") or "", error["message"]
    found = _PROTOCOL.fullmatch(text)
    if code == "EPROTO" and found:
        number = int(found[1], 16) - _OF_THE_LIBRARY
        alert = number - _ALERTS[0] if number in _ALERTS else None
        return TLSError(code, text, errno.EPROTO, reason=found[2], alert=alert)
    if code == "ECONNRESET" and text == codes.disconnected().strerror:
        return codes.disconnected()
    if code in tls_words.CODES or code.startswith(("ERR_OSSL_", "ERR_BORINGSSL")):
        return TLSError(code, text)
    return None
