"""A listener and a client with TLS, and OpenSSL itself as the other side of either."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.listener import Listener
from sockharness.errors import code_of
from tests.helpers import certificates, raw
from tests.helpers.conversation import DEADLINE, EVENTS, Handlers, Log, settle

Options = dict[str, Any]
ALL_EVENTS = (*EVENTS, "handshake")


class Secured:
    """A listener and its clients; the log has `s` for accepted sockets and `c` for clients.

    Attributes:
        opened: sockets whose `open` or `handshake` was called, in this order, by side.
    """

    def __init__(
        self,
        reactor: Reactor,
        server_tls: Options | None = None,
        client_tls: Options | None = None,
        *,
        handshake: bool = True,
        server: dict[str, Any] | None = None,
        client: dict[str, Any] | None = None,
        listen_options: Options | None = None,
        connect_options: Options | None = None,
    ) -> None:
        self.reactor = reactor
        self.log = Log()
        self.opened: dict[str, list[SecureSocket]] = {"s": [], "c": []}
        names = ALL_EVENTS if handshake else EVENTS
        self._client_handlers = self._handlers("c", names, client or {})
        self._client_options: Options = {
            "tls": {"ca": certificates.root().pem, **(client_tls or {})},
            **(connect_options or {}),
        }
        given: Options = server_tls or {}
        if not {"key", "cert", "sni"} & set(given):
            given = {**certificates.good().options, **given}
        where: Options = {"hostname": "127.0.0.1", "port": 0, "tls": given}
        self.listener: Listener = listen(
            socket=self._handlers("s", names, server or {}),
            reactor=reactor,
            **{**where, **(listen_options or {})},
        )

    def _handlers(self, who: str, names: tuple[str, ...], replaced: dict[str, Any]) -> Handlers:
        def noting(event: str) -> Callable[..., Any]:
            then = replaced.get(event)

            def handler(socket: SecureSocket, *args: Any) -> Any:
                if socket not in self.opened[who]:
                    self.opened[who].append(socket)
                return None if then is None else then(socket, *args)

            return handler

        wrapped: dict[str, Any] = {
            event: noting(event) for event in ("open", "handshake") if event in names
        }
        extra = {name: each for name, each in replaced.items() if name not in ("open", "handshake")}
        known = {name: each for name, each in extra.items() if name in names}
        made = self.log.handlers(who, *names, **{**wrapped, **known})
        more = {name: each for name, each in extra.items() if name not in names}
        return made | more

    def connect(self, **options: Any) -> Connecting:
        """Start a client."""
        given = {
            "socket": self._client_handlers,
            "hostname": "localhost",
            "port": self.listener.port,
            **self._client_options,
            **options,
        }
        return connect(reactor=self.reactor, **given)

    def start(self, **options: Any) -> SecureSocket:
        """Connect; return the client, whose handshake goes on."""
        made = self.connect(**options).result(DEADLINE)
        assert isinstance(made, SecureSocket)
        return made

    def talk(self, **options: Any) -> tuple[SecureSocket, SecureSocket]:
        """Return a client and an accepted socket that are secured, with nothing on the way."""
        client = self.start(**options)
        self.until(lambda: client.handshake_outcome is not None and self.opened["s"])
        server = self.opened["s"][-1]
        self.until(lambda: server.handshake_outcome is not None)
        self.settle()
        return client, server

    def until(self, condition: Callable[[], object]) -> None:
        """Run until a condition holds."""
        assert self.reactor.run_until(condition, DEADLINE), self.log.trace()

    def until_seen(self, who: str, event: str, times: int = 1) -> None:
        """Run until an event was logged so often."""
        self.until(lambda: self.log.seen(who, event) >= times)

    def settle(self) -> None:
        """Run until nothing happens any more."""
        settle(self.reactor, self.log)

    def of(self, who: str) -> str:
        """Settle, and return what one side saw."""
        self.settle()
        return self.log.of(who)

    def both(self) -> tuple[str, str]:
        """Settle, and return what the server and the client saw."""
        self.settle()
        return self.log.of("s"), self.log.of("c")

    def errors(self, who: str) -> list[str]:
        """Return the codes, or for EPROTO the reasons, that `handshake` was called with."""
        return [named(entry[2][1]) for entry in self.log.entries if entry[:2] == (who, "handshake")]

    def peer(self, tls: Options | None = None, **options: Any) -> "Peer":
        """Return OpenSSL as a client of the listener."""
        sock = socket.create_connection(("127.0.0.1", self.listener.port or 0))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificates.root().pem.decode())
        return Peer(self, sock, context, server=False, **options)


def named(error: BaseException | None) -> str:
    """Return the reason of an EPROTO, else the code, `""` for no error."""
    return "" if error is None else getattr(error, "reason", "") or code_of(error)


class Peer:
    """OpenSSL over a plain socket that no reactor serves; each step lets the reactor run too."""

    def __init__(
        self,
        talk: Secured,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server: bool,
        version: int | None = None,
        name: str | None = "localhost",
    ) -> None:
        self.sock = sock
        self._talk = talk
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if version is not None:
            context.maximum_version = ssl.TLSVersion(version)
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=name
        )
        sock.setblocking(False)

    def flush(self) -> None:
        """Send what OpenSSL has to say."""
        if self._outgoing.pending:
            self.sock.sendall(self._outgoing.read())

    def pump(self) -> None:
        """Run the reactor once, and take in what came."""
        self._talk.reactor.run_once(0)
        try:
            received = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()

    def do(self, action: Callable[[], Any]) -> Any:
        """Do something that may have to wait for bytes."""
        for _ in range(100_000):
            try:
                return action()
            except ssl.SSLWantReadError:
                self.flush()
                self.pump()
            finally:
                if self.sock.fileno() >= 0:
                    self.flush()
        raise AssertionError("it waits for ever")

    def handshake(self) -> "Peer":
        """Do the handshake, on both sides."""
        self.do(self.tls.do_handshake)
        self._talk.settle()
        return self

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.tls.write(data)
        self.flush()

    def read(self) -> bytes:
        """Return decrypted bytes; empty at close_notify, `SSLEOFError` at a bare end."""
        try:
            return bytes(self.do(lambda: self.tls.read(1 << 16)))
        except ssl.SSLZeroReturnError:
            return b""

    def notify(self) -> None:
        """Send close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()

    def fin(self) -> None:
        """Send FIN."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST."""
        raw.reset(self.sock)

    def received(self) -> bytes:
        """Settle, and return the raw bytes that wait, without the bytes that OpenSSL has."""
        self._talk.settle()
        return raw.drain(self.sock)
