r"""What a client is expected to say, and what it is answered. Pure: no socket, no thread.

An `Exchange` is one expectation with its answer. `expect` states one that must be met exactly once,
in the stated order; `when` states a rule, met any number of times. Exchanges that name no
connection wait in the server's `Script`; each connection has a `ConnectionScript`.

**Claiming.** A connection that has nothing outstanding claims the next group from the script with
the first byte that is meant for it: all up to and including an exchange that ends the connection
(`close`, `reset`), or to the end of what is stated by then. When the connection ends before its
group is used up, the rest returns to the front of the script, for the next connection.

**Who takes the bytes.** The outstanding exchange is asked first. As long as every byte so far is
one that it wants, the rules wait. Where it cannot have them, or cannot tell (a regular expression),
the rule that is satisfied with the fewest bytes takes them; of equals the connection's own come
first, then the one stated first. So the answer is the same however the bytes were cut. Bytes that a
rule takes make no connection claim a group.

**Late answers.** If the bytes were faster than the answer that follows on the same line, or than
the `close()` behind a `reply()`, it is given late. An exchange that was met and never answered is a
failure: `ignore()` says so where no answer is meant.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto

from sockharness import match
from sockharness.errors import UsageError
from sockharness.facade.callsite import CallSite
from sockharness.facade.cuts import Cuts, check_cuts, check_extent
from sockharness.match.exact import as_matcher
from sockharness.match.matcher import Matcher, Result, Verdict
from sockharness.printable import count
from sockharness.story.expectations import Mismatch

__tracebackhide__ = True

Want = bytes | str | Matcher | re.Pattern[bytes] | re.Pattern[str]
"""What `expect` and `when` take."""
Reply = bytes | bytearray | memoryview | str | Callable[[bytes], bytes]
"""What `reply` takes: the bytes, text (UTF-8), or a function from the matched bytes to them."""
ROOM = 30
"""The most characters of a description that a headline has room for."""


class Answer(Enum):
    """What follows when an exchange is met."""

    REPLY = "reply"
    IGNORE = "ignore"
    CLOSE = "close"
    RESET = "reset"


class Exchange:
    """An expectation and its answer; the methods say what the answer is, once.

    Attributes:
        answer: what follows when it is met; `None`: not stated (yet).
        then: how the connection ends after that, if it does: `CLOSE` or `RESET`.
        data: the bytes of a reply, or a function from the matched bytes to them.
        whole: it is one of datagrams, which have no connection to end and are not cut.
        rule: it may be met any number of times.
        late: called once each, with the lock held, when something more is stated about the answer.
        met: how often it was met.
    """

    __slots__ = (
        "_lock",
        "answer",
        "cuts",
        "data",
        "deferred",
        "late",
        "matcher",
        "met",
        "rule",
        "site",
        "then",
        "whole",
    )

    def __init__(
        self,
        matcher: Matcher,
        site: CallSite,
        lock: AbstractContextManager[object],
        *,
        whole: bool = False,
        rule: bool = False,
    ) -> None:
        self.matcher = matcher
        self.site = site
        self.answer: Answer | None = None
        self.data: bytes | Callable[[bytes], bytes] = b""
        self.then: Answer | None = None
        self.cuts: Cuts = None
        self.deferred = False
        self.met = 0
        self.whole = whole
        self.rule = rule
        self.late: list[Callable[[], None]] = []
        self._lock = lock

    @property
    def ends(self) -> bool:
        """Whether the connection ends with it."""
        return self.then is not None

    def reply(self, data: Reply, cuts: Cuts = None) -> "Exchange":
        """Answer with these bytes.

        Args:
            data: bytes, text (UTF-8), or a function that is given the matched bytes, runs on the
                harness's thread and returns bytes.
            cuts: `"each_byte"`, a size or several sizes: the reply goes out in pieces, each in its
                own segment, and each only when the client has read what came before; what the sizes
                leave over is the last piece. `"together"`: one piece, sent by the same rule.

        Raises:
            UsageError: an answer was stated already; `cuts` for a datagram, which goes out whole.
            ValueError: the sizes are more than the reply.
        """
        if self.whole and cuts is not None:
            raise UsageError("a datagram is sent whole: cuts are for connections")
        made = data if callable(data) else as_bytes(data)
        check_cuts(cuts)
        if isinstance(made, bytes) and isinstance(cuts, Sequence) and not isinstance(cuts, str):
            check_extent(made, cuts)
        return self._answer(Answer.REPLY, made, cuts)

    def ignore(self) -> "Exchange":
        """Answer nothing."""
        return self._answer(Answer.IGNORE)

    def close(self) -> "Exchange":
        """Close the connection (FIN): alone, or behind `reply`, after all of that was written.

        What comes then is not read.
        """
        return self._end(Answer.CLOSE)

    def reset(self) -> "Exchange":
        """Reset the connection (RST): alone, or behind `reply`, after all of that was written.

        What comes then is not read.
        """
        return self._end(Answer.RESET)

    def at_teardown(self) -> "Exchange":
        """Let it be met by another fixture's tear-down: it is not missed before that."""
        self.deferred = True
        return self

    def _answer(
        self, answer: Answer, data: bytes | Callable[[bytes], bytes] = b"", cuts: Cuts = None
    ) -> "Exchange":
        with self._lock:
            if self.answer is not None:
                raise UsageError(f"the answer was stated already: {self._said()}")
            self.answer, self.data, self.cuts = answer, data, cuts
            self._announce()
        return self

    def _end(self, how: Answer) -> "Exchange":
        if self.whole:
            raise UsageError(
                f"datagrams have no connection to {how.value}; say .reply(…) or .ignore()"
            )
        with self._lock:
            if self.answer not in (None, Answer.REPLY) or self.then is not None:
                raise UsageError(f"the answer was stated already: {self._said()}")
            self.answer, self.then = self.answer or how, how
            self._announce()
        return self

    def _announce(self) -> None:
        late, self.late = self.late, []
        for function in late:
            function()

    def _said(self) -> str:
        """Name what was stated: `reply, close`."""
        answers = dict.fromkeys((self.answer, self.then))
        return ", ".join(answer.value for answer in answers if answer is not None) or "no answer"

    def __repr__(self) -> str:
        met = f"met {count(self.met, 'time')}" if self.met else "not met"
        return f"<Exchange {self.matcher.describe()} → {self._said()}, {met}>"


