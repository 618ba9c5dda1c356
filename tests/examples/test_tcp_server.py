"""An example of testing a client with `tcp_server`; shown in the documentation."""

import socket
from collections.abc import Iterator

import pytest

from sockharness import TcpServer, TcpServerFactory
from sockharness.facade.cuts import Cuts


class Client:
    """A client that reconnects once."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def ping(self) -> str:
        try:
            return self._ask(b"PING\r\n")
        except ConnectionResetError:
            return self._ask(b"PING\r\n")

    def _ask(self, question: bytes) -> str:
        with socket.create_connection(self._address, timeout=5) as connection:
            connection.sendall(question)
            return connection.makefile("r", newline="\n").readline().rstrip()


# one exchange
def test_client_pings(tcp_server: TcpServer) -> None:
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")
    assert Client(*tcp_server.address).ping() == "PONG"


# connections by number
def test_reconnects_after_a_reset(tcp_server: TcpServer) -> None:
    tcp_server.connection(1).expect(b"PING\r\n").reset()
    tcp_server.connection(2).expect(b"PING\r\n").reply(b"PONG\r\n")
    assert Client(*tcp_server.address).ping() == "PONG"


# a reply in pieces
@pytest.mark.parametrize("cuts", ["together", "each_byte", 3])
def test_reads_a_reply_that_comes_in_pieces(tcp_server: TcpServer, cuts: Cuts) -> None:
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n", cuts=cuts)
    assert Client(*tcp_server.address).ping() == "PONG"


# handlers
def test_a_server_made_of_handlers(tcp_server: TcpServer) -> None:
    tcp_server.on(data=lambda socket, data: socket.write(data.replace(b"I", b"O")))
    assert Client(*tcp_server.address).ping() == "PONG"


# a wider scope
@pytest.fixture(scope="module")
def database(tcp_server_factory: TcpServerFactory) -> Iterator[TcpServer]:
    with tcp_server_factory() as server:
        server.when(b"PING\r\n").reply(b"PONG\r\n")
        yield server


@pytest.mark.parametrize("attempt", [1, 2])
def test_pings_the_database(database: TcpServer, attempt: int) -> None:
    assert Client(*database.address).ping() == "PONG"
    assert len(database.connections) == 1, f"attempt {attempt} sees its own connections only"
