"""Upgrading a plain connection to TLS (TLS-094..099)."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.errors import TLSError, UsageError
from tests.helpers import certificates
from tests.helpers.conversation import DEADLINE, Log, settle
from tests.helpers.secure import ALL_EVENTS

TRUST = {"ca": certificates.root().pem}


class Starttls:
    """A listener and a client that upgrade to TLS; the log has `s`, `S`, `c`, `C`.

    Small letters mean the raw sockets, which begin as plain ones; capitals mean the secure ones.
    """

    def __init__(self, reactor: Reactor, host: str = "localhost", **listen_options: Any) -> None:
        self.reactor = reactor
        self.log = Log()
        self.plain: dict[str, Any] = {}
        self.raw: dict[str, Any] = {}
        self.secure: dict[str, Any] = {}

        def keep(who: str) -> Callable[[Any], None]:
            return lambda socket: self.plain.__setitem__(who, socket)

        self.listener = listen(
            socket=self.log.handlers("s", open=keep("s")),
            hostname="127.0.0.1",
            port=0,
            reactor=reactor,
            data="old",
            **listen_options,
        )
        self.plain["c"] = connect(
            socket=self.log.handlers("c"),
            hostname=host,
            port=self.listener.port,
            reactor=reactor,
            data="old",
        ).result(DEADLINE)
        self.until(lambda: "s" in self.plain)
        self.log.clear()

    def upgrade(self, who: str, tls: Any, **options: Any) -> None:
        pair = self.plain[who].upgrade_tls(
            tls=tls,
            socket=self.log.handlers(who.upper(), *ALL_EVENTS),
            **options,
        )
        self.raw[who], self.secure[who] = pair

    def both(self, **client_tls: Any) -> None:
        self.upgrade("s", certificates.good().options)
        self.upgrade("c", {**TRUST, **client_tls}, data="new")
        self.until(lambda: all(each.handshake_outcome is not None for each in self.secure.values()))
        settle(self.reactor, self.log)

    def until(self, condition: Callable[[], object]) -> None:
        assert self.reactor.run_until(condition, DEADLINE), self.log.trace()

    def of(self, who: str) -> str:
        """Return one socket's entries, without the ciphertext of a raw socket."""
        settle(self.reactor, self.log)
        return self.log.of(who, *(() if who.isupper() else ("data",)))


