"""A reactor inside the loop of asyncio (uvloop too) or trio.

epoll descriptors can be polled themselves, so the outer loop watches one descriptor, `fileno()`,
however many sockets there are. It runs an iteration (`turn`) when that is readable, when the next
timer is due, and when `rearm` reports other work. Nothing else wakes it.

**Whose reactor.** In asyncio each loop has one, made when `Reactor.current()` is first called in
it. It ends with the loop, which has no hook for that but frees its callbacks when it is closed: a
`_Leash` is registered as the callback for writability, which an epoll descriptor never has, and
closes the reactor when it is freed, calling no handler. Since it is never called, no frame holds
it, and so no traceback that is kept. asyncio itself warns of a loop that was never closed.

In trio a reactor belongs to a block, `async with attached()`, and to the tasks that begin inside.
Leaving it is what leaving a scope with a background service is elsewhere in trio: the `async def`
handlers are cancelled, then everything is closed, calling no handler; nothing is waited for.

**Exceptions** that no handler took (D17) go to asyncio's exception handler with message, exception
and socket; in trio they are raised out of the block, in groups as by any nursery. So are errors of
failed connects that no caller got (TCP-139), when the loop or block ends.

**`async def` handlers** begin after the iteration, in the order of events, and are not serialised
(TCP-098). trio starts tasks in random order, so there each is seen to begin before the next one.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from sockharness.engine.loop import outer
from sockharness.engine.loop.current import register_finder
from sockharness.engine.loop.outer import Call, Failure
from sockharness.engine.loop.reactor import Reactor, raise_together
from sockharness.errors import UsageError

if TYPE_CHECKING:
    import asyncio

    import trio

_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, ref[_InAsyncio]]" = WeakKeyDictionary()
_attached: ContextVar[Reactor] = ContextVar("attached")


def _reactor_of(library: str) -> Reactor:
    """Return the reactor of the loop that is running in this thread."""
    if library == "trio":
        reactor = _attached.get(None)
        if reactor is None or reactor.closed or not reactor.in_thread:
            raise UsageError("in trio: expected to be inside `async with sockharness.attached():`")
        return reactor
    import asyncio

    loop = asyncio.get_running_loop()
    made = _loops.get(loop)
    found = None if made is None else made()
    if found is None or found.reactor.closed:
        found = _InAsyncio(loop)
        _loops[loop] = ref(found)
    found.own_thread()
    return found.reactor


@asynccontextmanager
async def attached() -> AsyncIterator[Reactor]:
    """Run a reactor inside trio: `async with sockharness.attached() as reactor:`.

    It is `Reactor.current()` inside the block and in tasks that begin there. Leaving the block
    cancels the `async def` handlers and closes all sockets and listeners, calling no handler.

    Raises:
        ExceptionGroup: exceptions of the block, and of handlers if no `error` took them (D17).
        UsageError: not inside trio; asyncio needs no such block.
    """
    if outer.running() != "trio":
        raise UsageError("attached: expected to be inside trio; asyncio needs no such block")
    import trio

    with Reactor() as reactor:
        async with trio.open_nursery() as nursery:
            inside = _InTrio(reactor, nursery)
            token = _attached.set(reactor)
            nursery.start_soon(inside.run)
            try:
                yield reactor
            finally:
                _attached.reset(token)
                nursery.start_soon(inside.report_the_rest)
                nursery.cancel_scope.cancel()


class _Leash:
    """Closes the reactor when the loop lets go of this; never called."""

    __slots__ = ("_driver",)

    def __init__(self, driver: "_InAsyncio") -> None:
        self._driver = driver

    def __call__(self) -> None: ...

    def __del__(self) -> None:
        self._driver.end()


class _InAsyncio:
    """Drives a reactor of its own from an asyncio loop."""

    name = "asyncio"

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop
        self._calls: list[Call] = []
        self._tasks: set[asyncio.Future[Any]] = set()
        self._alarm: asyncio.Handle | None = None
        self._due = math.inf  # when the alarm goes off
        self.reactor = Reactor()
        self.reactor.attach(self)
        loop.add_reader(self.reactor.fileno(), self._turn)
        loop.add_writer(self.reactor.fileno(), _Leash(self))

    def rearm(self) -> None:
        """Make the loop run an iteration in time."""
        delay = 0.0 if self._calls else self.reactor.poll_timeout()
        if delay is None:
            return
        due = self.reactor.now() + delay
        if due >= self._due or self._loop.is_closed():
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._due = due
        # In whole milliseconds, upwards: uvloop rounds, and early is too often.
        self._alarm = (
            self._loop.call_later(math.ceil(delay * 1000) / 1000, self._on_alarm)
            if delay
            else self._loop.call_soon(self._on_alarm)
        )

    def spawn(self, call: Call) -> Call:
        """Begin the call after the iteration."""
        self._calls.append(call)
        if not self.reactor.running:
            self.rearm()
        return call

    def take(self, failures: list[Failure]) -> None:
        """Give exceptions to the loop's exception handler, as asyncio does with a callback's."""
        for error, source in failures:
            if isinstance(error, (KeyboardInterrupt, SystemExit)) and not self._loop.is_closed():
                self._loop.call_soon(_raise, error)
                continue
            context: dict[str, Any] = {"message": "exception in a callback", "exception": error}
            if source is not None:
                context["message"] = f"exception in a handler of {source!r}"
                context["socket"] = source
            self._loop.call_exception_handler(context)

    def detach(self) -> None:
        """Let go of the loop."""
        for call in self._calls:
            call.coroutine.close()
        self._calls.clear()
        if self._loop.is_closed():
            return
        self._loop.remove_reader(self.reactor.fileno())
        self._loop.remove_writer(self.reactor.fileno())
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()

    def end(self) -> None:
        """Close the reactor: the loop has ended."""
        reactor = self.reactor
        if reactor.outer_loop is not self or reactor.is_foreign or not self._loop.is_closed():
            return
        self.own_thread()
        reactor.report_unclaimed()
        reactor.raise_failures()
        reactor.close()

    def own_thread(self) -> None:
        """Follow the loop: it may run in one thread and then in another, or be closed there."""
        if not self.reactor.in_thread:
            self.reactor.adopt_thread()

    def _on_alarm(self) -> None:
        self._alarm, self._due = None, math.inf
        if not self.reactor.closed:
            self._turn()

    def _turn(self) -> None:
        self.own_thread()
        self.reactor.turn()
        if self._calls:
            self._begin()
        self.rearm()

    def _begin(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            task = self._loop.create_task(call.coroutine)
            self._tasks.add(task)
            task.add_done_callback(partial(self._on_done, call))

    def _on_done(self, call: Call, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.take([(error, call.socket)])  # those two the loop has raised already
        if call.then is not None:
            call.then()


class _InTrio:
    """Drives a reactor from a task of a trio nursery."""

    name = "trio"

    def __init__(self, reactor: Reactor, nursery: "trio.Nursery") -> None:
        self._reactor = reactor
        self._nursery = nursery
        self._calls: list[Call] = []
        self._nap: trio.CancelScope | None = None  # while the task sleeps
        reactor.attach(self)

    def rearm(self) -> None:
        """Wake the task in time; while it is awake it looks by itself."""
        delay = 0.0 if self._calls else self._reactor.poll_timeout()
        if self._nap is not None and delay is not None:
            import trio

            self._nap.deadline = min(self._nap.deadline, trio.current_time() + delay)

    def spawn(self, call: Call) -> Call:
        """Begin the call after the iteration."""
        self._calls.append(call)
        if not self._reactor.running:
            self.rearm()
        return call

    def take(self, failures: list[Failure]) -> None:
        """Raise the exceptions, in the task and so out of the block."""
        if failures:
            raise_together([error for error, _ in failures])

    def detach(self) -> None:
        """Let the task end."""
        import trio

        for call in self._calls:
            call.coroutine.close()
        self._calls.clear()
        trio.lowlevel.notify_closing(self._reactor.fileno())

    async def run(self) -> None:
        """Drive the reactor until it is closed."""
        while not self._reactor.closed:
            self._reactor.turn()
            while self._calls:
                await self._nursery.start(self._call, self._calls.pop(0))
            await self._sleep()

    async def report_the_rest(self) -> None:
        """Raise the errors that are left when the block is left."""
        if not self._reactor.closed:
            self._reactor.report_unclaimed()
            self._reactor.raise_failures()

    async def _sleep(self) -> None:
        import trio

        if self._reactor.closed:
            return
        with trio.CancelScope() as self._nap, suppress(trio.ClosedResourceError):
            self.rearm()
            await trio.lowlevel.wait_readable(self._reactor.fileno())
        self._nap = None

    async def _call(self, call: Call, *, task_status: "trio.TaskStatus[None]") -> None:
        import trio

        task_status.started()
        try:
            await call.coroutine
        except trio.Cancelled:  # the block is left, which closes without calling a handler
            call.then = None
            raise
        finally:
            if call.then is not None:
                call.then()


def _raise(error: BaseException) -> None:
    raise error


register_finder(_reactor_of)
