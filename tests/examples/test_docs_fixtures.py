"""The examples of the page about the fixtures, as printed there."""

import asyncio
import socket

import pytest

from tests.examples.client import Client


def test_client_pings(tcp_server):
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")

    assert Client(*tcp_server.address).ping() == "PONG"


def test_reconnects_after_a_reset(tcp_server):
    tcp_server.connection(1).expect(b"PING\r\n").reset()
    tcp_server.connection(2).expect(b"PING\r\n").reply(b"PONG\r\n")

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
