"""Waiting until a connection is secured: `await connecting.secured()`, or its `result()`."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sockharness.engine.loop import outer as hosts
from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import UsageError


class Attempt(Protocol):
    """What is waited for first: a `Connecting`."""

    def __await__(self) -> Generator[Any, None, Any]:
        """Return the socket."""

    def result(self, timeout: float | None = None) -> Any:
        """Return the socket."""


class Securing:
    """Waits for the end of a TLS handshake; made by `Connecting.secured`."""

    __slots__ = ("_attempt", "_reactor")

    def __init__(self, attempt: Attempt, reactor: Reactor) -> None:
        self._attempt = attempt
        self._reactor = reactor

    def __await__(self) -> Generator[Any, None, Any]:
        """Return the socket when its handshake was good, in asyncio and trio.

        Raises:
            TLSError, OSError, socket.gaierror: why it was not, with `.code`.
            UsageError: as `Connecting`.
        """
        return self._awaiting().__await__()

    async def _awaiting(self) -> Any:
        socket = await self._attempt
        if socket.handshake_outcome is None:
            await hosts.until_rung(lambda ring: _listening(socket, ring))
        return _judged(socket)

    def result(self, timeout: float | None = None) -> Any:
        """Return the socket when its handshake was good; see `Connecting.result`.

        Raises:
            TLSError, OSError, socket.gaierror: why it was not, with `.code`.
            TimeoutError: `timeout` seconds passed (no errno); the attempt goes on.
            UsageError: as `Connecting.result`.
        """
        deadline = None if timeout is None else self._reactor.now() + timeout
        socket = self._attempt.result(timeout)
        if socket.handshake_outcome is None:
            self._wait(socket, deadline and max(0.0, deadline - self._reactor.now()))
        if socket.handshake_outcome is None:
            raise TimeoutError(f"secured: expected a handshake within {timeout} s, still pending")
        return _judged(socket)

    def _wait(self, socket: Any, timeout: float | None) -> None:
        if hosts.running() or (self._reactor.in_thread and self._reactor.running):
            raise UsageError("result: it would block the reactor or the running event loop")
        if self._reactor.in_thread:
            self._reactor.run_until(lambda: socket.handshake_outcome is not None, timeout)
            return
        rung = threading.Event()
        with _listening(socket, rung.set):
            rung.wait(timeout)


@contextmanager
def _listening(socket: Any, ring: Callable[[], object]) -> Iterator[None]:
    """Have `ring` called when the handshake ends, at once if it has, in whatever thread."""
    socket.handshake_waiters.append(ring)
    try:
        if socket.handshake_outcome is not None:  # it is set first, then waiters are looked for
            ring()
        yield
    finally:
        socket.handshake_waiters.remove(ring)


def _judged(socket: Any) -> Any:
    if isinstance(socket.handshake_outcome, BaseException):
        raise socket.handshake_outcome
    return socket
