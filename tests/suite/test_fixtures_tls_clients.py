"""Real programs and libraries against our ends: what they see, and what they say.

`openssl` and `curl` are packages of these names; without them the tests are skipped.
"""

import asyncio
import http.client
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from sockharness import BadCertificate, TcpClient, TLSError, TlsPair, TlsPairFactory
from sockharness.certificates import Certificate
from sockharness.errors import code_of
from tests.helpers.programs import Done, installed, run_installed, run_program

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
OF_CLIENTS = [kind for kind in BadCertificate if kind is not BadCertificate.WRONG_HOST]

PROGRAM = """
import socket, ssl, sys
host, port, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
with socket.create_connection((host, int(port)), timeout=5) as plain:
    with context.wrap_socket(plain, server_hostname=host) as client:
        client.sendall(b"PING\\r\\n")
        print(client.makefile().readline().rstrip())
"""


# Libraries


def test_http_client(tls_pair: TlsPair) -> None:
    request = re.compile(rb"GET /x HTTP/1\.1\r\n(.+\r\n)*\r\n")
    tls_pair.server.expect(request).reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").close()
    context = tls_pair.client_context()

    connection = http.client.HTTPSConnection(*tls_pair.server.address, timeout=5, context=context)
    connection.request("GET", "/x")
    assert connection.getresponse().read() == b"ok"
    connection.close()

    assert tls_pair.server.connection(1).handshake.servername == "localhost"


@pytest.mark.parametrize("kind", [None, *BadCertificate])
def test_asyncio(tls_pair: TlsPair, kind: BadCertificate | None) -> None:
    async def client() -> bytes:
        reader, writer = await asyncio.open_connection(
            *tls_pair.server.address, ssl=tls_pair.client_context()
        )
        writer.write(b"BYE\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def good() -> None:
        tls_pair.server.expect(b"BYE\r\n").reply(b"bye").close()
        assert await client() == b"bye"
        await tls_pair.server.connection(1).aio.wait_for("close")

    async def bad(kind: BadCertificate) -> None:
        tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))
        with pytest.raises(ssl.SSLCertVerificationError):
            await client()
        handshake = await tls_pair.server.connection(1).aio.handshake()
        assert not handshake.established
        assert handshake.alert in (None, kind.alert)  # asyncio hangs up and does not send it

    asyncio.run(good() if kind is None else bad(kind))


@pytest.mark.parametrize("kind", [None, *BadCertificate])
def test_trio(tls_pair: TlsPair, kind: BadCertificate | None) -> None:
    host, port = tls_pair.server.address

    async def client() -> bytes:
        stream = await trio.open_ssl_over_tcp_stream(
            host, port, ssl_context=tls_pair.client_context(), https_compatible=True
        )
        async with stream:
            await stream.send_all(b"BYE\r\n")
            return bytes(await stream.receive_some())

    async def good() -> None:
        tls_pair.server.expect(b"BYE\r\n").reply(b"bye").close()
        assert await client() == b"bye"
        await tls_pair.server.connection(1).aio.wait_for("close")

    async def bad(kind: BadCertificate) -> None:
        tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))
        with pytest.raises(trio.BrokenResourceError):
            await client()
        handshake = await tls_pair.server.connection(1).aio.handshake()
        assert not handshake.established
        assert handshake.alert in (None, kind.alert)  # trio does not send it either

    if kind is None:
        trio.run(good)
    else:
        trio.run(bad, kind)


@pytest.mark.slow  # starts an interpreter
def test_another_process(tls_pair: TlsPair) -> None:
    tls_pair.server.expect(b"PING\r\n").reply(b"PONG\r\n")
    host, port = tls_pair.server.address

    done = run_program(PROGRAM, host, str(port), tls_pair.ca.ca_file)

    assert (done.stdout, done.stderr) == ("PONG\n", "")


# curl


