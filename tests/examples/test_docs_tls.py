"""The examples of the page about TLS, as printed there."""

import sockharness
from tests.helpers import certificates


def echo_over_tls(key, cert, ca):
    """A server and a client that trusts it; key, cert and ca are paths or PEM."""
    heard = []

    def on_handshake(socket, success, authorization_error):
        heard.append((success, socket.tls_version, socket.peer_certificate["subject"]))
        socket.write(b"hello")

    def on_data(socket, data):
        heard.append(data)
        socket.end()

    listener = sockharness.listen(
        socket={"data": lambda socket, data: socket.write(data)},
        hostname="127.0.0.1",
        port=0,
        tls={"key": key, "cert": cert},
    )
    sockharness.connect(
        socket={
            "handshake": on_handshake,
            "data": on_data,
            "close": lambda socket, error: listener.stop(),
        },
        hostname="localhost",
        port=listener.port,
        tls={"ca": ca},
        handshake_timeout=5,
    )
    sockharness.run()
    return heard


def test_an_echo_over_tls(tmp_path):
    paths = [tmp_path / name for name in ("key.pem", "cert.pem", "ca.pem")]
    good = certificates.good()
    for path, content in zip(paths, (good.key, good.cert, certificates.root().pem), strict=True):
        path.write_bytes(content)

    assert echo_over_tls(*paths) == [(True, "TLSv1.3", {"CN": "localhost"}), b"hello"]


def starttls(socket, data):
    """The `data` handler of a server that goes over to TLS in the course of a conversation."""
    if data == b"STARTTLS\r\n":  # `raw` keeps this handler, and hears ciphertext
        socket.write(b"220 go ahead\r\n")
        socket.upgrade_tls(
            tls=socket.data,
            socket={"data": lambda secure, data: secure.write(b"you said " + data)},
        )


def go_ahead(socket, data):
    """The `data` handler of its client. The name to check is that to which it connected."""
    if data.startswith(b"220 "):
        socket.upgrade_tls(
            tls={"ca": socket.data},
            socket={
                "open": lambda secure: secure.write(b"hello"),  # TLS is there: no `handshake`
                "data": show_and_end,
            },
        )


heard: list[bytes] = []


def show_and_end(secure, data):
    heard.append(data)
    secure.end()


def test_starttls():
    heard.clear()
    listener = sockharness.listen(
        socket={"data": starttls},
        hostname="127.0.0.1",
        port=0,
        data=certificates.good().options,
    )

    sockharness.connect(
        socket={"open": lambda socket: socket.write(b"STARTTLS\r\n"), "data": go_ahead},
        hostname="localhost",
        port=listener.port,
        data=certificates.root().pem,
    )
    assert sockharness.Reactor.current().run_until(lambda: heard, timeout=30)
    listener.stop()
    sockharness.run()

    assert heard == [b"you said hello"]