@pytest.mark.shows("TLS-094", "TLS-095", "TLS-099")
def test_two_new_sockets_take_the_place_of_the_old_one(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    old = talk.plain["c"]
    talk.both()

    assert (old.ready_state, old.fileno(), old.write(b"x")) == (-1, -1, -1)
    assert (talk.raw["c"].data, talk.secure["c"].data) == ("old", "new")
    assert (talk.raw["s"].data, talk.secure["s"].data) == ("old", None)
    assert talk.log.seen("c", "close") == talk.log.seen("s", "close") == 0
    for who in ("S", "C"):
        assert talk.of(who) == f"{who}.open {who}.handshake(True,None)"
    assert talk.secure["c"].authorized
    assert talk.raw["c"].authorized is False
    assert talk.raw["c"].tls_version == talk.secure["c"].tls_version == "TLSv1.3"

    assert talk.secure["c"].write(b"secret") == 6
    assert talk.of("S").endswith("S.data(secret)")


@pytest.mark.shows("TLS-096")
def test_the_raw_socket_gets_each_ciphertext_before_it_is_decrypted(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.log.clear()

    talk.secure["c"].write(b"secret")
    settle(reactor, talk.log)

    assert [entry[:2] for entry in talk.log.entries] == [("s", "data"), ("S", "data")]
    assert talk.log.received("s")[:3] == b"\x17\x03\x03"
    assert b"secret" not in talk.log.received("s")


@pytest.mark.shows("TLS-096")
@pytest.mark.parametrize("way", ["end", "close", "terminate"])
def test_both_are_closed_the_raw_one_first(reactor: Reactor, way: str) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.log.clear()

    getattr(talk.secure["c"], way)()
    talk.until(lambda: talk.log.seen("S", "close"))

    settle(reactor, talk.log)
    closes = [entry[0] for entry in talk.log.entries if entry[1] == "close"]
    assert [who for who in closes if who in "cC"] == ["c", "C"]
    assert [who for who in closes if who in "sS"] == ["s", "S"]
    assert talk.raw["c"].fileno() == talk.raw["s"].fileno() == -1
    assert talk.raw["c"].remote_port == talk.listener.port


@pytest.mark.shows("TLS-096")
@pytest.mark.parametrize("way", ["close", "terminate", "end"])
def test_the_raw_socket_closes_both(reactor: Reactor, way: str) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.log.clear()

    getattr(talk.raw["c"], way)()
    talk.until(lambda: talk.log.seen("S", "close") and talk.log.seen("C", "close"))

    error = "ECONNRESET" if way == "terminate" else "None"
    ending = "" if way == "terminate" else "S.end "
    assert talk.of("S") == f"{ending}S.close({error})"
    assert talk.of("s") == f"s.close({error})"
    assert talk.of("C") == ("C.end C.close(None)" if way == "end" else "C.close(None)")
    assert talk.of("c") == "c.close(None)"


@pytest.mark.shows("TLS-096", "TLS-058")
def test_bytes_that_the_raw_socket_writes_break_the_session(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.log.clear()

    assert talk.raw["c"].write(b"") == 0
    assert talk.raw["c"].write(bytes.fromhex("1703030020") + bytes(32)) == 37
    assert talk.raw["c"].bytes_written == 37
    talk.until(lambda: talk.log.seen("C", "close"))

    assert talk.of("S") == "S.error(EPROTO) S.close(None)"
    assert talk.of("C") == "C.error(EPROTO) C.close(None)"
    assert talk.raw["c"].write(b"x") == talk.raw["c"].end(b"x") == -1


def test_the_raw_socket_pauses_both(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.raw["s"].pause()
    talk.raw["s"].unref()
    talk.raw["s"].ref()
    talk.secure["c"].write(b"held")
    assert "S.data" not in talk.of("S")

    talk.raw["s"].resume()
    assert talk.of("S").endswith("S.data(held)")


@pytest.mark.shows("TLS-097")
def test_the_name_is_that_to_which_the_plain_socket_connected(reactor: Reactor) -> None:
    issued = certificates.root().issue("elsewhere.test").options
    for name, code in ((None, "ERR_TLS_CERT_ALTNAME_INVALID"), ("elsewhere.test", "")):
        talk = Starttls(reactor)
        talk.upgrade("s", issued)
        talk.upgrade("c", {**TRUST, "server_name": name})
        talk.until(lambda: talk.secure["c"].handshake_outcome is not None)  # noqa: B023
        outcome = talk.secure["c"].handshake_outcome
        assert getattr(outcome, "code", "") == code
        talk.listener.stop(True)


@pytest.mark.shows("TCP-190", "TLS-098")
@pytest.mark.parametrize(
    ("tls", "error"),
    [(None, TypeError), (False, TypeError), (5, TypeError), ({"ca": b"x"}, TLSError)],
)
def test_an_upgrade_that_raises_leaves_the_socket_as_it_was(
    reactor: Reactor, tls: Any, error: type[Exception]
) -> None:
    talk = Starttls(reactor)

    with pytest.raises(error):
        talk.upgrade("c", tls)
    with pytest.raises(TypeError):
        talk.plain["c"].upgrade_tls(tls=TRUST, socket={})
    for given, lacking in (({"tls": TRUST}, "socket"), ({"socket": {"data": print}}, "tls")):
        with pytest.raises(TypeError, match=f"upgrade_tls: .* tls and socket, got no {lacking}"):
            talk.plain["c"].upgrade_tls(**given)
    with pytest.raises(TypeError, match="upgrade_tls: expected tls and socket, got no tls"):
        talk.plain["c"].upgrade_tls()

    assert talk.plain["c"].write(b"plain") == 5
    settle(reactor, talk.log)
    assert talk.log.trace() == "s.data(plain)"


@pytest.mark.shows("TCP-190", "TLS-098", "D41")
def test_only_an_open_plain_socket_can_be_upgraded(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.both()

    for socket in (talk.plain["c"], talk.raw["c"], talk.secure["c"]):
        with pytest.raises(UsageError, match="expected an open connection without TLS"):
            socket.upgrade_tls(tls=TRUST, socket={"data": print})
    other = Starttls(reactor)
    other.plain["c"].shutdown()
    with pytest.raises(UsageError):
        other.upgrade("c", TRUST)


def test_starttls_in_the_course_of_a_conversation(reactor: Reactor) -> None:
    """The command, the answer, then TLS at both ends, all inside `data`."""
    log = Log()

    def on_command(socket: Any, data: bytes) -> None:
        if data != b"STARTTLS\r\n":  # the raw socket has this handler too, and receives ciphertext
            return
        socket.write(b"220 go ahead\r\n")
        socket.upgrade_tls(tls=certificates.good().options, socket={"data": echo})

    def echo(socket: Any, data: bytes) -> None:
        socket.write(b"you said " + data)

    def on_echo(secure: Any, data: bytes) -> None:
        log.note("c", "data", data)
        secure.end()

    def on_answer(socket: Any, data: bytes) -> None:
        if not data.startswith(b"220"):
            return
        socket.upgrade_tls(
            tls=TRUST,
            socket={
                "open": lambda secure: secure.write(b"hello"),
                "data": on_echo,
                "close": lambda _secure, error: log.note("c", "close", error),
            },
        )

    listener = listen(socket={"data": on_command}, hostname="127.0.0.1", port=0, reactor=reactor)
    connect(
        socket={"open": lambda socket: socket.write(b"STARTTLS\r\n"), "data": on_answer},
        hostname="localhost",
        port=listener.port,
        reactor=reactor,
    )
    assert reactor.run_until(lambda: log.seen("c", "close"), DEADLINE)
    listener.stop(True)

    assert log.trace() == "c.data(you said hello) c.close(None)"


@pytest.mark.shows("TLS-099")
def test_a_side_can_be_chosen_against_the_direction_of_the_connect(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.upgrade("c", certificates.good().options, is_server=True)
    talk.upgrade("s", {**TRUST, "server_name": "localhost"}, is_server=False)
    talk.until(lambda: all(each.handshake_outcome is not None for each in talk.secure.values()))

    assert talk.secure["s"].authorized
    assert talk.of("S") == "S.open S.handshake(True,None)"


def test_an_upgrade_can_have_a_deadline(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.upgrade("c", TRUST, handshake_timeout=0.01)
    talk.until(lambda: talk.log.seen("C", "close"))

    assert talk.of("C") == "C.open C.handshake(False,ETIMEDOUT) C.close(ETIMEDOUT)"


def test_stop_closes_upgraded_sockets_too(reactor: Reactor) -> None:
    talk = Starttls(reactor)
    talk.both()
    talk.listener.stop(True)

    assert talk.log.seen("s", "close") == talk.log.seen("S", "close") == 1
    assert talk.of("C").endswith("C.end C.close(None)")


def test_a_closed_reactor_leaves_nothing_of_an_upgraded_socket() -> None:
    with Reactor() as reactor:
        talk = Starttls(reactor)
        talk.both()
    assert talk.raw["c"].ready_state == talk.secure["c"].ready_state == -1
    assert talk.log.seen("C", "close") == talk.log.seen("c", "close") == 0
