"""The state that all handles of one harness share.

**Threads.** Sockets, reactor and outboxes belong to the harness's thread. Everything else that a
handle knows (scripts, channels, timeline, events, failures, waiters) is guarded by
`HarnessContext.lock`, so an expectation costs no trip to the other thread. The lock is never held
while a user's code runs (handlers, reply functions), nor while the engine is called, whose methods
may call handlers.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ReferenceType, ref

from sockharness.errors import ExpectationFailed, UsageError
from sockharness.facade.queues import PeerQueues
from sockharness.facade.waiting import (
    Awaited,
    Waiters,
    Waiting,
    refuse_in_loop,
    wait_async,
    wait_here,
)
from sockharness.report.text import failure_text
from sockharness.story.outcome import Failure, Outcome, Verdict, Wait
from sockharness.story.pairing import Pairing
from sockharness.story.timeline import Timeline

if TYPE_CHECKING:
    from sockharness.engine.loop.runner import ThreadRunner

__tracebackhide__ = True
T = TypeVar("T")
TIMEOUT = 5.0
"""Seconds that a method waits by default."""
LAST_LOOK = 0.05
"""Seconds to wait for missing messages when the test has ended: a loaded kernel may deliver bytes a
little after their sender has returned. Only a test that would fail pays for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The failures that an exception has reported; each failure is reported once."""

    error: ReferenceType[ExpectationFailed]
    outcome: Outcome
    by: str


class HarnessContext:
    """Lock, thread, timeline and waiters of one harness.

    Attributes:
        pairing: finds the two ends of each connection.
        happened: how many events the engine has reported, to see whether there are new ones.
        again: the command that runs the test again; failure texts end with it.
        last: the last report.
    """

    __slots__ = (
        "again",
        "happened",
        "last",
        "lock",
        "pairing",
        "queues",
        "runner",
        "scale",
        "timeline",
        "waiters",
    )

    def __init__(self, runner: "ThreadRunner", *, scale: float) -> None:
        self.runner = runner
        self.scale = scale
        self.lock = threading.RLock()
        self.timeline = Timeline()
        self.waiters = Waiters()
        self.queues = PeerQueues()
        self.happened = 0
        self.again = ""
        self.last: Report | None = None
        self.pairing = Pairing()

    def wait(self, method: str, wanted: Awaited[T], timeout: float) -> T:
        """Wait in this thread."""
        refuse_in_loop(method)
        self.refuse_in_handler(method)
        return wait_here(self._waiting(wanted, timeout))

    async def wait_async(self, wanted: Awaited[T], timeout: float) -> T:
        """Wait in this task."""
        return await wait_async(self._waiting(wanted, timeout))

    def wait_quietly(self, wanted: Awaited[bool], seconds: float) -> bool:
        """Wait in this thread for a moment, even if a loop runs here; say whether it came."""
        try:
            return wait_here(self._waiting(wanted, seconds))
        except TimeoutError:
            return False

    @property
    def patience(self) -> float:
        """Seconds for a call to the harness's thread. A call only waits for its turn, so a scale
        below 1, by which a test gives up sooner, does not shorten it."""
        return TIMEOUT * max(1.0, self.scale)

    def refuse_in_handler(self, method: str) -> None:
        """Raise on the harness's own thread, which cannot wait for itself."""
        if self.runner.reactor.in_thread:
            raise UsageError(f"{method} cannot wait on the harness's own thread (in a handler)")

    def settle(self) -> None:
        """Let the harness's thread read everything that has arrived in the kernel by now.

        It turns its loop, without sleeping, until a whole turn brings nothing new: to accept a
        connection takes one turn, to read its bytes another, to read its end a third.
        """
        self.refuse_in_handler("check")
        done = threading.Lock()  # a bare lock: this is done for every test
        done.acquire()
        self.runner.post(self._turn, -1, done.release)
        if not done.acquire(timeout=self.patience):
            raise UsageError("the harness's thread is busy: a handler does not return")

    def _turn(self, seen: int, done: Callable[[], None]) -> None:
        if self.happened == seen:
            done()
        else:
            self.runner.reactor.call_soon(self._turn, self.happened, done)

    def _waiting(self, wanted: Awaited[T], timeout: float) -> Waiting[T]:
        limit = seconds(timeout) * self.scale
        return Waiting(wanted, limit=limit, lock=self.lock, waiters=self.waiters)

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Send each datagram as a frame of its own while frames are captured."""
        reactor = self.runner.reactor
        before, reactor.segment_offload = reactor.segment_offload, False
        try:
            yield
        finally:
            reactor.segment_offload = before

    def described(self, peer: str, lasted: float, limit: float) -> Wait:
        """Describe a wait that ran out."""
        origin = "default" if limit == TIMEOUT * self.scale else "given"
        return Wait(peer=peer, lasted=lasted, limit=limit, origin=origin, scale=self.scale)

    def report(self, failures: Sequence[Failure], *, by: str) -> ExpectationFailed:
        """Return the exception that reports failures of the participant `by`; lock held."""
        outcome = self.outcome(failures)
        error = expectation_failed(outcome, again=self.again)
        self.last = Report(error=ref(error), outcome=outcome, by=by)
        return error

    def report_of(self, error: BaseException | None) -> "Report | None":
        """Return the failures that an exception has reported, if it is the last one made here."""
        last = self.last
        return last if error is not None and last is not None and last.error() is error else None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on the harness's thread, and return what it returns."""
        return self.runner.call(function, *args, timeout=self.patience)

    def outcome(self, failures: Sequence[Failure]) -> Outcome:
        """Return an outcome with failures; after a loss it is inconclusive."""
        losses_first = sorted(failures, key=lambda failure: not failure.inconclusive)
        verdict = Verdict.INCONCLUSIVE if losses_first[0].inconclusive else Verdict.FAILED
        return Outcome(verdict=verdict, timeline=self.timeline, failures=losses_first)


def expectation_failed(outcome: Outcome, *, again: str) -> ExpectationFailed:
    """Return the exception that reports an outcome.

    Args:
        outcome: what failed, and all that happened.
        again: the command that runs the test again.
    """
    text = failure_text(outcome, again=again, unseen="client")
    return ExpectationFailed(text, outcome.failures[0].location)


def refuse_async(handlers: Mapping[str, object]) -> None:
    """Reject `async def` handlers: no loop runs in the thread that calls them."""
    from sockharness.engine.handlers import is_async

    for name, handler in handlers.items():
        if is_async(handler):
            raise UsageError(
                f"socket: handler {name!r} is async def; it is called on the harness's thread,"
                " where no loop runs: give a plain function"
            )


def seconds(timeout: float) -> float:
    """Return a timeout in seconds as a float.

    Raises:
        TypeError: it is not a number.
        ValueError: it is less than 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout: expected seconds, got {timeout!r}")
    if not timeout >= 0:
        raise ValueError(f"timeout: expected seconds from 0, got {timeout!r}")
    return float(timeout)
