"""Broadcast, hop limits, multicast loopback and interface (UDP-140..150)."""

import errno
import socket as raw
from typing import Any

import pytest

from tests.helpers.cables import HERE, THERE, Cable, payload_of
from tests.helpers.datagrams import Net, kernel_of, needs_ipv6

HOST = "127.0.0.1"
GROUP = "239.1.2.3"
IP_RECVTTL, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 12, 51, 52


def hops(receiver: raw.socket) -> int:
    """Return the number of hops that the next datagram had left."""
    _, ancillary, _, _ = receiver.recvmsg(10, 100)
    ((_, _, value),) = ancillary
    return int.from_bytes(value[:4], "little")


def tell_hops(receiver: raw.socket) -> raw.socket:
    """Let a socket report the hops of the datagrams that it receives."""
    if receiver.family == raw.AF_INET6:
        receiver.setsockopt(raw.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    else:
        receiver.setsockopt(raw.IPPROTO_IP, IP_RECVTTL, 1)
    return receiver


@pytest.mark.shows("UDP-140", "UDP-141", "UDP-142")
def test_broadcast_can_be_allowed_and_forbidden(net: Net) -> None:
    everything, one, other = (
        net.udp("a", hostname="0.0.0.0"),
        net.udp("b"),
        net.udp(hostname="0.0.0.0"),
    )
    assert other.set_broadcast(True) is True

    assert other.send(b"x", everything.port, "127.255.255.255")
    assert other.send(b"y", one.port, "127.255.255.255")
    assert net.settle() == "a.data(x)"

    assert other.set_broadcast(False) is False
    with pytest.raises(PermissionError):
        other.send(b"z", everything.port, "127.255.255.255")


@pytest.mark.shows("UDP-141", "UDP-142", "UDP-166")
def test_a_broadcast_reaches_all_who_are_bound_to_everything_the_sender_too(cable: Cable) -> None:
    cable.ip("addr", "add", "10.79.0.1/24", "brd", "10.79.0.255", "dev", "va")
    cable.ip("route", "add", "default", "dev", "va")
    with cable.net() as net:
        a = net.udp("a", hostname="0.0.0.0", reuse_addr=True)
        shared = {"port": a.port, "reuse_addr": True}
        net.udp("b", hostname="0.0.0.0", **shared)
        net.udp("c", hostname="10.79.0.255", **shared)
        net.udp("d", hostname="10.79.0.1", **shared)
        a.set_broadcast(True)

        a.send(b"s", a.port, "10.79.0.255")
        assert sorted(net.settle().split()) == ["a.data(s)", "b.data(s)", "c.data(s)"]
        net.log.clear()
        a.send(b"l", a.port, "255.255.255.255")
        assert sorted(net.settle().split()) == ["a.data(l)", "b.data(l)"]


@pytest.mark.shows("UDP-140", "UDP-147", "D25")
@pytest.mark.parametrize("method", ["set_broadcast", "set_multicast_loopback"])
@pytest.mark.parametrize("value", [1, 0, None, "no"])
def test_a_switch_is_true_or_false(net: Net, method: str, value: Any) -> None:
    with pytest.raises(TypeError, match="on: expected True or False, got"):
        getattr(net.udp(), method)(value)


@pytest.mark.shows("UDP-143", "UDP-144")
@pytest.mark.parametrize("ttl", [1, 9, 255])
def test_unicast_takes_as_many_hops_as_were_set(net: Net, ttl: int) -> None:
    receiver = tell_hops(net.raw())
    port = receiver.getsockname()[1]
    sender = net.udp()

    sender.send(b"x", port, HOST)
    assert hops(receiver) == 64
    assert sender.set_ttl(ttl) == ttl
    sender.send(b"x", port, HOST)
    assert hops(receiver) == ttl


@pytest.mark.shows("UDP-143", "UDP-146", "D25")
@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        *(("set_ttl", value, ValueError) for value in (0, -1, 256, 2**32 + 5)),
        *(("set_multicast_ttl", value, ValueError) for value in (-1, 256)),
        *(("set_ttl", value, TypeError) for value in (1.9, "32", True, None, [7])),
        *(("set_multicast_ttl", value, TypeError) for value in (1.9, "32", True, None)),
    ],
)
def test_a_number_of_hops_that_cannot_be_is_refused(
    net: Net, method: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="ttl: expected"):
        getattr(net.udp(), method)(value)


