"""Sending a checked batch: in order, up to the first datagram that fails.

Runs of equal datagrams to one destination go in one system call (`coalescing`). Where that is
refused they go one by one, which also finds out which one fails, and how. The loop over single
datagrams runs in C: a `deque` without room swallows a `map`, and when a call raises, the iterators
tell how far it came.
"""

import socket as _socket
from collections import deque
from collections.abc import Callable
from operator import length_hint
from typing import Any

from sockharness.engine import coalescing
from sockharness.engine.coalescing import Run
from sockharness.engine.outgoing import Batch, Destinations
from sockharness.engine.reactor import Reactor

# Decides about a call that failed, given its error, itself and its arguments: `True`, it was made
# again; `False`, there is no room; or raises what it failed with.
Settle = Callable[..., bool]


class BatchSender:
    """Sends batches for a socket.

    Args:
        reactor: may forbid to coalesce, as long as somebody captures.
        destinations: the socket's.
        settle: decides about a datagram that failed.
        coalesces: whether the socket's owner allows to coalesce.
    """

    __slots__ = ("_coalesces", "_destinations", "_reactor", "_settle")

    def __init__(
        self, reactor: Reactor, destinations: Destinations, settle: Settle, *, coalesces: bool
    ) -> None:
        self._reactor = reactor
        self._destinations = destinations
        self._settle = settle
        self._coalesces = coalesces  # until the kernel says that it never will

    def send(self, sock: _socket.socket, batch: Batch) -> tuple[int, OSError | None]:
        """Send in order; return how many went, and the error if that was the reason to stop."""
        for run in self._runs(batch):
            if run[2] and self._send_coalesced(sock, batch, run):
                continue
            sent, error = self._send_each(sock, batch, run)
            if sent < run[1]:
                return sent, error
        return batch.reachable, None

    def _runs(self, batch: Batch) -> list[Run]:
        payloads, ports, hosts, reachable = batch
        allowed = self._coalesces and self._reactor.segment_offload
        if not allowed or reachable < max(2, len(payloads)):
            return coalescing.singles(reachable)
        return coalescing.runs(ports, hosts, list(map(len, payloads)))

    def _send_coalesced(self, sock: _socket.socket, batch: Batch, run: Run) -> bool:
        """Send a run in one call; return whether it went. Why not, single sends will find out."""
        start, end, size = run
        name: tuple[Any, ...] = ()
        if batch.ports:
            name = (0, self._destinations.name(batch.ports[start], batch.hosts[start]))
        message = (b"".join(batch.payloads[start:end]),)
        try:
            sock.sendmsg(message, coalescing.segment(size), *name)
        except OSError as error:
            if error.errno in coalescing.NEVER:
                self._coalesces = False
            return False
        return True

    def _send_each(
        self, sock: _socket.socket, batch: Batch, run: Run
    ) -> tuple[int, OSError | None]:
        """Send one by one; return the place where it ended, and the error if there was one."""
        start, end, _ = run
        call, columns = self._calls(sock, batch, start, end)
        rest = [iter(column) for column in columns]
        while True:
            try:
                deque(map(call, *rest), maxlen=0)  # the loop, in C
            except OSError as error:
                failed = end - length_hint(rest[0]) - 1
                try:
                    sent = self._settle(error, call, *(each[failed - start] for each in columns))
                except OSError as final:
                    return failed, final
                if not sent:
                    return failed, None
            else:
                return end, None

    def _calls(
        self, sock: _socket.socket, batch: Batch, start: int, end: int
    ) -> tuple[Callable[..., object], list[list[Any]]]:
        """Return what to call, and a column for each of its arguments."""
        payloads = batch.payloads[start:end]
        if not batch.ports:
            return sock.send, [payloads]
        names = self._destinations.names(batch.ports[start:end], batch.hosts[start:end])
        return sock.sendto, [payloads, names]
