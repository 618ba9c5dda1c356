"""Two TLS sessions that talk in memory."""

from typing import Any

from sockharness.engine.tls import context
from sockharness.engine.tls.options import checked
from sockharness.engine.tls.session import Session
from sockharness.errors import TLSError
from tests.helpers import certificates

TLS12, TLS13 = 0x0303, 0x0304
Options = dict[str, Any]


class Recorder:
    """A record of a session's reports and questions."""

    def __init__(self, answer: bytes | bool | None = True) -> None:
        self.answer = answer
        self.secrets: list[bytes] = []
        self.names: list[str] = []
        self.asked: list[tuple[str | None, list[bytes]]] = []
        self.wants_tickets = True

    def on_secret(self, line: bytes) -> None:
        self.secrets.append(line)

    def on_server_name(self, name: str) -> None:
        self.names.append(name)

    def choose_protocol(self, name: str | None, offered: list[bytes]) -> bytes | bool | None:
        self.asked.append((name, offered))
        return self.answer


class Side:
    """A session, and how far it came."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.done = False
        self.error: TLSError | None = None
        self.flights: list[bytes] = []  # the bytes that it sent
        self.got = b""

    def step(self, other: "Side") -> bool:
        """Go on, and send; return whether anything was sent."""
        self.advance()
        flight = self.session.take()
        if not flight:
            return False
        self.flights.append(flight)
        if other.error is None:
            other.session.receive(flight)
        return True

    def advance(self) -> None:
        """Go on with the handshake, or read."""
        if self.error is not None:
            return
        if self.done:
            self.got += self.session.read()
            return
        try:
            self.done = self.session.handshake()
        except TLSError as error:
            self.error = error

    @property
    def outcome(self) -> tuple[bool, str]:
        """Return whether it is established, and the code of its error about the peer."""
        error = self.error or self.session.fault or self.session.authorization_error
        return self.done and self.session.fault is None, error.code if error else ""


def server_config(**options: Any) -> context.Config:
    """Return a server's config, with a good certificate if none is given."""
    given = options if {"key", "cert", "sni"} & set(options) else _with_good(options)
    made, _ = checked("listen", given, server=True)
    assert made is not None
    return context.Config(made, server=True)


def client_config(**options: Any) -> context.Config:
    """Return a client's config that trusts the tests' authority, if no other is given."""
    made, _ = checked("connect", {"ca": certificates.root().pem, **options}, server=False)
    assert made is not None
    return context.Config(made, server=False)


def _with_good(options: Options) -> Options:
    return {**certificates.good().options, **options}


def sides(
    server: Options | context.Config | None = None,
    client: Options | context.Config | None = None,
    *,
    host: str | None = "localhost",
    answer: bytes | bool | None = True,
    **options: Any,
) -> tuple[Side, Side]:
    """Return a server and a client that have not begun; `options` are the client session's."""
    configs = (
        server if isinstance(server, context.Config) else server_config(**(server or {})),
        client if isinstance(client, context.Config) else client_config(**(client or {})),
    )
    return (
        Side(Session(configs[0], Recorder(answer))),
        Side(Session(configs[1], Recorder(), hostname=host, **options)),
    )


def pump(server: Side, client: Side) -> None:
    """Let both sides talk until both are silent."""
    for _ in range(20):
        if not (client.step(server) | server.step(client)):
            return
    raise AssertionError("they never come to an end")


def talk(*args: Any, **options: Any) -> tuple[Side, Side]:
    """Return a server and a client that have said all; arguments as of `sides`."""
    server, client = sides(*args, **options)
    pump(server, client)
    return server, client
