import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sockharness import probes
from sockharness.netns import Host, Network


@pytest.fixture
def network() -> Iterator[Network]:
    if reason := probes.netns():
        pytest.skip(reason)
    with Network.open() as network:
        yield network


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
