"""Waits for bytes of a connection, and for the end of its handshake."""

from sockharness.errors import ExpectationFailed
from sockharness.facade.callsite import call_site
from sockharness.facade.event_wait import EventWait
from sockharness.facade.tcp.handshake import Handshake, claim
from sockharness.facade.tcp.stream import Stream
from sockharness.match.matcher import Matcher, Verdict
from sockharness.story.expectations import BytesExpected, Mismatch, ending

__tracebackhide__ = True


class HandshakeWait:
    """Waits for the end of a handshake."""

    __slots__ = ("_event", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._event = EventWait(stream.ledger, "handshake")

    def ready(self) -> bool:
        """Return whether it has ended; the end of the connection ends it, too."""
        return self._stream.handshake is not None

    def take(self) -> Handshake:
        """Return the outcome, and claim it."""
        handshake = self._stream.handshake
        assert handshake is not None, "it is ready"
        claim(self._stream.ledger)
        return handshake

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Return a failure: it did not end in time."""
        return self._event.give_up(lasted, limit)


class BytesWait:
    """Waits for the next unread bytes that a matcher takes, and no expectation.

    Attributes:
        reads: the stream.
    """

    __slots__ = ("_matcher", "_site", "reads")

    def __init__(self, stream: Stream, matcher: Matcher) -> None:
        self.reads = stream
        self._matcher = matcher
        self._site = call_site()

    def ready(self) -> bool:
        """Return whether the bytes are there, or cannot come any more."""
        ended = self.reads.channel.ended is not None or self.reads.ledger.failed
        return ended or self._size() is not None

    def take(self) -> bytes:
        """Take them."""
        size = self._size()
        if size is None:
            raise self._failure(f", then {ending(self.reads.channel)}", None)
        unread = self.reads.channel.unread
        taken = bytes(unread[:size])
        del unread[:size]
        return taken

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Return a failure that says how many are missing."""
        return self._failure("", (lasted, limit))

    def _size(self) -> int | None:
        if self.reads.script.outstanding or self.reads.ledger.failed:
            return None
        result = self._matcher.match(self.reads.channel.unread)
        return result.size if result.verdict is Verdict.MATCH else None

    def _failure(self, then: str, wait: tuple[float, float] | None) -> ExpectationFailed:
        ledger = self.reads.ledger
        if ledger.failed:
            said = f"{ledger.title} was reset before these bytes were read"
            return ledger.waited_in_vain(Mismatch(headline=said, note=said), self._site, wait)
        expected = BytesExpected(self.reads.channel, self._matcher)
        mismatch = expected.check().mismatch if then else expected.give_up()
        assert mismatch is not None, "it was not satisfied, and the channel has ended"
        return ledger.waited_in_vain(mismatch, self._site, wait)
