"""A socket whose bytes go through a TLS session.

The public type is `Socket`; this is what `listen` and `connect` make of it when there is TLS. It
puts a `Session` between the kernel and the handlers and leaves the rest to `stream`.

**Beginning.** With a `handshake` handler `open` runs at once, without one when the handshake is
over (TLS-001, TLS-002). The session is made late, a client's after `open` returned, a server's on
the first byte, so that `open` can still choose name, session and judgement. `handshake` is called
before the last flight leaves, so `terminate()` in it takes that back (TLS-051).

**Failing.** A failure before the handshake is done calls `handshake(socket, False, error)`, then
`close(socket, None)`, never `error` (TLS-069); a reset calls `close` alone (TLS-057). Later it is
`error`, then `close` (TLS-058).

**Writing.** Plaintext is encrypted a unit at a time and sent at once. When the kernel does not take
a unit whole, the rest of its ciphertext waits in the buffer. Nothing more is accepted meanwhile, so
what `write` returns is what arrives (TLS-053).

**Ending.** `end()` sends close_notify, no FIN, and waits for the peer's, as a socket that is closed
for its owner (TLS-059). `shutdown()` sends both (TLS-061); `close()` only FIN (TLS-063). The peer's
close_notify and its FIN are one and the same end; whichever comes first counts (TLS-056).

Longer than other files because beginning, writing and ending share one state.
"""

import socket as _socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

from sockharness.engine import options, sockopts
from sockharness.engine.chunk import Data, chunk_of
from sockharness.engine.handlers import HandlerGroup
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.timers import Timer
from sockharness.engine.secure.buffered import BufferedSocket
from sockharness.engine.secure.watcher import HandlerWatcher
from sockharness.engine.tcp.socket import START
from sockharness.engine.tcp.states import Happening, ReadyState, State
from sockharness.engine.tls import codes
from sockharness.engine.tls.plan import Overrides, Plan
from sockharness.engine.tls.session import Session
from sockharness.errors import TLSError

_UNIT = 128 * 1024  # of plaintext, encrypted and sent in one go (TLS-054)
_CHUNK = 112 * 1024  # of ciphertext, for one read; more, and malloc maps and unmaps it each time
_Bytes = bytes | bytearray | memoryview
_OVER = State.BOTH_ENDED  # nothing is read or written any more, but it is not closed yet