def curl(pair: TlsPair, *options: str) -> Done:
    fixed = ["--silent", "--show-error", "--max-time", "20", "--cacert", pair.ca.ca_file]
    return run_installed("curl", *fixed, *options, pair.url_for("/"))


def serve_a_page(pair: TlsPair) -> None:
    request = re.compile(rb"GET / HTTP/1\.1\r\n(.+\r\n)*\r\n")
    pair.server.expect(request).reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").close()


@pytest.mark.slow  # starts a program
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_fetches(tls_pair: TlsPair, version: str) -> None:
    serve_a_page(tls_pair)

    done = curl(tls_pair, "--http1.1", "--tls-max", version, f"--tlsv{version}")

    assert (done.stdout, done.stderr) == ("ok", "")
    assert tls_pair.server.connection(1).handshake.tls_version == f"TLSv{version}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", BadCertificate)
def test_curl_refuses_a_bad_certificate(tls_pair: TlsPair, kind: BadCertificate) -> None:
    tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))
    # What curl does not do of itself: look into a list, and refuse a key that its OpenSSL takes.
    options = ["--crlfile", tls_pair.ca.crl_file, "--ciphers", "DEFAULT:@SECLEVEL=2"]

    done = curl(tls_pair, "--http1.1", *options)
    handshake = tls_pair.server.connection(1).handshake

    assert done.returncode == 60, done.stderr  # "the peer's certificate cannot be authenticated"
    if kind is BadCertificate.WRONG_HOST:  # it looks at the name when the handshake is over
        assert handshake.established
    else:
        assert handshake.alert == kind.alert


@pytest.mark.slow
def test_curl_shows_a_certificate(tls_pair_factory: TlsPairFactory) -> None:
    with tls_pair_factory(tls={"request_cert": True}) as pair:
        alice = pair.ca.issue_client("alice")
        serve_a_page(pair)

        done = curl(pair, "--http1.1", "--cert", alice.cert_file, "--key", alice.key_file)

        assert (done.stdout, done.stderr) == ("ok", "")
        certificate = pair.server.connection(1).handshake.peer_certificate
        assert certificate is not None
        assert certificate["subject"]["CN"] == "alice"


# openssl s_client


def s_client(pair: TlsPair, *options: str, says: str = "") -> Done:
    host, port = pair.server.address
    where = ["-connect", f"{host}:{port}", "-quiet", "-verify_quiet"]
    trust = ["-CAfile", pair.ca.ca_file, "-CRL", pair.ca.crl_file, "-crl_check"]
    checks = ["-verify_return_error", "-verify_hostname", host, "-cipher", "DEFAULT:@SECLEVEL=2"]
    return run_installed("openssl", "s_client", *where, *trust, *checks, *options, says=says)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssls_client_talks(tls_pair: TlsPair, version: str) -> None:
    tls_pair.server.expect(b"PING\n").reply(b"PONG\n").close()

    done = s_client(tls_pair, version, says="PING\n")

    assert done.stdout == "PONG\n"
    assert tls_pair.server.connection(1).handshake.established


@pytest.mark.slow
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("kind", BadCertificate)
def test_openssls_client_refuses_a_bad_certificate(
    tls_pair: TlsPair, kind: BadCertificate, version: str
) -> None:
    tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))

    done = s_client(tls_pair, version)

    assert f"verify error:num={kind.verify_code}:" in done.stderr
    assert tls_pair.server.connection(1).handshake.alert == kind.alert


@pytest.mark.shows("D20")
@pytest.mark.slow
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("kind", OF_CLIENTS)
def test_openssls_client_sees_the_alert_with_which_our_server_refuses_it(
    tls_pair_factory: TlsPairFactory, kind: BadCertificate, version: str
) -> None:
    with tls_pair_factory(tls={"request_cert": True, "ciphers": "DEFAULT:@SECLEVEL=2"}) as pair:
        bad = pair.ca.bad(kind)
        own = ["-cert", bad.cert_file, "-key", bad.key_file, "-cipher", "DEFAULT:@SECLEVEL=0"]

        done = s_client(pair, version, *own)

        assert f"alert {kind.alert.replace('_', ' ')}" in done.stderr
        assert not pair.server.connection(1).handshake.established


