"""The TLS properties and choices of a socket (TLS-075..093, 101..103)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.socket import Socket
from sockharness.engine.tls.ciphers import standard_name
from sockharness.errors import UsageError
from tests.helpers import certificates
from tests.helpers.conversation import Talk
from tests.helpers.secure import Secured
from tests.helpers.tls import sides

TLS12, TLS13 = 0x0303, 0x0304
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
Make = Callable[..., Secured]
MakeTalk = Callable[..., Talk]


# ALPN


@VERSIONS
@pytest.mark.shows("TLS-075", "TLS-076", "D21")
def test_the_servers_list_decides_and_the_protocol_is_forgotten_at_the_close(
    secured: Make, version: int
) -> None:
    talk = secured(
        {"alpn_protocols": ["http/1.1", "h2"], "max_version": version},
        {"alpn_protocols": ["h2", "http/1.1"]},
    )
    client, server = talk.talk()

    assert client.alpn_protocol == server.alpn_protocol == "http/1.1"
    client.close()
    assert not client.alpn_protocol


@pytest.mark.shows("TLS-076")
@pytest.mark.parametrize("side", [0, 1])
def test_a_protocol_of_one_side_alone_is_none(secured: Make, side: int) -> None:
    tls: list[dict[str, Any]] = [{}, {}]
    tls[side] = {"alpn_protocols": ["h2"]}
    client, server = secured(*tls).talk()

    assert client.alpn_protocol is server.alpn_protocol is False


@VERSIONS
@pytest.mark.shows("TLS-077")
def test_no_common_protocol_is_fatal(secured: Make, version: int) -> None:
    talk = secured({"alpn_protocols": ["a"], "max_version": version}, {"alpn_protocols": ["b"]})
    talk.start()
    talk.until_seen("c", "close")
    talk.until_seen("s", "close")

    assert talk.errors("s") == ["NO_APPLICATION_PROTOCOL"]
    assert talk.errors("c") == ["TLSV1_ALERT_NO_APPLICATION_PROTOCOL"]


@pytest.mark.parametrize(
    ("answer", "agreed"), [("b", "b"), (False, False), (None, None), ("c", None), (5, None)]
)
def test_alpn_callback_chooses_goes_on_without_or_refuses(
    secured: Make, answer: object, agreed: object
) -> None:
    asked: list[Any] = []

    def choose(_socket: SecureSocket, name: str, protocols: list[str]) -> object:
        asked.append((name, protocols))
        return answer

    talk = secured(None, {"alpn_protocols": ["a", "b"]}, server={"alpn_callback": choose})
    client = talk.start()
    talk.until(lambda: client.handshake_outcome is not None)

    assert asked == [("localhost", ["a", "b"])]
    if agreed is None:
        assert talk.errors("c") == ["TLSV1_ALERT_NO_APPLICATION_PROTOCOL"]
    else:
        assert client.alpn_protocol == agreed


def test_an_exception_in_alpn_callback_goes_to_error_and_refuses(secured: Make) -> None:
    def boom(*_: object) -> str:
        raise ValueError("boom")

    talk = secured(None, {"alpn_protocols": ["a"]}, server={"alpn_callback": boom})
    talk.start()
    talk.until_seen("s", "close")

    told = "s.open s.error(ValueError) s.handshake(False,EPROTO) s.close(None)"
    assert talk.of("s") == told


@pytest.mark.parametrize("answer", [b"a", 5, True, ["a"]])
def test_what_cannot_be_an_answer_of_alpn_callback_goes_to_error_and_refuses(
    secured: Make, answer: object
) -> None:
    told: list[str] = []
    talk = secured(
        None,
        {"alpn_protocols": ["a"]},
        server={
            "alpn_callback": lambda *_: answer,
            "error": lambda _socket, error: told.append(str(error)),
        },
    )
    talk.start()
    talk.until_seen("c", "close")

    assert talk.errors("c") == ["TLSV1_ALERT_NO_APPLICATION_PROTOCOL"]
    expected = "alpn_callback: expected a protocol as str, False or None, got"
    assert told == [f"{expected} {answer!r}"]


@pytest.mark.parametrize("answer", ["b", "", "\ud800", None])
def test_a_protocol_that_was_not_offered_refuses_and_is_no_error(
    secured: Make, answer: object
) -> None:
    talk = secured(None, {"alpn_protocols": ["a"]}, server={"alpn_callback": lambda *_: answer})
    talk.start()
    talk.until_seen("s", "close")

    assert talk.of("s") == "s.open s.handshake(False,EPROTO) s.close(None)"


@pytest.mark.parametrize("way", ["close", "terminate", "end"])
@pytest.mark.parametrize("event", ["alpn_callback", "server_name", "keylog"])
def test_a_handler_that_is_called_amid_the_handshake_can_close(
    secured: Make, way: str, event: str
) -> None:
    talk = secured(
        None,
        {"alpn_protocols": ["a"]},
        server={event: lambda socket, *_: getattr(socket, way)() and None},
    )
    talk.start()
    talk.until_seen("s", "close")
    talk.until_seen("c", "close")

    assert talk.of("s") == "s.open s.handshake(False,ECONNRESET) s.close(None)"
    assert talk.log.seen("c", "close") == 1


# Names and certificates by name


@pytest.mark.shows("D46")
def test_sni_chooses_and_reload_swaps_while_connections_live(secured: Make) -> None:
    first, second = certificates.root().issue("a.test"), certificates.root().issue("a.test")
    names: list[str] = []
    talk = secured(
        {**certificates.good().options, "sni": {"a.test": first.options}},
        server={"server_name": lambda _socket, name: names.append(name)},
    )
    tls = {"ca": certificates.root().pem, "server_name": "a.test"}
    before, server = talk.talk(tls=tls)
    assert before.peer_x509_certificate == first.certificate

    talk.listener.reload(tls={**certificates.good().options, "sni": {"a.test": second.options}})
    after, _ = talk.talk(tls=tls)
    other, _ = talk.talk()

    assert after.peer_x509_certificate == second.certificate
    assert other.peer_x509_certificate == certificates.good().certificate
    assert names == ["a.test", "a.test", "localhost"]
    before.write(b"alive")
    assert talk.of("s").endswith("s.data(alive)")
    assert server.ready_state == 1


def test_reload_of_tls_changes_nothing_if_it_raises(secured: Make, reactor: Reactor) -> None:
    talk = secured()
    for tls, error in (({}, ValueError), ({"kye": 1}, TypeError), (False, ValueError)):
        with pytest.raises(error):
            talk.listener.reload({"data": print}, tls=tls)
    with pytest.raises(TypeError, match=r"reload: expected socket \(handlers\), tls, or both, got"):
        talk.listener.reload()
    client, _ = talk.talk()
    assert client.authorized

    plain = listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor)
    with plain, pytest.raises(UsageError, match="this one has none"):
        plain.reload(tls=certificates.good().options)


@pytest.mark.shows("TLS-078", "D22")
def test_without_sni_all_names_get_the_same_certificate(secured: Make) -> None:
    talk = secured(None, {"server_name": "other.test", "reject_unauthorized": False})
    client, server = talk.talk()

    assert server.servername == "other.test"
    assert client.peer_x509_certificate == certificates.good().certificate


@pytest.mark.shows("TLS-079")
def test_a_client_can_choose_the_name_in_open(secured: Make) -> None:
    issued = certificates.root().issue("chosen.test")
    talk = secured(
        issued.options, client={"open": lambda socket: socket.set_servername("chosen.test")}
    )
    client, server = talk.talk()

    assert client.servername == server.servername == "chosen.test"
    assert talk.errors("c") == [""]
    with pytest.raises(UsageError, match="the handshake has begun"):
        client.set_servername("later.test")
    with pytest.raises(UsageError, match="a server does not choose"):
        server.set_servername("x.test")
    with pytest.raises(TypeError, match="name: expected a name as str"):
        client.set_servername(None)  # type: ignore[arg-type]
    client.close()
    assert client.servername is None


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_a_name_that_cannot_be_sent_is_refused_where_it_is_given(
    secured: Make, reactor: Reactor, name: str
) -> None:
    refused: list[str] = []

    def choose(socket: SecureSocket) -> None:
        with pytest.raises(ValueError, match="name: expected") as raised:
            socket.set_servername(name)
        refused.append(str(raised.value))

    client, _ = secured(client={"open": choose}).talk()

    assert (len(refused), client.servername) == (1, "localhost")
    for host, tls in ((name, True), ("localhost", {"server_name": name})):
        with pytest.raises(ValueError, match=r"^(hostname|server_name): expected"):
            connect(socket={"data": print}, hostname=host, port=1, tls=tls, reactor=reactor)


# Sessions and secrets


@VERSIONS
@pytest.mark.shows("TLS-080", "TLS-081")
def test_a_session_is_resumed_when_open_or_the_options_give_it(secured: Make, version: int) -> None:
    talk = secured({"max_version": version})
    client, server = talk.talk()
    assert (client.is_session_reused, server.is_session_reused) == (False, False)
    session = client.session
    again, _ = talk.talk()
    assert not again.is_session_reused

    options = {"ca": certificates.root().pem, "session": session}
    resumed, server = talk.talk(tls=options)
    assert (resumed.is_session_reused, server.is_session_reused) == (True, True)
    assert resumed.authorized

    talk._client_handlers["open"] = lambda socket: socket.set_session(resumed.session)
    assert talk.talk()[0].is_session_reused
    with pytest.raises(TypeError, match=r"session: expected a session from socket\.session"):
        talk.connect(tls={"session": b"junk"})
    client.set_session(session)  # too late: ignored
    client.close()
    assert client.session is None


@VERSIONS
@pytest.mark.shows("TLS-080")
def test_the_session_handler_gets_what_can_be_resumed(secured: Make, version: int) -> None:
    sessions: list[Any] = []
    talk = secured(
        {"max_version": version}, client={"session": lambda _socket, each: sessions.append(each)}
    )
    talk.talk()
    assert len(sessions) == (2 if version == TLS13 else 1)

    options = {"ca": certificates.root().pem, "session": sessions[0]}
    assert talk.talk(tls=options)[0].is_session_reused


@VERSIONS
@pytest.mark.shows("TLS-082")
def test_both_sides_export_the_same_material(secured: Make, version: int) -> None:
    early: list[Any] = []

    def too_early(socket: SecureSocket) -> None:
        with pytest.raises(UsageError, match="the handshake is not done") as raised:
            socket.export_keying_material(1, "x")
        early.append(raised)

    talk = secured({"max_version": version}, client={"open": too_early})
    client, server = talk.talk()

    assert len(early) == 1
    material = client.export_keying_material(32, "label", "context")
    assert material == server.export_keying_material(32, "label", b"context")
    assert len(material or b"") == 32
    assert client.export_keying_material(0, "label") == b""
    for arguments in ((-1, "x"), (1.5, "x"), (1, b"x"), (1, "x", 5)):
        with pytest.raises((TypeError, ValueError)):
            client.export_keying_material(*arguments)
    client.close()
    assert client.export_keying_material(-1, "x") is None


@VERSIONS
@pytest.mark.shows("TLS-083")
def test_finished_messages_are_reported_up_to_tls_12(secured: Make, version: int) -> None:
    client, server = secured({"max_version": version}).talk()

    assert client.tls_finished_message == server.tls_peer_finished_message
    assert client.tls_peer_finished_message == server.tls_finished_message
    expected = None if version == TLS13 else 12
    assert expected == (client.tls_finished_message and len(client.tls_finished_message))
    client.close()
    assert client.tls_finished_message is None


@pytest.mark.parametrize("side", ["s", "c"])
def test_keylog_gets_the_lines_of_a_key_log(secured: Make, side: str) -> None:
    lines: list[bytes] = []
    handlers: dict[str, Any] = {"keylog": lambda _socket, line: lines.append(line)}
    talk = secured(**{"server" if side == "s" else "client": handlers})
    talk.talk()

    assert {line.split()[0] for line in lines} == {
        b"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        b"SERVER_HANDSHAKE_TRAFFIC_SECRET",
        b"CLIENT_TRAFFIC_SECRET_0",
        b"SERVER_TRAFFIC_SECRET_0",
        b"EXPORTER_SECRET",
    }
    assert all(line.endswith(b"\n") for line in lines)


# What it knows


@pytest.mark.shows("TLS-011", "TLS-045", "TLS-089", "D42")
@pytest.mark.parametrize(
    ("tls", "version"),
    [
        ({}, "TLSv1.3"),
        ({"max_version": 0x0303}, "TLSv1.2"),
        ({"min_version": 0x0302, "max_version": 0x0302}, "TLSv1.1"),
        ({"min_version": 0x0301, "max_version": 0x0301}, "TLSv1"),
        ({"ciphers": "TLS_AES_128_GCM_SHA256"}, "TLSv1.3"),
    ],
)
def test_version_and_cipher_are_reported_on_both_sides(
    secured: Make, tls: dict[str, Any], version: str
) -> None:
    client, server = secured(tls, tls).talk()

    assert client.tls_version == server.tls_version == version
    assert client.cipher == server.cipher
    if "ciphers" in tls:
        assert client.cipher is not None
        assert client.cipher["name"] == tls["ciphers"]
    client.close()
    assert [client.tls_version, client.cipher] == [None, None]


@pytest.mark.shows("TLS-045")
@pytest.mark.parametrize(
    ("server_tls", "client_tls", "server_reason", "client_reason"),
    [
        (
            {"max_version": TLS12},
            {"min_version": TLS13},
            "UNSUPPORTED_PROTOCOL",
            "TLSV1_ALERT_PROTOCOL_VERSION",
        ),
        (
            {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256", "max_version": TLS12},
            {"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"},
            "NO_SHARED_CIPHER",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
        ),
        (
            {},
            {"min_version": TLS13, "max_version": TLS12},
            "ECONNRESET",
            "NO_SUPPORTED_VERSIONS_ENABLED",
        ),
    ],
    ids=["versions", "ciphers", "an empty range"],
)
def test_nothing_in_common_fails_on_both_sides(
    secured: Make,
    server_tls: dict[str, Any],
    client_tls: dict[str, Any],
    server_reason: str,
    client_reason: str,
) -> None:
    talk = secured(server_tls, client_tls)
    talk.start()
    talk.until_seen("s", "close")

    talk.settle()
    assert (talk.errors("s"), talk.errors("c")) == ([server_reason], [client_reason])


@pytest.mark.shows("TLS-084")
@pytest.mark.parametrize(
    ("openssl", "registered"),
    [
        ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        ("ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
        ("DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
        ("ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    ],
)
def test_ciphers_have_their_registered_name(openssl: str, registered: str) -> None:
    assert standard_name(openssl) == registered


@pytest.mark.shows("TLS-085")
def test_a_client_knows_the_key_exchange(secured: Make) -> None:
    client, server = secured({"max_version": TLS12}).talk()

    assert client.ephemeral_key_info == {"type": "ECDH", "name": "X25519", "size": 253}
    assert server.ephemeral_key_info is None
    client.close()
    assert client.ephemeral_key_info is None


@pytest.mark.shows("TLS-085")
def test_a_hybrid_key_exchange_is_reported_as_nothing(secured: Make) -> None:
    client, _ = secured().talk()

    assert client.ephemeral_key_info == {}


@pytest.mark.shows("TLS-086", "TLS-088", "TLS-101")
def test_what_has_no_effect_is_there(secured: Make) -> None:
    client, _ = secured().talk()

    assert client.shared_sigalgs == []
    client.disable_renegotiation()
    client.flush()
    with pytest.raises(UsageError, match="renegotiate"):
        client.renegotiate()
    assert client.set_no_delay()
    assert client.set_keep_alive(True)
    client.unref()
    client.ref()
    client.close()
    assert not client.shared_sigalgs
    client.renegotiate()


@pytest.mark.shows("TLS-087")
def test_the_size_of_records_can_be_bounded(secured: Make) -> None:
    talk = secured()
    peer = talk.peer().handshake()
    server = talk.opened["s"][-1]
    peer.received()
    assert [server.set_max_send_fragment(size) for size in (511, 512, 16384, 16385, 512)] == [
        False,
        True,
        True,
        False,
        True,
    ]
    with pytest.raises(TypeError, match="size: expected an integer"):
        server.set_max_send_fragment("512")  # type: ignore[arg-type]

    server.write(bytes(40_000))

    received, count = peer.received(), 0
    while received:
        length = int.from_bytes(received[3:5], "big")
        assert length <= 512 + 17
        received, count = received[5 + length :], count + 1
    assert count == 79
    peer.sock.close()
    server.close()
    assert server.set_max_send_fragment(512) is False


@pytest.mark.shows("TLS-090", "TLS-091")
def test_the_peers_certificate_is_shown_as_a_mapping(secured: Make) -> None:
    client, server = secured().talk()

    shown = client.peer_certificate
    assert shown is not None
    assert shown["subject"] == {"CN": "localhost"}
    assert "issuer_certificate" not in shown
    assert client.get_peer_certificate() == client.get_peer_certificate(True) == shown
    whole = client.get_peer_certificate(False)
    assert whole is not None
    issuer = whole["issuer_certificate"]  # from the trust store, it was not sent
    assert issuer["subject"] == {"CN": "test root"}
    assert issuer["issuer_certificate"] is issuer
    assert server.peer_certificate is server.get_peer_certificate(False) is None
    client.close()
    assert client.peer_certificate is None


@pytest.mark.shows("TLS-092")
def test_the_own_certificate_is_shown(secured: Make) -> None:
    client, server = secured().talk()

    assert server.certificate == client.peer_certificate
    assert server.x509_certificate == client.peer_x509_certificate
    assert client.certificate is None
    server.close()
    assert server.certificate is None


@pytest.mark.shows("TCP-189", "TLS-093", "TLS-103")
def test_on_a_plain_socket_all_of_it_is_there_and_says_nothing(tcp: MakeTalk) -> None:
    client = tcp().client

    assert (client.authorized, client.alpn_protocol, client.is_session_reused) == (False,) * 3
    for name in (
        "authorization_error",
        "servername",
        "tls_version",
        "cipher",
        "peer_certificate",
        "peer_x509_certificate",
        "certificate",
        "x509_certificate",
        "ephemeral_key_info",
        "shared_sigalgs",
        "tls_finished_message",
        "tls_peer_finished_message",
        "session",
    ):
        assert getattr(client, name) is None, name
    assert client.get_peer_certificate(False) is None
    assert client.export_keying_material(-1, None) is None  # type: ignore[arg-type]
    assert client.set_max_send_fragment(1) is False
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.set_session(5),
        lambda: client.set_servername(5),  # type: ignore[arg-type]
        lambda: client.set_verify_mode(5, 5),  # type: ignore[arg-type]
        client.disable_renegotiation,
        client.renegotiate,
    )
    assert [call() for call in calls] == [None] * 5


@pytest.mark.shows("TLS-102", "D10")
def test_an_offset_without_length_means_the_rest(secured: Make) -> None:
    talk = secured()
    client, _ = talk.talk()

    assert client.write(b"abcdef", 4) == 2
    assert client.write("éa", 2) == 1
    with pytest.raises(TypeError):
        client.write(None)  # type: ignore[arg-type]
    assert talk.of("s").endswith("s.data(efa)")


@pytest.mark.shows("TLS-103")
def test_a_socket_with_tls_is_a_socket_and_says_how_it_is(secured: Make) -> None:
    talk = secured()
    client = talk.start()
    assert isinstance(client, Socket)
    assert repr(client).startswith("<Socket handshaking open local=127.0.0.1:")
    talk.until_seen("c", "handshake")
    assert repr(client).startswith("<Socket secured open ")


NOT_THERE = [
    "servername",
    "keyFile",
    "certFile",
    "caFile",
    "secureProtocol",
    "checkServerIdentity",
    "dhparam",
    "ticketKeys",
    "secureOptions",
    "dhParamsFile",
    "ecdhCurve",
    "sigalgs",
    "sessionTimeout",
    "lowMemoryMode",
    "clientRenegotiationLimit",
    "clientRenegotiationWindow",
]


@pytest.mark.shows("TLS-024", "TLS-041", "D43")
@pytest.mark.parametrize("name", NOT_THERE)
def test_options_of_bun_that_are_not_there_are_refused(reactor: Reactor, name: str) -> None:
    with pytest.raises(TypeError, match=f"unknown option '{name}'"):
        connect(
            socket={"data": print}, hostname="127.0.0.1", port=1, tls={name: 1}, reactor=reactor
        )


@pytest.mark.shows("D43")
def test_a_client_does_not_follow_a_server_that_renegotiates() -> None:
    key = load_pem_private_key(certificates.good().key, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(TLS12)
    context.use_certificate(certificates.good().certificate)
    context.use_privatekey(key)
    server = SSL.Connection(context)
    server.set_accept_state()
    _, client = sides()

    def speak() -> None:
        client.advance()
        flight = client.session.take()
        if flight:
            server.bio_write(flight)

    def answer() -> None:
        with suppress(SSL.WantReadError):
            server.do_handshake()
        with suppress(SSL.WantReadError):
            client.session.receive(server.bio_read(1 << 16))

    for _ in range(3):
        speak()
        answer()
    assert client.outcome == (True, "")
    server.renegotiate()
    answer()
    speak()

    with pytest.raises(SSL.Error, match="no renegotiation"):
        server.recv(1)
