"""The findings: what no step claimed when the steps are done. Nothing is ignored silently."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from sockharness.errors import code_of
from sockharness.printable import count, show
from sockharness.replay.calls import raised
from sockharness.replay.settling import did_not_finish
from sockharness.replay.setup import Setup
from sockharness.sockspec.decode.tls_words import ALERTS
from sockharness.story.events import Event
from sockharness.story.expectations import Mismatch, first_that_fits
from sockharness.story.handshakes import handshake_failure, is_failed_handshake, reason_of
from sockharness.story.outcome import Failure
from sockharness.story.timeline import LISTENER, Channel

UNCLAIMED = ("error", "connect_error", "timeout", "uncaught_exception")
"""The events that are findings if no step claims them, besides a `close` with an error and a
failed handshake."""

HUNG_UP = "ECONNRESET"
"""The error of a handshake whose other side went away."""


def findings(
    setup: Setup, calls: Sequence[Event], reported: Sequence[Failure] = ()
) -> list[Failure]:
    """Return the findings that the case does not allow.

    Args:
        setup: where the case was replayed.
        calls: the actions of its steps.
        reported: the failures of actions that did not finish.
    """
    found = [] if "unclaimed_events" in setup.case.allow else grave(setup)
    known = {event for failure in reported for event in failure.mismatch.events}
    for channel in setup.timeline.channels():
        found += _of_channel(setup, channel, calls, known)
    return found


def grave(setup: Setup, reported: tuple[Event, ...] = ()) -> list[Failure]:
    """Return a failure for each unclaimed event that must not be ignored.

    Args:
        setup: where the case was replayed.
        reported: the events that the failure of a step reports already.
    """
    return [
        _unmeant(setup, channel, event)
        for channel in setup.timeline.channels()
        for event in channel.unclaimed
        if _grave(event) and event not in reported
    ]


def because_of_handshake(setup: Setup, failed: Failure) -> Failure | None:
    """Return the failure of the handshake that made a step fail, if there is one.

    There is one if the step's connection is closed and a handshake that no step expects failed at
    either end. If handshakes failed at both ends, the cause is the one that the other end did not
    report to it.
    """
    events = failed.mismatch.events
    if any(map(is_failed_handshake, events)):
        return None  # the step itself reports it
    channels = [setup.timeline.channel(event.peer, event.connection) for event in events]
    channels += [channel.remote for channel in channels if channel.remote is not None]
    found = [
        _reported(event)
        for channel in dict.fromkeys(channels)
        for event in channel.unclaimed
        if channel.closed is not None and event not in events and is_failed_handshake(event)
    ]
    closed = [channel.closed for channel in channels if channel.closed is not None]
    found += [_unreported(event) for event in closed if event.note]
    if not found:
        return None
    _, mismatch = min(found, key=lambda each: each[0])
    return Failure(mismatch=mismatch, location=failed.location)


def _reported(event: Event) -> tuple[int, Mismatch]:
    return _rank(reason_of(event)), handshake_failure(event)


def _unreported(event: Event) -> tuple[int, Mismatch]:
    """Return the mismatch of a failed handshake that no handler reported."""
    said = f"{event.peer} handshake failed"
    headline = first_that_fits(f"{said}: {event.note}", f"{event.peer}: {event.note}", said)
    hint = f"hint: '{event.peer}' has no 'handshake' handler, so nothing reports it"
    return _rank(event.note), Mismatch(
        headline=headline, note=f"{said}: {event.note}", details=(hint,)
    )


def _rank(reason: str) -> int:
    """Return the distance of a reason from the cause.

    After an alert or a reset the cause is at the other end.
    """
    return 2 if reason == HUNG_UP else 1 if reason in ALERTS else 0


def _unmeant(setup: Setup, channel: Channel, event: Event) -> Failure:
    if is_failed_handshake(event):
        location = setup.case.peers[channel.peer].location
        return Failure(mismatch=handshake_failure(event), location=location)
    return _found(setup, channel, _unclaimed(channel.peer, event.name, event.error))


def _of_channel(
    setup: Setup, channel: Channel, calls: Sequence[Event], known: Set[Event]
) -> Iterator[Failure]:
    allow = setup.case.allow
    if channel.unread and "unread_bytes" not in allow:
        yield _unread(setup, channel)
    if channel.datagrams and "unread_datagrams" not in allow:
        yield _unread_datagrams(setup, channel, channel.datagrams)
    yield from _of_actions(setup, channel, calls, known)
    unlinked = channel.connection != LISTENER and channel.remote is None and channel.opened
    listens = setup.case.peers[channel.peer].listens
    if unlinked and listens and "extra_connections" not in allow:
        yield _found(setup, channel, f"{channel.peer} has a connection from outside")
    unseen_end = channel.next_unclaimed("end")
    if unseen_end and "unclaimed_events" not in allow:
        later = [event for event in channel.actions if event in calls and event.at > unseen_end.at]
        if later:
            words = f"{channel.peer} saw end, which no step expects, before {later[0].name}"
            yield _found(setup, channel, words)


def _of_actions(
    setup: Setup, channel: Channel, calls: Sequence[Event], known: Set[Event]
) -> Iterator[Failure]:
    for event in channel.actions:
        if event.error is not None and event not in calls:
            words, note = raised(event)
            yield _found(setup, channel, words, note=note)
        elif channel.datagrams is not None or event in known:
            continue
        elif event.name in ("write_all", "echo") and event.result != len(event.data):
            yield _found(setup, channel, did_not_finish(event))


def _unread(setup: Setup, channel: Channel) -> Failure:
    size, peer = count(len(channel.unread), "unread byte"), channel.peer
    step = f"{channel.remote.peer} -> {peer}: …" if channel.remote else f"{peer}: {{received: …}}"
    words = first_that_fits(
        f'{peer} has {size} "{show(channel.unread, limit=40)}" at the end',
        f"{peer} has {size} at the end",
    )
    hint = f"hint: add '- {step}', or 'allow: [unread_bytes]'"
    found = _found(setup, channel, words, bytes(channel.unread))
    return replace(found, mismatch=replace(found.mismatch, details=(hint,)))


def _unread_datagrams(setup: Setup, channel: Channel, unread: Sequence[Event]) -> Failure:
    peer, first = channel.peer, unread[0]
    size = count(len(unread), "unread datagram")
    of = f" from {first.source}" if first.source else " from outside"
    words = first_that_fits(
        f'{peer} has {size} "{show(first.data, limit=20)}"{of}',
        f"{peer} has {size}{of}",
        f"{peer} has {size}",
    )
    step = f"{peer}: {{received: …}}"
    hint = f"hint: add '- {step}', or 'allow: [unread_datagrams]'"
    found = _found(setup, channel, words, first.data)
    return replace(found, mismatch=replace(found.mismatch, details=(hint,)))


def _found(
    setup: Setup, channel: Channel, words: str, received: bytes = b"", *, note: str = ""
) -> Failure:
    location = setup.case.peers[channel.peer].location
    mismatch = Mismatch(headline=words, note=note or words, received=received)
    return Failure(mismatch=mismatch, location=location)


def _grave(event: Event) -> bool:
    closed_with_error = event.name == "close" and event.error is not None
    return event.name in UNCLAIMED or closed_with_error or is_failed_handshake(event)


def _unclaimed(peer: str, event: str, error: BaseException | None) -> str:
    if event in ("error", "uncaught_exception"):
        return f"{peer} {event}: {show(str(error), limit=30)}"
    code = f" ({code_of(error)})" if error is not None else ""
    return f"{peer} saw {event}{code}, which no step expects"