@needs_ipv6
@pytest.mark.shows("UDP-145")
def test_on_an_ipv6_socket_the_hops_of_ipv4_stay(net: Net) -> None:
    four, six = tell_hops(net.raw()), tell_hops(net.raw("::1"))
    sender = net.udp(hostname="::")

    sender.set_ttl(9)
    sender.send(b"x", four.getsockname()[1], HOST)
    sender.send(b"x", six.getsockname()[1], "::1")

    assert (hops(four), hops(six)) == (64, 9)


@pytest.mark.shows("UDP-144", "UDP-146", "UDP-187")
def test_multicast_takes_1_hop_or_as_many_as_were_set(net: Net) -> None:
    receiver = tell_hops(net.raw("0.0.0.0"))
    join(receiver, GROUP)
    port = receiver.getsockname()[1]
    sender = net.udp()
    sender.set_multicast_interface(HOST)
    sender.set_ttl(9)

    sender.send(b"x", port, GROUP)
    assert hops(receiver) == 1
    assert sender.set_multicast_ttl(7) == 7
    sender.send(b"x", port, GROUP)
    assert hops(receiver) == 7


@pytest.mark.shows("UDP-146", "D16")
def test_multicast_may_stay_on_this_host(net: Net) -> None:
    receiver = tell_hops(net.raw("0.0.0.0"))
    join(receiver, GROUP)
    sender = net.udp()
    sender.set_multicast_interface(HOST)

    assert sender.set_multicast_ttl(0) == 0
    sender.send(b"x", receiver.getsockname()[1], GROUP)

    assert hops(receiver) == 0


@needs_ipv6
@pytest.mark.shows("UDP-146", "UDP-147")
def test_on_an_ipv6_socket_only_the_options_of_ipv6_are_set(net: Net) -> None:
    socket = net.udp(hostname="::")
    socket.set_multicast_ttl(7)
    assert socket.set_multicast_loopback(False) is False

    with kernel_of(socket) as sock:
        get = sock.getsockopt
        assert get(raw.IPPROTO_IPV6, raw.IPV6_MULTICAST_HOPS) == 7
        assert get(raw.IPPROTO_IPV6, raw.IPV6_MULTICAST_LOOP) == 0
        assert get(raw.IPPROTO_IP, raw.IP_MULTICAST_TTL) == 1
        assert get(raw.IPPROTO_IP, raw.IP_MULTICAST_LOOP) == 1


@pytest.mark.shows("UDP-147")
def test_loopback_is_a_matter_of_the_sender_and_the_link_gets_it_anyway(cable: Cable) -> None:
    with cable.net() as net, cable.watching("vb") as link:
        receiver = net.udp("a", hostname="0.0.0.0")
        sender = net.udp(hostname=HERE)
        receiver.add_membership(GROUP, HERE)

        assert receiver.set_multicast_loopback(False) is False
        sender.send(b"heard", receiver.port, GROUP)
        assert net.settle() == "a.data(heard)"

        assert sender.set_multicast_loopback(False) is False
        sender.send(b"only on the link", receiver.port, GROUP)
        assert net.settle() == "a.data(heard)"
        assert payload_of(link, receiver.port) == b"heard"
        assert payload_of(link, receiver.port) == b"only on the link"

        assert sender.set_multicast_loopback(True) is True
        sender.send(b"again", receiver.port, GROUP)
        assert net.settle() == "a.data(heard) a.data(again)"


