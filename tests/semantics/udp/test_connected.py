"""Connected sockets (UDP-113..119)."""

import socket as raw

import pytest

from sockharness.engine.udp.handlers import DatagramFlags
from tests.helpers.datagrams import Net, peer, to

HOST = "127.0.0.1"


@pytest.mark.shows("UDP-113")
def test_the_peer_stays_whatever_is_reloaded(net: Net) -> None:
    a, b = net.pair()
    a.reload(net.handlers("a"))

    assert a.remote_address == b.address
    assert not hasattr(a, "connect")
    assert not hasattr(a, "disconnect")


@pytest.mark.shows("UDP-114")
def test_only_the_peers_address_and_port_are_heard(net: Net) -> None:
    b = net.raw("127.0.0.9")
    a = net.udp("a", connect=peer(b))
    others = [net.raw(HOST), net.raw("127.0.0.2", b.getsockname()[1]), net.raw(HOST, 0)]

    for other in others:
        other.sendto(b"intruder", a.address)
    b.sendto(b"peer", a.address)

    assert net.settle() == "a.data(peer)"


@pytest.mark.shows("UDP-115")
def test_data_gets_the_same_arguments_as_on_an_unconnected_socket(net: Net) -> None:
    a, b = net.pair()

    b.send(b"x", a.port, HOST)

    net.until_received(1)
    assert net.received == [(b"x", b.port, HOST, DatagramFlags(truncated=False, ipv6=False))]


@pytest.mark.shows("UDP-117")
def test_a_socket_may_be_its_own_peer(net: Net) -> None:
    port = net.dead_port()
    a = net.udp("a", port=port, connect={"hostname": HOST, "port": port})

    assert a.send(b"x")

    assert net.settle() == "a.data(x)"
    assert a.remote_address == a.address


@pytest.mark.shows("UDP-119")
def test_connected_sockets_may_share_a_port_and_each_receives_from_its_peer(net: Net) -> None:
    one, two = net.udp(), net.udp()
    a = net.udp("a", reuse_port=True, connect=peer(one))
    b = net.udp("b", port=a.port, reuse_port=True, connect=peer(two))

    one.send_many(to(a, b"1", b"1"))
    two.send_many(to(b, b"2", b"2"))

    net.until_received(4)
    assert sorted(net.log) == ["a.data(1)"] * 2 + ["b.data(2)"] * 2


def test_a_descriptor_is_connected_in_the_kernel_too(net: Net) -> None:
    a, b = net.pair()

    with raw.socket(fileno=raw.dup(a.fileno())) as same:
        assert same.getpeername() == b.address
