"""The server's verification of its clients, and misbehaving peers (TLS-030..037, 069..074)."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from sockharness.engine.streams import listen
from tests.helpers import certificates, raw
from tests.helpers.certificates import PAST, SERVER_ONLY
from tests.helpers.secure import Secured, named

TLS12, TLS13 = 0x0303, 0x0304
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
Make = Callable[..., Secured]
GOOD = certificates.root().issue(common="me")
BAD = {
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": certificates.stranger().issue(common="me"),
    "DEPTH_ZERO_SELF_SIGNED_CERT": certificates.root().issue(common="me", self_signed=True),
    "CERT_HAS_EXPIRED": certificates.root().issue(common="me", dates=PAST),
    "INVALID_PURPOSE": certificates.root().issue(common="me", usage=SERVER_ONLY),
}
ALERTS = {
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": "TLSV1_ALERT_UNKNOWN_CA",
    "DEPTH_ZERO_SELF_SIGNED_CERT": "TLSV1_ALERT_UNKNOWN_CA",
    "CERT_HAS_EXPIRED": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "INVALID_PURPOSE": "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
}
ASKING = {"request_cert": True, "ca": certificates.root().pem}


@pytest.mark.shows("TLS-030")
@pytest.mark.parametrize("tls", [{"ca": certificates.root().pem}, {"reject_unauthorized": True}])
def test_only_request_cert_asks(secured: Make, tls: dict[str, Any]) -> None:
    talk = secured(tls, GOOD.options)
    _, server = talk.talk()

    assert (server.peer_certificate, server.authorized) == (None, False)


@VERSIONS
def test_a_good_client_is_authorized(secured: Make, version: int) -> None:
    talk = secured({**ASKING, "max_version": version}, GOOD.options)
    client, server = talk.talk()

    assert (client.authorized, server.authorized) == (True, True)
    assert server.peer_x509_certificate == client.x509_certificate == GOOD.certificate


@VERSIONS
@pytest.mark.shows("TLS-031")
def test_a_client_without_certificate_is_refused_with_an_alert(secured: Make, version: int) -> None:
    written: list[int] = []
    talk = secured(
        {**ASKING, "max_version": version},
        server={"handshake": lambda socket, *_: written.append(socket.write(b"x"))},
    )
    talk.start()
    talk.until_seen("c", "close")

    assert talk.of("s") == "s.open s.handshake(False,EPROTO) s.close(None)"
    assert talk.errors("s") == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]
    assert written == [-1]
    if version == TLS13:
        assert talk.of("c") == "c.open c.handshake(True,None) c.error(EPROTO) c.close(None)"
        (error,) = [entry[2][0] for entry in talk.log.entries if entry[:2] == ("c", "error")]
        assert error.reason == "TLSV1_ALERT_CERTIFICATE_REQUIRED"
    else:
        assert talk.of("c") == "c.open c.handshake(False,EPROTO) c.close(None)"
        assert talk.errors("c") == ["SSLV3_ALERT_HANDSHAKE_FAILURE"]


@VERSIONS
@pytest.mark.shows("TLS-032", "D20")
@pytest.mark.parametrize("code", BAD)
def test_a_client_with_a_bad_certificate_is_refused_with_the_alert_for_it(
    secured: Make, version: int, code: str
) -> None:
    found: list[Any] = []

    def refuse(socket: SecureSocket, *_: object) -> None:
        found.append((socket.write(b"x"), socket.peer_x509_certificate, socket.authorized))

    talk = secured(
        {**ASKING, "max_version": version}, BAD[code].options, server={"handshake": refuse}
    )
    talk.start()
    talk.until_seen("c", "close")

    assert talk.of("s") == f"s.open s.handshake(False,{code}) s.close(None)"
    assert found == [(-1, BAD[code].certificate, False)]
    told = "handshake" if version == TLS12 else "error"
    errors = [entry[2][-1] for entry in talk.log.entries if entry[:2] == ("c", told)]
    assert [named(error) for error in errors] == [ALERTS[code]]


@VERSIONS
@pytest.mark.shows("TLS-033")
@pytest.mark.parametrize("code", [*BAD, "", "UNABLE_TO_GET_ISSUER_CERT"])
def test_a_server_can_ask_and_let_anybody_in(secured: Make, version: int, code: str) -> None:
    issued = BAD.get(code, GOOD)
    shown = {} if code == "UNABLE_TO_GET_ISSUER_CERT" else issued.options
    talk = secured({**ASKING, "reject_unauthorized": False, "max_version": version}, shown)
    client, server = talk.talk()

    assert talk.errors("s") == [code]
    assert talk.log.of("s") == f"s.open s.handshake(True,{code or None})"
    assert server.authorized == (not code)
    assert client.write(b"in") == 2
    assert talk.of("s").endswith("s.data(in)")


@pytest.mark.shows("TLS-034")
def test_without_a_handshake_handler_a_server_refuses_by_open_and_close(secured: Make) -> None:
    found: list[Any] = []

    def late(socket: SecureSocket) -> None:
        found.append((socket.authorized, named(socket.authorization_error), socket.write(b"x")))

    code = "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    talk = secured(ASKING, BAD[code].options, handshake=False, server={"open": late})
    talk.start()
    talk.until_seen("s", "close")

    assert talk.of("s") == "s.open s.close(None)"
    assert found == [(False, code, -1)]


@VERSIONS
@pytest.mark.shows("TLS-035")
def test_revoked_clients_are_refused(secured: Make, version: int) -> None:
    crl = certificates.root().revoke(GOOD)
    talk = secured({**ASKING, "crl": crl, "max_version": version}, GOOD.options)
    talk.start()
    talk.until_seen("s", "close")

    assert talk.errors("s") == ["CERT_REVOKED"]


@pytest.mark.shows("TLS-036")
@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ((True, False), (True, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")),
        ((True, True), (False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")),
    ],
)
def test_one_socket_of_a_server_can_judge_otherwise(
    secured: Make, mode: tuple[bool, bool], outcome: tuple[bool, str]
) -> None:
    talk = secured(
        {"ca": certificates.root().pem},
        BAD["UNABLE_TO_VERIFY_LEAF_SIGNATURE"].options,
        server={"open": lambda socket: socket.set_verify_mode(*mode)},
    )
    talk.start()
    talk.until_seen("s", "handshake")

    (told,) = [entry[2] for entry in talk.log.entries if entry[:2] == ("s", "handshake")]
    assert (told[0], named(told[1])) == outcome


@VERSIONS
def test_a_resumed_session_is_no_certificate_for_one_who_asks(secured: Make, version: int) -> None:
    talk = secured({"max_version": version, "ca": certificates.root().pem}, GOOD.options)
    client, server = talk.talk()
    assert not server.authorized
    talk.listener.reload(
        {
            **talk.log.handlers("new", "handshake", "data", "close"),
            "open": lambda socket: socket.set_verify_mode(True, True),
        }
    )

    options = {"ca": certificates.root().pem, "session": client.session, **GOOD.options}
    talk.connect(tls=options).result(5)
    talk.until_seen("new", "handshake")

    refused = "new.handshake(False,UNABLE_TO_GET_ISSUER_CERT) new.close(None)"
    assert talk.of("new") == refused


@pytest.mark.shows("TLS-036")
@pytest.mark.parametrize("reject", [True, False])
def test_one_client_can_judge_otherwise(secured: Make, reject: bool) -> None:
    untrusted = certificates.stranger().issue("localhost").options
    talk = secured(
        untrusted,
        {"reject_unauthorized": not reject},
        client={"open": lambda socket: socket.set_verify_mode(True, reject)},
    )
    client = talk.start()
    talk.until_seen("c", "handshake")

    client.set_verify_mode(True, not reject)  # too late: ignored
    assert talk.log.of("c").startswith(f"c.open c.handshake({not reject},")
    with pytest.raises(TypeError, match="request_cert: expected True or False"):
        client.set_verify_mode(1, True)  # type: ignore[arg-type]


@pytest.mark.shows("TLS-037")
def test_a_ca_that_issued_the_certificate_is_sent_with_it(secured: Make) -> None:
    untrusting = {"ca": certificates.stranger().pem}
    for tls, code in (
        ({}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        ({"ca": certificates.root().pem}, "SELF_SIGNED_CERT_IN_CHAIN"),
    ):
        talk = secured(tls, untrusting)
        talk.start()
        talk.until_seen("c", "close")
        assert talk.errors("c") == [code]


# Misbehaving peers

GARBAGE = {
    "http": (b"GET / HTTP/1.0\r\n\r\n", "HTTP_REQUEST", ""),
    "text": (b"hello, is anybody there?", "WRONG_VERSION_NUMBER", "15030100020246"),
    "data first": (bytes.fromhex("17030300050000000000"), "UNEXPECTED_RECORD", "1503030002020a"),
    "long record": (
        bytes.fromhex("160301ffff") + bytes(100),
        "ENCRYPTED_LENGTH_TOO_LONG",
        "15030300020216",
    ),
    "an alert": (bytes.fromhex("15030100020228"), "SSLV3_ALERT_HANDSHAKE_FAILURE", ""),
}


@pytest.mark.shows("TLS-069", "TLS-071", "TLS-072")
@pytest.mark.parametrize("handshake", [True, False])
@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_tls_fails_the_handshake_of_a_server(
    secured: Make, what: str, handshake: bool
) -> None:
    sent, reason, answer = GARBAGE[what]
    talk = secured(handshake=handshake)
    with socket.create_connection(("127.0.0.1", talk.listener.port or 0)) as peer:
        peer.sendall(sent)
        talk.until_seen("s", "close")
        talk.settle()
        assert raw.drain(peer).hex() == answer

    if handshake:
        assert talk.of("s") == "s.open s.handshake(False,EPROTO) s.close(None)"
        assert talk.errors("s") == [reason]
    else:
        assert talk.of("s") == "s.open s.close(None)"


@pytest.mark.shows("TLS-069", "TLS-071", "TLS-072")
@pytest.mark.parametrize("reject", [True, False])
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"220 welcome\r\n", "WRONG_VERSION_NUMBER"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "WRONG_VERSION_NUMBER"),
        (bytes.fromhex("15030300020250"), "TLSV1_ALERT_INTERNAL_ERROR"),
        (bytes.fromhex("15030300020270"), "TLSV1_ALERT_UNRECOGNIZED_NAME"),
    ],
)
def test_a_plain_server_fails_the_handshake_of_a_client(
    secured: Make, reactor: Reactor, sent: bytes, reason: str, reject: bool
) -> None:
    plain = {"open": lambda socket: socket.write(sent), "data": lambda *_: None}
    with listen(socket=plain, hostname="127.0.0.1", port=0, reactor=reactor) as listener:
        talk = secured(None, {"reject_unauthorized": reject})
        client = talk.start(port=listener.port)
        talk.until_seen("c", "close")

    assert talk.of("c") == "c.open c.handshake(False,EPROTO) c.close(None)"
    assert talk.errors("c") == [reason]
    assert client.authorization_error is None


def test_a_plain_client_and_a_tls_server_both_end(secured: Make, reactor: Reactor) -> None:
    talk = secured()
    plain = talk.log.handlers("c", open=lambda socket: socket.write(b"EHLO\r\n"))
    talk.connect(tls=None, socket=plain).result(5)
    talk.until_seen("c", "close")

    assert talk.of("s") == "s.open s.handshake(False,EPROTO) s.close(None)"
    assert talk.of("c").endswith("c.end c.close(None)")


@pytest.mark.shows("TLS-070")
@pytest.mark.parametrize(
    "sent", ["", "160301", "15030300020100"], ids=["at once", "half", "notify"]
)
def test_an_end_before_the_handshake_is_a_disconnection(secured: Make, sent: str) -> None:
    talk = secured()
    with socket.create_connection(("127.0.0.1", talk.listener.port or 0)) as peer:
        peer.sendall(bytes.fromhex(sent))
        peer.shutdown(socket.SHUT_WR)
        talk.until_seen("s", "close")
        talk.settle()
        assert raw.drain(peer) == b""

    assert talk.of("s") == "s.open s.handshake(False,ECONNRESET) s.close(None)"
    assert talk.opened["s"][0].authorization_error is None


@pytest.mark.shows("TLS-073")
def test_without_a_handshake_handler_a_silent_client_is_never_heard_of(secured: Make) -> None:
    talk = secured(handshake=False)
    with socket.create_connection(("127.0.0.1", talk.listener.port or 0)):
        talk.settle()
        assert talk.log.trace() == ""
    talk.until_seen("s", "close")

    assert talk.of("s") == "s.open s.close(None)"
