import re
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sockharness import BadCertificate
from sockharness.certificates import Authority, Certificate
from sockharness.errors import ClosedError
from tests.helpers.programs import run_installed, run_program
from tests.helpers.tls import talk

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

# What those say who are told only whom to trust.
SEEN_WITHOUT_A_LIST = [kind for kind in BadCertificate if kind is not BadCertificate.REVOKED]


@pytest.fixture(scope="module")
def ca() -> Iterator[Authority]:
    with Authority() as ca:
        yield ca


class End:
    """One end of a TLS connection in memory."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=name is None, server_hostname=name
        )
        self.error: ssl.SSLError | None = None
        self.done = False

    def go_on(self) -> None:
        """Shake hands as far as possible; then read, since an alert may come after it."""
        if self.error is None:
            try:
                if not self.done:
                    self.tls.do_handshake()
                    self.done = True
                with suppress(ssl.SSLWantReadError):
                    self.tls.read(1)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self.error = error


def shake_hands(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost"
) -> tuple[End, End]:
    """Let the two talk until nothing is left to say; return client and server."""
    ends = End(client, name), End(server, None)
    for _ in range(8):
        for end, other in (ends, ends[::-1]):
            end.go_on()
            other.incoming.write(end.outgoing.read())
    return ends


def alert_of(end: End) -> str:
    """Return the name in RFC 8446 of the alert that an end received."""
    assert end.error is not None, "no alert arrived"
    assert end.error.reason is not None
    _, found, name = end.error.reason.partition("_ALERT_")
    assert found, f"expected an alert, got {end.error.reason}"
    return name.lower()


def of(version: ssl.TLSVersion, context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_certificate_is_good_for_loopback(
    ca: Authority, version: ssl.TLSVersion, name: str
) -> None:
    client, server = shake_hands(
        of(version, ca.client_context()), ca.issue().server_context(), name
    )

    assert (client.error, server.error) == (None, None)
    assert client.done
    assert server.done


def test_a_certificate_is_good_for_the_names_it_was_issued_for(ca: Authority) -> None:
    context = ca.issue("example.org", "*.example.net", "192.0.2.1").server_context()

    for name in ("example.org", "a.example.net", "192.0.2.1"):
        assert shake_hands(ca.client_context(), context, name)[0].done
    for name in ("localhost", "example.net", "192.0.2.2"):
        client, _ = shake_hands(ca.client_context(), context, name)
        assert isinstance(client.error, ssl.SSLCertVerificationError)
        assert client.error.verify_code in (62, 64)  # names, addresses


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BadCertificate)
def test_a_client_refuses_a_bad_certificate_for_its_reason_and_sends_its_alert(
    ca: Authority, kind: BadCertificate, version: ssl.TLSVersion
) -> None:
    bad = ca.bad(kind, "localhost")

    client, server = shake_hands(of(version, ca.client_context()), bad.server_context())

    assert isinstance(client.error, ssl.SSLCertVerificationError)
    assert client.error.verify_code == kind.verify_code, client.error.verify_message
    assert alert_of(server) == kind.alert


@pytest.mark.parametrize("kind", BadCertificate)
def test_the_reason_in_words_is_the_kinds(ca: Authority, kind: BadCertificate) -> None:
    words = {
        BadCertificate.EXPIRED: "expired",
        BadCertificate.NOT_YET_VALID: "not yet valid",
        BadCertificate.WRONG_HOST: "'localhost'",
        BadCertificate.UNKNOWN_CA: "unable to get local issuer certificate",
        BadCertificate.SELF_SIGNED: "self",
        BadCertificate.WRONG_USAGE: "purpose",
        BadCertificate.WEAK_KEY: "key too weak",
        BadCertificate.REVOKED: "revoked",
        BadCertificate.CHAIN_TOO_SHORT: "unable to get local issuer certificate",
    }

    client, _ = shake_hands(ca.client_context(), ca.bad(kind).server_context())

    assert isinstance(client.error, ssl.SSLCertVerificationError)
    assert words[kind] in client.error.verify_message


def test_a_self_signed_certificate_is_one_for_verifiers_that_look_at_its_usage(
    ca: Authority,
) -> None:
    own = ca.bad(BadCertificate.SELF_SIGNED, "localhost")

    _, client = talk({"key": own.key_pem, "cert": own.chain_pem}, {"ca": ca.ca_pem})

    assert client.outcome == (False, "DEPTH_ZERO_SELF_SIGNED_CERT")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", [None, *SEEN_WITHOUT_A_LIST])
def test_a_client_that_knows_the_authority_only_sees_it_too(
    ca: Authority, kind: BadCertificate | None, strict: bool
) -> None:
    context = ssl.create_default_context(cafile=ca.ca_file)
    if strict:  # the default from Python 3.13 on
        context.verify_flags |= ssl.VERIFY_X509_STRICT | 0x80000
    certificate = ca.bad(kind) if kind else ca.issue()

    client, server = shake_hands(context, certificate.server_context())

    if kind is None:
        assert (client.error, server.error) == (None, None)
        return
    assert isinstance(client.error, ssl.SSLCertVerificationError)
    assert (client.error.verify_code, alert_of(server)) == (kind.verify_code, kind.alert)


def test_without_a_list_nobody_sees_that_a_certificate_is_revoked(ca: Authority) -> None:
    context = ssl.create_default_context(cafile=ca.ca_file)

    client, _ = shake_hands(context, ca.bad(BadCertificate.REVOKED).server_context())

    assert client.done


def test_a_list_that_was_handed_out_early_is_complete() -> None:
    with Authority() as ca:
        context = ca.client_context()

        for number in range(3):
            bad = ca.bad(BadCertificate.REVOKED, "localhost", f"{number}.example.org")
            client, _ = shake_hands(context, bad.server_context())
            assert isinstance(client.error, ssl.SSLCertVerificationError)


def test_certificates_with_a_weak_key_share_it_since_making_one_takes_longer_than_all_else(
    ca: Authority,
) -> None:
    one, other = (ca.bad(BadCertificate.WEAK_KEY, name) for name in ("a.test", "b.test"))

    key = load_pem_private_key(one.key_pem, password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 1024
    assert one.key_pem == other.key_pem
    assert one.chain_pem != other.chain_pem


def test_who_does_not_look_at_the_one_thing_that_is_wrong_finds_nothing_else(
    ca: Authority,
) -> None:
    any_name, any_key, this_one = (ca.client_context() for _ in range(3))
    any_name.check_hostname = False
    any_key.set_ciphers("DEFAULT:@SECLEVEL=0")
    this_one.load_verify_locations(cadata=ca.bad(BadCertificate.SELF_SIGNED).chain_pem.decode())
    this_one.verify_flags &= ~ssl.VERIFY_CRL_CHECK_LEAF  # it has no list

    for context, kind in (
        (any_name, BadCertificate.WRONG_HOST),
        (any_key, BadCertificate.WEAK_KEY),
        (this_one, BadCertificate.SELF_SIGNED),
    ):
        assert shake_hands(context, ca.bad(kind).server_context())[0].done


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_is_asked_for_and_accepted(
    ca: Authority, version: ssl.TLSVersion
) -> None:
    server_context = ca.issue().server_context(client_ca=ca)
    client_context = of(version, ca.client_context(ca.issue_client("alice")))

    client, server = shake_hands(client_context, server_context)

    assert (client.error, server.error) == (None, None)
    peer = server.tls.getpeercert()
    assert peer is not None
    assert (("commonName", "alice"),) in peer["subject"]


def test_a_client_without_a_certificate_is_refused(ca: Authority) -> None:
    context = of(ssl.TLSVersion.TLSv1_2, ca.client_context())

    _, server = shake_hands(context, ca.issue().server_context(client_ca=ca))

    assert server.error is not None
    assert server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


@pytest.mark.parametrize(
    "kind", [kind for kind in BadCertificate if kind is not BadCertificate.WRONG_HOST]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_refuses_a_clients_bad_certificate_likewise(
    ca: Authority, kind: BadCertificate, version: ssl.TLSVersion
) -> None:
    context = of(version, ca.client_context(ca.bad(kind)))

    client, server = shake_hands(context, ca.issue().server_context(client_ca=ca))

    assert isinstance(server.error, ssl.SSLCertVerificationError)
    assert server.error.verify_code == kind.verify_code
    assert alert_of(client) == kind.alert


def test_a_clients_certificate_is_no_servers(ca: Authority) -> None:
    client, _ = shake_hands(ca.client_context(), ca.issue_client("alice").server_context())

    assert isinstance(client.error, ssl.SSLCertVerificationError)
    assert client.error.verify_code == BadCertificate.WRONG_USAGE.verify_code


def test_the_same_names_give_the_same_certificate(ca: Authority) -> None:
    assert ca.issue("a", "b") is ca.issue("a", "b")
    assert ca.issue("a") is not ca.issue("b")
    assert ca.issue() is ca.issue("localhost", "127.0.0.1", "::1")
    assert ca.bad(BadCertificate.EXPIRED) is ca.bad(BadCertificate.EXPIRED)
    assert ca.bad(BadCertificate.EXPIRED) is not ca.bad(BadCertificate.REVOKED)
    assert ca.issue_client("a") is ca.issue_client("a") is not ca.issue("a")


def test_threads_share_an_authority() -> None:
    start = threading.Barrier(8)

    with Authority() as ca, ThreadPoolExecutor(8) as pool:

        def issue(_: int) -> tuple[Certificate, str]:
            start.wait(10)
            return ca.issue("localhost"), ca.issue("localhost").cert_file

        assert len(set(pool.map(issue, range(8)))) == 1


def test_a_name_that_cannot_be_is_refused(ca: Authority) -> None:
    with pytest.raises(ValueError, match="bad name"):
        ca.issue("bad name")


@pytest.mark.parametrize("given", [None, 5, b"localhost", ["localhost"]])
@pytest.mark.parametrize("kind", [None, BadCertificate.EXPIRED, BadCertificate.WRONG_HOST])
def test_a_name_that_is_no_text_is_refused(
    ca: Authority, kind: BadCertificate | None, given: Any
) -> None:
    told = re.escape(f"names: expected host names and addresses as str, got {given!r}")
    with pytest.raises(TypeError, match=told):
        _ = ca.issue(given) if kind is None else ca.bad(kind, given)


@pytest.mark.parametrize("given", [None, 5, b"alice", ["alice"]])
def test_a_clients_name_that_is_no_text_is_refused(ca: Authority, given: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"name: expected str, got {given!r}")):
        ca.issue_client(given)


@pytest.mark.parametrize("given", ["", " ", "a\nb", "x" * 65])
def test_a_clients_name_that_cannot_be_is_refused(ca: Authority, given: str) -> None:
    told = re.escape(f"name: expected 1 to 64 printable characters, got {given!r}")
    with pytest.raises(ValueError, match=told):
        ca.issue_client(given)


@pytest.mark.parametrize("given", ["alice", b"pem", Path("alice.pem")])
def test_what_is_no_certificate_is_refused_by_name(ca: Authority, given: Any) -> None:
    told = f"certificate: expected one of an Authority, such as issue_client(…), got {given!r}"
    with pytest.raises(TypeError, match=re.escape(told)):
        ca.client_context(given)


@pytest.mark.parametrize("given", ["ca.pem", True])
def test_what_is_no_authority_is_refused_by_name(ca: Authority, given: Any) -> None:
    with pytest.raises(
        TypeError, match=re.escape(f"client_ca: expected an Authority, got {given!r}")
    ):
        ca.issue().server_context(client_ca=given)


@pytest.mark.parametrize("kind", ["expired", "EXPIRED", None, 10])
def test_a_kind_that_is_none_is_refused_at_once(ca: Authority, kind: Any) -> None:
    told = f"kind: expected a BadCertificate such as BadCertificate.EXPIRED, got {kind!r}"
    with pytest.raises(TypeError, match=re.escape(told)):
        ca.bad(kind, "localhost")


def test_files_are_for_their_owner_and_gone_afterwards() -> None:
    with Authority() as ca:
        certificate = ca.issue()
        files = {
            Path(certificate.cert_file): certificate.chain_pem,
            Path(certificate.key_file): certificate.key_pem,
            Path(certificate.pem_file): certificate.pem,
            Path(ca.ca_file): ca.ca_pem,
            Path(ca.crl_file): ca.crl_pem,
        }
        (folder,) = {path.parent for path in files}

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path, data in files.items():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_bytes() == data
        assert certificate.cert_file == str(next(iter(files)))

    assert not folder.exists()
    ca.close()
    with pytest.raises(ClosedError, match="its files are gone"):
        _ = certificate.cert_file


def test_no_file_is_made_that_nobody_asked_for() -> None:
    with Authority() as ca:
        ca.issue()
        ca.bad(BadCertificate.EXPIRED)

        assert ca._files._folder is None


def test_the_secrets_of_connections_are_logged_for_their_owner(
    ca: Authority, tmp_path: Path
) -> None:
    log = tmp_path / "keys"

    shake_hands(ca.client_context(key_log=log), ca.issue().server_context())

    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    client, server = shake_hands(
        ca.client_context(), ca.issue().server_context(key_log=tmp_path / "servers")
    )
    assert client.done
    assert server.done
    for path in (log, tmp_path / "servers"):
        words = [line.split()[0] for line in path.read_text().splitlines() if line[0] != "#"]
        assert "CLIENT_TRAFFIC_SECRET_0" in words


@pytest.mark.slow  # starts a program
def test_a_program_can_use_the_files(ca: Authority) -> None:
    trust = ["-CAfile", ca.ca_file, "-CRLfile", ca.crl_file, "-crl_check"]

    good, revoked = (
        run_installed("openssl", "verify", *trust, certificate.cert_file)
        for certificate in (ca.issue(), ca.bad(BadCertificate.REVOKED))
    )

    assert good.stdout == f"{ca.issue().cert_file}: OK\n"
    assert "certificate revoked" in revoked.stderr


def test_over_real_sockets_the_alert_arrives(ca: Authority) -> None:
    ours, theirs = socket.socketpair()
    server = ca.bad(BadCertificate.EXPIRED).server_context()

    def serve() -> str | None:
        with server.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False) as tls:
            tls.settimeout(5)
            with pytest.raises(ssl.SSLError) as caught:
                tls.do_handshake()
        return caught.value.reason

    with ThreadPoolExecutor(1) as pool:
        reason = pool.submit(serve)
        ours.settimeout(5)
        with ours, pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            ca.client_context().wrap_socket(ours, server_hostname="localhost")
        assert reason.result(10) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_a_repr_tells_names_and_what_is_wrong() -> None:
    with Authority() as ca:
        assert repr(ca.issue("a", "b")) == "<Certificate a b>"
        assert repr(ca.bad(BadCertificate.WEAK_KEY, "a")) == "<Certificate a weak key>"
        assert repr(ca) == "<Authority open certificates=2>"
    assert repr(ca) == "<Authority closed certificates=2>"


@pytest.mark.slow  # starts an interpreter
def test_nothing_heavy_is_loaded_before_the_first_authority() -> None:
    program = """
import sys
heavy = lambda: [name for name in ("trustme", "cryptography") if name in sys.modules]
from sockharness import BadCertificate
print(heavy())
from sockharness.certificates import Authority
Authority().close()
print(heavy())
"""

    done = run_program(program)

    assert done.stdout.splitlines() == ["[]", "['trustme', 'cryptography']"], done.stderr
