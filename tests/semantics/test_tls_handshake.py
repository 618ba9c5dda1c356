"""Successful TLS handshakes, and the client's verification of its server (TLS-001..029)."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.streams import connect, listen
from sockharness.errors import TLSError, UsageError
from tests.helpers import certificates
from tests.helpers.conversation import DEADLINE
from tests.helpers.secure import Secured, named

TLS12, TLS13 = 0x0303, 0x0304
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
UNTRUSTED = certificates.stranger().issue("localhost")
ELSEWHERE = certificates.root().issue("elsewhere.test")
CNSD = "ECONNRESET"
Make = Callable[..., Secured]


@VERSIONS
@pytest.mark.shows("TLS-001", "TLS-006", "D18")
def test_with_a_handshake_handler_open_runs_at_the_connect(secured: Make, version: int) -> None:
    talk = secured({"max_version": version})
    versions = []
    client = talk.start()
    versions.append(client.tls_version)
    assert talk.log.of("c") == "c.open"

    talk.until_seen("c", "handshake")
    talk.until_seen("s", "handshake")

    assert talk.both() == ("s.open s.handshake(True,None)", "c.open c.handshake(True,None)")
    assert client.tls_version == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[version]


@VERSIONS
@pytest.mark.shows("TLS-002")
def test_without_a_handshake_handler_open_waits_for_the_handshake(
    secured: Make, version: int
) -> None:
    seen: list[Any] = []
    talk = secured(
        {"max_version": version},
        handshake=False,
        client={"open": lambda socket: seen.append((socket.authorized, socket.write(b"hi")))},
    )
    connecting = talk.connect()
    connecting.result(DEADLINE)
    assert talk.log.of("c") == ""

    talk.until_seen("c", "open")
    talk.until_seen("s", "data")

    assert talk.both() == ("s.open s.data(hi)", "c.open")
    assert seen == [(True, 2)]


@pytest.mark.shows("TLS-002")
def test_who_has_no_handshake_handler_any_more_is_opened_again(secured: Make) -> None:
    talk = secured()

    def change(socket: SecureSocket) -> None:
        socket.reload(talk.log.handlers("new"))

    talk = secured(client={"open": change})
    talk.talk()

    assert talk.log.of("c") == "c.open"
    assert talk.log.of("new") == "new.open"


@pytest.mark.shows("TLS-003")
@pytest.mark.parametrize("handshake", [True, False])
def test_connecting_is_done_at_the_connect_and_secured_awaits_tls(
    secured: Make, handshake: bool
) -> None:
    talk = secured(UNTRUSTED.options, handshake=handshake)

    connecting = talk.connect()
    socket = connecting.result(DEADLINE)

    with pytest.raises(TLSError, match="unable to verify the first certificate") as raised:
        connecting.secured().result(DEADLINE)
    assert raised.value.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    assert connecting.result() is socket


@pytest.mark.shows("TLS-003")
def test_only_tcp_makes_connecting_raise(secured: Make, free_port: int) -> None:
    talk = secured(listen_options={"port": free_port})
    talk.listener.stop()

    connecting = talk.connect()

    with pytest.raises(ConnectionRefusedError):
        connecting.result(DEADLINE)
    with pytest.raises(ConnectionRefusedError):
        connecting.secured().result(DEADLINE)
    assert talk.log.trace() == "c.connect_error(ECONNREFUSED)"


def test_secured_gives_the_socket_and_is_refused_without_tls(
    secured: Make, reactor: Reactor
) -> None:
    talk = secured()
    connecting = talk.connect()

    assert connecting.secured().result(DEADLINE) is connecting.result()

    with listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor) as plain:
        attempt = connect(
            socket={"data": print}, hostname="127.0.0.1", port=plain.port, reactor=reactor
        )
        with pytest.raises(UsageError, match="expected a connection with TLS"):
            attempt.secured()
        attempt.result(DEADLINE).close()


def test_secured_can_be_waited_for_with_a_limit(secured: Make, reactor: Reactor) -> None:
    with listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor) as silent:
        talk = secured()
        connecting = talk.connect(port=silent.port)

        with pytest.raises(TimeoutError, match="still pending"):
            connecting.secured().result(0.01)
        connecting.result().close()


@VERSIONS
@pytest.mark.shows("TLS-004")
def test_of_tls_13_the_client_is_done_first_of_12_the_server(secured: Make, version: int) -> None:
    talk = secured({"max_version": version})
    talk.talk()

    order = [who for who, event, _ in talk.log.entries if event == "handshake"]

    assert order == (["c", "s"] if version == TLS13 else ["s", "c"])


@VERSIONS
@pytest.mark.shows("TLS-005", "TLS-046", "D9")
def test_drain_follows_the_handshake_if_a_write_was_refused_before(
    secured: Make, version: int
) -> None:
    written: list[int] = []

    def refused(socket: SecureSocket) -> None:
        written.extend((socket.write(b"too early"), socket.write("")))

    talk = secured(
        {"max_version": version},
        client={"open": refused, "drain": lambda socket: written.append(socket.write(b"now"))},
    )
    client, _ = talk.talk()

    assert written == [0, -1, 3]
    assert client.write(b"") == 0
    assert talk.of("c") == "c.open c.handshake(True,None) c.drain"
    assert talk.log.received("s") == b"now"
    assert talk.log.seen("s", "drain") == 0


@pytest.mark.shows("TLS-005")
def test_drain_comes_after_data_of_the_same_read(secured: Make) -> None:
    talk = secured(
        {"max_version": TLS12},
        server={"handshake": lambda socket, *_: socket.write(b"first")},
        client={"open": lambda socket: socket.write(b"x")},
    )
    talk.talk()

    assert talk.of("c") == "c.open c.handshake(True,None) c.data(first) c.drain"


@pytest.mark.shows("TLS-007")
def test_errors_have_code_and_errno_and_are_no_system_errors(secured: Make) -> None:
    talk = secured(UNTRUSTED.options)
    client = talk.start()
    talk.until_seen("c", "close")

    error = client.authorization_error

    assert isinstance(error, TLSError)
    assert (error.code, error.errno) == ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", 0)
    assert str(error) == "UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate"


@pytest.mark.shows("TLS-008", "D18")
def test_a_server_that_asks_for_nothing_has_nothing_to_complain_of(secured: Make) -> None:
    _, server = secured().talk()

    assert (server.authorized, server.authorization_error) == (False, None)
    assert server.peer_certificate is None


@pytest.mark.shows("TLS-009")
@pytest.mark.parametrize("good", [True, False])
def test_a_socket_is_open_until_close(secured: Make, good: bool) -> None:
    states: list[tuple[str, int]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda socket, *_: states.append((name, int(socket.ready_state)))

    names = ("open", "handshake", "data", "end", "close")
    talk = secured(
        {} if good else UNTRUSTED.options,
        client={name: note(name) for name in names},
        server={"handshake": lambda socket, *_: socket.end(b"x")},
    )
    client = talk.start()
    talk.until_seen("c", "close")

    seen = ["open", "handshake", "data", "end", "close"] if good else ["open", "handshake", "close"]
    assert states == [(name, -1 if name == "close" else 1) for name in seen]
    assert client.ready_state == -1


@pytest.mark.shows("TLS-010")
def test_before_the_handshake_nothing_is_known_yet(secured: Make) -> None:
    found: dict[str, tuple[Any, ...]] = {}

    def look(who: str) -> Callable[[SecureSocket], None]:
        def opened(socket: SecureSocket) -> None:
            found[who] = (
                socket.authorized,
                socket.alpn_protocol,
                socket.tls_version,
                socket.cipher,
                socket.is_session_reused,
                socket.session,
                socket.peer_certificate,
                socket.servername,
            )

        return opened

    secured(client={"open": look("c")}, server={"open": look("s")}).talk()

    nothing = (False, False, "TLSv1.2")
    cipher = {"name": None, "standard_name": None, "version": None}
    assert found["c"] == (*nothing, cipher, False, None, None, "localhost")
    assert found["s"] == (*nothing, cipher, False, None, None, None)


@pytest.mark.shows("TLS-012")
def test_pause_in_open_holds_the_handshake_and_resume_lets_it_go_on(secured: Make) -> None:
    talk = secured(client={"open": lambda socket: socket.pause()})
    client = talk.start()
    assert talk.both() == ("s.open", "c.open")

    client.resume()
    talk.until_seen("s", "handshake")

    assert talk.both() == ("s.open s.handshake(True,None)", "c.open c.handshake(True,None)")


def test_pause_in_handshake_holds_data_of_the_same_read(secured: Make) -> None:
    talk = secured(
        {"max_version": TLS12},
        server={"handshake": lambda socket, *_: socket.end(b"first")},
        client={"handshake": lambda socket, *_: socket.pause()},
    )
    client = talk.start()
    talk.until_seen("c", "handshake")
    assert talk.of("c") == "c.open c.handshake(True,None)"

    client.resume()

    assert talk.of("c") == "c.open c.handshake(True,None) c.data(first) c.end c.close(None)"


@pytest.mark.shows("TLS-013", "TLS-073", "TLS-067")
def test_a_silent_peer_is_waited_for_and_timeout_closes_nothing(
    secured: Make, reactor: Reactor
) -> None:
    with listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor) as silent:
        talk = secured(client={"open": lambda socket: socket.timeout(0.001)})
        client = talk.start(port=silent.port)
        talk.until_seen("c", "timeout")

        assert talk.of("c") == "c.open c.timeout"
        assert client.ready_state == 1
        client.close()


@pytest.mark.shows("TLS-013", "TLS-073", "D11")
@pytest.mark.parametrize("side", ["s", "c"])
def test_a_deadline_ends_a_handshake(secured: Make, reactor: Reactor, side: str) -> None:
    limit = {"handshake_timeout": 0.01}
    with listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor) as silent:
        if side == "c":
            talk = secured(connect_options=limit)
            connecting = talk.connect(port=silent.port)
            with pytest.raises(TLSError, match="not done within"):
                connecting.secured().result(DEADLINE)
        else:
            talk = secured(listen_options=limit)
            waiting = connect(
                socket={"data": print},
                hostname="127.0.0.1",
                port=talk.listener.port,
                reactor=reactor,
            )
            waiting.result(DEADLINE)
        talk.until_seen(side, "close")

    told = f"{side}.open {side}.handshake(False,ETIMEDOUT) {side}.close(ETIMEDOUT)"
    assert talk.of(side) == told


@pytest.mark.shows("D11")
def test_a_deadline_is_over_with_the_handshake(secured: Make, reactor: Reactor) -> None:
    talk = secured(
        listen_options={"handshake_timeout": 1000}, connect_options={"handshake_timeout": 1000}
    )
    client, server = talk.talk()

    assert (client.ready_state, server.ready_state) == (1, 1)
    assert "timers=0" in repr(reactor)


# The client verifies the server


@VERSIONS
@pytest.mark.shows("TLS-014", "D20")
@pytest.mark.parametrize(
    ("issued", "code", "alert"),
    [
        (UNTRUSTED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "TLSV1_ALERT_UNKNOWN_CA"),
        (ELSEWHERE, "ERR_TLS_CERT_ALTNAME_INVALID", "SSLV3_ALERT_BAD_CERTIFICATE"),
    ],
    ids=["chain", "name"],
)
def test_a_refused_server_gets_the_reason(
    secured: Make, version: int, issued: Any, code: str, alert: str
) -> None:
    written: list[Any] = []

    def refused(socket: SecureSocket, *_: object) -> None:
        written.append((socket.write(b"x"), socket.ready_state, socket.authorized))

    talk = secured({**issued.options, "max_version": version}, client={"handshake": refused})
    client = talk.start()
    talk.until_seen("s", "close")

    assert talk.of("c") == f"c.open c.handshake(False,{code}) c.close(None)"
    assert talk.of("s") == "s.open s.handshake(False,EPROTO) s.close(None)"
    assert talk.errors("s") == [alert]
    assert written == [(-1, 1, False)]
    assert not client.authorized
    assert named(client.authorization_error) == code


@pytest.mark.shows("TLS-015", "TLS-069")
@pytest.mark.parametrize("opens", [True, False])
def test_without_a_handshake_handler_a_refusal_is_open_and_close(
    secured: Make, opens: bool
) -> None:
    found: list[Any] = []

    def late(socket: SecureSocket) -> None:
        found.append((socket.authorized, named(socket.authorization_error), socket.write(b"x")))

    talk = secured(UNTRUSTED.options, handshake=False, client={"open": late if opens else None})
    if not opens:
        talk._client_handlers.pop("open")
    talk.start()
    talk.until_seen("c", "close")

    assert talk.of("c") == ("c.open c.close(None)" if opens else "c.close(None)")
    assert found == ([(False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", -1)] if opens else [])


@VERSIONS
@pytest.mark.shows("TLS-016", "TLS-018")
def test_a_client_that_refuses_nobody_learns_of_a_bad_chain_and_goes_on(
    secured: Make, version: int
) -> None:
    talk = secured({**UNTRUSTED.options, "max_version": version}, {"reject_unauthorized": False})
    client, _ = talk.talk()

    assert talk.of("c") == "c.open c.handshake(True,UNABLE_TO_VERIFY_LEAF_SIGNATURE)"
    assert not client.authorized
    client.write(b"on")
    assert talk.of("s").endswith("s.data(on)")


@pytest.mark.shows("TLS-017")
def test_a_wrong_name_is_no_success_for_a_client_that_refuses_nobody(secured: Make) -> None:
    talk = secured(ELSEWHERE.options, {"reject_unauthorized": False})
    client, _ = talk.talk()

    assert talk.of("c") == "c.open c.handshake(False,ERR_TLS_CERT_ALTNAME_INVALID)"
    assert client.write(b"on") == 2
    assert talk.of("s").endswith("s.data(on)")


@pytest.mark.shows("TLS-018")
def test_authorized_stays_after_the_close(secured: Make) -> None:
    client, _ = secured().talk()
    client.close()

    assert client.authorized
    assert client.authorization_error is None


@pytest.mark.shows("TLS-019", "TLS-029", "TLS-100")
def test_the_name_is_that_of_the_options_or_of_the_host(secured: Make, reactor: Reactor) -> None:
    talk = secured(ELSEWHERE.options)
    talk.start()
    talk.until_seen("c", "close")
    assert talk.errors("c") == ["ERR_TLS_CERT_ALTNAME_INVALID"]

    talk = secured(ELSEWHERE.options, {"server_name": "elsewhere.test"})
    client, server = talk.talk()
    assert talk.errors("c") == [""]
    assert client.servername == server.servername == "elsewhere.test"

    talk = secured()
    client, server = talk.talk(hostname="127.0.0.1")
    assert talk.errors("c") == [""]
    assert server.servername is None  # SNI allows no IP address (D22)


@pytest.mark.shows("TLS-100")
def test_unix_sockets_have_tls_without_a_name(reactor: Reactor, tmp_path: Any) -> None:
    path = str(tmp_path / "s")
    log: list[Any] = []
    handlers = {
        "data": lambda *_: None,
        "handshake": lambda socket, *told: log.append((told, socket.servername)),
    }
    options = {"unix": path, "reactor": reactor}
    with listen(socket=handlers, tls=ELSEWHERE.options, **options):  # type: ignore[arg-type]
        connecting = connect(
            socket=handlers,
            tls={"ca": certificates.root().pem},
            **options,  # type: ignore[arg-type]
        )
        client = connecting.secured().result(DEADLINE)
        assert reactor.run_until(lambda: len(log) == 2, DEADLINE)
        client.close()

    assert log == [((True, None), None)] * 2


@pytest.mark.shows("TLS-023", "TLS-026")
def test_tls_true_trusts_the_system_and_nobody_else(secured: Make) -> None:
    talk = secured()
    talk.start(tls=True)
    talk.until_seen("c", "close")

    assert talk.errors("c") == ["UNABLE_TO_VERIFY_LEAF_SIGNATURE"]


@pytest.mark.shows("TLS-024", "D19")
def test_an_empty_mapping_means_tls(secured: Make) -> None:
    talk = secured()
    talk.start(tls={})
    talk.until_seen("c", "close")

    assert talk.errors("c") == ["UNABLE_TO_VERIFY_LEAF_SIGNATURE"]


@pytest.mark.shows("TLS-025", "TLS-026", "D24")
@pytest.mark.parametrize("name", ["NODE_TLS_REJECT_UNAUTHORIZED", "NODE_EXTRA_CA_CERTS"])
def test_variables_of_node_change_nothing(
    secured: Make, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(certificates.root().pem)
    monkeypatch.setenv(name, "0" if name.endswith("UNAUTHORIZED") else str(path))
    talk = secured()
    talk.start(tls=True)
    talk.until_seen("c", "close")

    assert talk.errors("c") == ["UNABLE_TO_VERIFY_LEAF_SIGNATURE"]


@pytest.mark.shows("TLS-038")
@pytest.mark.parametrize("tls", [{"key": b"x", "cert": b"x"}, {"ciphers": "NO-SUCH"}, {"ca": ""}])
def test_bad_options_raise_at_the_call_and_leave_nothing(
    reactor: Reactor, tls: dict[str, Any]
) -> None:
    with pytest.raises(TLSError):
        connect(socket={"data": print}, hostname="127.0.0.1", port=1, tls=tls, reactor=reactor)
    with pytest.raises(TLSError):
        listen(
            socket={"data": print},
            hostname="127.0.0.1",
            port=0,
            tls={**certificates.good().options, **tls},
            reactor=reactor,
        )
    assert "descriptors=0" in repr(reactor)
