import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sockharness.errors import ClosedError, UsageError, code_of
from sockharness.machine import probes
from sockharness.netns import Host, Network
from sockharness.wire.filter import port_filter
from sockharness.wire.ring import PacketSocket

Bound = Callable[..., socket.socket]

_IP_MTU = 14
_GROUP4 = "239.255.7.7"
_GROUP6 = "ff15::7"


def _address(host: Host, kind: str) -> str:
    address = getattr(host.interfaces[0], kind)
    if address is None:
        pytest.skip("this kernel has no IPv6")
    return str(address)


@pytest.mark.parametrize("kind", ["ipv4", "ipv6", "link_local"])
def test_the_first_datagram_on_a_new_link_arrives(
    network: Network, bound: Bound, kind: str
) -> None:
    a, b = network.pair()

    receiver, sender = bound(b, _address(b, kind)), bound(a, _address(a, kind))
    sender.sendto(b"at once", (*receiver.getsockname()[:2], 0, 2)[: 4 if kind != "ipv4" else 2])

    data, source = receiver.recvfrom(100)
    assert (data, source[0].partition("%")[0]) == (b"at once", _address(a, kind))


def test_hosts_speak_tcp_on_ports_that_only_root_has_elsewhere(network: Network) -> None:
    a, b = network.pair()

    with b.socket() as listener, a.socket() as client:
        listener.bind((b.addresses[0], 80))
        listener.listen()
        listener.settimeout(5)
        client.settimeout(5)
        client.connect(listener.getsockname())
        connection, address = listener.accept()
        with connection:
            assert address == client.getsockname()
            connection.sendall(b"hello")
            assert client.recv(100) == b"hello"


def test_this_process_stays_where_it_is(network: Network) -> None:
    before = os.stat("/proc/self/ns/net").st_ino, os.stat("/proc/self/ns/user").st_ino

    hosts = network.pair()

    assert (os.stat("/proc/self/ns/net").st_ino, os.stat("/proc/self/ns/user").st_ino) == before
    assert len({before[0], *(os.fstat(host.fileno()).st_ino for host in hosts)}) == 3


def test_a_port_taken_inside_is_free_outside(network: Network) -> None:
    with network.host("a").socket() as inside, socket.socket() as outside:
        outside.bind(("127.0.0.1", 0))

        inside.bind(outside.getsockname())

        assert inside.getsockname() == outside.getsockname()


def test_a_host_without_a_link_has_multicast_on_loopback(network: Network, bound: Bound) -> None:
    host = network.host("alone")
    receiver, sender = bound(host, _GROUP4), bound(host, "127.0.0.1")
    request = struct.pack("4s4s", socket.inet_aton(_GROUP4), socket.inet_aton("127.0.0.1"))
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    sender.sendto(b"here", receiver.getsockname())

    assert receiver.recv(100) == b"here"


@pytest.mark.parametrize("linked", [False, True], ids=["loopback", "link"])
@pytest.mark.parametrize("group", [_GROUP4, _GROUP6])
def test_groups_have_a_route_so_that_nobody_needs_to_name_an_interface(
    network: Network, bound: Bound, group: str, linked: bool
) -> None:
    if ":" in group and (reason := probes.ipv6()):
        pytest.skip(reason)
    a, b = network.pair() if linked else (network.host("x"),) * 2
    receiver, sender = bound(b, group), bound(a, "::" if ":" in group else "0.0.0.0")
    if ":" in group:
        index = b.interfaces[0].index if linked else 1
        request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        local = b.addresses[0] if linked else "127.0.0.1"
        request = socket.inet_aton(group) + socket.inet_aton(local)
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    sender.sendto(b"here", (group, receiver.getsockname()[1]))

    assert receiver.recv(100) == b"here"


def test_a_packet_socket_of_a_host_sees_its_frames(network: Network, bound: Bound) -> None:
    a, b = network.pair()
    receiver, sender = bound(b, b.addresses[0]), bound(a, a.addresses[0])
    program = port_filter((receiver.getsockname()[1],), outgoing_only=False)

    packets = PacketSocket.open(
        "eth0", program, make_socket=lambda: b.socket(socket.AF_PACKET, socket.SOCK_RAW)
    )
    try:
        sender.sendto(b"seen", receiver.getsockname())
        receiver.recv(100)
        ((frame, _, kind),) = packets.read()
    finally:
        packets.close()

    assert frame.endswith(b"seen")
    assert kind == socket.PACKET_HOST


def test_a_link_has_the_mtu_asked_for(network: Network, bound: Bound) -> None:
    a, b = network.pair(mtu=1400)

    for here, there in ((a, b), (b, a)):
        sender = bound(here, here.addresses[0])
        sender.connect((there.addresses[0], 9))
        assert sender.getsockopt(socket.IPPROTO_IP, _IP_MTU) == 1400


