import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sockharness.netns import Host
from tests.helpers.networks import network, pair

__all__ = ["network", "pair"]


@pytest.fixture
def bound() -> Iterator[Callable[..., socket.socket]]:
    """Make datagram sockets on hosts, closed at the end."""
    with ExitStack() as stack:

        def make(host: Host, address: str, port: int = 0) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = stack.enter_context(host.socket(family, socket.SOCK_DGRAM))
            sock.settimeout(5)
            sock.bind(
                (address, port, 0, host.interfaces[0].index)
                if address.startswith("fe80")
                else (address, port)
            )
            return sock

        yield make
