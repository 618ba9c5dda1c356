"""A server with TLS sends the bytes that a test gives it, like one without."""

import errno
import os
import re
import socket
import ssl
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from sockharness import (
    Authority,
    BadCertificate,
    ExpectationFailed,
    Harness,
    TLSError,
    TLSOptions,
    TlsPair,
)
from sockharness.errors import ClosedError, UsageError
from sockharness.facade.cuts import Cuts


class Dial(Protocol):
    def __call__(
        self, pair: TlsPair, data: bytes = b"", context: ssl.SSLContext | None = None
    ) -> ssl.SSLSocket: ...


@pytest.fixture
def pair(harness: Harness) -> TlsPair:
    return harness.tls_pair()


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Connect with the standard library; every connection is closed at the end."""
    with ExitStack() as stack:

        def connect(
            pair: TlsPair, data: bytes = b"", context: ssl.SSLContext | None = None
        ) -> ssl.SSLSocket:
            plain = stack.enter_context(socket.create_connection(pair.server.address, timeout=5))
            client = (context or pair.client_context()).wrap_socket(
                plain, server_hostname=pair.server.host
            )
            stack.enter_context(client)
            client.sendall(data)
            return client

        yield connect


def read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


# Exchanges


def test_an_exchange_is_as_without_tls(pair: TlsPair, dial: Dial) -> None:
    pair.server.expect(b"PING").reply(b"PONG")

    client = dial(pair, b"PING")

    assert read(client, 4) == b"PONG"
    pair.server.check()


@pytest.mark.parametrize("kind", BadCertificate)
def test_a_client_that_refuses_a_bad_certificate_says_why(
    pair: TlsPair, dial: Dial, kind: BadCertificate
) -> None:
    pair.server.use_certificate(pair.ca.bad(kind, "localhost"))

    with pytest.raises(ssl.SSLCertVerificationError):
        dial(pair)

    assert pair.server.connection(1).handshake.alert == kind.alert
    pair.server.check()


@pytest.mark.parametrize("kind", BadCertificate)
def test_our_client_refuses_a_bad_certificate_too(pair: TlsPair, kind: BadCertificate) -> None:
    pair.server.use_certificate(pair.ca.bad(kind, "localhost"))

    with pytest.raises(TLSError):
        pair.connect()

    assert pair.server.connection(1).handshake.alert == kind.alert
    pair.server.check()


def test_both_ends_are_ours(pair: TlsPair) -> None:
    pair.server.expect(b"PING").reply(b"PONG")

    client = pair.connect()
    client.write(b"PING")

    assert client.read_exactly(4) == b"PONG"
    client.end()
    pair.server.connection(1).wait_for("close")
    client.wait_for("close")
    pair.server.check()


@pytest.mark.parametrize("cuts", ["each_byte", [1, 3], "together"])
def test_a_reply_in_pieces_is_read_in_pieces(pair: TlsPair, dial: Dial, cuts: Cuts) -> None:
    pair.server.expect(b"PING").reply(b"PONG!", cuts=cuts)
    expected = {"each_byte": [b"P", b"O", b"N", b"G", b"!"], "together": [b"PONG!"]}

    client = dial(pair, b"PING")
    reads: list[bytes] = []
    while len(b"".join(reads)) < 5:
        reads.append(client.recv(100))

    assert reads == expected.get(str(cuts), [b"P", b"ONG", b"!"])


def test_a_reply_and_a_close_are_read_to_the_end(pair: TlsPair, dial: Dial) -> None:
    pair.server.expect(b"GET").reply(b"hello").close()

    client = dial(pair, b"GET")

    assert client.makefile("rb").read() == b"hello"  # by a close_notify: else it would raise
    client.close()
    pair.server.connection(1).wait_for("close")


def test_a_reset_is_one(pair: TlsPair) -> None:
    pair.server.expect(b"PING").reset()

    client = pair.connect()
    client.write(b"PING")

    assert client.wait_for("close").code == "ECONNRESET"


def test_rules_and_numbered_connections_are_as_without_tls(pair: TlsPair, dial: Dial) -> None:
    pair.server.when(b"HI").reply(b"HO")
    pair.server.connection(2).expect(b"PING").reply(b"PONG")

    first, second = dial(pair, b"HI"), dial(pair, b"PING")

    assert (read(first, 2), read(second, 4)) == (b"HO", b"PONG")
    pair.server.check()


def test_a_big_reply_arrives_whole(pair: TlsPair, dial: Dial) -> None:
    reply = bytes(range(256)) * 20_000
    pair.server.expect(b"GET").reply(reply)

    assert read(dial(pair, b"GET"), len(reply)) == reply


def test_what_a_future_connection_is_told_is_done_after_its_handshake(
    pair: TlsPair, dial: Dial
) -> None:
    pair.server.connection(1).write(b"220 ready")
    pair.server.connection(2).end(b"no")

    first, second = dial(pair), dial(pair)

    assert read(first, 9) == b"220 ready"
    assert second.makefile("rb").read() == b"no"


def test_the_end_of_a_client_is_answered_after_the_reply(pair: TlsPair) -> None:
    pair.server.expect(b"GET").reply(b"hello", cuts=1)

    client = pair.connect()
    client.write(b"GET")
    client.shutdown()

    assert client.read_exactly(5) == b"hello"
    client.wait_for("close")
    pair.server.check()


def test_bytes_that_nobody_expects_reset_the_connection(pair: TlsPair) -> None:
    pair.server.expect(b"PING").reply(b"PONG")

    client = pair.connect()
    client.write(b"JUNK")

    assert client.wait_for("close").code == "ECONNRESET"
    with pytest.raises(ExpectationFailed, match="tls_pair"):
        pair.server.check()


# Handlers


def test_open_comes_when_one_can_write(pair: TlsPair, dial: Dial) -> None:
    pair.server.on(open=lambda socket: socket.write(b"220 ready"))

    assert read(dial(pair), 9) == b"220 ready"


def test_with_a_handler_for_the_handshake_open_comes_before_it(pair: TlsPair, dial: Dial) -> None:
    seen: list[object] = []
    pair.server.on(
        open=lambda socket: seen.append(("open", socket.write(b"early"))),
        handshake=lambda socket, *ended: seen.append((ended, socket.write(b"late"))),
    )

    assert read(dial(pair), 4) == b"late"
    pair.server.check()  # the handler has returned
    assert seen == [("open", 0), ((True, None), 4)]


def test_a_handler_sees_a_handshake_that_fails_and_it_still_is_a_finding(
    pair: TlsPair, dial: Dial
) -> None:
    errors: list[OSError | None] = []
    pair.server.on(handshake=lambda _socket, _success, error: errors.append(error))

    with pytest.raises(ssl.SSLCertVerificationError):
        dial(pair, context=ssl.create_default_context())

    pair.server.connection(1).wait_for("close")
    assert [error is not None and error.errno for error in errors] == [errno.EPROTO]
    with pytest.raises(ExpectationFailed, match="the client sent unknown_ca"):
        pair.server.check()


def test_a_handler_that_would_never_be_called_is_refused(pair: TlsPair) -> None:
    with pytest.raises(TypeError, match="handler 'alpn_callback' is not called here"):
        pair.server.reload({"alpn_callback": lambda *_: None})


# The handshake


def test_a_handshake_tells_what_was_agreed_on(harness: Harness, dial: Dial) -> None:
    pair = harness.tls_pair(tls={"alpn_protocols": ["h2", "http/1.1"]})
    context = pair.client_context()
    context.set_alpn_protocols(["http/1.1"])

    client = dial(pair, context=context)
    handshake = pair.server.connection(1).handshake

    assert handshake.established
    assert (handshake.error, handshake.alert) == (None, None)
    assert handshake.tls_version == client.version() == "TLSv1.3"
    assert handshake.cipher == (client.cipher() or ("",))[0]
    assert handshake.alpn_protocol == client.selected_alpn_protocol() == "http/1.1"
    assert handshake.servername == "localhost"
    assert handshake.peer_certificate is None
    assert not handshake.authorized  # nobody was asked
    assert not handshake.is_session_reused


def test_both_ends_tell_the_same(pair: TlsPair) -> None:
    client = pair.connect(tls={"max_version": ssl.TLSVersion.TLSv1_2})

    assert client.handshake.tls_version == "TLSv1.2"
    assert client.handshake.authorized
    assert client.handshake.peer_certificate is not None
    assert pair.server.connection(1).handshake.tls_version == "TLSv1.2"


def test_the_end_of_a_handshake_is_an_event(pair: TlsPair, dial: Dial) -> None:
    dial(pair)

    event = pair.server.wait_for("handshake")

    assert (event.connection, event.error, event.note) == (1, None, "TLSv1.3")


@pytest.mark.parametrize("claim", ["handshake", "wait", "wait for any", "close"])
def test_a_handshake_that_fails_is_a_finding_until_a_test_looks_at_it(
    pair: TlsPair, dial: Dial, claim: str
) -> None:
    for _ in range(2):
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(pair, context=ssl.create_default_context())

    with pytest.raises(ExpectationFailed) as failure:
        pair.server.check()
    assert str(failure.value).startswith(
        "tls_pair: the client sent unknown_ca\n\n"
        "  EPROTO: error:10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA\n"
        "  hint: if it is meant to, look at connection(1).handshake\n\n"
        "  also:   tls_pair: the client sent unknown_ca\n"
    )

    with pytest.raises(ssl.SSLCertVerificationError):
        dial(pair, context=ssl.create_default_context())
    connection = pair.server.connection(1)
    match claim:
        case "handshake":
            assert connection.handshake.alert == "unknown_ca"
        case "wait":
            assert connection.wait_for("handshake").code == "EPROTO"
        case "wait for any":
            assert pair.server.wait_for("handshake").note == "unknown_ca"
        case "close":
            connection.wait_for("close")
            with pytest.raises(ExpectationFailed, match="the client sent unknown_ca"):
                pair.server.check()
    pair.server.check()


def test_it_is_the_cause_of_what_was_waited_for_in_vain(pair: TlsPair, dial: Dial) -> None:
    pair.server.expect(b"PING").reply(b"PONG")
    with pytest.raises(ssl.SSLCertVerificationError):
        dial(pair, context=ssl.create_default_context())

    with pytest.raises(ExpectationFailed) as failure:
        pair.server.connection(1).wait_for("data")

    lines = str(failure.value).splitlines()
    assert lines[0] == "tls_pair: the client sent unknown_ca"
    assert "  also:   " in str(failure.value)
    assert "tls_pair saw no data; it saw close" in str(failure.value)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [(b"GET / HTTP/1.1\r\n\r\n", "HTTP_REQUEST"), (b"\x00" * 64, "WRONG_VERSION_NUMBER")],
    ids=["http", "zeros"],
)
def test_a_client_that_does_not_speak_tls_is_told_apart(
    pair: TlsPair, sent: bytes, cause: str
) -> None:
    with socket.create_connection(pair.server.address, timeout=5) as client:
        client.sendall(sent)
        client.makefile("rb").read()

    with pytest.raises(ExpectationFailed, match=f"tls_pair: handshake failed: {cause}"):
        pair.server.check()


def test_a_client_without_a_certificate_is_told_in_the_headline(harness: Harness) -> None:
    pair = harness.tls_pair(tls={"request_cert": True, "max_version": 0x0303})
    with pytest.raises(TLSError):
        pair.connect()

    with pytest.raises(ExpectationFailed, match=r"^tls_pair: PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        pair.server.check()


def test_what_is_shown_of_a_handshake_leaves_the_certificates_bytes_out(pair: TlsPair) -> None:
    client = pair.connect()

    shown = repr(client.handshake)

    assert "tls_version='TLSv1.3'" in shown
    assert "raw" not in shown
    assert len(shown) < 400


def test_a_client_that_hangs_up_in_the_handshake_is_found(pair: TlsPair) -> None:
    with socket.create_connection(pair.server.address, timeout=5):
        pass

    handshake = pair.server.connection(1).handshake

    assert not handshake.established
    assert handshake.code == "ECONNRESET"
    pair.server.check()


def test_a_client_that_resets_in_the_handshake_is_found(pair: TlsPair) -> None:
    with socket.create_connection(pair.server.address, timeout=5) as client:
        pair.server.wait_for("open")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    pair.server.connection(1).wait_for("close")
    with socket.create_connection(pair.server.address, timeout=5) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert pair.server.connection(2).handshake.code == "ECONNRESET"

    pair.server.check()


def test_what_the_test_ends_itself_is_no_finding(pair: TlsPair) -> None:
    with socket.create_connection(pair.server.address, timeout=5) as client:
        pair.server.wait_for("open")
        pair.server.connection(1).reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    pair.server.check()


def test_a_client_in_the_middle_of_its_handshake_is_no_finding(pair: TlsPair) -> None:
    with socket.create_connection(pair.server.address, timeout=5):
        pair.server.wait_for("open")
        pair.server.check()
        pair.server.clear()


def test_a_handshake_that_takes_too_long_is_ended() -> None:
    with Harness(timeout_scale=0.02) as harness:
        pair = harness.tls_pair()
        with socket.create_connection(pair.server.address, timeout=5) as client:
            assert client.recv(1) == b""

        assert pair.server.connection(1).handshake.code == "ETIMEDOUT"


def test_waiting_for_a_handshake_in_vain_says_so() -> None:
    with Harness(timeout_scale=0.002) as harness:
        connection = harness.tls_pair().server.connection(1)

        with pytest.raises(ExpectationFailed) as failure:
            _ = connection.handshake

    headline = str(failure.value).splitlines()[0]
    assert headline.endswith("connection 1 saw no handshake; none came")
    assert re.search(
        r"waiting: connection 1 for handshake, \d+\.\d\d of 0\.01 s", str(failure.value)
    )


def test_a_connection_without_tls_has_no_handshake(harness: Harness) -> None:
    with pytest.raises(UsageError, match="has no TLS"):
        _ = harness.tcp_server().connection(1).handshake


# Client certificates


def test_a_client_shows_its_certificate(harness: Harness, dial: Dial) -> None:
    pair = harness.tls_pair(tls={"request_cert": True})
    alice = pair.ca.issue_client("alice")

    dial(pair, context=pair.client_context(alice))
    pair.connect(certificate=alice)

    for number in (1, 2):
        handshake = pair.server.connection(number).handshake
        assert handshake.authorized
        assert handshake.peer_certificate is not None
        assert handshake.peer_certificate["subject"]["CN"] == "alice"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_certificate_is_refused(
    harness: Harness, dial: Dial, version: ssl.TLSVersion
) -> None:
    pair = harness.tls_pair(tls={"request_cert": True, "max_version": version})

    with pytest.raises(ssl.SSLError):
        dial(pair).recv(1)

    error = pair.server.connection(1).handshake.error
    assert isinstance(error, TLSError)
    assert error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    pair.server.check()


@pytest.mark.parametrize(
    "kind", [kind for kind in BadCertificate if kind is not BadCertificate.WRONG_HOST]
)
def test_a_client_with_a_bad_certificate_is_told_by_an_alert(
    harness: Harness, dial: Dial, kind: BadCertificate
) -> None:
    pair = harness.tls_pair(tls={"request_cert": True, "ciphers": "DEFAULT:@SECLEVEL=2"})
    bad = pair.ca.bad(kind)

    with pytest.raises(ssl.SSLError, match=kind.alert.replace("_", " ")):
        dial(pair, context=pair.client_context(bad)).recv(1)

    assert not pair.server.connection(1).handshake.established


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_certificate_that_a_server_refused_is_told(
    harness: Harness, dial: Dial, version: ssl.TLSVersion
) -> None:
    pair = harness.tls_pair(tls={"request_cert": True, "max_version": version})
    stranger = pair.ca.bad(BadCertificate.UNKNOWN_CA, "stranger.example")

    with pytest.raises(ssl.SSLError):
        dial(pair, context=pair.client_context(stranger)).recv(1)

    handshake = pair.server.connection(1).handshake
    assert not handshake.established
    assert not handshake.authorized
    assert handshake.peer_certificate is not None
    assert handshake.peer_certificate["subjectaltname"] == "DNS:stranger.example"


def test_a_client_that_lets_a_bad_certificate_pass_knows_of_it(pair: TlsPair) -> None:
    pair.server.use_certificate(pair.ca.bad(BadCertificate.EXPIRED, "localhost"))

    client = pair.connect(tls={"reject_unauthorized": False})

    assert client.handshake.established
    assert not client.handshake.authorized
    assert client.handshake.code == "CERT_HAS_EXPIRED"


# After the handshake


def test_a_refusal_after_the_clients_handshake_is_a_finding_until_it_is_waited_for(
    harness: Harness,
) -> None:
    pair = harness.tls_pair(tls={"request_cert": True})
    expired = pair.ca.bad(BadCertificate.EXPIRED)

    first = pair.connect(certificate=expired)  # TLS 1.3: the client's handshake is over first
    first.wait_for("close")
    assert not pair.server.connection(1).handshake.established
    with pytest.raises(ExpectationFailed, match="the server sent certificate_expired") as failure:
        harness.check()
    assert 'connection(1).wait_for("error")' in str(failure.value)

    second = pair.connect(certificate=expired)
    assert second.wait_for("error").code == "EPROTO"
    assert not pair.server.connection(1).handshake.established
    harness.check()


def test_a_record_that_cannot_be_is_a_finding(pair: TlsPair, dial: Dial) -> None:
    client = dial(pair)
    os.write(client.fileno(), b"no record")
    pair.server.connection(1).wait_for("close")

    with pytest.raises(ExpectationFailed, match="tls_pair: TLS failed: BAD_PACKET_LENGTH"):
        pair.server.check()


def test_a_reset_after_the_handshake_is_none(pair: TlsPair) -> None:
    pair.connect().reset()

    assert pair.server.connection(1).wait_for("close").code == "ECONNRESET"
    pair.server.check()


# Certificates


def test_another_certificate_is_for_the_next_connections(pair: TlsPair, dial: Dial) -> None:
    pair.server.when(b"PING").reply(b"PONG")
    before = dial(pair)

    pair.server.use_certificate(pair.ca.issue("localhost"))
    after = dial(pair)

    assert before.getpeercert() != after.getpeercert()
    assert pair.server.certificate is pair.ca.issue("localhost")
    for client in (before, after):
        client.sendall(b"PING")
        assert read(client, 4) == b"PONG"


def test_another_certificate_takes_the_place_of_one_among_the_options(
    harness: Harness, dial: Dial
) -> None:
    with Authority() as ca:
        first = ca.issue("localhost")
        encrypted = load_pem_private_key(first.key_pem, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
        own = {"key": encrypted, "cert": first.chain_pem, "passphrase": "secret"}
        pair = harness.tls_pair(tls={**own, "alpn_protocols": ["h2"]})

        pair.server.use_certificate(ca.issue("localhost", variant="second"))

        context = ca.client_context()
        context.set_alpn_protocols(["h2"])
        client = dial(pair, context=context)
        shown = ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"").encode()
        assert shown.split() == pair.server.certificate.chain_pem.split()
        assert client.selected_alpn_protocol() == "h2"  # the other options stay


def test_the_options_of_both_ends_may_be_the_engines(harness: Harness) -> None:
    pair = harness.tls_pair(tls=TLSOptions(request_cert=True, alpn_protocols=["h2"]))
    alice = pair.ca.issue_client("alice")

    client = pair.connect(
        certificate=alice, tls=TLSOptions(alpn_protocols=["h2"], max_version=0x0303)
    )

    assert (client.handshake.alpn_protocol, client.handshake.tls_version) == ("h2", "TLSv1.2")
    assert pair.server.connection(1).handshake.authorized


@pytest.mark.parametrize("tls", [5, "x", True, False, [], [("ca", b"")]])
def test_options_that_are_none_are_refused_by_name(harness: Harness, tls: Any) -> None:
    wanted = "tls: expected a mapping or TLSOptions (TLS is on without), got "

    with pytest.raises(TypeError, match=re.escape(f"tls_pair: {wanted}{tls!r}")):
        harness.tls_pair(tls=tls)
    with pytest.raises(TypeError, match=re.escape(f"connect: {wanted}{tls!r}")):
        harness.tls_pair().connect(tls=tls)


def test_a_certificate_is_one_of_an_authority(pair: TlsPair) -> None:
    with pytest.raises(TypeError, match=r"such as ca\.issue\(…\), got 'x\.pem'"):
        pair.server.use_certificate("x.pem")  # type: ignore[arg-type]


def test_a_pair_can_present_another_certificate_from_the_start(
    harness: Harness, dial: Dial
) -> None:
    ca = harness.tls_pair().ca

    other = harness.tls_pair(certificate=ca.issue("localhost", "example.org"))

    assert dial(other).getpeercert() is not None
    assert other.ca is ca


def test_a_harness_removes_the_files_of_its_own_authority() -> None:
    with Harness() as harness:
        pair = harness.tls_pair()
        path = Path(pair.ca.ca_file)
        assert path.exists()

    assert not path.exists()


# The key log


def test_the_key_log_has_the_secrets_of_all_connections(pair: TlsPair, dial: Dial) -> None:
    dial(pair)
    log = Path(pair.key_log)
    dial(pair)
    dial(pair, context=_of_tls_1_2(pair.client_context()))

    lines = [line.split() for line in log.read_text().splitlines()]
    secrets = {(label, client_random) for label, client_random, _ in lines}
    randoms = {client_random for _, client_random in secrets}
    assert len(randoms) == 3
    assert sum(label == "CLIENT_TRAFFIC_SECRET_0" for label, _ in secrets) == 2
    assert sum(label == "CLIENT_RANDOM" for label, _ in secrets) == 1
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_the_key_log_is_gone_with_the_pair() -> None:
    with Harness() as harness:
        pair = harness.tls_pair()
        log = Path(pair.key_log)
        assert log.read_bytes() == b""

    assert not log.parent.exists()
    with pytest.raises(ClosedError, match="its key log is gone"):
        _ = pair.key_log


def test_no_key_log_is_written_that_nobody_asked_for(pair: TlsPair, dial: Dial) -> None:
    dial(pair)

    assert pair._key_log._folder is None


def _of_tls_1_2(context: ssl.SSLContext) -> ssl.SSLContext:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


# Failures and pictures


def test_a_picture_shows_both_ends_of_a_connection(pair: TlsPair) -> None:
    pair.server.expect(b"PING").reply(b"PONG")

    client = pair.connect()
    client.write(b"PING")
    client.read_exactly(4)
    pair.server.expect(b"MORE").ignore()
    with pytest.raises(ExpectationFailed) as failure:
        pair.server.check()

    rungs = re.findall(r"^ +\d+\.\d{3} {3}(.+)", str(failure.value), re.M)
    assert sorted(rungs) == sorted(
        [
            "open    ------------> open",
            "handshake TLSv1.3",
            "                      handshake TLSv1.3",
            "4 B     ------------> PING",
            "PONG    <------------ 4 B",
        ]
    )


def test_a_pair_and_its_server_say_what_they_are(pair: TlsPair) -> None:
    port = pair.server.port

    assert pair.url_for("/x") == f"https://localhost:{port}/x"
    assert pair.server.url_for("x", scheme="wss") == f"wss://localhost:{port}/x"
    assert repr(pair) == (
        f"<TlsPair <TlsServer localhost:{port} listening, 0 connections, 0 open, 0 to be claimed>>"
    )
