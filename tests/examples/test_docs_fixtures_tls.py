"""The examples of TLS and of clients on the page about the fixtures, as printed there."""

import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

import sockharness
from sockharness import TLSError

PROGRAM = """
import sys, urllib.request, ssl
url, ca = sys.argv[1:]
print(urllib.request.urlopen(url, context=ssl.create_default_context(cafile=ca)).read().decode())
"""
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
A_REQUEST = sockharness.match.regex(r"GET /.*\r\n\r\n")


def fetch(url, context):
    try:
        return urllib.request.urlopen(url, context=context, timeout=5).read()
    except urllib.error.URLError as error:
        raise OSError(error.reason) if isinstance(error.reason, str) else error.reason from None


@pytest.fixture
def server():
    class Shout(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line.upper())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Shout) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


def test_fetches(tls_pair):
    tls_pair.server.expect(A_REQUEST).reply(PAGE).close()

    assert fetch(tls_pair.url_for("/"), context=tls_pair.client_context()) == b"hello"


@pytest.mark.parametrize("kind", sockharness.BadCertificate)
def test_rejects_bad_certificates(tls_pair, kind):
    tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))
    with pytest.raises(ssl.SSLCertVerificationError):
        fetch(tls_pair.url_for("/", scheme="https"), context=tls_pair.client_context())
    assert tls_pair.server.connection(1).handshake.alert == kind.alert


@pytest.mark.slow
def test_a_program_fetches(tls_pair):
    tls_pair.server.expect(A_REQUEST).reply(PAGE).close()

    command = [sys.executable, "-c", PROGRAM, tls_pair.url_for("/"), tls_pair.ca.ca_file]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"hello\n"


def test_shows_who_it_is(tls_pair_factory):
    with tls_pair_factory(tls={"request_cert": True}) as pair:
        pair.server.expect(A_REQUEST).reply(PAGE).close()
        alice = pair.ca.issue_client("alice")

        fetch(pair.url_for("/"), context=pair.client_context(alice))

        certificate = pair.server.connection(1).handshake.peer_certificate
        assert certificate["subject"]["CN"] == "alice"


def test_speaks_the_protocol_of_the_name_it_asks_for(tls_pair_factory, tls_ca):
    shop = tls_ca.issue("shop.example")
    sni = {"shop.example": {"key": shop.key_pem, "cert": shop.chain_pem}}
    with tls_pair_factory(tls={"sni": sni, "alpn_protocols": ["h2", "http/1.1"]}) as pair:
        context = pair.client_context()
        context.set_alpn_protocols(["http/1.1"])
        with (
            socket.create_connection(pair.server.address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="shop.example") as client,
        ):
            assert client.selected_alpn_protocol() == "http/1.1"

        assert pair.server.connection(1).handshake.servername == "shop.example"


def test_both_ends_step_by_step(tls_pair):
    client = tls_pair.connect()
    server = tls_pair.server.connection(1)

    client.write(b"hello")
    assert server.read_exactly(5) == b"hello"
    server.end(b"bye")
    assert client.read_exactly(3) == b"bye"


def test_our_client_refuses_a_certificate(tls_pair):
    tls_pair.server.use_certificate(tls_pair.ca.bad(sockharness.BadCertificate.EXPIRED))

    with pytest.raises(TLSError, match="CERT_HAS_EXPIRED"):
        tls_pair.connect()

    assert tls_pair.server.connection(1).handshake.alert == "certificate_expired"


def test_a_server_shouts(tcp_client, server):
    connection = tcp_client(*server)
    connection.write(b"hello\n")
    assert connection.read_until(b"\n") == b"HELLO\n"
    connection.end()
