"""Waiting for a connection: until it is open, and until its TLS handshake is over.

A caller waits in one of three ways: with `await` in asyncio and trio; in the reactor's own
thread by running the reactor; in another thread by sleeping until the reactor's thread wakes it.
An attempt has a list of functions to call when it settles. It sets its flag first and then calls
them, so a caller that adds a function and then looks at the flag misses nothing.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sockharness.engine.loop import outer
from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import UsageError

Wake = Callable[[], object]


def wait(
    reactor: Reactor,
    waiters: list[Wake],
    settled: Callable[[], bool],
    timeout: float | None,
) -> None:
    """Block until it settles or `timeout` seconds passed.

    Raises:
        UsageError: inside a handler, or in a running asyncio or trio loop, which it would block.
    """
    if outer.running():
        raise UsageError("result: it would block the running event loop")
    if not reactor.in_thread:
        _sleep(waiters, settled, timeout)
        return
    if reactor.running:
        raise UsageError("result: it would block the reactor; use the handlers, or wait outside")
    reactor.run_until(settled, timeout)


def _sleep(waiters: list[Wake], settled: Callable[[], bool], timeout: float | None) -> None:
    woken = threading.Event()
    longest = threading.TIMEOUT_MAX  # some 292 years; what is beyond raises
    with waking(waiters, settled, woken.set):
        woken.wait(None if timeout is None else min(timeout, longest))


@contextmanager
def waking(waiters: list[Wake], settled: Callable[[], bool], wake: Wake) -> Iterator[None]:
    """Have `wake` called when it settles, at once if it has; for any thread."""
    waiters.append(wake)
    try:
        if settled():
            wake()
        yield
    finally:
        waiters.remove(wake)


class Attempt(Protocol):
    """A connection attempt; a `Connecting`."""

    def __await__(self) -> Generator[Any, None, Any]:
        """Return the socket."""

    def result(self, timeout: float | None = None) -> Any:
        """Return the socket."""


class HandshakeWait:
    """Waits for the end of a TLS handshake; made by `Connecting.secured`."""

    __slots__ = ("_attempt", "_reactor")

    def __init__(self, attempt: Attempt, reactor: Reactor) -> None:
        self._attempt = attempt
        self._reactor = reactor

    def __await__(self) -> Generator[Any, None, Any]:
        """Return the socket when its handshake has succeeded, in asyncio and trio.

        Raises:
            TLSError, OSError, socket.gaierror: why it failed, with `.code`.
            UsageError: as `Connecting`.
        """
        return self._awaiting().__await__()

    async def _awaiting(self) -> Any:
        socket = await self._attempt
        settled = _settled(socket)
        if not settled():
            await outer.until_rung(
                lambda wake: waking(socket.handshake_waiters, settled, wake),
            )
        return _judged(socket)

    def result(self, timeout: float | None = None) -> Any:
        """Return the socket when its handshake has succeeded; see `Connecting.result`.

        Raises:
            TLSError, OSError, socket.gaierror: why it failed, with `.code`.
            TimeoutError: `timeout` seconds passed (no errno); the attempt goes on.
            UsageError: as `Connecting.result`.
        """
        deadline = None if timeout is None else self._reactor.now() + timeout
        socket = self._attempt.result(timeout)
        settled = _settled(socket)
        if not settled():
            rest = deadline and max(0.0, deadline - self._reactor.now())
            wait(self._reactor, socket.handshake_waiters, settled, rest)
        if not settled():
            raise TimeoutError(f"secured: expected a handshake within {timeout} s, still pending")
        return _judged(socket)


def _settled(socket: Any) -> Callable[[], bool]:
    return lambda: socket.handshake_outcome is not None


def _judged(socket: Any) -> Any:
    if isinstance(socket.handshake_outcome, BaseException):
        raise socket.handshake_outcome
    return socket