def test_an_impossible_mtu_is_the_kernels_error_and_the_network_goes_on(network: Network) -> None:
    a, b = network.host("a"), network.host("b")

    with pytest.raises(OSError, match=r"\[Errno 22\]") as caught:
        network.link(a, b, mtu=10)

    assert code_of(caught.value) == "EINVAL"
    network.link(a, b)
    assert a.interfaces[0].name == "eth0"


def test_a_host_may_have_several_links(network: Network, bound: Bound) -> None:
    a, b, c = (network.host(name) for name in "abc")

    network.link(a, b)
    network.link(b, c)

    assert [end.name for end in b.interfaces] == ["eth0", "eth1"]
    assert b.addresses[:2] == ("10.0.1.2", "10.0.2.1")
    receiver, sender = bound(b, b.interfaces[1].ipv4), bound(c, c.interfaces[0].ipv4)
    sender.sendto(b"over the second", receiver.getsockname())
    assert receiver.recv(100) == b"over the second"


def test_two_networks_have_the_same_addresses_and_never_meet(
    network: Network, bound: Bound
) -> None:
    with Network.open() as other:
        (a, b), (c, d) = network.pair(), other.pair()
        assert (a.addresses, b.addresses) == (c.addresses, d.addresses)
        receiver = bound(b, b.addresses[0])
        stranger = bound(d, d.addresses[0], receiver.getsockname()[1])

        bound(a, a.addresses[0]).sendto(b"first", receiver.getsockname())
        bound(c, c.addresses[0]).sendto(b"other", receiver.getsockname())

        assert (receiver.recv(100), stranger.recv(100)) == (b"first", b"other")


def test_many_threads_may_ask_at_once(network: Network) -> None:
    hosts = network.pair()
    start = threading.Barrier(8)

    def make(number: int) -> int:
        start.wait(10)
        with hosts[number % 2].socket() as sock:
            sock.bind((hosts[number % 2].addresses[0], 2000 + number))
            return int(sock.getsockname()[1])

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(make, range(8))) == list(range(2000, 2008))


def test_a_socket_is_what_python_would_have_made(network: Network) -> None:
    with network.host("a").socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_DGRAM)
        assert not sock.get_inheritable()


def test_a_socket_that_cannot_be_is_the_kernels_error(network: Network) -> None:
    host = network.host("a")

    with pytest.raises(OSError, match=r"\[Errno \d+\]") as caught:
        host.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)

    assert code_of(caught.value) == "EPROTONOSUPPORT"


def test_what_cannot_be_is_refused(network: Network) -> None:
    a = network.host("a")

    with pytest.raises(UsageError, match="a host 'a' already"):
        network.host("a")
    with pytest.raises(UsageError, match="expected two hosts of this network"):
        network.link(a, a)
    with Network.open() as other, pytest.raises(UsageError, match="two hosts of this network"):
        network.link(a, other.host("b"))


def test_a_closed_network_says_so(network: Network) -> None:
    host = network.host("a")

    network.close()
    network.close()

    assert network.closed
    for use in (host.socket, lambda: host.run(["true"]), lambda: network.host("b")):
        with pytest.raises(ClosedError, match="this network is closed"):
            use()


def test_a_repr_tells_hosts_and_addresses(network: Network) -> None:
    a, _ = network.pair()

    assert repr(a).startswith("<Host a 10.0.1.1")
    assert repr(network).startswith("<Network hosts=['a', 'b'] <Owner pid=")
    assert repr(network.host("c")) == "<Host c without a link>"
    network.close()
    assert repr(network) == "<Network hosts=['a', 'b', 'c'] <Owner closed>>"


def test_hosts_listen_for_neighbours_when_they_are_linked(network: Network) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    solicited = [f"ff0200000000000000000001ff00000{end}" for end in (1, 2)]  # RFC 4291, 2.7.1
    for group, host in zip(solicited, network.pair(), strict=True):
        with host.run(["cat", "/proc/net/igmp6"], stdout=subprocess.PIPE, text=True) as program:
            assert group in program.communicate(timeout=30)[0]


def test_arguments_of_another_type_are_refused(network: Network) -> None:
    a, b = network.pair()
    anything: Any = network

    with pytest.raises(TypeError, match="host: expected a name, got 4"):
        anything.host(4)
    with pytest.raises(TypeError, match="link: expected two hosts of this network, got 'a'"):
        anything.link("a", "b")
    with pytest.raises(TypeError, match="mtu: expected bytes, got '1500'"):
        anything.link(a, b, mtu="1500")
    with pytest.raises(TypeError, match=r"args: expected a list of words, got 'ls -l'"):
        a.run("ls -l")
    with pytest.raises(ValueError, match=r"args: expected a program"):
        a.run([])
    assert len(a.interfaces) == 1


def test_an_mtu_that_cannot_be_says_so(network: Network) -> None:
    a, b = network.host("a"), network.host("b")

    with pytest.raises(OSError, match=r"link a and b with an mtu of 10") as caught:
        network.link(a, b, mtu=10)
    assert code_of(caught.value) == "EINVAL"
