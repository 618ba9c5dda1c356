"""The common part of listeners and sockets: a descriptor that a reactor owns.

An open handle keeps `run()` from returning unless it is unreferenced (TCP-166..169), and a reactor
that is closed abandons the handles it still has.
"""

import socket as _socket
from typing import Any, NamedTuple, Protocol

from sockharness.engine.loop.reactor import Reactor


class HandedOver(NamedTuple):
    """The descriptor and settings that `hand_over` gives to another socket."""

    sock: _socket.socket
    remote: Any
    half_open: bool
    paused: bool


class Unsent(Protocol):
    """Bytes that wait to be sent; an `Outbox`."""

    def __len__(self) -> int:
        """Return how many bytes wait."""
        ...

    def flush(self) -> None:
        """Offer them to the socket."""
        ...

    def drop(self) -> None:
        """Forget them, and tell those who wait for them."""
        ...

    def abandon(self) -> None:
        """Forget them, and call nothing."""
        ...


class Handle:
    """A descriptor registered at a reactor; `_sock` is `None` before and after."""

    __slots__ = ("__weakref__", "_reactor", "_referenced", "_sock")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._referenced = False
        self._sock: _socket.socket | None = None

    def ref(self) -> None:
        """Keep `run()` from returning while this is open, as it does from the start (TCP-168)."""
        self._reactor.check()
        if self._sock is not None and not self._referenced:
            self._referenced = True
            self._reactor.ref()

    def unref(self) -> None:
        """Let `run()` return though this is open; a listener's connections count for themselves."""
        self._reactor.check()
        if self._referenced:
            self._referenced = False
            self._reactor.unref()

    def abandon(self) -> None:
        """Release the descriptor and call no handler, as when a process ends."""
        raise NotImplementedError

    def _hold(self, sock: _socket.socket) -> None:
        """Own this registered descriptor from now on."""
        self._sock = sock
        self._reactor.add(self)
        self.ref()

    def _let_go(self) -> None:
        """Undo `_hold`; the caller closes the descriptor."""
        self._sock = None
        self.unref()
        self._reactor.discard(self)
