"""Judges received datagrams against expectations; `expectations` says what an expectation is.

A datagram is one message: a matcher takes it as a whole or not at all. So an expectation never
waits for more bytes of a datagram, only for the next one.
"""

from collections.abc import Sequence

from sockharness.match.exact import common_prefix
from sockharness.match.matcher import Matcher, Verdict
from sockharness.printable import count, show
from sockharness.story.events import Event
from sockharness.story.expectations import (
    PENDING,
    SHORT,
    Mismatch,
    Progress,
    State,
    first_that_fits,
)
from sockharness.story.timeline import Channel


class DatagramsExpected:
    """Expects the next unread datagrams of a channel, one for each matcher, and claims them.

    Args:
        channel: the channel of a UDP socket.
        matchers: at least one.
        source: the peer that sends the datagrams; those of others are left. Empty for any sender.
        unordered: whether the datagrams may come in any order.
    """

    __slots__ = ("_source", "_unordered", "channel", "matchers")

    def __init__(
        self,
        channel: Channel,
        matchers: Sequence[Matcher],
        *,
        source: str = "",
        unordered: bool = False,
    ) -> None:
        self.channel = channel
        self.matchers = matchers
        self._source = source
        self._unordered = unordered

    def check(self) -> Progress:
        """Match the unread datagrams."""
        assert self.channel.datagrams is not None, "the channel is one of datagrams"
        came = self._came()
        open_, captures = list(self.matchers), dict[str, bytes]()
        for event in came:
            fitting = open_ if self._unordered else open_[:1]
            results = [(matcher, matcher.whole(event.data)) for matcher in fitting]
            fits = next(
                ((each, result) for each, result in results if result.verdict is Verdict.MATCH),
                None,
            )
            if fits is None:
                return Progress(
                    state=State.FAILED,
                    mismatch=self._differs(event, len(self.matchers) - len(open_)),
                )
            open_.remove(fits[0])
            captures |= fits[1].captures
        if open_:
            return PENDING
        for event in came:
            self.channel.datagrams.remove(event)
        return Progress(state=State.SATISFIED, captures=captures)

    def give_up(self) -> Mismatch:
        """Report how many datagrams are missing."""
        peer, got, needed = self.channel.peer, len(self._came()), len(self.matchers)
        of = f" of {count(needed, 'datagram')}" if needed > 1 else " datagram"
        amount = f"got {got}{of}" if got else f"got no datagram{self._from}"
        missing = self.matchers[got].describe() if not self._unordered else ""
        expected = self.matchers[got].expected() if not self._unordered else None
        return Mismatch(
            headline=first_that_fits(f"{peer} {amount}", f"{peer} got too little"),
            note=f"{peer} {amount}" + (f"; expected {missing}" if missing else ""),
            expected=expected or None,
            waiting_for=missing or count(needed - got, "datagram"),
        )

    @property
    def _from(self) -> str:
        return f" from {self._source}" if self._source else ""

    def _came(self) -> list[Event]:
        """Return the unread datagrams to judge, at most one for each matcher."""
        unread = self.channel.datagrams or []
        mine = [event for event in unread if self._source in ("", event.source)]
        return mine[: len(self.matchers)]

    def _differs(self, event: Event, before: int) -> Mismatch:
        if self._unordered:
            headline = f"{self.channel.peer} got {_quoted(event.data)}, which is not expected"
            return Mismatch(headline=first_that_fits(headline), note=headline, received=event.data)
        number = before + 1 if len(self.matchers) > 1 else None
        return differs(self.channel.peer, event.data, self.matchers[before], number=number)


def differs(peer: str, message: bytes, matcher: Matcher, *, number: int | None = None) -> Mismatch:
    """Return how a message differs from what a matcher takes.

    Args:
        peer: the name of its receiver.
        message: a message that the matcher does not take.
        matcher: the expectation.
        number: which of several expected messages it is, counted from 1.
    """
    expected, description = matcher.expected(), matcher.describe()
    both = f"{peer} got {_quoted(message)}, expected {description}"
    note = f"{peer} got another datagram" + (f" as datagram {number}" if number else "")
    if expected is None:
        right = matcher.whole(message).size
        how = f"datagram differs at byte {right}" if right else "got a datagram that is no match"
        headline = first_that_fits(both, f"{peer} {how}")
        return Mismatch(headline=headline, note=f"{note}; expected {description}", received=message)
    how = _how(message, expected)
    short = max(len(message), len(expected), len(description)) <= SHORT
    differing = f"{peer} datagram {how}"
    headline = first_that_fits(both, differing) if short else differing
    return Mismatch(
        headline=headline, note=f"{note}: it {how}", expected=expected, received=message
    )


def _how(message: bytes, expected: bytes) -> str:
    same = common_prefix(expected, message)
    if not message:
        return "is empty"
    if same == len(message):
        return f"ends at byte {same} of {len(expected)}"
    if same == len(expected):
        return f"has {count(len(message) - same, 'byte')} too many"
    return f"differs at byte {same}"


def _quoted(message: bytes) -> str:
    return f'"{show(message, limit=SHORT)}"' if message else "an empty datagram"
