"""Valid options of TLS, and the errors for invalid ones, before anything is opened."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sockharness.engine.tls.context import Config
from sockharness.engine.tls.options import TLSOptions, checked
from sockharness.engine.tls.plan import planned
from sockharness.errors import TLSError, code_of
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
from tests.helpers import certificates
from tests.helpers.descriptors import descriptors
from tests.helpers.tls import talk

GOOD = certificates.good()
OTHER = certificates.root().issue("localhost")
RSA = certificates.root().issue("localhost", private=certificates.rsa_key())
EMPTY_BLOCK = b"-----BEGIN %s-----\nAAAA\n-----END %s-----\n"


def server(**options: Any) -> Config:
    made, _ = checked("listen", options, server=True)
    assert made is not None
    return Config(made, server=True)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = (tmp_path / "key.pem", tmp_path / "cert.pem")
    for path, content in zip(paths, (GOOD.key, GOOD.cert), strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.shows("TLS-039", "TLS-040")
@pytest.mark.parametrize(
    "form",
    [
        lambda content, _path: content.decode(),
        lambda content, _path: content,
        lambda content, _path: bytearray(content),
        lambda content, _path: memoryview(content),
        lambda _content, path: path,
        lambda content, _path: [content],
        lambda _content, path: (path,),
        lambda content, _path: b"text before\n" + content + b"text behind",
        lambda _content, _path: GOOD.key + GOOD.cert,
    ],
    ids=["str", "bytes", "bytearray", "memoryview", "path", "list", "tuple", "text", "both in one"],
)
def test_keys_and_certificates_are_taken_in_many_forms(form: Any, files: tuple[Path, Path]) -> None:
    key, cert = form(GOOD.key, files[0]), form(GOOD.cert, files[1])

    _, client = talk({"key": key, "cert": cert})

    assert client.outcome == (True, "")


@pytest.mark.parametrize(
    ("encoding", "private"),
    [
        (serialization.PrivateFormat.PKCS8, ec.generate_private_key(ec.SECP384R1())),
        (serialization.PrivateFormat.TraditionalOpenSSL, ec.generate_private_key(ec.SECP256R1())),
        (serialization.PrivateFormat.TraditionalOpenSSL, certificates.rsa_key()),
        (serialization.PrivateFormat.PKCS8, ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["PKCS 8", "SEC 1", "PKCS 1", "Ed25519"],
)
def test_keys_of_many_kinds_work(encoding: Any, private: Any) -> None:
    issued = certificates.root().issue("localhost", private=private)
    key = private.private_bytes(serialization.Encoding.PEM, encoding, serialization.NoEncryption())

    assert talk({"key": key, "cert": issued.cert})[1].outcome == (True, "")


@pytest.mark.shows("TLS-042")
@pytest.mark.parametrize("passphrase", ["secret", b"secret"])
def test_an_encrypted_key_needs_its_passphrase(passphrase: str | bytes) -> None:
    key = GOOD.encrypted_key(b"secret")

    assert talk({"key": key, "cert": GOOD.cert, "passphrase": passphrase})[1].outcome == (True, "")
    for wrong in (None, "", "guess"):
        with pytest.raises(TLSError, match="passphrase") as raised:
            server(key=key, cert=GOOD.cert, passphrase=wrong)
        assert raised.value.code == "ERR_OSSL_BAD_DECRYPT"


def test_a_passphrase_that_no_key_needs_is_ignored() -> None:
    assert talk({**GOOD.options, "passphrase": "x"})[1].outcome == (True, "")


@pytest.mark.shows("TLS-044")
@pytest.mark.parametrize("keys", [[GOOD.key, RSA.key], [RSA.key, GOOD.key]])
def test_two_pairs_are_matched_in_whatever_order(keys: list[bytes]) -> None:
    for name, issued in (("ECDSA", GOOD), ("RSA", RSA)):
        suite = f"ECDHE-{name}-AES128-GCM-SHA256"
        _, client = talk(
            {"key": keys, "cert": [GOOD.cert, RSA.cert], "max_version": 0x0303},
            {"ciphers": suite},
        )
        assert client.session.peer_certificate == issued.certificate


@pytest.mark.shows("TLS-040", "TLS-042")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"key": b"garbage"}, "ERR_OSSL_PEM_NO_START_LINE"),
        ({"key": ""}, "ERR_OSSL_PEM_NO_START_LINE"),
        ({"key": GOOD.cert, "cert": GOOD.key}, "ERR_OSSL_PEM_NO_START_LINE"),
        ({"cert": b"\x30\x82\x01\x01"}, "ERR_OSSL_PEM_NO_START_LINE"),
        ({"key": GOOD.key.replace(b"M", b"!")}, "ERR_OSSL_PEM_BAD_BASE64_DECODE"),
        ({"cert": GOOD.cert.replace(b"M", b"!")}, "ERR_OSSL_PEM_BAD_BASE64_DECODE"),
        ({"key": EMPTY_BLOCK % (b"PRIVATE KEY", b"PRIVATE KEY")}, "ERR_OSSL_ASN1_DECODE_ERROR"),
        ({"cert": EMPTY_BLOCK % (b"CERTIFICATE", b"CERTIFICATE")}, "ERR_OSSL_ASN1_DECODE_ERROR"),
        ({"key": OTHER.key}, "ERR_OSSL_X509_KEY_VALUES_MISMATCH"),
        ({"key": RSA.key}, "ERR_OSSL_X509_KEY_TYPE_MISMATCH"),
        ({"ca": b"garbage"}, "ERR_BORINGSSL"),
        (
            {"ca": EMPTY_BLOCK % (b"CERTIFICATE", b"CERTIFICATE")},
            "ERR_BORINGSSL",
        ),
        ({"crl": b"garbage"}, "ERR_CRYPTO_OPERATION_FAILED"),
        ({"ciphers": "NO-SUCH"}, "ERR_BORINGSSL"),
        ({"ciphers": "TLS_NO_SUCH"}, "ERR_BORINGSSL"),
        ({"key": Path("/nonexistent/key.pem")}, "ENOENT"),
        ({"cert": Path("/")}, "EISDIR"),
        ({"ca": [certificates.root().pem, Path("/nonexistent/ca.pem")]}, "ENOENT"),
    ],
)
def test_material_that_cannot_be_used_has_the_code_of_bun(
    options: dict[str, Any], code: str
) -> None:
    with pytest.raises(OSError, match=r"key|cert|ca|crl|ciphers") as raised:
        server(**{**GOOD.options, **options})

    assert code_of(raised.value) == code
    assert isinstance(raised.value, TLSError) == code.startswith("ERR_")


def der_as_pem(kind: str, content: bytes) -> str:
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----\n"


DER = GOOD.certificate.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ca": der_as_pem("CERTIFICATE", DER[:-1])}, "ca: .*, got bytes that end too early"),
        ({"ca": der_as_pem("CERTIFICATE", DER + b"x")}, "ca: .*, got bytes behind its end"),
        ({"ca": der_as_pem("CERTIFICATE", b"\0\0\0")}, "ca: .*, got bytes that are none"),
        ({"cert": der_as_pem("CERTIFICATE", b"\0\0\0")}, "cert: .*, got bytes that are none"),
        ({"key": der_as_pem("PRIVATE KEY", DER)}, "key: .*, got bytes that are none, or of an"),
        ({"crl": der_as_pem("X509 CRL", DER)}, "crl: .*, got bytes that are none"),
    ],
)
def test_what_cannot_be_decoded_is_reported_in_plain_words(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(TLSError, match=f"{told}[^{{]*$"):
        server(**{**GOOD.options, **options})


def test_a_key_too_weak_for_the_level_that_was_asked_for_is_reported_by_name() -> None:
    issued = certificates.root().issue("localhost", private=certificates.rsa_key(1024))

    with pytest.raises(TLSError) as raised:
        server(**issued.options, ciphers="DEFAULT:@SECLEVEL=2")

    told = "cert: expected a key that is strong enough for @SECLEVEL=2 in ciphers, got RSA of 1024"
    assert raised.value.code == "EE_KEY_TOO_SMALL"
    assert f"{told} bits" in str(raised.value)
    server(**issued.options)  # on the level that there is otherwise


@pytest.mark.shows("TLS-040")
def test_hints_say_how_a_path_is_given_and_that_der_is_not_taken(files: tuple[Path, Path]) -> None:
    with pytest.raises(TLSError, match=r"a path has to be a pathlib\.Path"):
        server(key=str(files[0]), cert=GOOD.cert)
    with pytest.raises(TLSError, match="is it DER"):
        server(key=GOOD.key, cert=GOOD.certificate.public_bytes(serialization.Encoding.DER))


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"keys": b""}, TypeError),
    ({"serverName": "x"}, TypeError),
    ({"servername": "x"}, TypeError),
    ({"ALPNProtocols": []}, TypeError),
    ({"alpn": ["h2"]}, TypeError),
    ({"curve": "x"}, TypeError),
    ({"rejectUnauthorized": True}, TypeError),
    ({"key": 5}, TypeError),
    ({"key": [5]}, TypeError),
    ({"key": "\ud800"}, ValueError),
    ({"reject_unauthorized": 0}, TypeError),
    ({"request_cert": "no"}, TypeError),
    ({"passphrase": 5}, TypeError),
    ({"passphrase": "\ud800"}, ValueError),
    ({"server_name": 5}, TypeError),
    ({"server_name": "a\0b"}, ValueError),
    ({"server_name": "\ud800"}, ValueError),
    ({"alpn_protocols": "h2"}, TypeError),
    ({"alpn_protocols": b"\x02h2"}, TypeError),
    ({"alpn_protocols": [""]}, ValueError),
    ({"alpn_protocols": [5]}, TypeError),
    ({"alpn_protocols": ["\ud800"]}, ValueError),
    ({"alpn_protocols": ["x" * 255] * 256}, ValueError),
    ({"min_version": "TLSv1.2"}, TypeError),
    ({"min_version": True}, TypeError),
    ({"min_version": False}, TypeError),
    ({"min_version": 0.0}, TypeError),
    ({"min_version": 0x0300}, ValueError),
    ({"max_version": 0x0300}, ValueError),
    ({"max_version": -1}, ValueError),
    ({"max_version": 5}, ValueError),
    ({"ciphers": 5}, TypeError),
    ({"sni": ["a"]}, TypeError),
    ({"sni": {5: GOOD.options}}, TypeError),
    ({"sni": {"a": {}}}, ValueError),
    ({"sni": {"a": {"key": GOOD.key}}}, ValueError),
    ({"sni": {"a": {"cert": GOOD.cert}}}, ValueError),
    ({"sni": {"a": GOOD}}, TypeError),
    ({"sni": {"a": True}}, TypeError),
    ({"sni": {"a.*.b": GOOD.options}}, ValueError),
    ({"sni": {"**.a": GOOD.options}}, ValueError),
    ({"sni": {"w*.a": GOOD.options}}, ValueError),
    ({"sni": {"*": GOOD.options}}, ValueError),
    ({"sni": {"*.": GOOD.options}}, ValueError),
    ({"sni": {"": GOOD.options}}, ValueError),
    ({"sni": {"a..b": GOOD.options}}, ValueError),
    ({"sni": {"a\0b": GOOD.options}}, ValueError),
    ({"sni": {"\ud800": GOOD.options}}, ValueError),
    ({"sni": {"A.b": GOOD.options, "a.B.": GOOD.options}}, ValueError),
    ({"sni": {"a": {"kee": b""}}}, TypeError),
]


@pytest.mark.shows("TLS-027", "TLS-028", "TLS-029", "TLS-039", "TLS-045", "TLS-075", "D21", "D43")
def test_an_option_that_cannot_be_says_what_was_expected(gallery: Gallery) -> None:
    gallery.check(
        table(WRONG, lambda wrong: checked("listen", {**GOOD.options, **wrong}, server=True))
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ca", certificates.root().pem),
        ("crl", None),
        ("request_cert", True),
        ("reject_unauthorized", False),
        ("min_version", 0x0303),
        ("alpn_protocols", ["h2"]),
        ("ciphers", "DEFAULT"),
        ("server_name", "a"),
        ("session", None),
        ("sni", {"b": GOOD.options}),
    ],
)
def test_by_name_only_key_certificate_and_passphrase_are_chosen(name: str, value: Any) -> None:
    known = re.escape(f"unknown option {name!r}; known are key, cert, passphrase") + "$"

    with pytest.raises(TypeError, match=known):
        server(**GOOD.options, sni={"a": {**GOOD.options, name: value}})


def test_options_made_ahead_can_have_no_more_by_name() -> None:
    more = TLSOptions(**GOOD.options, alpn_protocols=["h2"])
    told = r"sni\['a'\]: alpn_protocols cannot be chosen by name; known are key, cert, passphrase$"

    with pytest.raises(ValueError, match=told):
        server(**GOOD.options, sni={"a": more})
    key = GOOD.encrypted_key(b"secret")
    server(sni={"a": TLSOptions(key=key, cert=GOOD.cert, passphrase="secret")})


def test_a_client_has_no_certificates_by_name() -> None:
    with pytest.raises(ValueError, match="connect: tls: sni is for a server"):
        checked("connect", {"sni": {"a": GOOD.options}}, server=False)


def test_a_client_asks_for_the_certificate_that_it_is_shown_anyway() -> None:
    made, _ = checked("connect", {"request_cert": True}, server=False)

    assert made.reject_unauthorized


@pytest.mark.shows("D48")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"server_name": "a"}, "listen: tls: server_name is for a client"),
        ({"session": object()}, "listen: tls: session is for a client"),
    ],
)
def test_a_server_has_no_options_of_clients(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        checked("listen", {**GOOD.options, **options}, server=True)


@pytest.mark.parametrize("kept", [GOOD.key.decode(), GOOD.key, [GOOD.key]])
def test_no_repr_shows_a_key_or_a_passphrase(kept: Any) -> None:
    made = TLSOptions(
        key=kept, cert=kept, ca=kept, passphrase="my secret", sni={"a": {"key": kept}}
    )
    options, _ = checked("listen", {**GOOD.options, "cert": GOOD.key + GOOD.cert}, server=True)

    for text in (repr(made), repr(options)):
        assert "PRIVATE" not in text
        assert "my secret" not in text
        assert "reject_unauthorized=True" in text


KEY = GOOD.key.decode()
SECRET = KEY.splitlines()[1][20:40]  # of the key itself, behind what says of which kind it is


@pytest.mark.parametrize(
    "tls",
    [
        {"key": [[KEY]]},
        {"key": {"pem": KEY}},
        {"cert": ({KEY},)},
        {"passphrase": [KEY]},
        {"sni": [KEY]},
        {"sni": {"a": KEY}},
        {"sni": {"a": [("key", KEY)]}},
        {KEY: "key"},
        {GOOD.key: "key"},
        [("key", KEY)],
        KEY,
    ],
)
def test_no_complaint_shows_a_key(tls: Any) -> None:
    with pytest.raises(TypeError) as raised:
        checked("listen", tls, server=True)

    assert SECRET not in str(raised.value)


@pytest.mark.shows("TLS-024")
@pytest.mark.parametrize("tls", [0, 5, "x", b"x", [], ()])
def test_tls_itself_is_true_or_a_mapping(tls: object) -> None:
    with pytest.raises(TypeError, match="connect: tls: expected True, a mapping or TLSOptions"):
        checked("connect", tls, server=False)


@pytest.mark.parametrize("tls", [None, False])
def test_without_tls_there_is_none(tls: object) -> None:
    assert planned("listen", tls, server=True) is None


@pytest.mark.shows("TLS-024", "TLS-039", "D19")
@pytest.mark.parametrize("tls", [True, {}, TLSOptions(), {"ca": None, "key": [], "cert": None}])
def test_a_client_needs_no_option(tls: object) -> None:
    made, session = checked("connect", tls, server=False)

    assert (made.reject_unauthorized, session) == (True, None)


@pytest.mark.shows("TLS-043", "D19")
@pytest.mark.parametrize(
    ("tls", "got"),
    [
        (True, "neither"),
        ({}, "neither"),
        (TLSOptions(), "neither"),
        ({"key": GOOD.key}, "key without cert"),
        ({"cert": GOOD.cert}, "cert without key"),
        ({"key": GOOD.key, "sni": {"a": GOOD.options}}, "key without cert"),
        ({"key": [], "cert": []}, "neither"),
    ],
)
def test_a_server_needs_key_and_certificate_or_sni(tls: Any, got: str) -> None:
    with pytest.raises(ValueError, match=f"listen: tls: expected key and cert, or sni, got {got}"):
        checked("listen", tls, server=True)


def test_options_can_be_made_ahead_and_used_twice() -> None:
    options = TLSOptions(**GOOD.options)

    assert checked("listen", options, server=True) == checked("listen", options, server=True)


@pytest.mark.shows("TLS-043")
@pytest.mark.parametrize("options", [{"key": GOOD.key}, {"cert": GOOD.cert}])
def test_a_clients_key_or_certificate_alone_is_ignored(options: dict[str, Any]) -> None:
    server_side, client = talk(
        {"request_cert": True, "reject_unauthorized": False, "ca": certificates.root().pem}, options
    )

    assert client.done
    assert server_side.session.peer_certificate is None


def test_no_descriptor_is_left_of_files_that_were_read(files: tuple[Path, Path]) -> None:
    before = descriptors()

    server(key=files[0], cert=files[1])

    assert descriptors() == before