@pytest.mark.shows("UDP-148", "UDP-150")
def test_the_interface_decides_the_link_and_the_source_address(cable: Cable) -> None:
    cable.ip("route", "add", "default", "dev", "vb")
    with cable.net() as net:
        receiver = net.udp("a", hostname="0.0.0.0")
        for address in (HERE, THERE):
            receiver.add_membership(GROUP, address)
        sender = net.udp(hostname="0.0.0.0")
        bound = net.udp(hostname=HERE)

        sender.send(b"route", receiver.port, GROUP)
        assert sender.set_multicast_interface(HERE) is True
        sender.send(b"interface", receiver.port, GROUP)
        assert sender.set_multicast_interface("0.0.0.0") is True
        sender.send(b"route", receiver.port, GROUP)
        bound.send(b"bound", receiver.port, GROUP)

        net.until_received(4)
        assert [each[2] for each in net.received] == [THERE, HERE, THERE, HERE]


@pytest.mark.shows("UDP-148", "D15")
@pytest.mark.parametrize(
    ("address", "error"),
    [
        *((text, ValueError) for text in ("eth0", "", "lo", "127.0.0.1 ", GROUP, "ff02::1")),
        *((value, TypeError) for value in (None, 1)),
    ],
)
def test_an_interface_that_cannot_be_one_is_refused(
    net: Net, address: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="address: expected"):
        net.udp().set_multicast_interface(address)


@pytest.mark.shows("UDP-148")
def test_an_address_that_is_not_this_hosts_is_the_kernels_error(net: Net) -> None:
    with pytest.raises(OSError, match="Cannot assign") as raised:
        net.udp().set_multicast_interface("192.0.2.77")

    assert raised.value.code == "EADDRNOTAVAIL"  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-149", "D15")
def test_of_an_ipv6_interface_the_zone_counts(net: Net) -> None:
    socket = net.udp(hostname="::1")
    chosen = []
    for address in ("::%lo", "::", "::1%lo", "::1", "::%1"):
        assert socket.set_multicast_interface(address) is True
        with kernel_of(socket) as sock:
            chosen.append(sock.getsockopt(raw.IPPROTO_IPV6, raw.IPV6_MULTICAST_IF))

    assert chosen == [1, 0, 1, 0, 1]
    with pytest.raises(ValueError, match="expected an interface of this host, not 'nosuch'"):
        socket.set_multicast_interface("::%nosuch")


@needs_ipv6
@pytest.mark.shows("UDP-149")
def test_an_interface_may_be_of_the_other_family_than_the_socket(net: Net) -> None:
    with pytest.raises(OSError, match="not available") as raised:
        net.udp().set_multicast_interface("::%lo")
    assert raised.value.errno == errno.ENOPROTOOPT

    six = net.udp(hostname="::")
    assert six.set_multicast_interface(HOST) is True


def join(receiver: raw.socket, group: str) -> None:
    """Join a group on loopback."""
    request = raw.inet_aton(group) + raw.inet_aton(HOST)
    receiver.setsockopt(raw.IPPROTO_IP, raw.IP_ADD_MEMBERSHIP, request)


def test_what_the_kernel_refuses_names_the_call_and_its_arguments(net: Net) -> None:
    socket = net.udp()
    calls: list[tuple[str, tuple[Any, ...], str]] = [
        ("add_membership", (GROUP, "192.0.2.1"), rf"add_membership\('{GROUP}', '192.0.2.1'\)"),
        ("drop_membership", (GROUP,), rf"drop_membership\('{GROUP}'\)$"),
        ("set_multicast_interface", ("192.0.2.1",), r"set_multicast_interface\('192.0.2.1'\)"),
        ("drop_source_specific_membership", (HOST, "232.1.2.3"), r"\('127.0.0.1', '232.1.2.3'\)"),
    ]
    for name, arguments, told in calls:
        with pytest.raises(OSError, match=told):
            getattr(socket, name)(*arguments)


def test_a_closed_socket_says_that_it_is_closed(net: Net) -> None:
    socket = net.udp()
    socket.close()

    with pytest.raises(OSError, match="set_ttl: the socket is closed") as refused:
        socket.set_ttl(5)
    assert refused.value.errno == errno.EBADF
    with pytest.raises(OSError, match="add_membership: the socket is closed"):
        socket.add_membership(GROUP)
