"""Peers and servers on hosts of a network of their own."""

import socket
from collections.abc import Callable

import pytest

from sockharness.errors import ClosedError
from sockharness.facade.packets import Wire
from sockharness.harness import Harness
from sockharness.machine import probes
from sockharness.netns import Host, Network


@pytest.fixture(params=[4, 6])
def address(request: pytest.FixtureRequest) -> Callable[[Host], str]:
    """Return a host's address of a family."""
    if request.param == 6 and (reason := probes.ipv6()):
        pytest.skip(reason)
    return lambda host: host.addresses[request.param == 6]


def test_a_udp_peer_answers_a_socket_of_the_other_host(
    harness: Harness, pair: tuple[Host, Host], address: Callable[[Host], str]
) -> None:
    here, there = pair
    peer = harness.udp_peer(inside=here, hostname=address(here))
    peer.expect(b"QUERY").reply(b"ANSWER")
    family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET

    with there.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"QUERY", peer.address)

        assert client.recvfrom(100)[1][:2] == peer.address
    peer.check()


def test_a_udp_peer_is_on_the_first_link_of_its_host(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    here, there = pair
    one, other = harness.udp_peer(inside=here), harness.udp_peer(inside=there)

    one.send(b"hello", other.address)

    got = other.receive()
    assert (got, got.address, got.ttl) == (b"hello", one.address, 64)
    assert (one.host, other.host) == (here.addresses[0], there.addresses[0])


def test_a_udp_peer_on_a_host_without_a_link_is_on_its_loopback(
    harness: Harness, network: Network
) -> None:
    assert harness.udp_peer(inside=network.host("alone")).host == "127.0.0.1"


def test_a_link_local_address_has_the_zone_of_its_host(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    ends = [host.interfaces[0] for host in pair]
    here, there = (
        harness.udp_peer(inside=host, hostname=f"{end.link_local}%{end.name}")
        for host, end in zip(pair, ends, strict=True)
    )

    here.send(b"hello", (f"{there.host}%eth0", there.port))

    got = there.receive()
    assert (got, got.address) == (b"hello", (f"{ends[0].link_local}%eth0", here.port))
    there.send(b"and to you", got.address)
    assert here.receive() == b"and to you"


def test_a_tcp_server_answers_a_socket_of_the_other_host(
    harness: Harness, pair: tuple[Host, Host], address: Callable[[Host], str]
) -> None:
    here, there = pair
    server = harness.tcp_server(inside=here, hostname=address(here))
    server.expect(b"PING\r\n").reply(b"PONG\r\n")
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET

    with there.socket(family) as client:
        client.settimeout(5)
        client.connect(server.address)
        client.sendall(b"PING\r\n")

        assert client.recv(100) == b"PONG\r\n"
    harness.check()


def test_the_wire_of_a_host_shows_what_crosses_its_link(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    here, there = pair
    near, far = harness.udp_peer(inside=here), harness.udp_peer(inside=there)

    with Wire().capture(far, inside=here) as packets:
        near.send(b"hello", far.address)
        assert far.receive() == b"hello"

    assert [(each["IP"].src, each["IP"].dst) for each in packets] == [(near.host, far.host)]


def test_two_hosts_may_have_the_same_port(harness: Harness, pair: tuple[Host, Host]) -> None:
    here, there = pair
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        for host in (here, there):
            with host.socket() as sock:
                sock.bind(("127.0.0.1", number))  # this process's is no business of a host


def test_an_address_that_the_host_does_not_have_is_refused(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    here, there = pair

    with pytest.raises(OSError, match=r"EADDRNOTAVAIL|annot assign"):
        harness.udp_peer(inside=here, hostname=there.addresses[0])
    with pytest.raises(OSError, match=r"EADDRNOTAVAIL|annot assign"):
        harness.tcp_server(inside=here, hostname=there.addresses[0])


@pytest.mark.parametrize("make", ["udp_peer", "tcp_server"])
def test_a_name_is_no_address_of_a_host(
    harness: Harness, pair: tuple[Host, Host], make: str
) -> None:
    with pytest.raises(ValueError, match="expected an IP address, got 'localhost'"):
        getattr(harness, make)(inside=pair[0], hostname="localhost")


def test_a_closed_network_has_no_more_sockets(harness: Harness, network: Network) -> None:
    host = network.host("a")
    network.close()

    with pytest.raises(ClosedError, match="this network is closed"):
        harness.udp_peer(inside=host)
