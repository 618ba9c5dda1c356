"""Decodes addresses: a word such as `loopback` or an IP literal, never a name."""

import re
from ipaddress import ip_address

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.nearest import did_you_mean
from sockharness.sockspec.model.hosts import LINKS
from sockharness.sockspec.text.nodes import Node, Scalar
from sockharness.sockspec.text.typed import Refusal, as_text, unexpected

WHAT = "loopback, loopback6 or an IP address"


def as_address_or_link(node: Node) -> str:
    """Return an IP literal, or a word for an address on a link of hosts."""
    if not isinstance(node, Scalar) or node.text in LINKS:
        return as_text(node, WHAT)
    try:
        return as_address(node)
    except Refusal as refusal:
        near = did_you_mean(node.text, LINKS)
        raise unexpected(node, WHAT, refusal.problem.hint or near) from None


def as_address(node: Node) -> str:
    """Return an IP literal."""
    text = as_text(node, WHAT)
    words = {"loopback": LOOPBACK, "loopback6": LOOPBACK6}
    if text in words:
        return words[text]
    try:
        if "%" in text:
            raise ValueError("an address with a zone")
        return str(ip_address(text))
    except ValueError:
        raise unexpected(node, WHAT, _hint(text) or did_you_mean(text, words)) from None


def _hint(text: str) -> str:
    """Suggest a fix for text that is not an address."""
    if text == "localhost":
        return "write loopback"
    if found := re.fullmatch(r"\[([0-9a-fA-F:.]+)\](:[0-9]+)?", text):
        port = ", and put the port under 'port:'" if found[2] else ""
        return f"write '{found[1]}' without brackets{port}"
    if re.fullmatch(r"[\w.-]+:[0-9]+", text):
        return "put the port under 'port:'"
    return ""
