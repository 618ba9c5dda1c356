"""The words of failures about bytes of a connection: wrong, missing, or unexpected. Pure."""

from sockharness.facade.script import ROOM, Exchange
from sockharness.printable import count, show
from sockharness.story.expectations import BytesExpected, Mismatch, State, ending
from sockharness.story.timeline import Channel

__tracebackhide__ = True


def differs(channel: Channel, exchange: Exchange) -> Mismatch:
    """Describe how unread bytes differ from an expectation, or end too early."""
    progress = BytesExpected(channel, exchange.matcher).check()
    if progress.state is State.FAILED and progress.mismatch is not None:
        return progress.mismatch
    return BytesExpected(channel, exchange.matcher).give_up()


def unmet(channel: Channel, exchange: Exchange, *, came: int | None = None) -> Mismatch:
    """Describe an expectation that a connection has not met.

    Args:
        channel: the connection in the timeline.
        exchange: the expectation.
        came: how many other connections came, if this one did not; else `None`.
    """
    if channel.unread:
        return differs(channel, exchange)
    wanted = exchange.matcher.describe()
    if came:
        missing = f"connection {channel.connection} did not come"
        said = f"{channel.peer} had {count(came, 'connection')}; {missing}"
    elif came is not None:
        said = f"{channel.peer} had no connection"
    elif len(wanted) <= ROOM:
        said = f"{channel.peer} never got {wanted}"
    else:
        said = f"{channel.peer} got nothing{' more' if channel.received else ''}"
    then = f", then {ending(channel)}" if channel.ended is not None else ""
    return Mismatch(
        headline=said,
        note=f"{channel.peer} {'got nothing more' if channel.received else 'got nothing'}{then}",
        expected=exchange.matcher.expected(),
        received=b"",
    )


def unexpected(channel: Channel, *, expecting: bool = True) -> Mismatch:
    """Describe bytes that no expectation asked for.

    Args:
        channel: the connection with the unread bytes.
        expecting: whether anything at all was expected.
    """
    got = bytes(channel.unread)
    shown = f'"{show(got)}"'
    amount = count(len(got), "byte")
    if expecting:
        said = f"{channel.peer} got {shown if len(shown) <= ROOM else amount}, expected nothing"
    else:
        said = f"{channel.peer} got {amount} that nobody expected"
    return Mismatch(headline=said, note=said, expected=None, received=got)
