"""Decodes what is about TLS: `certs:`, the keys of TLS under `tls:` and `upgrade_tls:`, and what a
step says of a handshake."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from sockharness.nearest import did_you_mean
from sockharness.sockspec import model
from sockharness.sockspec.decode import tls_words, words
from sockharness.sockspec.decode.by_table import decoders
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.problems import Decoder
from sockharness.sockspec.text.typed import (
    Known,
    Refusal,
    as_bool,
    as_mapping,
    as_sequence,
    as_text,
    as_word,
    unexpected,
)

RESERVED = (tls_words.NO_ONE, "any", tls_words.DEFAULT)
"""The names that no certificate may have."""
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_LONGEST_HOST = 253
_LONGEST_PROTOCOL = 255
_OF_SERVERS = ("sni",)
_OF_CLIENTS = ("server_name", "resume")


class TlsDecoder:
    """Decodes certificates and how streams are secured."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.keys = decoders("reload tls", {"cert": self._cert, "sni": self._sni, **_OPTIONS})

    def certs(self, node: Node) -> None:
        """Decode the certificates into the context."""
        self._context.certs_are_wrong = True  # until they were looked at
        entries = as_mapping(node, "certificates by name").entries
        self._context.certs_are_wrong = False
        self._context.cert_names = tuple(key.text for key, _ in entries)
        for key, value in entries:
            with self._context.problems.collect():
                words.name_of(key, "a name")
                if key.text in RESERVED:
                    message = f"no certificate can be called '{key.text}'"
                    raise Refusal(key.location, message, "steps give that word another meaning")
                known = self._context.problems.decode(
                    as_mapping(value, "a certificate such as {names: [localhost]}"), _CERTIFICATE
                )
                self._context.certs[key.text] = model.Certificate(location=key.location, **known)

    def tls(self, node: MappingNode) -> model.Tls:
        """Decode a mapping that has only keys of TLS."""
        return self.secured(node, self._context.problems.decode(node, self.keys))

    def secured(self, node: MappingNode, known: Mapping[str, object]) -> model.Tls:
        """Return the options of TLS among decoded keys; the other keys do not matter."""
        ours = {name: value for name, value in known.items() if name in self.keys}
        tls = model.Tls(location=node.location, **ours)  # type: ignore[arg-type]
        least, most = tls.min_version, tls.max_version
        if least and most and least > most:
            wrong = node.get("max_version") or node
            raise Refusal(wrong.location, f"expected at least {least}, got '{most}'")
        return tls

    def check_side(self, tls: model.Tls, *, server: bool, node: MappingNode | None = None) -> None:
        """Refuse options that only the other side has.

        Args:
            tls: the options.
            server: whether it is a server's.
            node: where the keys are, for the location, if it is at hand.
        """
        others = _OF_CLIENTS if server else _OF_SERVERS
        said = next((key for key in others if getattr(tls, key)), "")
        if not said and (server or tls.verify != "request"):
            return
        wrong = node and node.get(said or "verify")
        location = wrong.location if wrong else tls.location
        if said:
            side = "a client" if server else "a server"
            raise Refusal(location, f"'{said}' is for {side}")
        hint = "a client always gets the server's certificate: 'require' or 'none'"
        raise Refusal(location, "'verify: request' is for a server", hint)

    def certificate(self, node: Node, more: tuple[str, ...] = ()) -> str:
        """Return the name of a certificate, or one of the words `more`."""
        known = (*more, *self._context.cert_names)
        if self._context.certs_are_wrong:
            raise Known
        if not self._context.cert_names and not (isinstance(node, Scalar) and node.text in more):
            raise unexpected(node, "the name of a certificate", "add it under 'certs:'")
        return as_word(node, known, "the name of a certificate")

    def _cert(self, node: Node) -> str:
        name = self.certificate(node)
        self._context.uses.certs.add(name)
        return name

    def _sni(self, node: Node) -> dict[str, str]:
        what = "certificates by the name that is asked for"
        entries = as_mapping(node, f"{what} such as {{other.example: NAME}}").entries
        if not entries:
            raise Refusal(node.location, f"expected {what}, got none")
        chosen = {}
        for key, value in entries:
            with self._context.problems.collect():
                name = _host_name(key).lower()
                if name in chosen:
                    hint = "upper and lower case are the same"
                    raise Refusal(key.location, f"'{name}' is named twice", hint)
                chosen[name] = self._cert(value)
        return chosen


