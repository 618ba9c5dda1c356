"""Sending a checked batch: in order, up to the first datagram that fails.

Runs of equal datagrams to one destination go in one message (`coalescing`), the others with one
system call for many messages (`vectors`). Both are ways to save system calls: where they are
refused or stop, one datagram is sent by itself, which reveals the problem, and then
they go on. Only a sender to a dead port sees a difference: a run is answered as a
whole, so there is one error for it, and a batch that this error ends (D8) ends behind the run.

A wrapped socket (to watch it or to break it) is called through its methods alone.
"""

import socket as _socket
from collections.abc import Callable
from typing import Any

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp import coalescing, error_queue, vectors
from sockharness.engine.udp.coalescing import Run
from sockharness.engine.udp.outgoing import Batch, Destinations
from sockharness.engine.udp.vectors import Vectors

_MANY = 8  # from here on it is worth it to set up vectors

# Makes a call with its arguments: `True`, it was made; `False`, there is no room; or raises.
Try = Callable[..., bool]


class BatchSender:
    """Sends batches for a socket.

    Args:
        reactor: may forbid to coalesce, as long as a capture runs.
        kernel: the socket's.
        destinations: the socket's.
        try_: makes a call that sends one datagram.
        coalesces: whether the socket's owner allows to coalesce.
    """

    __slots__ = (
        "_destinations",
        "_kernel",
        "_masses",
        "_reactor",
        "_segments",
        "_stops_at_error",
        "_try",
        "_vectors",
    )

    def __init__(
        self,
        reactor: Reactor,
        kernel: Kernel,
        destinations: Destinations,
        try_: Try,
        *,
        coalesces: bool,
    ) -> None:
        self._reactor = reactor
        self._kernel = kernel
        self._destinations = destinations
        self._try = try_
        # Until the kernel says otherwise: how many go in one message, and if there are vectors.
        self._segments = coalescing.SEGMENTS if coalesces else 0
        self._masses = vectors.AVAILABLE
        self._vectors: Vectors | None = None
        self._stops_at_error = False

    def send(
        self, sock: _socket.socket, batch: Batch, *, stops_at_error: bool
    ) -> tuple[int, OSError | None]:
        """Send in order; return the number sent, and the error if that was the reason to stop.

        Args:
            sock: the sender.
            batch: the datagrams.
            stops_at_error: whether a network error of an earlier datagram ends the batch.
        """
        self._stops_at_error = stops_at_error
        for run in self._runs(batch):
            sent, error = self._send_run(sock, batch, run)
            if sent < run[1]:
                return sent, error
        return batch.reachable, None

    def _runs(self, batch: Batch) -> list[Run]:
        payloads, ports, targets, reachable = batch
        allowed = self._segments and self._reactor.segment_offload
        if not allowed or reachable < max(2, len(payloads)):
            return coalescing.singles(reachable)
        return coalescing.runs(ports, targets, payloads, self._segments)

    def _send_run(self, sock: _socket.socket, batch: Batch, run: Run) -> tuple[int, OSError | None]:
        """Send a run; return where it ended, and the error if there was one."""
        at, end, size = run
        try:
            if size and self._send_coalesced(sock, batch, run):
                return end, None
            while at < end:
                sent = self._send_vectors(sock, batch, at, end)
                at += sent
                if at == end or sent == vectors.MOST:
                    continue
                if sent and self._stops_at_error:
                    for error in error_queue.take(sock):  # behind the first the call forgets it
                        self._stop_at(error)
                if not self._send_one(sock, batch, at):
                    return at, None
                at += 1
        except OSError as error:
            return at, error
        return end, None

    def _stop_at(self, error: OSError) -> None:
        """Raise a network error of an earlier datagram, if it ends the batch."""
        if self._stops_at_error and error.errno in error_queue.FROM_OTHERS:
            raise error

    def _send_coalesced(self, sock: _socket.socket, batch: Batch, run: Run) -> bool:
        """Send a run in one message; return whether it went."""
        start, end, size = run
        name: tuple[Any, ...] = ()
        if batch.ports:
            name = (0, self._destinations.name(batch.ports[start], batch.targets[start]))
        message = (b"".join(batch.payloads[start:end]),)
        try:
            sock.sendmsg(message, coalescing.segment(size), *name)
        except OSError as error:
            self._stop_at(error)
            self._segments = coalescing.after(error, self._segments, end - start)
            return False
        return True

    def _send_vectors(self, sock: _socket.socket, batch: Batch, at: int, end: int) -> int:
        """Send many in one system call, if that is worth it; return how many went."""
        end = min(end, at + vectors.MOST)
        if not self._masses or end - at < _MANY or type(sock) is not _socket.socket:
            return 0
        if self._vectors is None:
            self._vectors = Vectors(vectors.NAME_SIZES[sock.family] if batch.ports else 0)
        names = self._destinations.packed(batch.ports[at:end], batch.targets[at:end])
        if not self._vectors.fill(batch.payloads[at:end], names):
            return 0
        try:
            return self._kernel.send_messages(sock, self._vectors.headers, end - at)
        except OSError as error:
            self._stop_at(error)
            self._masses = error.errno not in vectors.FORBIDDEN
            return 0

    def _send_one(self, sock: _socket.socket, batch: Batch, at: int) -> bool:
        payload = batch.payloads[at]
        if not batch.ports:
            return self._try(sock.send, payload)
        return self._try(
            sock.sendto, payload, self._destinations.name(batch.ports[at], batch.targets[at])
        )
