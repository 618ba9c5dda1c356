"""A handshake that is cut or changed anywhere: exhaustive, over real sockets where they matter.

**Cuts.** The side under test is a socket of the engine; the other one is a `Session` without I/O
behind a plain socket, of whose bytes only the first so many are sent. Then come FIN, a reset, bytes
that are no TLS, or nothing, until the deadline; the clock of the reactor is turned by hand. Each
time there has to be one `close`, last, at most one `handshake` before it, and no `data`.

With mutual TLS a server demands a certificate and gets a good one, which makes the flights longer.
There each byte is cut with one of the endings in turn; with `SOCKHARNESS_EXHAUSTIVE=1`, as `make
test-all` sets it, each byte is cut with all of them.

**Changes.** Two sessions talk in memory, one byte of one flight is changed, and both say a word as
soon as they think that they are secured. A side that failed must not have given out a byte.
"""

import os
import socket
from collections.abc import Iterator, Sequence

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tls.session import Session
from tests.helpers import certificates, raw
from tests.helpers.conversation import Log
from tests.helpers.secure import ALL_EVENTS
from tests.helpers.tls import TLS12, TLS13, Recorder, Side, client_config, server_config

pytestmark = pytest.mark.slow
DEADLINE = 10.0  # seconds of the clock that is turned by hand
ENDINGS = ("fin", "reset", "silence", "garbage")
EXHAUSTIVE = os.environ.get("SOCKHARNESS_EXHAUSTIVE") == "1"
GARBAGE = b"this is no TLS, and more of it than fits into the rest of a small record" * 400
ALL = 1 << 20


class TurnedByHand(Kernel):
    """A kernel whose clock stands still."""

    def __init__(self) -> None:
        self.time = 0.0
        self.monotonic = lambda: self.time


class Bench:
    """A reactor, and on it a side under test, `server` or `client`, again and again.

    Attributes:
        mutual: whether the server demands a certificate and the client shows one.
        shown: whether one was shown in the last run, as far as the server knows.
    """

    def __init__(self, side: str, version: int, *, mutual: bool) -> None:
        self.kernel = TurnedByHand()
        self.reactor = Reactor(self.kernel)
        self.side = side
        self.mutual = mutual
        self.shown = False
        self.log = Log()
        self.handlers = self.log.handlers("x", *ALL_EVENTS, handshake=self.note_certificate)
        demands = {"request_cert": True, "ca": certificates.root().pem} if mutual else {}
        shows = certificates.good().options if mutual else {}
        self.server = server_config(max_version=version, **demands)
        self.client = client_config(max_version=version, **shows)
        self.listener: Listener | None = None
        self.plain = socket.create_server(("127.0.0.1", 0))
        if side == "server":
            self.listener = listen(
                socket=self.handlers,
                hostname="127.0.0.1",
                port=0,
                reactor=self.reactor,
                tls={**certificates.good().options, "max_version": version, **demands},
                handshake_timeout=DEADLINE,
            )
        self.tls = {
            "ca": certificates.root().pem,
            "server_name": "localhost",
            "max_version": version,
            **shows,
        }

    def note_certificate(self, socket: SecureSocket, *_: object) -> None:
        """Note whether the side under test, if it is the server, was shown a certificate."""
        self.shown = self.side == "server" and socket.peer_certificate is not None

    def close(self) -> None:
        self.reactor.close()
        self.plain.close()

    def connected(self) -> tuple[socket.socket, Side]:
        """Return the plain socket opposite of a new side under test, and who speaks there."""
        port = self.listener.port if self.listener else self.plain.getsockname()[1]
        ours = socket.create_connection(("127.0.0.1", port))
        if self.listener:
            return ours, Side(Session(self.client, Recorder(), hostname="localhost"))
        peer, _ = self.plain.accept()
        connect(
            socket=self.handlers,
            fd=ours.detach(),
            reactor=self.reactor,
            tls=self.tls,
            handshake_timeout=DEADLINE,
        )
        return peer, Side(Session(self.server, Recorder()))

    def run(self, cut: int, ending: str) -> tuple[int, list[str]]:
        """Cut after `cut` bytes; return the number sent, and the events of the side under test."""
        self.log.clear()
        self.shown = False
        sock, peer = self.connected()
        sock.setblocking(False)
        sent = 0
        for _ in range(6):
            flight = self.flight(sock, peer)[: cut - sent]
            if flight:
                sock.send(flight)
                sent += len(flight)
            if sent == cut:
                break
        self.reactor.run_once(0)
        if self.side == "client":
            self.shown = peer.session.peer_certificate is not None
        self.end(sock, ending)
        self.reactor.run_once(0)
        self.reactor.run_once(0)
        if ending in ("silence", "garbage"):
            self.kernel.time += DEADLINE
            self.reactor.run_once(0)
        seen = [
            f"{event} {args[0]}" if event == "handshake" else event
            for _, event, args in self.log.entries
        ]
        if "close" not in seen and "handshake True" in seen:  # secured: it may stay
            sock.close()
            self.reactor.run_once(0)
            self.reactor.run_once(0)
            seen.append("stayed")
        sock.close()
        return sent, seen

    def flight(self, sock: socket.socket, peer: Side) -> bytes:
        """Let the side under test run; return what the peer has to say to it."""
        self.reactor.run_once(0)
        received = raw.drain(sock)
        if received:
            peer.session.receive(received)
        peer.advance()
        assert peer.error is None
        return peer.session.take()

    def end(self, sock: socket.socket, ending: str) -> None:
        if ending == "fin":
            sock.shutdown(socket.SHUT_WR)
        elif ending == "reset":
            raw.reset(sock)
        elif ending == "garbage":
            sock.send(GARBAGE)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    side, version, mutual = request.param
    made = Bench(side, version, mutual=mutual)
    yield made
    made.close()


