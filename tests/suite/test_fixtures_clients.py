"""The code under test may block, use asyncio or trio, or be another process."""

import asyncio
import socket
import subprocess
import sys

import trio

from sockharness import TcpServer

PROGRAM = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as client:
    client.sendall(b"PING\\r\\n")
    print(client.makefile().readline().rstrip())
"""


def test_a_client_that_blocks(tcp_server: TcpServer) -> None:
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"PONG\r\n"


def test_a_client_in_asyncio(tcp_server: TcpServer) -> None:
    async def client() -> bytes:
        reader, writer = await asyncio.open_connection(*tcp_server.address)
        writer.write(b"BYE\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await tcp_server.connection(1).aio.wait_for("close")
        return answer

    tcp_server.expect(b"BYE\r\n").close()

    assert asyncio.run(client()) == b""


def test_a_client_in_trio(tcp_server: TcpServer) -> None:
    async def client() -> bytes:
        async with await trio.open_tcp_stream(*tcp_server.address) as stream:
            await stream.send_all(b"BYE\r\n")
            answer = await stream.receive_some()
        await tcp_server.connection(1).aio.wait_for("close")
        return bytes(answer)

    tcp_server.expect(b"BYE\r\n").close()

    assert trio.run(client) == b""


def test_a_client_in_another_process(tcp_server: TcpServer) -> None:
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")
    host, port = tcp_server.address

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, host, str(port)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert done.stdout == "PONG\n"
