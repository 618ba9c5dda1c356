r"""The expectations of a server and their answers. Pure: no socket, no thread.

An `Exchange` is one expectation with its answer. `expect` adds one that must be met exactly once,
in the order of the calls; `when` adds a rule, which may be met any number of times. Exchanges that
name no connection wait in the server's `Script`; each connection has a `ConnectionScript`.

**Claiming.** A connection with no outstanding exchange claims the next group of the script with the
first byte that is meant for it. A group reaches up to and including an exchange that ends the
connection (`close`, `reset`), or to the end of the script. If the connection ends before it has met
all of them, the rest returns to the front of the script, for the next connection.

**Which exchange takes the bytes.** The outstanding exchange is asked first. As long as it accepts
every byte so far, the rules wait. If it does not accept them, or cannot say so yet (a regular
expression), the rule that needs the fewest bytes takes them. Of equal rules the connection's own
come first, then the older one. So the answer does not depend on how the bytes were cut. A
connection claims no group by bytes that a rule takes.

**Late answers.** The bytes may come before the test has called `reply()`, or the `close()` behind
it; then the answer is sent late. An exchange that was met and has no answer is a failure, so a test
says `ignore()` if it wants none.
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
"""The arguments of `expect` and `when`."""
Reply = bytes | bytearray | memoryview | str | Callable[[bytes], bytes]
"""The argument of `reply`: bytes, text (UTF-8), or a function from the matched bytes to bytes."""
ROOM = 30
"""The most characters of a description in a headline."""


class Answer(Enum):
    """The answer to a met exchange."""

    REPLY = "reply"
    IGNORE = "ignore"
    CLOSE = "close"
    RESET = "reset"


class Exchange:
    """An expectation and its answer, which can be given once.

    Attributes:
        answer: what follows when it is met; `None`: nothing was said yet.
        then: how the connection ends after that: `CLOSE`, `RESET`, or `None` if it stays open.
        data: the bytes of a reply, or a function that makes them of the matched bytes.
        whole: it expects a datagram, which has no connection to end and is not cut.
        rule: it may be met any number of times.
        late: functions to call once, with the lock held, when the test says more about the answer.
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
            data: bytes, text (UTF-8), or a function from the matched bytes to the reply; it runs on
                the harness's thread.
            cuts: `"each_byte"`, a size or several sizes: the reply is sent in pieces, each in a
                segment of its own, and each only when the client has read everything before it;
                the rest behind the last size is the last piece. `"together"`: one piece, sent by
                the same rule.

        Raises:
            UsageError: it has an answer already; or `cuts` for a datagram, which is sent whole.
            ValueError: the sizes add up to more than the reply.
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
        """Close the connection (FIN): alone, or behind `reply`, when all of that was written.

        Bytes that come after that are ignored.
        """
        return self._end(Answer.CLOSE)

    def reset(self) -> "Exchange":
        """Reset the connection (RST): alone, or behind `reply`, when all of that was written.

        Bytes that come after that are ignored.
        """
        return self._end(Answer.RESET)

    def at_teardown(self) -> "Exchange":
        """Let another fixture's tear-down meet it: until then it does not fail the test."""
        self.deferred = True
        return self

    def _answer(
        self, answer: Answer, data: bytes | Callable[[bytes], bytes] = b"", cuts: Cuts = None
    ) -> "Exchange":
        with self._lock:
            if self.answer is not None:
                raise UsageError(f"it has an answer already: {self._said()}")
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
                raise UsageError(f"it has an answer already: {self._said()}")
            self.answer, self.then = self.answer or how, how
            self._announce()
        return self

    def _announce(self) -> None:
        late, self.late = self.late, []
        for function in late:
            function()

    def _said(self) -> str:
        """Name the answer so far: `reply, close`."""
        answers = dict.fromkeys((self.answer, self.then))
        return ", ".join(answer.value for answer in answers if answer is not None) or "no answer"

    def __repr__(self) -> str:
        met = f"met {count(self.met, 'time')}" if self.met else "not met"
        return f"<Exchange {self.matcher.describe()} → {self._said()}, {met}>"


class Ruling(Enum):
    """The ruling about a connection's unread bytes."""

    TAKE = auto()
    WAIT = auto()
    DIFFER = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A ruling; with `TAKE` and `DIFFER` its exchange, with `TAKE` how many bytes it takes."""

    ruling: Ruling
    exchange: Exchange | None = None
    size: int = 0


class Script:
    """The expectations of a server: exchanges that no connection has claimed, and rules.

    Attributes:
        in_use: whether anything was expected since the last clearing, here or of one connection; a
            rule counts for ever.
    """

    __slots__ = ("in_use", "queue", "rules")

    def __init__(self) -> None:
        self.queue: list[Exchange] = []
        self.rules: list[Exchange] = []
        self.in_use = False

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
        """Mark an exchange as met, without a connection that claims it."""
        exchange.met += 1
        if self.queue and self.queue[0] is exchange:
            del self.queue[0]

    def clear(self) -> None:
        """Forget the expectations; rules stay."""
        self.queue.clear()
        self.in_use = bool(self.rules)


class ConnectionScript:
    """The expectations of one connection: its own exchanges, then those it has claimed."""

    __slots__ = ("claimed", "own", "rules", "script")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.own: list[Exchange] = []
        self.claimed: list[Exchange] = []
        self.rules: list[Exchange] = []

    @property
    def outstanding(self) -> list[Exchange]:
        """The exchanges that this connection has not met yet, in order."""
        return self.own + self.claimed

    @property
    def all_rules(self) -> list[Exchange]:
        """The rules that hold for this connection, its own first."""
        return self.rules + self.script.rules

    def add(self, exchange: Exchange) -> None:
        """Append an expectation of this connection alone, or a rule."""
        (self.rules if exchange.rule else self.own).append(exchange)

    def judge(self, unread: bytes | bytearray) -> Judgement:
        """Judge the unread bytes; claims a group if they are meant for it."""
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
        for queue in (self.own, self.claimed):
            if queue and queue[0] is exchange:
                del queue[0]
                return

    def release(self) -> None:
        """Give the exchanges that were claimed and not met back to the front of the script."""
        self.script.queue[:0] = self.claimed
        self.claimed = []

    def abandon(self) -> None:
        """Forget the outstanding exchanges: the connection failed, and that is recorded."""
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
    """Return whether the matcher accepts every byte so far."""
    result: Result = matcher.match(data)
    if result.verdict is Verdict.MORE:
        return result.size == len(data)
    return result.verdict is Verdict.MATCH


def unanswered(exchange: Exchange) -> Mismatch:
    """Describe an exchange that was met and has no answer."""
    said = f"no answer for {exchange.matcher.describe()}"
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
    """Return bytes-like data, or text (UTF-8), as bytes."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"data: expected bytes or str, got {data!r}")
