"""The match of a certificate and a host, and the display of certificates."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sockharness.engine.tls import certificate as shown
from sockharness.engine.tls.identity import alternative_names, complaint, may_sign
from tests.helpers import certificates
from tests.helpers.certificates import Issued

PREFIX = "Hostname/IP does not match certificate's altnames: "
NAMES = certificates.good()
WILD = certificates.root().issue("*.example.test", "*.test", "literal.example")
COMMON = certificates.root().issue(common="localhost")
URI_ONLY = certificates.root().issue(
    common="localhost", extra=[x509.UniformResourceIdentifier("https://x.test/a,b")]
)
MAIL = certificates.root().issue("localhost", extra=[x509.RFC822Name("a@b.test")])
NOTHING = certificates.root().issue(common="")


@pytest.mark.shows("TLS-019")
@pytest.mark.parametrize(
    ("host", "issued", "fits"),
    [
        ("localhost", NAMES, True),
        ("LOCALHOST", NAMES, True),
        ("localhost.", NAMES, True),
        ("localhost..", NAMES, False),
        ("127.0.0.1", NAMES, True),
        ("::1", NAMES, True),
        ("0:0:0:0:0:0:0:1", NAMES, True),
        ("127.0.0.2", NAMES, False),
        ("other.test", NAMES, False),
        ("a.example.test", WILD, True),
        ("A.Example.Test.", WILD, True),
        ("a.b.example.test", WILD, False),
        ("example.test", WILD, False),
        ("anything.test", WILD, False),
        ("*.example.test", WILD, False),
        ("literal.example", WILD, True),
        ("localhost", COMMON, True),
        ("127.0.0.1", COMMON, False),
        ("localhost", URI_ONLY, True),
        ("localhost", MAIL, True),
        ("localhost", NOTHING, False),
        ("", NAMES, False),
    ],
)
def test_which_hosts_a_certificate_is_for(host: str, issued: Issued, fits: bool) -> None:
    assert (complaint(host, issued.certificate) is None) == fits


@pytest.mark.shows("TLS-020")
@pytest.mark.parametrize(
    ("host", "issued", "text"),
    [
        (
            "nope.test",
            NAMES,
            "Host: nope.test. is not in the cert's altnames: DNS:localhost, "
            "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        ),
        ("nope.test", COMMON, "Host: nope.test. is not cert's CN: localhost"),
        ("127.0.0.2", NAMES, "IP: 127.0.0.2 is not in the cert's list: 127.0.0.1, ::1"),
        ("127.0.0.2", COMMON, "IP: 127.0.0.2 is not in the cert's list: "),
    ],
)
def test_the_complaint_says_what_the_certificate_has(host: str, issued: Issued, text: str) -> None:
    error = complaint(host, issued.certificate)

    assert error is not None
    assert error.code == "ERR_TLS_CERT_ALTNAME_INVALID"
    assert error.strerror == PREFIX + text


@pytest.mark.shows("TLS-091")
def test_a_certificate_is_shown_with_its_names_key_dates_and_digests() -> None:
    told = shown.described(NAMES.certificate)

    assert told["subject"] == {"CN": "localhost"}
    assert told["issuer"] == {"CN": "test root"}
    assert told["subjectaltname"].endswith("IP Address:0:0:0:0:0:0:0:1")
    assert (told["bits"], told["asn1_curve"], told["nist_curve"]) == (256, "prime256v1", "P-256")
    assert len(told["pubkey"]) == 65
    assert told["valid_from"].endswith(" GMT")
    assert len(told["fingerprint256"]) == 95
    assert told["raw"][:1] == b"\x30"
    assert told["ca"] is False
    assert "ext_key_usage" not in told


def test_what_a_certificate_does_not_have_is_not_there() -> None:
    rsa = certificates.root().issue(
        common="x", private=certificates.rsa_key(), usage=certificates.CLIENT_ONLY
    )
    told = shown.described(rsa.certificate)
    assert (told["exponent"], told["bits"]) == ("0x10001", 2048)
    assert told["ext_key_usage"] == ["1.3.6.1.5.5.7.3.2"]
    assert {"subjectaltname", "asn1_curve"}.isdisjoint(told)

    for private in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())):
        odd = shown.described(certificates.root().issue("x.test", private=private).certificate)
        assert "nist_curve" not in odd


@pytest.mark.shows("TLS-091")
def test_a_comma_in_a_name_is_escaped_and_mail_is_shown() -> None:
    told = shown.described(URI_ONLY.certificate)["subjectaltname"]
    assert told == 'URI:"https://x.test/a\\u002cb"'
    assert shown.described(MAIL.certificate)["subjectaltname"] == "DNS:localhost, email:a@b.test"


@pytest.mark.shows("TLS-090")
def test_a_chain_is_shown_up_to_the_root_which_issued_itself() -> None:
    root = certificates.root().certificate

    told = shown.with_issuers([NAMES.certificate, root])

    issuer = told["issuer_certificate"]
    assert issuer["ca"] is True
    assert issuer["issuer_certificate"] is issuer
    assert "issuer_certificate" not in shown.with_issuers([NAMES.certificate])


@pytest.mark.parametrize("self_signed", [False, True])
def test_of_an_extension_that_is_there_twice_nothing_is_believed(self_signed: bool) -> None:
    certificate = certificates.with_names_twice(
        certificates.root(), self_signed=self_signed
    ).certificate

    assert alternative_names(certificate) == []
    assert may_sign(certificate)
    assert complaint("localhost", certificate) is not None
    assert shown.described(certificate)["bits"] == 256
