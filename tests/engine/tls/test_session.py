"""Two sessions in memory: how they come to terms, or do not."""

import random
import ssl
from pathlib import Path

import pytest
from OpenSSL import crypto

from sockharness.engine.tls import alerts
from tests.helpers import certificates
from tests.helpers.certificates import (
    CLIENT_ONLY,
    FUTURE,
    PAST,
    SIGNS_NOTHING,
    Authority,
    Issued,
)
from tests.helpers.tls import (
    TLS12,
    TLS13,
    Options,
    Side,
    client_config,
    pump,
    server_config,
    sides,
    talk,
)

VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
UNTRUSTED = certificates.stranger().issue("localhost")
SELF_SIGNED = certificates.root().issue("localhost", common="localhost", self_signed=True)


def said(sender: Side, receiver: Side, text: bytes) -> bytes:
    sender.session.write(text)
    pump(receiver, sender)
    return receiver.got


@VERSIONS
def test_both_sides_are_established_and_data_goes_both_ways(version: int) -> None:
    server, client = talk({"max_version": version})

    assert (server.outcome, client.outcome) == ((True, ""), (True, ""))
    assert client.session.authorized
    assert not server.session.authorized  # it did not ask
    assert said(client, server, b"ping") == b"ping"
    assert said(server, client, b"pong") == b"pong"


@VERSIONS
@pytest.mark.parametrize("size", [1, 16384, 16385, 1_000_000])
def test_any_amount_arrives_whole_and_in_order(version: int, size: int) -> None:
    server, client = talk({"max_version": version})
    payload = random.Random(size).randbytes(size)

    assert said(client, server, payload) == payload


def test_a_fragment_size_bounds_the_records() -> None:
    server, client = talk()
    client.session.set_fragment(512)

    lengths = _records(client.session.encrypt(bytes(2000)))

    assert len(lengths) == 4
    assert max(lengths) <= 512 + 128
    assert not server.got


def _records(ciphertext: bytes) -> list[int]:
    lengths, at = [], 0
    while at < len(ciphertext):
        lengths.append(int.from_bytes(ciphertext[at + 3 : at + 5], "big"))
        at += 5 + lengths[-1]
    return lengths


@VERSIONS
def test_close_notify_ends_one_direction(version: int) -> None:
    server, client = talk({"max_version": version})
    client.session.write(b"last")
    client.session.close()
    pump(server, client)

    assert (server.got, server.session.ended) == (b"last", True)
    assert said(server, client, b"still") == b"still"
    assert not client.session.ended


# A client judges a server

