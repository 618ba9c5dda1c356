"""A client that sends the bytes that a test gives it, for tests of servers."""

import asyncio
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from sockharness import ExpectationFailed, Harness, TcpServer, TLSError, TlsPair, UsageError
from sockharness.errors import code_of

Serve = Callable[[Callable[[socket.socket], object]], tuple[str, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one connection on a thread, with a program that is not ours; return the address."""
    threads = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)

    def start(program: Callable[[socket.socket], object]) -> tuple[str, int]:
        def run() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.settimeout(10)
                program(accepted)

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)
        host, port = listening.getsockname()
        return host, port

    yield start
    for thread in threads:
        thread.join(20)
    listening.close()


def echo(accepted: socket.socket) -> None:
    while data := accepted.recv(1000):
        accepted.sendall(data.upper())


def test_a_client_talks_to_a_server(harness: Harness, serve: Serve) -> None:
    client = harness.tcp_client(*serve(echo))

    client.write(b"ping")
    assert client.read_exactly(4) == b"PING"
    client.write(b"bye")
    client.shutdown()
    assert client.read_exactly(3) == b"BYE"
    client.wait_for("close")

    assert client.received == b"PINGBYE"
    assert client.closed_at is not None
    harness.check()


def test_a_client_can_expect_and_answer(harness: Harness, serve: Serve) -> None:
    answers: queue.Queue[bytes] = queue.Queue()

    def ask(accepted: socket.socket) -> None:
        accepted.sendall(b"who?")
        answers.put(accepted.recv(100))

    client = harness.tcp_client(*serve(ask))
    client.expect(b"who?").reply(b"me").close()
    client.wait_for("close")

    assert answers.get(timeout=10) == b"me"
    harness.check()


def test_bytes_lie_there_until_they_are_read(harness: Harness, serve: Serve) -> None:
    sent, more = threading.Event(), threading.Event()

    def greet(accepted: socket.socket) -> None:
        accepted.sendall(b"220 ready\r\n")
        sent.set()
        more.wait(10)

    client = harness.tcp_client(*serve(greet))
    client.wait_for("data")
    assert sent.wait(10)

    assert client.read_until(b"\r\n") == b"220 ready\r\n"
    more.set()
    client.wait_for("close")
    harness.check()


def test_bytes_that_were_never_read_are_a_finding(harness: Harness, serve: Serve) -> None:
    client = harness.tcp_client(*serve(lambda accepted: accepted.sendall(b"surprise")))
    client.wait_for("close")

    with pytest.raises(ExpectationFailed) as failure:
        harness.check()

    text = str(failure.value)
    assert text.startswith("tcp_client got 8 bytes that nobody expected")
    assert re.search(r"tcp_client +server\n", text)
    assert re.search(r"surprise <-+ 8 B", text)


def test_what_a_server_says_wrong_is_told_of_the_client(harness: Harness, serve: Serve) -> None:
    client = harness.tcp_client(*serve(lambda accepted: accepted.sendall(b"no")))
    client.expect(b"ok").ignore()
    client.wait_for("close")

    with pytest.raises(ExpectationFailed, match='tcp_client got "no", expected "ok"'):
        harness.check()


def test_connections_are_counted(harness: Harness) -> None:
    server = harness.tcp_server()

    clients = [harness.tcp_client(*server.address) for _ in range(3)]

    assert [client.number for client in clients] == [1, 2, 3]
    assert repr(harness.tcp_client) == "<TcpClient 3 connections>"


def test_our_client_meets_our_server(harness: Harness) -> None:
    server = harness.tcp_server()
    server.expect(b"PING").reply(b"PONG")

    client = harness.tcp_client(*server.address)
    client.write(b"PING")

    assert client.read_exactly(4) == b"PONG"
    harness.check()


def test_who_cannot_connect_is_told_why(harness: Harness) -> None:
    server = harness.tcp_server()

    with server.refusing(), pytest.raises(ConnectionRefusedError) as refused:
        harness.tcp_client(*server.address)

    assert code_of(refused.value) == "ECONNREFUSED"
    harness.check()


def test_a_connect_has_a_limit(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address), pytest.raises(TimeoutError) as failure:
            harness.tcp_client(*address, timeout=0.05)

    assert code_of(failure.value) == "ETIMEDOUT"


def test_a_handshake_has_a_limit(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TLSError) as failure:
        harness.tcp_client(*silent.getsockname(), tls=True, timeout=0.05)

    assert failure.value.code == "ETIMEDOUT"
    harness.check()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tls": {"keys": 1}}, "unknown option 'keys'"),
        ({"timeout": -1}, "timeout: expected seconds from 0"),
        ({"local_port": 70000}, "local_port"),
        ({"unix": "x"}, "there is no option 'unix'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    harness: Harness, options: dict[str, object], error: str
) -> None:
    server = harness.tcp_server()

    with pytest.raises((TypeError, ValueError), match=re.escape(error)):
        harness.tcp_client(*server.address, **options)  # type: ignore[arg-type]

    assert harness.tcp_client(*server.address).number == 1


def test_a_client_speaks_tls(harness: Harness) -> None:
    pair = harness.tls_pair()
    pair.server.expect(b"PING").reply(b"PONG")

    client = harness.tcp_client("localhost", pair.server.port, tls={"ca": Path(pair.ca.ca_file)})
    client.write(b"PING")

    assert client.read_exactly(4) == b"PONG"
    assert client.handshake.authorized
    plain = harness.tcp_client(*harness.tcp_server().address)
    with pytest.raises(UsageError, match="has no TLS"):
        _ = plain.handshake


def test_a_server_of_a_stranger_is_refused(harness: Harness) -> None:
    pair = harness.tls_pair()

    with pytest.raises(TLSError) as failure:
        harness.tcp_client("localhost", pair.server.port, tls=True)

    assert failure.value.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    assert pair.server.connection(1).handshake.alert == "unknown_ca"
    harness.check()


def test_bytes_lie_there_after_a_clearing_too(harness: Harness) -> None:
    server = harness.tcp_server()
    client = harness.tcp_client(*server.address)
    server.wait_for("open")
    harness.clear()

    assert client._stream.manual
    server.connection(1).write(b"late")
    assert client.read_exactly(4) == b"late"
    harness.check()


# In loops


async def converse(pair: TlsPair, server: TcpServer, client: Harness) -> None:
    with pytest.raises(UsageError, match=r"await \.aio\.connect\(\) instead"):
        pair.connect()
    with pytest.raises(UsageError, match=r"await \.aio\.connect\(\) instead"):
        client.tcp_client(*server.address)
    with pytest.raises(UsageError, match=r"await \.aio\.handshake\(\) instead"):
        _ = pair.server.connection(1).handshake

    secure, plain = await pair.aio.connect(), await client.tcp_client.aio.connect(*server.address)

    secure.write(b"PING")
    plain.write(b"PING")
    assert await secure.aio.read_exactly(4) == b"PONG"
    assert await plain.aio.read_exactly(4) == b"PONG"
    handshake = await pair.server.connection(1).aio.handshake()
    assert handshake.established
    assert pair.server.connection(1).handshake is handshake  # it waits for nothing
    assert secure.handshake.established
    with server.refusing(), pytest.raises(ConnectionRefusedError):
        await client.tcp_client.aio.connect(*server.address)


@pytest.mark.parametrize("run", [asyncio.run, "trio"])
def test_clients_in_loops(harness: Harness, run: object) -> None:
    pair, server = harness.tls_pair(), harness.tcp_server()
    for each in (pair.server, server):
        each.expect(b"PING").reply(b"PONG")

    if run == "trio":
        trio.run(converse, pair, server, harness)
    else:
        asyncio.run(converse(pair, server, harness))

    harness.check()


async def cancel(harness: Harness, address: tuple[str, int]) -> None:
    task = asyncio.create_task(harness.tcp_client.aio.connect(*address, tls=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_who_is_cancelled_lets_go_of_the_connection(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        asyncio.run(cancel(harness, silent.getsockname()))
        accepted, _ = silent.accept()
        with accepted, pytest.raises(ConnectionResetError):
            accepted.makefile("rb").read()

    harness.check()


def test_a_closed_harness_connects_no_more(harness: Harness) -> None:
    client = harness.tcp_client
    harness.close()

    with pytest.raises(UsageError, match="tcp_client is closed"):
        client("127.0.0.1", 1)
    with pytest.raises(UsageError, match="the harness is closed"):
        harness.tls_pair()