class Ruling(Enum):
    """What is to be done about a connection's unread bytes."""

    TAKE = auto()
    WAIT = auto()
    DIFFER = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A ruling; `TAKE` and `DIFFER` name the exchange, `TAKE` how many bytes."""

    ruling: Ruling
    exchange: Exchange | None = None
    size: int = 0


class Script:
    """What is stated on a server: exchanges that no connection has claimed, and rules.

    Attributes:
        stated: whether anything was stated since the last clearing, here or for one connection; a
            rule counts for ever.
    """

    __slots__ = ("queue", "rules", "stated")

    def __init__(self) -> None:
        self.queue: list[Exchange] = []
        self.rules: list[Exchange] = []
        self.stated = False

    def add(self, exchange: Exchange) -> None:
        """Append an expectation, or a rule."""
        (self.rules if exchange.rule else self.queue).append(exchange)

    def claim(self) -> list[Exchange]:
        """Take the next group off the queue."""
        size = next(
            (n for n, exchange in enumerate(self.queue, 1) if exchange.ends),
            len(self.queue),
        )
        group, self.queue = self.queue[:size], self.queue[size:]
        return group

    def take(self, exchange: Exchange) -> None:
        """Mark an exchange as met that no connection has to claim."""
        exchange.met += 1
        if self.queue and self.queue[0] is exchange:
            del self.queue[0]

    def clear(self) -> None:
        """Forget the expectations; rules stay."""
        self.queue.clear()
        self.stated = bool(self.rules)


class ConnectionScript:
    """What one connection is to say: its own exchanges, then those claimed from the script."""

    __slots__ = ("claimed", "own", "rules", "script")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.own: list[Exchange] = []
        self.claimed: list[Exchange] = []
        self.rules: list[Exchange] = []

    @property
    def outstanding(self) -> list[Exchange]:
        """The exchanges that this connection has still to meet, in order."""
        return self.own + self.claimed

    @property
    def all_rules(self) -> list[Exchange]:
        """The rules that hold for this connection, its own first."""
        return self.rules + self.script.rules

    def add(self, exchange: Exchange) -> None:
        """Append an expectation of this connection alone, or a rule."""
        (self.rules if exchange.rule else self.own).append(exchange)

    def judge(self, unread: bytes | bytearray) -> Judgement:
        """Say what becomes of the unread bytes; claims a group if they are meant for it."""
        rule, size, may_match = self._rule_for(unread)
        head = next(iter(self.own or self.claimed or self.script.queue), None)
        if head is not None and (rule is None or _holds(head.matcher, unread[:size])):
            result = head.matcher.match(unread)
            if result.verdict is Verdict.MATCH:
                self._claim(head)
                return Judgement(Ruling.TAKE, head, result.size)
            if result.verdict is Verdict.MORE:
                if not may_match:
                    self._claim(head)
                return Judgement(Ruling.WAIT, head)
        if rule is not None:
            return Judgement(Ruling.TAKE, rule, size)
        if may_match:
            return Judgement(Ruling.WAIT)
        if head is None:
            return Judgement(Ruling.NOBODY)
        self._claim(head)
        return Judgement(Ruling.DIFFER, head)

    def take(self, exchange: Exchange) -> None:
        """Mark an exchange as met."""
        exchange.met += 1
        for stated in (self.own, self.claimed):
            if stated and stated[0] is exchange:
                del stated[0]
                return

    def release(self) -> None:
        """Give what was claimed and not met back to the front of the script."""
        self.script.queue[:0] = self.claimed
        self.claimed = []

    def abandon(self) -> None:
        """Forget what is outstanding: the connection failed, and that was told."""
        self.own = []
        self.claimed = []

    def _claim(self, head: Exchange) -> None:
        queue = self.script.queue
        if queue and queue[0] is head:
            self.claimed = self.script.claim()

    def _rule_for(self, unread: bytes | bytearray) -> tuple[Exchange | None, int, bool]:
        """Return the rule that takes the bytes, how many, and whether one more of them may."""
        best, size, may_match = None, 0, False
        for rule in self.all_rules:
            result = rule.matcher.match(unread)
            may_match |= result.verdict is Verdict.MORE
            if result.verdict is Verdict.MATCH and (best is None or result.size < size):
                best, size = rule, result.size
        return best, size, may_match


def _holds(matcher: Matcher, data: bytes | bytearray) -> bool:
    """Say whether every byte so far is known to be one that the matcher wants."""
    result: Result = matcher.match(data)
    if result.verdict is Verdict.MORE:
        return result.size == len(data)
    return result.verdict is Verdict.MATCH


def unanswered(exchange: Exchange) -> Mismatch:
    """Say that an exchange was met, and nobody has said what follows."""
    said = f"no answer was stated for {exchange.matcher.describe()}"
    return Mismatch(headline=said, note=f"{said}; add .reply(…) or .ignore()")


def matcher(want: object, *, whole: bool = False) -> Matcher:
    """Return a matcher for an expectation as a user may write it.

    Args:
        want: bytes, text (UTF-8), a compiled pattern or a matcher.
        whole: whether it is for datagrams, which may be empty and which end by themselves.

    Raises:
        TypeError: `want` is something else.
        ValueError: on a stream, `want` is empty or takes all bytes to the end of a message.
    """
    if isinstance(want, re.Pattern):
        return match.regex(want)
    if not isinstance(want, bytes | bytearray | memoryview | str | Matcher):
        raise TypeError(f"want: expected bytes, str, a pattern or a matcher, got {want!r}")
    made = as_matcher(want)
    if whole:
        return made
    if made.expected() == b"":
        raise ValueError(f"want: expected at least one byte, got {want!r}")
    if made.needs_message:
        hint = "a stream has no messages: use bytes, match.length or match.regex"
        raise ValueError(f"want: expected bytes with an end, got {made.describe()}; {hint}")
    return made


def as_bytes(data: object) -> bytes:
    """Return what may be written as bytes: bytes-like, or text (UTF-8)."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"data: expected bytes or str, got {data!r}")