class FactsDecoder:
    """Decodes the facts of a handshake that a step states."""

    def __init__(self, context: Context) -> None:
        self._tls = TlsDecoder(context)
        self._keys = _FACTS | {"certificate": self._certificate}

    def decode(self, node: MappingNode) -> dict[str, str]:
        """Return the facts that the step states, as text by word."""
        said = [(key, value) for key, value in node.entries if key.text in self._keys]
        return {key.text: self._keys[key.text](value) for key, value in said}

    def _certificate(self, node: Node) -> str:
        return self._tls.certificate(node, (tls_words.NO_ONE, tls_words.DEFAULT))


def alert(node: Node) -> str:
    """Return the name of an alert, or `none`."""
    text = as_text(node, "an alert or none")
    known = (tls_words.NO_ONE, *tls_words.ALERTS)
    if text not in known:
        near = did_you_mean(text.lower().replace(" ", "_"), known)
        hint = near or "as RFC 8446 calls them, such as unknown_ca"
        raise unexpected(node, "an alert or none", hint)
    return text


def _truth(node: Node) -> str:
    return str(as_bool(node)).lower()


def _version(node: Node) -> str:
    text = as_text(node, "a version")
    if text not in tls_words.VERSIONS:
        meant = next((each for each in tls_words.VERSIONS if text.endswith(each[-3:])), "")
        hint = f"write {meant}" if meant else f"known: {', '.join(tls_words.VERSIONS)}"
        raise unexpected(node, "a version", hint)
    return text


def _protocols(node: Node) -> tuple[str, ...]:
    items = as_sequence(node, "a list of protocols").items
    if not items:
        raise Refusal(node.location, "expected at least one protocol, got none")
    names = tuple(as_text(item, "a protocol") for item in items)
    for name, item in zip(names, items, strict=True):
        if len(name.encode()) > _LONGEST_PROTOCOL:
            raise Refusal(item.location, f"expected at most {_LONGEST_PROTOCOL} bytes, got more")
    return names


def _host_name(node: Node) -> str:
    what = "a host name"
    text = as_text(node, what)
    if len(text) > _LONGEST_HOST or not _HOST.fullmatch(text.lower()):
        raise unexpected(node, what)
    return text


def _names(node: Node) -> tuple[str, ...]:
    items = as_sequence(node, "a list of host names and addresses").items
    if not items:
        raise Refusal(node.location, "expected at least one name, got none")
    return tuple(_name_or_address(item) for item in items)


def _name_or_address(node: Node) -> str:
    what = "a host name or an address"
    text = as_text(node, what)
    try:
        return str(ip_address(text))
    except ValueError:
        if len(text) > _LONGEST_HOST or not _HOST.fullmatch(text.lower()):
            raise unexpected(node, what) from None
    return text


_CERTIFICATE = decoders(
    "certificate",
    {"names": _names, "bad": lambda node: as_word(node, tls_words.BAD, "what is wrong with it")},
)
_OPTIONS: dict[str, Decoder] = {
    "alpn": _protocols,
    "verify": lambda node: as_word(node, tls_words.VERIFY, "how to verify"),
    "server_name": _host_name,
    "min_version": _version,
    "max_version": _version,
    "ciphers": lambda node: as_text(node, "ciphers in OpenSSL's notation"),
}
_FACTS: dict[str, Decoder] = {
    "success": _truth,
    "authorized": _truth,
    "version": _version,
    "cipher": lambda node: as_text(node, "the name of a cipher"),
    "alpn": lambda node: as_text(node, "a protocol or none"),
    "server_name": lambda node: as_text(node, "a name or none").lower(),
    "reused": _truth,
}