@pytest.mark.slow
def test_openssls_client_sees_that_a_certificate_is_required(
    tls_pair_factory: TlsPairFactory,
) -> None:
    with tls_pair_factory(tls={"request_cert": True}) as pair:
        done = s_client(pair, "-tls1_3")

        assert "alert certificate required" in done.stderr
        assert not pair.server.connection(1).handshake.established


# openssl s_server


@contextmanager
def s_server(certificate: Certificate, *options: str) -> "Iterator[Server]":
    """Run a server for one connection, which answers each line with its letters reversed."""
    own = ["-cert", certificate.cert_file, "-key", certificate.key_file]
    if certificate.kind is BadCertificate.WEAK_KEY:
        own += ["-cipher", "DEFAULT:@SECLEVEL=0"]
    command = [installed("openssl"), "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev"]
    with subprocess.Popen(
        [*command, *own, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


class Server:
    """A running `openssl s_server`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._output = process.stdout
        while not (line := self._output.readline()).startswith("ACCEPT"):
            assert line, "it did not start"
        self.port = int(line.rpartition(":")[2])
        self._process = process

    def said(self) -> str:
        """Return its output until its end."""
        return self._output.read()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_our_client_talks_to_openssls_server(
    tcp_client: TcpClient, tls_pair: TlsPair, version: ssl.TLSVersion
) -> None:
    ca = tls_pair.ca
    with s_server(ca.issue()) as server:
        tls = {"ca": ca.ca_pem, "max_version": version, "server_name": "localhost"}
        client = tcp_client("127.0.0.1", server.port, tls=tls)
        client.write(b"PING\n")

        assert client.read_until(b"\n") == b"GNIP\n"
        assert client.handshake.authorized
        client.end()
        client.wait_for("close")


@pytest.mark.shows("D20")
@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BadCertificate)
def test_openssls_server_sees_the_alert_with_which_our_client_refuses_it(
    tcp_client: TcpClient, tls_pair: TlsPair, kind: BadCertificate, version: ssl.TLSVersion
) -> None:
    ca = tls_pair.ca
    tls = {
        "ca": ca.ca_pem,
        "crl": ca.crl_pem,
        "ciphers": "DEFAULT:@SECLEVEL=2",
        "max_version": version,
        "server_name": "localhost",
    }
    with s_server(ca.bad(kind, "localhost")) as server:
        with pytest.raises(TLSError):
            tcp_client("127.0.0.1", server.port, tls=tls)

        assert f"alert {kind.alert.replace('_', ' ')}" in server.said()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*OF_CLIENTS, None])
def test_our_client_sees_the_alert_with_which_openssls_server_refuses_it(
    tcp_client: TcpClient, tls_pair: TlsPair, kind: BadCertificate | None
) -> None:
    ca = tls_pair.ca
    verify = ["-CAfile", ca.ca_file, "-CRL", ca.crl_file, "-crl_check", "-verify_return_error"]
    own = ca.bad(kind) if kind is not None else None
    tls: dict[str, object] = {"ca": ca.ca_pem, "server_name": "localhost"}
    if own is not None:
        tls |= {"key": own.key_pem, "cert": own.chain_pem, "ciphers": "DEFAULT:@SECLEVEL=0"}
    with s_server(ca.issue(), *verify, "-Verify", "1") as server:
        client = tcp_client("127.0.0.1", server.port, tls=tls)
        error = client.wait_for("error").error

    alert = kind.alert if kind is not None else "certificate_required"
    assert isinstance(error, TLSError)
    assert error.reason.lower().endswith(f"alert_{alert}")
    assert code_of(error) == "EPROTO"