def judge(ending: str, seen: list[str]) -> str:
    """Return the fault in the events of the side under test, nothing if all is well."""
    stayed = seen[-1:] == ["stayed"]
    if "data" in seen:
        return "data"
    if seen.count("close") + stayed != 1 or seen[-1] not in ("close", "stayed"):
        return "not one end"
    if seen[0] != "open" or sum(each.startswith("handshake") for each in seen) > 1:
        return "not one beginning"
    if stayed and ending in ("fin", "reset"):
        return "it did not notice"
    secured = "handshake True" in seen
    if not secured and ("handshake False" in seen) == (ending == "reset"):
        return "told wrongly"
    return ""


def cuts(total: int, ending: str, *, mutual: bool) -> Sequence[int]:
    """Return the numbers of bytes before a cut: all, or this ending's share."""
    if EXHAUSTIVE or not mutual:
        return range(total + 1)
    return range(ENDINGS.index(ending), total + 1, len(ENDINGS))


SIDES = {
    f"{side}, {name}{', mutual' * mutual}": (side, version, mutual)
    for mutual in (False, True)
    for side in ("server", "client")
    for name, version in (("TLS 1.2", TLS12), ("TLS 1.3", TLS13))
}


@pytest.mark.parametrize("bench", SIDES.values(), ids=SIDES, indirect=True)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.shows("TLS-057", "TLS-070", "TLS-071", "D11")
def test_a_handshake_that_is_cut_after_any_byte_ends_once(bench: Bench, ending: str) -> None:
    total, seen = bench.run(ALL, "silence")
    assert "handshake True" in seen
    assert bench.shown == bench.mutual
    wrong = {}

    for cut in cuts(total, ending, mutual=bench.mutual):
        _, seen = bench.run(cut, ending)
        problem = judge(ending, seen)
        if problem:
            wrong[cut] = (problem, seen)

    assert wrong == {}
    assert total > 300
    assert "descriptors=1" in repr(bench.reactor) or bench.listener is None


def test_the_endings_share_every_byte_of_mutual_tls_among_them() -> None:
    shares = [cuts(2000, ending, mutual=True) for ending in ENDINGS]

    assert {cut for share in shares for cut in share} == set(range(2001))


# Changes

WORDS = {"server": b"from the server", "client": b"from the client"}


def talk(version: int, flight: int, at: int, mask: int) -> tuple[dict[str, Side], int]:
    """Let two sessions talk, with one byte changed; return them and the length of the flight."""
    server, client = _CONFIGS[version]
    sides = {
        "client": Side(Session(client, Recorder(), hostname="localhost")),
        "server": Side(Session(server, Recorder())),
    }
    number = length = 0
    spoken: set[str] = set()
    for _ in range(4):
        for name, other in (("client", "server"), ("server", "client")):
            side = sides[name]
            side.advance()
            if side.done and name not in spoken and side.error is None:
                spoken.add(name)
                side.session.write(WORDS[name])
            sent = side.session.take()
            if not sent:
                continue
            if number == flight:
                length = len(sent)
                if at < length:
                    sent = sent[:at] + bytes((sent[at] ^ mask,)) + sent[at + 1 :]
            number += 1
            if sides[other].error is None:
                sides[other].session.receive(sent)
    for side in sides.values():
        side.advance()
    return sides, length


_CONFIGS = {
    version: (server_config(max_version=version), client_config(max_version=version))
    for version in (TLS12, TLS13)
}
# Those that make the handshake and the first words: the client's, the server's, and so on.
FLIGHTS = [*((TLS12, number) for number in range(5)), *((TLS13, number) for number in range(4))]


@pytest.mark.parametrize(("version", "flight"), FLIGHTS)
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_a_changed_byte_anywhere_gives_out_no_byte_of_a_failed_session(
    version: int, flight: int, mask: int
) -> None:
    sides, total = talk(version, flight, ALL, mask)
    assert all(
        side.got == WORDS[other]
        for side, other in zip(
            (sides["client"], sides["server"]), ("server", "client"), strict=True
        )
    )
    assert total > 0
    failures = 0

    for at in range(total):
        sides, _ = talk(version, flight, at, mask)
        for name, other in (("client", "server"), ("server", "client")):
            side = sides[name]
            failed = side.error or side.session.fault
            failures += failed is not None
            # What came before a fault that comes later is delivered; what is changed never is.
            assert side.got in (b"", WORDS[other]), (at, name)
            assert not (side.error and side.got), (at, name)
            assert not (failed and side.session.authorized), (at, name)

    assert failures > 0


def test_no_flight_is_left_out() -> None:
    assert talk(TLS12, 5, ALL, 1)[1] == talk(TLS13, 4, ALL, 1)[1] == 0
    assert sum(talk(*each, ALL, 1)[1] for each in FLIGHTS) > 5000
