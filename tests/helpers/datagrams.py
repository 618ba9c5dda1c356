"""UDP sockets of one reactor, and a log of what their handlers saw.

A log reads like those of the behaviour catalogue: `a.data(hi)`, `a.error(ECONNREFUSED)`, `a.drain`,
in call order. Datagrams are not joined: their boundaries mean something.
"""

import errno
import functools
import socket as raw
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp.socket import UDPSocket, udp_socket
from sockharness.errors import code_of
from tests.helpers.loopback import wait_for_delivery
from tests.helpers.ports import leased_port

DEADLINE = 30.0
LOOPBACK = "127.0.0.1"
Handlers = dict[str, Callable[..., Any]]


class Net:
    """A reactor with UDP sockets; `with Net() as net:` closes all.

    Attributes:
        log: the events that the handlers saw.
        received: the arguments of `data` behind the socket, in order.
    """

    def __init__(self, kernel: Kernel | None = None, reactor: Reactor | None = None) -> None:
        self.reactor = reactor or Reactor(kernel)
        self.log: list[str] = []
        self.received: list[tuple[Any, ...]] = []
        self._stack = ExitStack()
        self._stack.enter_context(self.reactor)

    def __enter__(self) -> "Net":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def udp(self, who: str = "", **options: Any) -> UDPSocket:
        """Make a socket on IPv4 loopback; with a name it has logging handlers."""
        given = {"hostname": LOOPBACK, "reactor": self.reactor, **options}
        if who:
            given.setdefault("socket", self.handlers(who))
        return udp_socket(**given)

    def pair(self, **options: Any) -> tuple[UDPSocket, UDPSocket]:
        """Return `a`, connected to `b`, and `b`."""
        b = self.udp("b", **options)
        return self.udp("a", connect=peer(b), **options), b

    def raw(self, host: str = LOOPBACK, port: int = 0) -> raw.socket:
        """Make a bound socket of the system's."""
        family = raw.AF_INET6 if ":" in host else raw.AF_INET
        sock = self._stack.enter_context(raw.socket(family, raw.SOCK_DGRAM))
        sock.settimeout(DEADLINE)
        sock.bind((host, port))
        return sock

    def dead_port(self) -> int:
        """Return a port that no socket is bound to, unless the test binds one."""
        return self._stack.enter_context(leased_port())

    def handlers(self, who: str, **then: Callable[..., Any] | None) -> Handlers:
        """Return logging handlers; a replacement runs after the note, `None` leaves one out."""
        makers = {"data": self._data, "drain": self._drain, "error": self._error}
        return {
            name: maker(who, then.get(name))
            for name, maker in makers.items()
            if name not in then or then[name] is not None
        }

    def _data(self, who: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        def data(socket: UDPSocket, payload: bytes, *rest: Any) -> Any:
            self.log.append(f"{who}.data({payload.decode('latin-1')})")
            self.received.append((payload, *rest))
            return then and then(socket, payload, *rest)

        def five(socket: UDPSocket, payload: bytes, port: int, host: str, flags: Any) -> Any:
            return data(socket, payload, port, host, flags)

        return five

    def _drain(self, who: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        def drain(socket: UDPSocket) -> Any:
            self.log.append(f"{who}.drain")
            return then and then(socket)

        return drain

    def _error(self, who: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        def error(socket: UDPSocket, error: BaseException) -> Any:
            self.log.append(f"{who}.error({code_of(error)})")
            return then and then(socket, error)

        return error

    def until(self, condition: Callable[[], object]) -> None:
        """Run until a condition holds."""
        __tracebackhide__ = True
        assert self.reactor.run_until(condition, DEADLINE), self.trace

    def until_received(self, count: int) -> list[bytes]:
        """Run until `count` datagrams were received; return the payloads."""
        __tracebackhide__ = True
        self.until(lambda: len(self.received) >= count)
        return [each[0] for each in self.received]

    def settle(self) -> str:
        """Run until nothing happens any more, and return the log."""
        quiet = 0
        while quiet < 5:
            before = len(self.log)
            wait_for_delivery()
            self.reactor.run_once(0)
            quiet = quiet + 1 if before == len(self.log) else 0
        return self.trace

    @property
    def trace(self) -> str:
        """The log as one line."""
        return " ".join(self.log)


def peer(socket: UDPSocket | raw.socket) -> dict[str, Any]:
    """Return the address of a socket in the form that `connect` takes."""
    name = socket.address if isinstance(socket, UDPSocket) else socket.getsockname()
    return {"hostname": name[0], "port": name[1]}


def to(socket: UDPSocket, *payloads: Any, host: str = "") -> list[Any]:
    """Return a flat batch for one destination."""
    return [each for data in payloads for each in (data, socket.port, host or socket.address[0])]


@contextmanager
def kernel_of(socket: UDPSocket) -> Iterator[raw.socket]:
    """Look at the descriptor of an engine's socket, which stays the engine's."""
    real = raw.socket(fileno=socket.fileno())
    try:
        yield real
    finally:
        real.detach()


class Faulty(Kernel):
    """Sockets that fail to send with the given errnos and record their options.

    Attributes:
        errors: errnos for the next sends, 0 for one that works.
        calls: the names of the calls that sent something, and the number of bytes.
        options: the options set, as level, number and value.

    Args:
        of: hands out the sockets, if not the ordinary one.
    """

    def __init__(self, *errors: int, of: Kernel | None = None) -> None:
        self._of = of or Kernel()
        self.errors = list(errors)
        self.calls: list[tuple[str, int]] = []
        self.options: list[tuple[Any, ...]] = []

    def attempt(self, name: str, call: Callable[[], int]) -> int:
        """Make a call, unless it is to fail."""
        if self.errors and (number := self.errors.pop(0)):
            raise OSError(number, f"injected {errno.errorcode[number]}")
        size = call()
        self.calls.append((name, size))
        return size

    def socket(self, family: int, kind: int = raw.SOCK_STREAM) -> raw.socket:
        kernel = self

        class Wrapped(raw.socket):
            def send(self, data: Any, flags: int = 0, /) -> int:
                return kernel.attempt("send", lambda: raw.socket.send(self, data, flags))

            def sendto(self, data: Any, *rest: Any) -> int:
                return kernel.attempt("sendto", lambda: raw.socket.sendto(self, data, *rest))

            def sendmsg(self, buffers: Any, *rest: Any) -> int:
                return kernel.attempt("sendmsg", lambda: raw.socket.sendmsg(self, buffers, *rest))

            def setsockopt(self, *args: Any) -> None:
                kernel.options.append(args)
                super().setsockopt(*args)

        sock = Wrapped(fileno=self._of.socket(family, kind).detach())
        sock.settimeout(0)
        return sock


class Names(Kernel):
    """A resolver with the answers that are given, in order."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names

    def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[Any]:
        if hostname not in self.names:
            return super().addresses(hostname, port, flags=flags | raw.AI_NUMERICHOST)
        return [
            entry
            for literal in self.names[hostname]
            for entry in super(Names, self).addresses(literal, port)
        ]


@functools.cache
def has_ipv6() -> bool:
    """Return whether this host has `::1`."""
    try:
        with raw.socket(raw.AF_INET6, raw.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this host's loopback")
