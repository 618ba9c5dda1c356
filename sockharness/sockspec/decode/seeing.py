"""Decodes `sees` and `never`: an event comes, with certain facts, or does not come."""

import errno

from sockharness.nearest import did_you_mean
from sockharness.sockspec import model
from sockharness.sockspec.decode import tls_words, words
from sockharness.sockspec.decode.context import Context
from sockharness.sockspec.decode.tls import FactsDecoder, alert
from sockharness.sockspec.text.nodes import Mapping as MappingNode
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal, as_seconds, as_text, as_word, unexpected

ERRORS = (
    "none",
    "any",
    *sorted({*errno.errorcode.values(), "ENOTFOUND", "EAI_AGAIN", *tls_words.CODES}),
)
"""The values of `error:`: names of the operating system, of name look-ups, and of TLS."""


class SeesDecoder:
    """Decodes `sees` and `never`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._facts = FactsDecoder(context)

    def sees(
        self, peer: model.PeerRef, value: Node, node: MappingNode, within: float | None
    ) -> model.Sees:
        """Decode that a peer sees an event."""
        if isinstance(value, Scalar) and value.text == "data":
            raise Refusal(value.location, "'sees' is not for data", "use 'received: \"…\"'")
        event = self._event(peer, value, "uncaught_exception")
        for key, fitting in words.SEEN_WITH.items():
            found = node.get(key)
            if found is not None and event not in fitting:
                hint = f"'{key}' goes with {', '.join(fitting)}"
                raise Refusal(found.location, f"'{event}' has no {key}", hint)
        error, message, sent = node.get("error"), node.get("message"), node.get("alert")
        default = "none" if event == "close" else "any"
        code = error_code(error) if error is not None else default
        alerted = alert(sent) if sent is not None else ""
        facts = self._facts.decode(node)
        complains = (error is not None and code != "none") or alerted not in ("", "none")
        if event == "handshake" and not complains:
            facts.setdefault("success", "true")
        return model.Sees(
            peer=peer,
            event=event,
            error=code,
            message=as_text(message, "a text") if message is not None else "",
            alert=alerted,
            facts=facts,
            location=value.location,
            within=within,
        )

    def never(
        self, peer: model.PeerRef, verb: Scalar, value: Node, node: MappingNode
    ) -> model.Never:
        """Decode that an event does not come."""
        lasting = node.get("for")
        if lasting is None:
            raise Refusal(verb.location, "'never' needs 'for'", "how long, e.g. for: 200ms")
        event = self._event(peer, value, "data")
        return model.Never(
            peer=peer, event=event, lasting=as_seconds(lasting), location=verb.location
        )

    def _event(self, peer: model.PeerRef, node: Node, more: str) -> str:
        """Return an event that a peer of that kind can have, or `more`."""
        known = self._context.peers.get(peer.name)
        if known is not None and known.udp is not None:
            return as_word(node, (more, *words.UDP_EVENTS), "an event")
        events: tuple[str, ...] = words.EVENTS
        if known is not None and not self._context.speaks_tls(known):
            if isinstance(node, Scalar) and node.text == "handshake":
                hint = "write 'tls:' in place of its 'tcp:', or let it 'upgrade_tls' before"
                raise Refusal(node.location, f"'{peer.name}' has no TLS", hint)
            events = tuple(event for event in events if event != "handshake")
        return as_word(node, (more, *events), "an event")


def error_code(node: Node, what: str = "an error's code or none") -> str:
    """Return the name of an error, `none` or `any`."""
    text = as_text(node, what)
    if text in ERRORS:
        return text
    near = did_you_mean(text.upper(), ERRORS, most=None)
    hint = near or "known: none, any, and codes such as ECONNRESET"
    raise unexpected(node, what, hint)
