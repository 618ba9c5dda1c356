"""The examples of the page about the fixtures, as printed there."""

import asyncio
import socket

import pytest

from sockharness import match
from tests.examples.client import Client


def ask(address, question=b""):
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(question)
        return client.recv(100)


def test_client_pings(tcp_server):
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")

    assert Client(*tcp_server.address).ping() == "PONG"


def test_reconnects_after_a_reset(tcp_server):
    tcp_server.connection(1).expect(b"PING\r\n").reset()
    tcp_server.connection(2).expect(b"PING\r\n").reply(b"PONG\r\n")

    assert Client(*tcp_server.address).ping() == "PONG"


def test_answers_with_what_was_asked_for(tcp_server):
    request = match.concat("GET ", match.regex(r"[a-z]+\r\n"))
    tcp_server.expect(request).reply(lambda got: got.removeprefix(b"GET "))

    assert ask(tcp_server.address, b"GET apples\r\n") == b"apples\r\n"


@pytest.mark.parametrize("cuts", ["together", "each_byte", 3, [1, 4]])
def test_reads_a_reply_however_it_is_cut(tcp_server, cuts):
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n", cuts=cuts)

    assert Client(*tcp_server.address).ping() == "PONG"


def test_says_bye_and_hangs_up(tcp_server):
    tcp_server.expect(b"BYE\r\n").ignore()

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"BYE\r\n")

    tcp_server.connection(1).wait_for("close")


async def converse(tcp_server):
    _, writer = await asyncio.open_connection(*tcp_server.address)
    writer.write(b"BYE\r\n")
    writer.close()
    await tcp_server.connection(1).aio.wait_for("close")


def test_from_asyncio(tcp_server):
    tcp_server.expect(b"BYE\r\n").close()

    asyncio.run(converse(tcp_server))


def test_is_greeted(tcp_server):
    tcp_server.connection(1).write(b"220 ready\r\n")

    assert ask(tcp_server.address) == b"220 ready\r\n"


def test_everybody_is_greeted(tcp_server):
    tcp_server.on(open=lambda socket: socket.write(b"220 ready\r\n"))

    assert [ask(tcp_server.address), ask(tcp_server.address)] == [b"220 ready\r\n"] * 2


def test_reads_to_the_end(tcp_server):
    tcp_server.expect(b"GET /\r\n").reply(b"hello").close()

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"GET /\r\n")
        assert client.makefile("rb").read() == b"hello"


def test_asks_the_second_when_the_first_has_no_answer(tcp_server, tcp_server_factory):
    with tcp_server_factory(name="second") as second:
        tcp_server.expect(b"PING\r\n").close()
        second.expect(b"PING\r\n").reply(b"PONG\r\n")

        answers = [ask(server.address, b"PING\r\n") for server in (tcp_server, second)]

    assert answers == [b"", b"PONG\r\n"]


def test_reads_as_from_a_stream(tcp_server):
    connection = tcp_server.connection(1)

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"user anna\r\n")
        assert connection.read_until(b" ") == b"user "
        name = connection.read_until(b"\r\n")
        connection.end(b"hello " + name)
        assert client.makefile("rb").read() == b"hello anna\r\n"


def test_reports_that_nobody_listens(tcp_server):
    with tcp_server.refusing(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(tcp_server.address, timeout=5)


def test_a_server_made_of_handlers(tcp_server):
    tcp_server.on(data=lambda socket, data: socket.write(data.replace(b"I", b"O")))

    assert Client(*tcp_server.address).ping() == "PONG"


@pytest.fixture(scope="module")
def database(tcp_server_factory):
    with tcp_server_factory() as server:
        server.when(b"PING\r\n").reply(b"PONG\r\n")
        yield server


def test_pings_the_database(database):
    assert Client(*database.address).ping() == "PONG"