class SecureSocket(BufferedSocket):
    """A connection with TLS; see `Socket`."""

    __slots__ = (
        "_deadline",
        "_dying",
        "_established",
        "_failed",
        "_farewell",
        "_fin_is_due",
        "_held",
        "_leaving",
        "_opened",
        "_overrides",
        "_owes_drain",
        "_plan",
        "_raw",
        "_received_again",
        "_session",
        "_verdict",
        "_watcher",
        "handshake_outcome",
        "handshake_waiters",
    )

    _overrides: Overrides
    _plan: Plan

    def __init__(self, reactor: Reactor, group: HandlerGroup, data: Any) -> None:
        super().__init__(reactor, group, data)
        self._plan = cast(Plan, group.tls)
        self._session: Session | None = None
        self._chunk_size = _CHUNK
        self._overrides = Overrides(self._plan.session)
        self._watcher = HandlerWatcher(group, self)
        self._opened = False  # `open` was called
        self._established = False
        self._failed = False
        self._dying = False  # a failure is known: what came before it is delivered, paused or not
        self._deadline: Timer | None = None
        self._owes_drain = False  # a write was cut short
        self._farewell = False  # close_notify was sent
        self._fin_is_due = False  # when the buffer is empty
        self._leaving = False  # `end` was called: all was sent, the peer's end is awaited
        self._received_again = False  # data came since
        self._held = False  # something was received, but not processed, because of a pause
        self._verdict: tuple[bool, OSError | None] = (
            False,
            None,
        )  # authorized, error; set at the close
        self.handshake_outcome: BaseException | bool | None = None  # of the handshake; `True`: good
        self.handshake_waiters: list[Callable[[], object]] = []
        # The `RawSocket` that gets the ciphertext, after `upgrade_tls`.
        self._raw: Any = None if self._plan.below is None else self._plan.below(self)

    def __repr__(self) -> str:
        secured = "secured" if self._established else "failed" if self._failed else "handshaking"
        return super().__repr__().replace("<Socket ", f"<Socket {secured} ", 1)

    # Beginning

    def _call_open(self) -> None:
        seconds = self._plan.handshake_timeout
        if seconds is not None:
            self._deadline = self._reactor.call_later(seconds, self._on_deadline, seconds)
            self._deadline.unref()
        if self._group.handlers.handshake is not None:
            self._opened = True
            super()._call_open()
        if self._sock is not None and not self._plan.config.server and not self._failed:
            self._session = self._begin()
            self._go_on(self._session)

    def _begin(self) -> Session:
        overrides = self._overrides
        return Session(
            self._plan.config,
            self._watcher,
            hostname=self._plan.hostname,
            server_name=overrides.server_name,
            resume=overrides.session,
            request_cert=overrides.request_cert,
            reject_unauthorized=overrides.reject_unauthorized,
        )

    def _go_on(self, session: Session) -> bool:
        """Go on with the handshake; return whether it is done and the socket still open."""
        try:
            done = session.handshake()
        except TLSError as error:
            if self._sock is not None and not self._failed:
                self._push(session.take())  # an alert, if there is one for this
                self._fail(error)
            return False
        if self._sock is None or self._failed:  # one of the handlers that OpenSSL called closed it
            return False
        if done:
            self._on_handshake_done(session)
        else:
            self._push(session.take())
        return done and self._sock is not None

    def _on_handshake_done(self, session: Session) -> None:
        self._established = True
        self._cancel_deadline()
        handshake = self._group.handlers.handshake
        if not self._opened or handshake is None:
            self._call_late_open()
        if handshake is not None and self._sock is not None:
            self._group.call(handshake, self, session.success, session.authorization_error)
        self._settle()
        if self._sock is None:
            return
        self._push(session.take())
        if not session.server and session.version != "TLSv1.3" and not session.reused:
            session.note_session()  # in TLS 1.3 they come later
        if self._leftover is not None:
            self._send_leftover()
        elif self._owes_drain:
            self._arm()

    def _call_late_open(self) -> None:
        self._opened = True
        handler = self._group.handlers.open
        if handler is not None:
            self._group.call(handler, self)

    def _fail(self, error: TLSError | None, *, closing: OSError | None = None) -> None:
        """End a failed handshake: call `handshake`, then close."""
        self._failed = True
        self._cancel_deadline()
        self._leftover = None
        self._state = _OVER
        self._settle(error or codes.disconnected())
        handshake = self._group.handlers.handshake
        if handshake is None:
            self._call_late_open()
        else:
            self._group.call(handshake, self, False, error)  # noqa: FBT003 - Bun's signature
        self._close(closing)

    def _on_deadline(self, seconds: float) -> None:
        self._deadline = None
        error = codes.timed_out(seconds)
        self._fail(error, closing=error)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _settle(self, outcome: BaseException | Literal[True] = True) -> None:  # noqa: FBT002
        if self.handshake_outcome is None:
            self.handshake_outcome = outcome
            for wake in tuple(self.handshake_waiters):
                wake()

    @property
    def ready_state(self) -> ReadyState:
        """As `Socket`; CLOSED also after `end()`, unless data came since (TLS-059)."""
        gone = self._sock is None or (self._leaving and not self._received_again)
        return ReadyState.CLOSED if gone else ReadyState.OPEN

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed, also for its owner; it stays the engine's."""
        return -1 if self.ready_state is ReadyState.CLOSED else self._fd

    # Sending

    def write(self, data: Data, offset: int = START, length: int | None = None) -> int:
        """Encrypt and send; return the number of plaintext bytes accepted, which will arrive.

        0 before the handshake is done; `drain` follows then (TLS-046). Else as `Socket.write`.
        """
        if self._reactor.debug:
            self._reactor.check()
        if self._sock is None or self._leaving:
            return -1
        if offset is not START or length is not None or type(data) is not bytes:
            data = chunk_of(data, offset, length)
        if not self._state.writes:
            return -1
        if not self._established:
            self._owes_drain = self._owes_drain or bool(data)
            return 0 if data else -1
        taken = self._encrypt(data)
        if 0 <= taken < len(data):
            self._owes_drain = True
        return taken

    def _encrypt(self, data: _Bytes) -> int:
        """Encrypt and send until the kernel takes no more; return the amount, -1 on failure."""
        session, count = self._session, len(data)
        if self._buffer is not None or session is None:
            return 0
        if session.fault is not None:  # it is reported when the socket is resumed
            return -1
        if count <= _UNIT:
            units: list[_Bytes] = [data] if count else []
        else:
            view = memoryview(data)
            units = [view[at : at + _UNIT] for at in range(0, count, _UNIT)]
        done = 0
        for unit in units:
            if not self._push(session.encrypt(unit)):
                if self._error is not None:
                    return -1
                count = done + len(unit)
            done += len(unit)
            self._bytes_written += len(unit)
            if done == count:
                break
        return done

    def _on_drain(self) -> None:
        if not self._flush_buffer():
            return
        self._disarm()
        if self._fin_is_due:
            self._send_fin()
        if self._owes_drain and self._established and self._state.writes:
            self._owes_drain = False
            self._call_drain()

    def _send_leftover(self) -> None:
        leftover = self._leftover
        if leftover is None or not self._flush_buffer():
            return
        if not self._established:  # it was only the handshake that waited
            self._disarm()
            return
        taken = self._encrypt(leftover)
        if taken < 0:
            return
        self._leftover = leftover[taken:]
        if taken == len(leftover) and self._buffer is None:
            self._leftover = None
            self._disarm()
            self._leave()

    # Ending and closing

    def end(self, data: Data | None = None, offset: int = 0, length: int | None = None) -> int:
        """Send `data`, then close_notify; then wait for the peer's end, and close.

        For its owner the socket is closed at once when all is sent: `ready_state` says so, and
        `write`, `end`, `close` and `terminate` do nothing more. `close` is called when the peer
        has ended too; if data came meanwhile, `end` is called before (TLS-059). Before the
        handshake is done, `end()` gives up, and `end(data)` waits for it (TLS-048, D1).
        """
        self._reactor.check()
        if self._sock is None or self._leaving:
            return -1
        chunk = b"" if data is None else chunk_of(data, offset, length)
        if self._leftover is not None:
            return -1
        if not chunk:
            self._end_empty()
            return 0
        if not self._state.writes:
            return -1
        taken = self._encrypt(chunk) if self._established else 0
        if taken < 0:
            return -1
        if taken == len(chunk) and self._buffer is None:
            self._leave()
        else:
            self._leftover = memoryview(bytes(memoryview(chunk)[taken:]))
            self._advance(Happening.END_LATER)
            self._update()
            self._drop_unsent()
        return len(chunk)

    def _end_empty(self) -> None:
        if self._established and self._state.writes:
            self._leave()
        else:  # not secured yet, or shut down already
            self._close(None)

    def _leave(self) -> None:
        """Report that all is sent; close if the peer has ended, else wait for that."""
        self._say_farewell()
        if self._state in (State.PEER_ENDED, State.FINISHING):
            self._close(None)
        elif self._state is not State.BROKEN and self._sock is not None:
            self._leaving = True
            if self._state is State.OPEN:
                self._advance(Happening.END_LATER)
            self._update()
            self._drop_unsent()

    def _say_farewell(self) -> None:
        session = self._session
        if session is not None and self._established and not self._farewell:
            self._farewell = True
            session.close()
            self._push(session.take())

    def shutdown(self, read: bool = False) -> None:  # noqa: FBT001, FBT002 - Bun's signature
        """Half-close: send close_notify and FIN and go on reading; with `read`, as `Socket`.

        After it a bare FIN of the peer gives `close`, its close_notify `end` and `close`
        (TLS-061). Before the handshake is done it gives up (TLS-050).
        """
        self._reactor.check()
        options.flag("read", read)
        if self._sock is None or self._leaving or self._failed:
            return
        if not self._established:
            self._fail(codes.disconnected() if read else None)
        elif read:
            super().shutdown(read=True)
        elif self._state.writes:
            self._owes_drain = False
            self._say_farewell()
            if self._state is State.PEER_ENDED:
                self._close(None)
            elif self._state is State.OPEN:
                self._advance(Happening.SHUTDOWN)
                self._fin_is_due = True
                if self._buffer is None:
                    self._send_fin()
                self._update()
                self._drop_unsent()

    def _send_fin(self) -> None:
        self._fin_is_due = False
        if self._sock is not None:
            with suppress(OSError):  # ENOTCONN: a reset has come already
                self._sock.shutdown(_socket.SHUT_WR)

    def close(self) -> None:
        """Close (FIN, no close_notify) at once; `close(socket, None)` comes inside the call.

        Bytes that `write` accepted still arrive.
        """
        self._reactor.check()
        if not self._leaving:
            self._close_now()

    def _close_now(self) -> None:
        if self._session is not None and self._established:
            self._push(self._session.take())  # in `handshake` the last flight is still to be sent
        self._close(None)

    def terminate(self) -> None:
        """Abort (RST), dropping what was not sent; `close(socket, None)` comes inside the call."""
        self._reactor.check()
        if self._sock is not None and not self._leaving:
            self._buffer = None
            sockopts.reset_on_close(self._sock)
            self._close(None)

    def close_from_below(self) -> None:
        """Close, as the raw socket of an upgraded connection is."""
        self._buffer = None
        self._close(None)

    def hang_up(self) -> None:
        """End at once, as `listener.stop(True)` does: close_notify, FIN, close (TLS-065)."""
        if self._established and self._leftover is None:
            self._say_farewell()
        if self._leftover is None:
            self._close(None)

    def _close(self, error: OSError | None) -> None:
        if self._sock is None:
            return
        if not self._established and not self._failed:
            if error is None:
                self._fail(codes.disconnected())  # and comes back
                return
            self._failed = True
        if error is not None:
            self._buffer = None
            self._settle(error)
        if self._raw is not None:
            self._raw.closed(error)
        super()._close(error)

    def _release(self) -> None:
        self._verdict = (self.authorized, self.authorization_error)
        self._cancel_deadline()
        if self._raw is not None:
            self._raw.let_go()
        super()._release()
        if self._session is not None:
            self._session.dispose()
            self._session = None
        self._settle(codes.disconnected())

    # Receiving

    def _receive(self) -> int:
        sock = self._sock
        if sock is None:
            return 0
        try:
            ciphertext = sock.recv(_CHUNK)
        except OSError as error:
            self._on_receive_error(error)
            return 0
        if not ciphertext:
            self._on_peer_end()
            return 0
        self._take_in(ciphertext)
        return len(ciphertext)

    def _take_in(self, ciphertext: bytes) -> None:
        if self._raw is not None:
            self._raw.deliver(ciphertext)
            if self._sock is None:
                return
        session = self._session
        if session is None:
            session = self._session = self._begin()
        session.receive(ciphertext)
        if self._established or self._go_on(session):
            self._process(session)

    def _process(self, session: Session) -> None:
        """Deliver received bytes; not while paused."""
        if self._is_held():
            return
        plaintext = session.read()
        if not plaintext or session.fault is not None:
            # An answer of the protocol, or an alert. Beside data it can wait for the next write,
            # in front of which it is due (RFC 8446, section 4.6.3).
            self._push(session.take())
        if session.new_sessions:
            self._report_sessions(session)
        if plaintext:
            self._deliver(plaintext)
        if self._sock is None or not (session.ended or session.fault):
            return
        if self._is_held():
            return
        if session.fault is not None:
            self._on_fault(session.fault)
        elif self._state.reads:
            self._on_end(said=True)

    def _is_held(self) -> bool:
        """Keep the received bytes for `resume` if the socket is paused; return whether it is."""
        self._held = self._paused and not self._dying
        return self._held

    def _read_last(self) -> None:
        self._dying = True
        self._process_held()
        super()._read_last()

    def _deliver(self, plaintext: bytes) -> None:
        self._received_again = self._received_again or self._leaving
        data = self._group.handlers.data
        if data is not None and self._sock is not None:
            try:
                data(self, plaintext)
            except BaseException as error:  # noqa: BLE001 - reported; `call` written out
                self._group.failed(error, self)

    def _report_sessions(self, session: Session) -> None:
        sessions, session.new_sessions = session.new_sessions, []
        for each in sessions:
            self._watcher.on_session(each)

    def resume(self) -> None:
        """Read again; bytes that came meanwhile are delivered in a later turn."""
        super().resume()
        if self._held:
            self._reactor.call_soon(self._process_held)

    def _process_held(self) -> None:
        session = self._session
        if self._held and session is not None:
            self._process(session)

    def _on_fault(self, error: TLSError) -> None:
        """End an established session that failed (TLS-058)."""
        self._leftover = None
        self._state = _OVER
        if self._group.handlers.error is not None:
            self._group.failed(error, self)
        self._close(None)

    def _on_peer_end(self) -> None:
        if self._state is State.BROKEN:
            self._close(self._error)
        elif not self._established:
            self._close(None)
        else:
            self._on_end(said=False)

    def _on_end(self, *, said: bool) -> None:
        """The peer has ended, by close_notify (`said`) or a bare FIN."""
        end = self._group.handlers.end
        if self._leaving or self._state is State.SHUT:
            if end is not None and (self._received_again or (said and not self._leaving)):
                self._group.call(end, self)
            self._close(None)
            return
        was = self._state
        self._advance(Happening.PEER_FIN)
        if was is State.ENDING:  # the rest of an `end(data)` is sent, then closed
            self._update()
        elif end is None:
            self._close_politely()
        else:
            self._call_end(end)

    def _after_end(self) -> None:
        self._end_call = None
        if self._sock is None or self._leaving:
            return
        if self._half_open or self._state in (State.FINISHING, State.BROKEN):
            self._update()
        else:
            self._close_politely()

    def _close_politely(self) -> None:
        self._say_farewell()
        self._close(None)
