import socket

import pytest

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.facade.queues import PeerQueues
from sockharness.probes import ipv6


@pytest.mark.parametrize("host", [LOOPBACK, LOOPBACK6])
def test_all_is_read_only_when_the_program_has_read_it(host: str) -> None:
    if host == LOOPBACK6 and ipv6():
        pytest.skip(ipv6())
    queues = PeerQueues()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as listening,
        socket.create_connection(listening.getsockname()[:2], timeout=5) as client,
        listening.accept()[0] as server,
    ):

        def all_read() -> bool:
            return queues.all_read(
                server.fileno(), server.getsockname()[:2], server.getpeername()[:2]
            )

        states = [all_read()]
        server.sendall(b"hello")
        states.append(all_read())
        client.recv(2)
        states.append(all_read())
        client.recv(3)
        states.append(all_read())
    queues.close()

    assert states == [True, False, False, True]
