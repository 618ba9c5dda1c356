"""The examples of the page about the fixtures that concern datagrams, as printed there."""

import asyncio
import socket

import pytest

from sockharness import match, probes
from sockharness.netns import Network


def ask(address, question=b"QUERY"):
    """The program under test: a client that asks again when it gets no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        for _ in range(10):
            client.sendto(question, address)
            try:
                return client.recv(100)
            except TimeoutError:
                continue
        return None


def announce(address, interface="127.0.0.1"):
    """The program under test: it says that it is there, on one interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        sender.sendto(b"here I am", address)


def discover(address, interface="127.0.0.1"):
    """The program under test: it asks who is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        client.sendto(b"SEARCH", address)
        return client.recv(100)


def test_retries_a_lost_datagram(udp_peer):
    udp_peer.expect(b"QUERY").ignore()
    udp_peer.expect(b"QUERY").reply(b"ANSWER")

    assert ask(udp_peer.address) == b"ANSWER"


def test_answers_whoever_asks(udp_peer):
    udp_peer.when(match.regex(r"WHOIS [a-z]+")).reply(lambda got: got.removeprefix(b"WHOIS "))

    assert ask(udp_peer.address, b"WHOIS anna") == b"anna"
    assert ask(udp_peer.address, b"WHOIS bob") == b"bob"


def test_converses_step_by_step(udp_peer):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"hello", udp_peer.address)

        hello = udp_peer.receive()
        assert hello == b"hello"
        assert hello.ttl == 64
        udp_peer.send(b"who are you?", hello.address)

        assert client.recv(100) == b"who are you?"
        udp_peer.receive_nothing(within=0.1)


async def converse(udp_peer):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=udp_peer.address
    )
    transport.sendto(b"hello")
    assert await udp_peer.aio.receive() == b"hello"
    transport.close()


def test_from_asyncio(udp_peer):
    asyncio.run(converse(udp_peer))


def test_a_peer_made_of_handlers(udp_peer):
    udp_peer.on(data=lambda udp, data, port, host: udp.send(data.lower(), port, host))

    assert ask(udp_peer.address) == b"query"


def test_discovery(multicast_group):
    first, second = multicast_group.join(), multicast_group.join()
    announce(multicast_group.address)
    assert first.receive() == second.receive() == b"here I am"


def test_finds_a_device(multicast_group):
    multicast_group.join().expect(b"SEARCH").reply(b"a device")

    assert discover(multicast_group.address) == b"a device"


def test_hears_one_source_only(multicast_group):
    member = multicast_group.join(source="127.0.0.5")

    multicast_group.send(b"from elsewhere")
    multicast_group.send(b"from there", source="127.0.0.5")

    assert member.receive() == b"from there"


def test_says_nothing_to_those_who_left(multicast_group):
    with multicast_group.join() as member:
        multicast_group.send(b"hello")
        assert member.receive() == b"hello"
    multicast_group.send(b"is anybody there?")

    assert member.received == [b"hello"]


@pytest.fixture
def network():
    if reason := probes.netns():
        pytest.skip(reason)
    with Network.open() as network:
        yield network


def test_is_heard_at_the_other_end_of_a_link(sock_harness, network):
    here, there = network.pair()
    group = sock_harness.multicast_group(inside=here)
    far = group.join(inside=there)

    group.send(b"hello")

    assert far.receive() == b"hello"


@pytest.fixture(scope="module")
def resolver(udp_peer_factory):
    with udp_peer_factory(name="resolver") as peer:
        peer.when(b"QUERY").reply(b"ANSWER")
        yield peer


def test_asks_the_resolver(resolver):
    assert ask(resolver.address) == b"ANSWER"
