"""Judge datagrams, each as a whole message. Pure.

A datagram matches as a whole, no byte less and no byte more, or it does not. So nothing waits for
more bytes, and a pattern has to match all of it. The first outstanding expectation is asked first,
then the rules in the order of the calls of `when`.
"""

from collections.abc import Sequence

from sockharness.facade.script import ROOM, Exchange, Judgement, Ruling, Script
from sockharness.match.matcher import Verdict
from sockharness.printable import count, show
from sockharness.story.expectations import Mismatch

__tracebackhide__ = True


def judge(script: Script, message: bytes) -> Judgement:
    """Judge a message: `TAKE`, `DIFFER` or `NOBODY`."""
    head = next(iter(script.queue), None)
    if head is not None and _takes(head, message):
        return Judgement(Ruling.TAKE, head, len(message))
    for rule in script.rules:
        if _takes(rule, message):
            return Judgement(Ruling.TAKE, rule, len(message))
    return Judgement(Ruling.NOBODY) if head is None else Judgement(Ruling.DIFFER, head)


def _takes(exchange: Exchange, message: bytes) -> bool:
    return exchange.matcher.whole(message).verdict is Verdict.MATCH


def unmet(peer: str, exchange: Exchange, *, came: int, hint: str = "") -> Mismatch:
    """Describe an expectation that no message met.

    Args:
        peer: the socket that waited for it.
        exchange: the expectation.
        came: how many other messages came.
        hint: what may explain it.
    """
    wanted = exchange.matcher.describe()
    if not came:
        said = f"{peer} got no datagram"
    elif len(wanted) <= ROOM:
        said = f"{peer} never got {wanted}"
    else:
        said = f"{peer} got {count(came, 'datagram')}, and no more"
    note = f"{peer} got {'nothing more' if came else 'nothing'}"
    return Mismatch(
        headline=said,
        note=note,
        expected=exchange.matcher.expected() or None,
        received=b"",
        details=(f"hint: {hint}",) if hint else (),
    )


def unexpected(peer: str, messages: Sequence[bytes], *, expecting: bool) -> Mismatch:
    """Describe messages that no expectation asked for.

    Args:
        peer: the socket that got them.
        messages: at least one.
        expecting: whether anything at all was expected.
    """
    first, amount = messages[0], count(len(messages), "datagram")
    shown = f'"{show(first)}"' if first else "an empty datagram"
    what = shown if len(messages) == 1 and len(shown) <= ROOM else amount
    said = f"{peer} got {what}" + (", expected nothing" if expecting else " that nobody expected")
    return Mismatch(headline=said, note=said, received=first)


def lost(peer: str, number: int) -> Mismatch:
    """Describe a loss: the receive buffer was full."""
    said = f"{peer} lost {count(number, 'datagram')}"
    why = "the kernel dropped them: the receive buffer was full"
    hint = "hint: send slower, or receive with a larger recv_buffer"
    return Mismatch(headline=said, note=f"{said}; {why}", details=(why, hint))