INTERMEDIATE = Authority("intermediate", certificates.root())
NO_CA = Authority("no CA", certificates.root(), is_ca=False)
SHORT = Authority("short", certificates.root(), path_length=0)
BELOW_SHORT = Authority("below short", SHORT)
CERTIFICATES: dict[str, tuple[Issued, Options, str, int]] = {
    "untrusted": (UNTRUSTED, {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", 48),
    "self-signed": (SELF_SIGNED, {}, "DEPTH_ZERO_SELF_SIGNED_CERT", 48),
    "self-signed, and may not sign": (
        certificates.root().issue("localhost", self_signed=True, key_usage=SIGNS_NOTHING),
        {},
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        48,
    ),
    "expired": (
        certificates.root().issue("localhost", dates=PAST),
        {},
        "CERT_HAS_EXPIRED",
        45,
    ),
    "not yet valid": (
        certificates.root().issue("localhost", dates=FUTURE),
        {},
        "CERT_NOT_YET_VALID",
        42,
    ),
    "wrong name": (
        certificates.root().issue("elsewhere.test"),
        {},
        "ERR_TLS_CERT_ALTNAME_INVALID",
        42,
    ),
    "wrong usage": (
        certificates.root().issue("localhost", usage=CLIENT_ONLY),
        {},
        "INVALID_PURPOSE",
        43,
    ),
    "issuer is no CA": (NO_CA.issue("localhost"), {}, "INVALID_PURPOSE", 43),
    "issuer may not sign": (
        Authority("signs nothing", certificates.root(), may_sign=False).issue("localhost"),
        {},
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        48,
    ),
    "path too long": (BELOW_SHORT.issue("localhost"), {}, "PATH_LENGTH_EXCEEDED", 48),
    "root unknown": (
        Authority("lost", certificates.stranger()).issue("localhost"),
        {},
        "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
        48,
    ),
    "only the intermediate is trusted": (
        INTERMEDIATE.issue("localhost"),
        {"ca": INTERMEDIATE.pem},
        "UNABLE_TO_GET_ISSUER_CERT",
        48,
    ),
    "the leaf is trusted": (
        certificates.good(),
        {"ca": certificates.good().cert},
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        48,
    ),
    "expired and untrusted": (
        certificates.stranger().issue("localhost", dates=PAST),
        {},
        "CERT_HAS_EXPIRED",
        45,
    ),
}


@VERSIONS
@pytest.mark.shows("TLS-014", "TLS-021", "TLS-022", "D20")
@pytest.mark.parametrize("fault", CERTIFICATES)
def test_a_client_refuses_a_bad_certificate_and_says_why(version: int, fault: str) -> None:
    issued, options, code, alert = CERTIFICATES[fault]

    server, client = talk({**issued.options, "max_version": version}, options)

    assert client.outcome == (False, code)
    assert client.flights[-1] == alerts.plain(alert)  # in place of its last flight
    assert server.error is not None
    assert server.error.alert == alert


def test_an_incomplete_chain_is_refused() -> None:
    issued = INTERMEDIATE.issue("localhost")

    _, client = talk({"cert": issued.cert, "key": issued.key})

    assert client.outcome == (False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    _, client = talk(issued.options)
    assert client.outcome == (True, "")


def test_a_self_signed_certificate_that_is_trusted_itself_is_good() -> None:
    _, client = talk(SELF_SIGNED.options, {"ca": SELF_SIGNED.cert})

    assert client.outcome == (True, "")


@pytest.mark.shows("TLS-035")
def test_revocation_counts_if_the_lists_cover_the_chain() -> None:
    revoked = certificates.root().issue("localhost")
    crl = certificates.root().revoke(revoked)

    assert talk(revoked.options, {"crl": crl})[1].outcome == (False, "CERT_REVOKED")
    assert talk(None, {"crl": crl})[1].outcome == (True, "")
    below = INTERMEDIATE.issue("localhost").options
    assert talk(below, {"crl": crl})[1].outcome == (False, "UNABLE_TO_GET_CRL")


@VERSIONS
@pytest.mark.parametrize("fault", CERTIFICATES)
def test_a_client_that_refuses_nobody_gets_the_verdict_and_goes_on(
    version: int, fault: str
) -> None:
    issued, options, code, _ = CERTIFICATES[fault]

    server, client = talk(
        {**issued.options, "max_version": version}, {**options, "reject_unauthorized": False}
    )

    assert client.outcome == (True, code)
    assert not client.session.authorized
    assert client.session.success == (fault != "wrong name")
    assert said(client, server, b"all the same") == b"all the same"


@pytest.mark.shows("TLS-017")
def test_a_bad_chain_is_reported_before_a_wrong_name() -> None:
    _, client = talk(UNTRUSTED.options, {"reject_unauthorized": False}, host="elsewhere.test")

    assert client.outcome == (True, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    assert not client.session.success


@pytest.mark.shows("TLS-021")
@pytest.mark.parametrize("bits", [1024, 2048])
def test_rsa_certificates_are_accepted_also_short_ones(bits: int) -> None:
    issued = certificates.root().issue("localhost", private=certificates.rsa_key(bits))

    assert talk(issued.options)[1].outcome == (True, "")


# Whom a client trusts without `ca`


@pytest.fixture(params=["SSL_CERT_FILE", "SSL_CERT_DIR"])
def trusted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Return a variable of OpenSSL's, and a value by which it trusts the tests' authority."""
    root = certificates.root()
    number = crypto.X509.from_cryptography(root.certificate).subject_name_hash()
    path = tmp_path / f"{number:08x}.0"  # as openssl-rehash(1) names it
    path.write_bytes(root.pem)
    return request.param, str(path if request.param == "SSL_CERT_FILE" else tmp_path)


def test_whom_the_environment_trusts_is_trusted_from_then_on(
    trusted: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(trusted[0], raising=False)
    _, before = talk(None, {"ca": None})
    monkeypatch.setenv(*trusted)
    _, after = talk(None, {"ca": None})

    assert before.outcome == (False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    assert after.outcome == (True, "")


def test_whom_the_environment_trusted_is_trusted_no_longer(
    trusted: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*trusted)
    _, before = talk(None, {"ca": None})
    monkeypatch.delenv(trusted[0])
    _, after = talk(None, {"ca": None})

    assert before.outcome == (True, "")
    assert after.outcome == (False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")


def test_a_session_is_resumed_while_the_environment_stays_and_whatever_it_is_beside_ca(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_default, by_ca = client_config(ca=None), client_config()
    assert client_config(ca=None).context is by_default.context

    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert client_config(ca=None).context is not by_default.context
    assert client_config().context is by_ca.context


# The alert is OpenSSL's own: the same peer, once refused by us and once by OpenSSL


def openssl_client(server: Side, version: int, ca: bytes) -> bytes:
    """Return the answer of OpenSSL's client to a server that it does not trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.decode())
    context.maximum_version = ssl.TLSVersion(version)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    for _ in range(10):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            server.session.receive(outgoing.read())
            server.advance()
            incoming.write(server.session.take())
        except ssl.SSLCertVerificationError:
            return outgoing.read()
    raise AssertionError("it was not refused")


@VERSIONS
@pytest.mark.shows("D20")
@pytest.mark.parametrize("fault", ["untrusted", "self-signed", "expired", "wrong name"])
def test_the_alert_of_a_client_is_byte_for_byte_that_of_openssl(version: int, fault: str) -> None:
    issued, *_ = CERTIFICATES[fault]
    server, _ = sides({**issued.options, "max_version": version})
    openssl = openssl_client(server, version, certificates.root().pem)

    _, client = talk({**issued.options, "max_version": version})

    assert client.flights[-1] == openssl
    server.session.receive(openssl)
    server.advance()
    assert server.error is not None
    assert server.error.alert == openssl[-1]


# A server judges a client

CLIENTS = {
    "good": (certificates.root().issue(common="me"), "", 0),
    "untrusted": (
        certificates.stranger().issue(common="me"),
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        48,
    ),
    "self-signed": (
        certificates.root().issue(common="me", self_signed=True),
        "DEPTH_ZERO_SELF_SIGNED_CERT",
        48,
    ),
    "expired": (certificates.root().issue(common="me", dates=PAST), "CERT_HAS_EXPIRED", 45),
    "wrong usage": (
        certificates.root().issue(common="me", usage=certificates.SERVER_ONLY),
        "INVALID_PURPOSE",
        43,
    ),
}
ASKING = {"request_cert": True, "ca": certificates.root().pem}


@VERSIONS
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_server_that_asks_refuses_a_bad_certificate_and_says_why(version: int, kind: str) -> None:
    issued, code, alert = CLIENTS[kind]

    server, client = talk({**ASKING, "max_version": version}, issued.options)

    assert server.outcome == (not code, code)
    assert server.session.authorized == (not code)
    if code:
        told = client.error or client.session.fault
        assert told is not None
        assert told.alert == alert
        # in TLS 1.3 a client is done before its certificate is read
        assert client.done == (version == TLS13)


@VERSIONS
@pytest.mark.parametrize("self_signed", [False, True])
def test_a_certificate_with_an_extension_twice_is_refused(version: int, self_signed: bool) -> None:
    issued = certificates.with_names_twice(certificates.root(), self_signed=self_signed)

    server, client = talk({**ASKING, "max_version": version}, issued.options)

    assert server.outcome[0] is False
    assert server.outcome[1]
    assert client.error or client.session.fault
    assert server.session.peer_certificate


@pytest.mark.parametrize(
    "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
def test_the_alert_of_a_server_is_encrypted_with_whatever_cipher(suite: str) -> None:
    issued, _, alert = CLIENTS["untrusted"]

    server, client = talk({**ASKING, "ciphers": suite}, {**issued.options, "ciphers": suite})

    assert server.session.cipher[0] == suite
    assert client.session.fault is not None
    assert client.session.fault.alert == alert


@VERSIONS
def test_a_server_that_asks_refuses_a_client_without_certificate(version: int) -> None:
    server, client = talk({**ASKING, "max_version": version})

    assert server.error is not None
    assert server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    told = client.error or client.session.fault
    assert told is not None
    required, failure = "TLSV1_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert told.reason == (required if version == TLS13 else failure)


@VERSIONS
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_server_can_ask_and_accept_any_certificate(version: int, kind: str) -> None:
    issued, code, _ = CLIENTS[kind]
    asking = {**ASKING, "reject_unauthorized": False, "max_version": version}

    server, client = talk(asking, issued.options)

    assert server.outcome == (True, code)
    assert server.session.authorized == (not code)
    assert server.session.peer_certificate == issued.certificate
    assert said(client, server, b"welcome") == b"welcome"


def test_a_server_can_ask_and_accept_none() -> None:
    server, client = talk({**ASKING, "reject_unauthorized": False})

    assert server.outcome == (True, "UNABLE_TO_GET_ISSUER_CERT")
    assert not server.session.authorized
    assert client.outcome == (True, "")


# Names


@pytest.mark.shows("TLS-028", "D22")
@pytest.mark.parametrize(
    ("options", "host", "offered"),
    [
        ({}, "localhost", "localhost"),
        ({}, "127.0.0.1", None),
        ({}, "::1", None),
        ({"server_name": "other.test"}, "localhost", "other.test"),
        ({"server_name": ""}, "localhost", None),
        ({"server_name": "x" * 300}, "localhost", None),
        ({"server_name": "UPPER.test."}, "localhost", "UPPER.test."),
        ({"server_name": "bücher.test"}, "localhost", "bücher.test"),
        ({}, None, None),
    ],
)
def test_the_name_that_is_asked_for(options: Options, host: str | None, offered: str) -> None:
    server, client = talk(None, {**options, "reject_unauthorized": False}, host=host)

    assert server.session.server_name == offered
    assert client.session.server_name == offered
    assert client.done


@pytest.mark.shows("D22")
def test_sni_chooses_the_certificate() -> None:
    names = {name: certificates.root().issue(name) for name in ("a.test", "x.b.test")}
    config = server_config(
        sni={"a.test": names["a.test"].options, "*.b.test": names["x.b.test"].options},
        **certificates.good().options,
    )
    served = {
        "a.test": names["a.test"],
        "A.TEST": names["a.test"],
        "x.b.test": names["x.b.test"],
        "b.test": certificates.good(),
        "localhost": certificates.good(),
    }

    for name, issued in served.items():
        _, client = talk(config, {"reject_unauthorized": False}, host=name)
        assert client.session.peer_certificate == issued.certificate, name


@pytest.mark.parametrize("given", ["bücher.test", "BÜCHER.test.", "xn--bcher-kva.test"])
@pytest.mark.parametrize("asked", ["bücher.test", "xn--bcher-kva.test", "XN--Bcher-kva.test"])
def test_a_name_in_other_letters_is_the_same_in_ascii(given: str, asked: str) -> None:
    issued = certificates.root().issue("xn--bcher-kva.test")
    config = server_config(sni={given: issued.options}, **certificates.good().options)

    _, client = talk(config, {"reject_unauthorized": False}, host=asked)

    assert client.session.peer_certificate == issued.certificate


def test_a_pattern_in_other_letters_is_the_same_in_ascii() -> None:
    issued = certificates.root().issue("*.xn--bcher-kva.test")
    config = server_config(sni={"*.bücher.test": issued.options}, **certificates.good().options)

    _, client = talk(config, {"reject_unauthorized": False}, host="a.xn--bcher-kva.test")

    assert client.session.peer_certificate == issued.certificate


@pytest.mark.parametrize("asked", ["\ufffd.test", "a..\xfc", "x" * 64 + "\xfc"])
def test_a_name_that_no_host_can_have_gets_what_others_get(asked: str) -> None:
    named = certificates.root().issue("a.test")
    config = server_config(sni={"a.test": named.options}, **certificates.good().options)

    _, client = talk(config, {"reject_unauthorized": False}, host=asked)

    assert client.session.peer_certificate == certificates.good().certificate


def test_a_name_without_certificate_fails() -> None:
    config = server_config(sni={"a.test": certificates.root().issue("a.test").options})

    server, client = talk(config, host="elsewhere.test")

    assert server.error is not None
    assert server.error.reason == "NO_CERTIFICATE_SET"
    assert client.error is not None
    assert client.error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


# ALPN


@VERSIONS
@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
        (["http/1.1"], ["h2", "http/1.1"], "http/1.1"),
        (None, ["h2"], None),
        (["h2"], None, None),
    ],
)
def test_the_servers_order_decides_on_the_protocol(
    version: int, ours: list[str] | None, theirs: list[str] | None, agreed: str | None
) -> None:
    server, client = talk(
        {"alpn_protocols": ours, "max_version": version}, {"alpn_protocols": theirs}
    )

    assert server.session.alpn == client.session.alpn == agreed
    assert (server.done, client.done) == (True, True)


@VERSIONS
def test_no_common_protocol_fails(version: int) -> None:
    server, client = talk(
        {"alpn_protocols": ["h2"], "max_version": version}, {"alpn_protocols": ["x"]}
    )

    assert server.error is not None
    assert server.error.reason == "NO_APPLICATION_PROTOCOL"
    assert client.error is not None
    assert client.error.reason == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"


@pytest.mark.parametrize(
    ("answer", "agreed", "done"),
    [(b"x", "x", True), (False, None, True), (None, None, False), (b"not offered", None, False)],
)
def test_a_handler_chooses_the_protocol(
    answer: bytes | bool | None, agreed: str | None, done: bool
) -> None:
    server, client = talk(None, {"alpn_protocols": ["h2", "x"]}, answer=answer)

    assert (client.done, server.done) == (done, done)
    assert client.session.alpn == agreed


# Versions, ciphers, resumption, secrets


@pytest.mark.parametrize("version", [0x0301, 0x0302, 0x0303, 0x0304])
def test_versions_can_be_chosen(version: int) -> None:
    both = {"min_version": version, "max_version": version}

    server, client = talk(both, both)

    name = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}[version]
    assert server.session.version == client.session.version == name


def test_no_common_version_fails() -> None:
    server, client = talk({"max_version": TLS12}, {"min_version": TLS13})

    assert server.error is not None
    assert server.error.reason == "UNSUPPORTED_PROTOCOL"
    assert client.error is not None
    assert client.error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_a_range_of_versions_that_is_empty_fails_at_once() -> None:
    _, client = talk(None, {"min_version": TLS13, "max_version": TLS12})

    assert client.error is not None
    assert client.error.reason == "NO_SUPPORTED_VERSIONS_ENABLED"
    assert client.flights == []


def test_ciphers_can_be_chosen() -> None:
    name = "ECDHE-ECDSA-AES128-GCM-SHA256"
    server, client = talk({"ciphers": name, "max_version": TLS12})

    assert server.session.cipher == client.session.cipher == (name, "TLSv1.2")


def test_no_common_cipher_fails() -> None:
    server, client = talk(
        {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256", "max_version": TLS12},
        {"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"},
    )

    assert server.error is not None
    assert server.error.reason == "NO_SHARED_CIPHER"
    assert client.error is not None
    assert client.error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@VERSIONS
@pytest.mark.shows("TLS-080", "TLS-081", "D44")
def test_a_session_is_resumed_if_it_is_given(version: int) -> None:
    config = server_config(max_version=version)
    server, client = talk(config)
    assert (server.session.reused, client.session.reused) == (False, False)
    assert len(client.session.new_sessions) == (2 if version == TLS13 else 0)

    again, resumed = talk(config, resume=client.session.resumable)

    assert (again.session.reused, resumed.session.reused) == (True, True)
    assert resumed.session.authorized
    assert said(resumed, again, b"sooner") == b"sooner"


@pytest.mark.shows("TLS-080")
def test_another_servers_session_is_not_resumed() -> None:
    _, client = talk()

    server, again = talk(resume=client.session.resumable)

    assert (server.session.reused, again.session.reused) == (False, False)
    assert again.outcome == (True, "")


@VERSIONS
def test_a_session_under_a_name_of_sni_is_resumed_too(version: int) -> None:
    other = certificates.root().issue("a.test").options
    config = server_config(
        **certificates.good().options, sni={"a.test": other}, max_version=version
    )
    _, client = talk(config, host="a.test")

    _, again = talk(config, host="a.test", resume=client.session.resumable)

    assert again.session.reused
    assert again.session.authorized


@VERSIONS
def test_resuming_makes_nobody_trusted(version: int) -> None:
    config = server_config(**UNTRUSTED.options, max_version=version)
    _, client = talk(config, {"reject_unauthorized": False})
    session = client.session.resumable

    server, trusting = talk(config, resume=session)
    assert trusting.outcome == (False, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    assert server.error is not None

    _, accepting = talk(config, {"reject_unauthorized": False}, resume=session)
    assert accepting.session.reused
    assert not accepting.session.authorized


@VERSIONS
def test_resuming_under_another_name_is_refused(version: int) -> None:
    config = server_config(max_version=version)
    _, client = talk(config)

    _, again = talk(config, host="elsewhere.test", resume=client.session.resumable)

    assert again.outcome == (False, "ERR_TLS_CERT_ALTNAME_INVALID")


@VERSIONS
def test_a_server_that_asks_for_certificates_resumes_nothing(version: int) -> None:
    config = server_config(**ASKING, reject_unauthorized=False, max_version=version)
    issued, *_ = CLIENTS["untrusted"]
    _, client = talk(config, issued.options)

    server, _ = talk(config, issued.options, resume=client.session.resumable)

    assert server.session.reused is False
    assert server.outcome == (True, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")


@VERSIONS
def test_both_sides_export_the_same_secret(version: int) -> None:
    server, client = talk({"max_version": version})
    one, other = server.session, client.session

    assert one.export(b"label", 32, b"context") == other.export(b"label", 32, b"context")
    assert len(one.export(b"label", 7, None)) == 7
    assert one.export(b"label", 0, None) == b""
    differs = one.export(b"label", 32, None) != one.export(b"label", 32, b"")
    assert differs == (version == TLS12)


@VERSIONS
def test_finished_messages_are_those_of_the_other_side(version: int) -> None:
    server, client = talk({"max_version": version})

    assert client.session.finished == server.session.peer_finished
    assert client.session.peer_finished == server.session.finished
    assert (client.session.finished is None) == (version == TLS13)


def test_the_key_log_is_the_same_on_both_sides() -> None:
    server, client = sides()
    recorders = [server.session._watcher, client.session._watcher]
    pump(server, client)

    logs = [sorted(recorder.secrets) for recorder in recorders]  # type: ignore[attr-defined]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 5


# What is no TLS


@pytest.mark.parametrize(
    ("sent", "reason", "answer"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "HTTP_REQUEST", b""),
        (b"hello, is anybody there?", "WRONG_VERSION_NUMBER", bytes.fromhex("15030100020246")),
        (bytes.fromhex("1603010001ff0000"), None, None),
        (bytes.fromhex("17030300050000000000"), "UNEXPECTED_RECORD", alerts.plain(10)),
        (bytes.fromhex("160301ffff") + bytes(100), "ENCRYPTED_LENGTH_TOO_LONG", None),
    ],
    ids=["http", "text", "half a record", "data first", "long record"],
)
def test_garbage_for_a_server(sent: bytes, reason: str | None, answer: bytes | None) -> None:
    server, _ = sides()
    server.session.receive(sent)
    server.advance()

    assert (server.error.reason if server.error else None) == reason
    if answer is not None:
        assert server.session.take() == answer


@pytest.mark.parametrize("sent", [b"220 ready\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\n"])
def test_plain_text_for_a_client(sent: bytes) -> None:
    _, client = sides()
    client.advance()
    client.session.take()
    client.session.receive(sent)
    client.advance()

    assert client.error is not None
    assert client.error.reason == "WRONG_VERSION_NUMBER"
    assert client.session.take() == bytes.fromhex("15030100020246")


def test_close_notify_in_place_of_a_hello_is_a_disconnection() -> None:
    _, client = sides()
    client.advance()
    client.session.receive(bytes.fromhex("15030300020100"))
    client.advance()

    assert client.error is not None
    assert client.error.code == "ECONNRESET"


@VERSIONS
def test_a_changed_record_ends_an_established_session_and_delivers_nothing_more(
    version: int,
) -> None:
    server, client = talk({"max_version": version})
    client.session.write(b"good")
    good = client.session.take()
    client.session.write(b"evil")
    record = bytearray(client.session.take())
    record[-1] ^= 1
    client.session.write(b"late")

    server.session.receive(good + bytes(record) + client.session.take())
    server.advance()
    server.advance()

    assert server.got == b"good"
    assert server.session.fault is not None
    assert server.session.fault.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    assert not server.session.authorized
    client.session.receive(server.session.take())
    client.advance()
    assert client.session.fault is not None
    assert client.session.fault.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
