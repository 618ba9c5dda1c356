import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sockharness.facade.tcp.server import TcpServer
from sockharness.harness import Harness
from tests.helpers.networks import network, pair

__all__ = ["network", "pair"]

Dial = Callable[..., socket.socket]


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.close()


@pytest.fixture
def server(harness: Harness) -> TcpServer:
    return harness.tcp_server()


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Connect to a server; every connection is closed at the end."""
    with ExitStack() as stack:

        def connect(server: TcpServer, data: bytes = b"") -> socket.socket:
            client = stack.enter_context(socket.create_connection(server.address, timeout=5))
            client.sendall(data)
            return client

        yield connect
