"""A host of its own for a test, with two interfaces, `va` and `vb`, that are the ends of one cable.

It is a host of a `sockharness.netns.Network`, so it needs no root. Unlike the hosts that a link
joins, it has both ends, and no routes but those to the cable's networks: so a test sees what goes
through the cable, and says itself where the rest goes.

    def test_something(cable: Cable) -> None: ...
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.machine import probes
from sockharness.machine.inside import InsideKernel
from sockharness.netns import Host, Interface, Network
from tests.helpers.datagrams import Net

HERE = "10.77.0.1"  # of va
THERE = "10.77.0.2"  # of vb
LINK_LOCAL_HERE = "fe80::a"
LINK_LOCAL_THERE = "fe80::b"
_ETH_P_ALL = 3


class Cable:
    """The host.

    Attributes:
        kernel: hands out its sockets to the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.kernel = InsideKernel(host)
        with host.rtnetlink() as interfaces:
            interfaces.add_pair("va", peer="vb", namespace=host.fileno(), mtu=None)
            ends = [
                Interface(
                    name=name,
                    index=interfaces.index(name),
                    ipv4=ipv4,
                    ipv6=None,
                    link_local=link_local,
                )
                for name, ipv4, link_local in (
                    ("va", HERE, LINK_LOCAL_HERE),
                    ("vb", THERE, LINK_LOCAL_THERE),
                )
            ]
            for end in ends:
                ipv6 = interfaces.no_automatic_addresses(end.index)
                interfaces.up(end.index)
                interfaces.add_address(end.index, end.ipv4, 24)
                if ipv6:
                    interfaces.add_address(end.index, str(end.link_local), 64)
            for end in ends:
                interfaces.wait_until_running(end.index)
        host.interfaces = tuple(ends)
        self.ip("route", "del", "224.0.0.0/4")

    def net(self, kernel: Kernel | None = None) -> Net:
        """Return a reactor whose sockets are there."""
        return Net(kernel or self.kernel)

    def make_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Make a socket there."""
        return self._host.socket(family, kind, protocol)

    def ip(self, *arguments: str) -> None:
        """Run `ip` there."""
        if shutil.which("ip") is None:
            pytest.skip("this needs the program ip")
        self.run("ip", *arguments)

    def run(self, *command: str) -> str:
        """Run a program there; it has to succeed. Return its output."""
        pipe = subprocess.PIPE
        with self._host.run(command, stdout=pipe, stderr=pipe, text=True) as program:
            said, complaint = program.communicate(timeout=30)
            status = program.wait(30)
        assert status == 0, f"{' '.join(command)}: {complaint!r}"
        return str(said)

    def write_setting(self, name: str, value: str) -> None:
        """Set something under /proc/sys/net."""
        self.run("sh", "-c", 'echo "$1" > "$2"', "sh", value, f"/proc/sys/net/{name}")

    def watching(self, name: str) -> socket.socket:
        """Return a socket that sees the frames of an interface."""
        sock = self.make_socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # of no interface yet
        sock.bind((name, _ETH_P_ALL))
        sock.settimeout(30.0)
        return sock

    def joined(self, group: str, name: str) -> bool:
        """Return whether the host is a member of a group on an interface."""
        if ":" in group:
            wanted = socket.inet_pton(socket.AF_INET6, group).hex()
            lines = self.run("cat", "/proc/net/igmp6").splitlines()
            return any(line.split()[1:3] == [name, wanted] for line in lines)
        wanted = f"{int.from_bytes(socket.inet_aton(group), 'little'):08X}"
        current = ""
        for line in self.run("cat", "/proc/net/igmp").splitlines()[1:]:
            if line[0].isdigit():
                current = line.split()[1]
            elif current == name and line.split()[0] == wanted:
                return True
        return False


@pytest.fixture
def cable() -> Iterator[Cable]:
    if reason := probes.netns():
        pytest.skip(reason)
    with Network.open() as network:
        yield Cable(network.host("own"))


def payload_of(link: socket.socket, port: int) -> bytes:
    """Return the payload of the next IPv4 datagram to a port."""
    while True:
        frame = link.recv(65536)
        is_udp = frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP
        if is_udp and int.from_bytes(frame[36:38], "big") == port:
            return frame[42:]
