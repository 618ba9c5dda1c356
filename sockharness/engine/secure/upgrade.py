"""`upgrade_tls`: a plain connection becomes one with TLS (STARTTLS), at either end.

The old socket is dead from then on, without a `close`. Two new ones share its descriptor: `secure`
speaks TLS, with the new handlers; `raw` is the plain socket below, with the old ones: it gets
all ciphertext before `secure` decrypts it, and the close just before `secure`'s
(TLS-094..096). Only `secure` is registered at the reactor.
"""

import socket as _socket
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sockharness.engine import options, sockopts
from sockharness.engine.chunk import Data, chunk_of
from sockharness.engine.handle import HandedOver
from sockharness.engine.handlers import CheckedHandlers, HandlerGroup
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.tcp.socket import BACK_PRESSURE, START, Socket
from sockharness.engine.tcp.states import ReadyState, State
from sockharness.engine.tls.plan import Plan, planned


class RawSocket(Socket):
    """The plain socket below an upgraded connection; see `Socket`.

    `write` puts bytes on the wire as they are, which breaks the session above. `end` and
    `shutdown` send FIN, `close` and `terminate` close both. There is no `drain`, `end`, `error`.
    """

    __slots__ = ("_secure",)

    def __init__(self, reactor: Reactor, group: HandlerGroup, data: Any) -> None:
        super().__init__(reactor, group, data)
        self._secure: SecureSocket | None = None

    def take_over(self, secure: SecureSocket, below: HandedOver) -> None:
        """Be open as long as `secure` is."""
        self._secure = secure
        self._sock = below.sock
        self._fd = below.sock.fileno()
        self._remote = below.remote
        self._state = State.OPEN
        self._group.connections[self] = None

    def deliver(self, ciphertext: bytes) -> None:
        """Deliver bytes from the network."""
        data = self._group.handlers.data
        if data is not None and self._sock is not None:
            self._group.call(data, self, ciphertext)

    def closed(self, error: OSError | None) -> None:
        """Close with `secure`."""
        if self._sock is not None:
            outbox, self._outbox = self._outbox, None
            self.let_go()
            if outbox is not None:
                outbox.drop()
            close = self._group.handlers.close
            if close is not None:
                self._group.call(close, self, error)

    def let_go(self) -> None:
        """Forget the descriptor, which is `secure`'s."""
        if self._sock is None:
            return
        self._local_name()
        self._state = State.CLOSED
        self._sock = None
        self._fd = -1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._outbox is not None:
            self._outbox.abandon()
            self._outbox = None
        self._group.connections.pop(self, None)

    def write(self, data: Data, offset: int = START, length: int | None = None) -> int:
        """Send bytes as they are; return how many the kernel took, or -1."""
        self._reactor.check()
        if self._sock is None:
            return -1
        chunk = chunk_of(data, offset, length)
        if not chunk:
            return 0
        try:
            taken = self._sock.send(chunk)
        except OSError as error:
            return 0 if error.errno in BACK_PRESSURE else -1
        self._bytes_written += taken
        return taken

    def end(self, data: Data | None = None, offset: int = 0, length: int | None = None) -> int:
        """Send bytes as they are, as far as the kernel takes them, and FIN."""
        taken = 0 if data is None else self.write(data, offset, length)
        self.shutdown()
        return taken

    def shutdown(self, read: bool = False) -> None:  # noqa: FBT001, FBT002 - Bun's signature
        """Send FIN; with `read`, stop reading instead. Both sockets are closed when the peer is."""
        self._reactor.check()
        options.flag("read", read)
        if self._sock is not None:
            with suppress(OSError):  # ENOTCONN: a reset has come already
                self._sock.shutdown(_socket.SHUT_RD if read else _socket.SHUT_WR)

    def close(self) -> None:
        """Close both (FIN) at once."""
        self._reactor.check()
        if self._secure is not None:
            self._secure.close_from_below()

    def terminate(self) -> None:
        """Abort both (RST)."""
        self._reactor.check()
        if self._sock is not None and self._secure is not None:
            sockopts.reset_on_close(self._sock)
            self._secure.close_from_below()

    def hang_up(self) -> None:
        """End both at once, as `listener.stop(True)` does."""
        if self._secure is not None:
            self._secure.hang_up()

    def pause(self) -> None:
        """Stop reading, both."""
        if self._secure is not None:
            self._secure.pause()

    def resume(self) -> None:
        """Read again, both."""
        if self._secure is not None:
            self._secure.resume()

    def ref(self) -> None:
        """Keep `run()` from returning while this is open."""
        if self._secure is not None:
            self._secure.ref()

    def unref(self) -> None:
        """Let `run()` return though this is open."""
        if self._secure is not None:
            self._secure.unref()

    @property
    def tls_version(self) -> str | None:
        """The TLS version of `secure`."""
        return None if self._secure is None else self._secure.tls_version


def upgraded(
    old: Socket,
    group: HandlerGroup,
    reactor: Reactor,
    *,
    tls: object,
    socket: object,
    data: Any,
    is_server: object,
    handshake_timeout: object,
) -> tuple[Socket, Socket]:
    """Implement `Socket.upgrade_tls`; if it raises, the old socket is unchanged."""
    if old.ready_state is not ReadyState.OPEN or type(old) is not Socket:
        old.hand_over()  # says why not
    for name, value in (("tls", tls), ("socket", socket)):
        if value is None:
            raise TypeError(f"upgrade_tls: expected tls and socket, got no {name}")
    accepted = group.listener is not None
    server = accepted if is_server is None else options.flag("is_server", is_server)
    handlers = CheckedHandlers(socket, reactor.outer_loop)
    plan = planned(
        "upgrade_tls",
        tls,
        server=server,
        hostname=None if server else group.hostname,
        handshake_timeout=handshake_timeout,
    )
    if plan is None:
        raise TypeError(options.complain("upgrade_tls: tls", "True, a mapping or TLSOptions", tls))
    return _exchanged(old, group, reactor, handlers=handlers, plan=plan, data=data)


def _exchanged(
    old: Socket,
    group: HandlerGroup,
    reactor: Reactor,
    *,
    handlers: CheckedHandlers,
    plan: Plan,
    data: Any,
) -> tuple[Socket, Socket]:
    below = old.hand_over()
    raw = RawSocket(reactor, group, old.data)

    def raw_below(secure: SecureSocket) -> RawSocket:
        raw.take_over(secure, below)
        return raw

    secure = SecureSocket.start(
        reactor,
        HandlerGroup(handlers, reactor, group.listener, replace(plan, below=raw_below)),
        below.sock,
        remote=below.remote,
        data=data,
        half_open=below.half_open,
        paused=below.paused,
    )
    return raw, secure
