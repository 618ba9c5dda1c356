"""Decodes addresses: `loopback`, `loopback6` or an IP literal, never a name."""

import re
from ipaddress import ip_address

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.spec.bindings import suggestion
from sockharness.spec.nodes import Node
from sockharness.spec.typed import as_text, unexpected


def host(node: Node) -> str:
    """Return an IP literal."""
    what = "loopback, loopback6 or an IP address"
    text = as_text(node, what)
    words = {"loopback": LOOPBACK, "loopback6": LOOPBACK6}
    if text in words:
        return words[text]
    try:
        if "%" in text:
            raise ValueError("an address with a zone")
        return str(ip_address(text))
    except ValueError:
        raise unexpected(
            node, what, _hint(text) or suggestion(text, words).removeprefix("; ")
        ) from None


def _hint(text: str) -> str:
    """Guess the mend for an address that is none."""
    if text == "localhost":
        return "write loopback"
    if found := re.fullmatch(r"\[([0-9a-fA-F:.]+)\](:[0-9]+)?", text):
        port = ", and put the port under 'port:'" if found[2] else ""
        return f"write '{found[1]}' without brackets{port}"
    if re.fullmatch(r"[\w.-]+:[0-9]+", text):
        return "put the port under 'port:'"
    return ""
