"""A reactor on a thread of its own, for programs that block.

The thread runs the reactor until `close`. Other threads reach it through `call` and `post`, which
go through `call_soon_threadsafe` and thus keep the order in which they were made.

**Closing.** Under the lock, either a call is posted before the stop, and runs, or it is refused. So
no caller waits for a call that is never made.

**Exceptions** of handlers and of posted functions do not end the thread: they go to
`on_exception`, by default to `threading.excepthook`. Those of a `call` go to its caller.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import ClosedError, UsageError

__tracebackhide__ = True

R = TypeVar("R")


class ThreadRunner:
    """Runs a reactor on a daemon thread; `with ThreadRunner() as runner:` closes it.

    Args:
        reactor: the reactor to run; the caller's to close after `close()`, and the thread's until
            then. Without one the runner makes its own and closes it.

    Raises:
        UsageError: the reactor is another thread's, or runs inside asyncio or trio.

    Attributes:
        reactor: the running reactor; `Reactor.current()` on the thread.
        on_exception: called on the thread with each exception that no handler took.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_lock",
        "_owned",
        "_stopping",
        "_thread",
        "on_exception",
        "reactor",
    )

    def __init__(
        self,
        reactor: Reactor | None = None,
        *,
        on_exception: Callable[[BaseException], object] | None = None,
    ) -> None:
        self.on_exception = on_exception
        self._owned = reactor is None
        self.reactor = reactor or Reactor()
        self.reactor.check_inline("ThreadRunner")
        self._closed = False
        self._stopping = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sockharness", daemon=True)
        started = threading.Event()
        self.reactor.call_soon_threadsafe(started.set)
        self._thread.start()
        started.wait()  # from here on the reactor is the thread's

    def __repr__(self) -> str:
        return f"<ThreadRunner {'closed' if self._closed else 'open'} {self.reactor!r}>"

    def __enter__(self) -> "ThreadRunner":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def call(self, function: Callable[..., R], *args: Any, timeout: float | None = 5.0) -> R:
        """Run `function(*args)` on the thread; return its result or raise its exception.

        On the thread itself it is called directly.

        Raises:
            TimeoutError: not done within `timeout` seconds; if it has not begun it never will.
            ClosedError: the runner is closed.
        """
        if threading.current_thread() is self._thread:
            return function(*args)
        call = _Call(function, args, self._on_exception)
        self._post(call.run)
        return call.wait(timeout)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run `function(*args)` on the thread soon; its exception goes to `on_exception`.

        Raises:
            ClosedError: the runner is closed.
        """
        self._post(function, *args)

    def close(self, timeout: float = 5.0) -> None:
        """Stop the thread when the calls made before are done; close the reactor if it is ours.

        Idempotent.

        Raises:
            TimeoutError: the thread did not end within `timeout` seconds: something blocks it.
            UsageError: called on the thread itself.
        """
        if threading.current_thread() is self._thread:
            raise UsageError("close: called on the runner's own thread, which it waits for")
        with self._lock:
            if not self._closed:
                self._closed = True
                self.reactor.call_soon_threadsafe(self._stop)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"close: expected the thread to end within {timeout} s")
        if not self._owned:
            self.reactor.adopt_thread()

    def _post(self, function: Callable[..., object], *args: Any) -> None:
        with self._lock:
            if self._closed:
                raise ClosedError("the runner is closed")
            self.reactor.call_soon_threadsafe(function, *args)

    def _run(self) -> None:
        reactor = self.reactor
        reactor.make_current()
        reactor.on_exception = self._on_exception
        while not self._stopping:
            reactor.run_once()
        reactor.report_unclaimed()
        reactor.raise_failures()
        reactor.on_exception = None
        if self._owned:
            reactor.close()

    def _stop(self) -> None:
        self._stopping = True

    def _on_exception(self, error: BaseException) -> None:
        if self.on_exception is not None:
            self.on_exception(error)
            return
        hook_args = (type(error), error, error.__traceback__, self._thread)
        threading.excepthook(threading.ExceptHookArgs(hook_args))


class _Call(Generic[R]):
    """One `call`: carries the outcome back, and a lock that is released when it is there.

    A bare lock is the cheapest way to wait for another thread.
    """

    __slots__ = ("_abandoned", "_args", "_error", "_function", "_lock", "_report", "_result")

    _result: R

    def __init__(
        self,
        function: Callable[..., R],
        args: tuple[Any, ...],
        report: Callable[[BaseException], object],
    ) -> None:
        self._function = function
        self._args = args
        self._report = report
        self._error: BaseException | None = None
        self._abandoned = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def run(self) -> None:
        """Call the function, on the thread."""
        if self._abandoned:
            return
        try:
            self._result = self._function(*self._args)
        except BaseException as error:  # noqa: BLE001 - raised by `wait` in the other thread
            self._error = error
        self._lock.release()
        self._report_if_abandoned()

    def _report_if_abandoned(self) -> None:
        if self._abandoned and self._error is not None:
            self._report(self._error)

    def wait(self, timeout: float | None) -> R:
        """Return or raise the outcome, in the calling thread."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            self._abandoned = True
            if not self._lock.acquire(blocking=False):  # it may have been done just now
                name = getattr(self._function, "__qualname__", repr(self._function))
                raise TimeoutError(f"call: expected {name} to be done within {timeout} s")
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # the traceback refers to this frame
        return self._result
