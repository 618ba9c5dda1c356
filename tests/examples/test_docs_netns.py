"""The examples of the page about network namespaces, as printed there."""

import sys
from subprocess import PIPE

import pytest

from sockharness import probes
from sockharness.netns import Network

ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(30)
    sock.sendto(b"QUERY", (sys.argv[1], int(sys.argv[2])))
    sys.stdout.buffer.write(sock.recv(100))
"""

if reason := probes.netns():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture
def network():
    with Network.open() as network:  # raises `Unavailable` where it cannot be made, with the reason
        yield network


def test_asks_the_other_host(udp_peer_factory, network):
    here, there = network.pair()
    with udp_peer_factory(inside=there) as server:
        server.expect(b"QUERY").reply(b"ANSWER")

        program = here.run([sys.executable, "-c", ASK, *map(str, server.address)], stdout=PIPE)

        assert program.communicate()[0] == b"ANSWER"
