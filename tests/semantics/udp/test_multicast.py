"""Groups: any source and one source (UDP-150..176, UDP-189..191)."""

import errno
import socket as raw
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cables import HERE, LINK_LOCAL_HERE, LINK_LOCAL_THERE, THERE, Cable
from tests.helpers.datagrams import Faulty, Net, needs_ipv6, peer

HOST = "127.0.0.1"
GROUP, OTHER = "239.1.2.3", "239.1.2.4"
GROUP6 = "ff02::1234"
IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP = 35, 36
JOIN6, LEAVE6 = 20, 21
SOURCE = "source_specific_membership"


class Party:
    """Receivers and a sender of multicast on loopback; `with Party() as party:`."""

    def __init__(self) -> None:
        self.net = Net()

    def __enter__(self) -> "Party":
        self.sender = self.net.udp()
        self.sender.set_multicast_interface(HOST)
        self.a = self.net.udp("a", hostname="0.0.0.0")
        return self

    def __exit__(self, *exception: object) -> None:
        self.net.__exit__(*exception)

    def hears(self, data: str, group: str = GROUP, source: str = HOST) -> str:
        """Send from an address and return what the log says."""
        self.net.log.clear()
        sender = self.sender
        if source != HOST:
            sender = self.net.udp(hostname=source)
            sender.set_multicast_interface(HOST)
        sender.send(data, self.a.port, group)
        trace = self.net.settle()
        if source != HOST:
            sender.close()
        return trace


@pytest.fixture
def party() -> Iterator[Party]:
    with Party() as party:
        yield party


@pytest.mark.shows("UDP-151", "UDP-152", "UDP-159", "UDP-165")
def test_members_hear_a_group_until_they_leave(party: Party) -> None:
    assert party.hears("before") == ""

    assert party.a.add_membership(GROUP, HOST) is True
    assert party.hears("member") == "a.data(member)"

    assert party.a.drop_membership(GROUP, HOST) is True
    assert party.hears("after") == ""


@pytest.mark.shows("UDP-150")
def test_a_sender_may_choose_loopback(party: Party) -> None:
    party.a.add_membership(GROUP, HOST)

    party.hears("x")

    assert party.net.received[0][1:3] == (party.sender.port, HOST)


@pytest.mark.shows("UDP-151", "UDP-155", "UDP-157", "UDP-167", "UDP-168", "UDP-169", "UDP-173")
@pytest.mark.parametrize(
    ("call", "level", "number", "value"),
    [
        (("add_membership", GROUP), 0, IP_ADD_MEMBERSHIP, "ef010203 00000000"),
        (("add_membership", GROUP, None), 0, IP_ADD_MEMBERSHIP, "ef010203 00000000"),
        (("add_membership", GROUP, HOST), 0, IP_ADD_MEMBERSHIP, "ef010203 7f000001"),
        (("drop_membership", GROUP, HOST), 0, IP_DROP_MEMBERSHIP, "ef010203 7f000001"),
        ((f"add_{SOURCE}", "10.0.0.1", GROUP, HOST), 0, 39, "ef010203 7f000001 0a000001"),
        ((f"drop_{SOURCE}", "10.0.0.1", GROUP, HOST), 0, 40, "ef010203 7f000001 0a000001"),
        ((f"add_{SOURCE}", "10.0.0.1", GROUP), 0, 39, "ef010203 00000000 0a000001"),
        (("set_multicast_interface", "127.1"), 0, raw.IP_MULTICAST_IF, "7f000001"),
    ],
)  # fmt: skip
def test_each_call_is_one_option_of_the_kernel(
    call: tuple[Any, ...], level: int, number: int, value: str
) -> None:
    kernel = Recording()
    with Net(kernel) as net:
        socket = net.udp()
        kernel.options.clear()
        getattr(socket, call[0])(*call[1:])

    assert kernel.options == [(level, number, bytes.fromhex(value))]


class Recording(Faulty):
    """Sockets whose multicast options are written down and not set."""

    def socket(self, family: int, kind: int = raw.SOCK_STREAM) -> raw.socket:
        kernel = self

        class Wrapped(raw.socket):
            def setsockopt(self, *args: Any) -> None:
                kernel.options.append(args)

        sock = Wrapped(family, kind)
        sock.settimeout(0)
        return sock


@needs_ipv6
@pytest.mark.shows("UDP-151", "UDP-189", "UDP-190")
@pytest.mark.parametrize(
    ("group", "interface", "zone"),
    [
        (GROUP6, None, 0),
        (GROUP6, "::%lo", 1),
        (GROUP6, "::1%lo", 1),
        (GROUP6, "::1", 0),
        (f"{GROUP6}%lo", None, 0),
        (f"{GROUP6}%lo", "::", 0),
    ],
)
def test_of_an_ipv6_interface_the_zone_counts_and_of_a_group_it_does_not(
    group: str, interface: str | None, zone: int
) -> None:
    kernel = Recording()
    packed = raw.inet_pton(raw.AF_INET6, GROUP6)
    with Net(kernel) as net:
        socket = net.udp(hostname="::1")
        kernel.options.clear()
        socket.add_membership(group, interface)
        socket.drop_membership(group, interface)
        socket.add_source_specific_membership("::1", group, interface)
        socket.drop_source_specific_membership("::1", group, interface)

    request = packed + struct.pack("@i", zone)
    source = struct.pack("@I4x", zone) + _storage(packed) + _storage(bytes(15) + b"\1")
    level = raw.IPPROTO_IPV6
    assert kernel.options == [
        (level, JOIN6, request),
        (level, LEAVE6, request),
        (level, 46, source),
        (level, 47, source),
    ]


def _storage(packed: bytes) -> bytes:
    return struct.pack("=HHI16sI100x", raw.AF_INET6, 0, 0, packed, 0)


@needs_ipv6
@pytest.mark.shows("UDP-190", "UDP-155", "D15")
@pytest.mark.parametrize("interface", ["::%nosuch", "va", "", "lo"])
def test_an_interface_that_is_none_is_refused(net: Net, interface: str) -> None:
    socket = net.udp(hostname="::1")

    with pytest.raises(ValueError, match="interface: expected an"):
        socket.add_membership(GROUP6, interface)
    with pytest.raises(ValueError, match="interface: expected an"):
        socket.add_source_specific_membership("::1", GROUP6, interface)


@pytest.mark.shows("UDP-153")
def test_without_a_route_an_ipv4_group_needs_an_interface(cable: Cable) -> None:
    with cable.net() as net:
        socket = net.udp(hostname="0.0.0.0")
        with pytest.raises(OSError, match="No such device") as raised:
            socket.add_membership(GROUP)
        assert raised.value.code == "ENODEV"  # type: ignore[attr-defined]

        cable.ip("route", "add", "default", "dev", "va")
        assert socket.add_membership(GROUP) is True
        assert cable.joined(GROUP, "va")

        six = net.udp(hostname="::")
        assert six.add_membership(GROUP6) is True


@pytest.mark.shows("UDP-154")
@pytest.mark.parametrize("interface", ["192.0.2.77", "0.0.0.1", "239.9.9.9", "255.255.255.255"])
def test_an_interface_of_another_host_is_enodev(net: Net, interface: str) -> None:
    with pytest.raises(OSError, match="No such device") as raised:
        net.udp().add_membership(GROUP, interface)

    assert raised.value.errno == errno.ENODEV


@needs_ipv6
@pytest.mark.shows("UDP-156", "UDP-173")
def test_group_source_and_interface_are_of_one_family(net: Net) -> None:
    socket = net.udp(hostname="::")

    with pytest.raises(ValueError, match=f"interface: expected the family of {GROUP}, got '::%lo'"):
        socket.add_membership(GROUP, "::%lo")
    with pytest.raises(ValueError, match=f"interface: expected the family of {GROUP6}"):
        socket.drop_membership(GROUP6, HOST)
    with pytest.raises(ValueError, match=f"source: expected the family of {GROUP}, got '::1'"):
        socket.add_source_specific_membership("::1", GROUP, HOST)
    with pytest.raises(ValueError, match=f"interface: expected the family of {GROUP}"):
        socket.drop_source_specific_membership("10.0.0.1", GROUP, "::%lo")


@pytest.mark.shows("UDP-157", "UDP-159", "D15")
@pytest.mark.parametrize(
    ("group", "error"),
    [
        *((text, ValueError) for text in ("10.1.2.3", "127.0.0.1", "0.0.0.0", "255.255.255.255")),
        *((text, ValueError) for text in ("240.0.0.1", "223.255.255.255", "::1", "fd77::1")),
        *((text, ValueError) for text in ("::ffff:239.5.5.5", "", "nowhere", "localhost")),
        (None, TypeError),
        (5, TypeError),
        ({}, TypeError),
    ],
)
def test_a_group_that_is_none_is_refused(net: Net, group: Any, error: type[Exception]) -> None:
    socket = net.udp()

    for call in (socket.add_membership, socket.drop_membership):
        with pytest.raises(error, match="group: expected"):
            call(group)
    for source_call in (
        socket.add_source_specific_membership,
        socket.drop_source_specific_membership,
    ):
        with pytest.raises(error, match="group: expected"):
            source_call("10.0.0.1", group)


@pytest.mark.shows("UDP-157", "UDP-184")
@pytest.mark.parametrize("group", ["224.0.0.0", "224.0.0.1", "239.255.255.255"])
def test_every_address_from_224_to_239_is_a_group(net: Net, group: str) -> None:
    assert net.udp().add_membership(group, HOST) is True


@needs_ipv6
@pytest.mark.shows("UDP-157", "UDP-184")
@pytest.mark.parametrize("group", ["ff00::", "ff01::1", "ff02::1"])
def test_every_address_that_begins_with_ff_is_a_group(net: Net, group: str) -> None:
    assert net.udp(hostname="::1").add_membership(group, "::%lo") is True


@pytest.mark.shows("UDP-157", "UDP-173")
def test_missing_arguments_are_type_errors(net: Net) -> None:
    socket: Any = net.udp()

    for call in (socket.add_membership, socket.drop_membership, socket.set_ttl):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        socket.add_source_specific_membership("10.0.0.1")


@pytest.mark.shows("UDP-158")
def test_joining_twice_is_eaddrinuse(net: Net) -> None:
    socket = net.udp()
    socket.add_membership(GROUP, HOST)

    with pytest.raises(OSError, match="in use") as raised:
        socket.add_membership(GROUP, HOST)

    assert raised.value.code == "EADDRINUSE"  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-158", "UDP-159", "UDP-191")
def test_a_group_can_be_joined_on_each_interface_and_is_left_on_one(cable: Cable) -> None:
    cable.ip("route", "add", "default", "dev", "vb")
    with cable.net() as net:
        socket = net.udp(hostname="0.0.0.0")
        for address in (HERE, THERE):
            socket.add_membership(GROUP, address)
        assert (cable.joined(GROUP, "va"), cable.joined(GROUP, "vb")) == (True, True)

        socket.drop_membership(GROUP)
        assert (cable.joined(GROUP, "va"), cable.joined(GROUP, "vb")) == (True, False)
        with pytest.raises(OSError, match="Cannot assign"):
            socket.drop_membership(GROUP, THERE)
        socket.drop_membership(GROUP, HERE)
        assert not cable.joined(GROUP, "va")

        six = net.udp(hostname="::")
        for name in ("va", "vb"):
            six.add_membership(GROUP6, f"::%{name}")
        six.drop_membership(GROUP6)
        assert (cable.joined(GROUP6, "va"), cable.joined(GROUP6, "vb")) == (True, False)


@pytest.mark.shows("UDP-159")
def test_leaving_what_was_not_joined_is_eaddrnotavail(net: Net) -> None:
    with pytest.raises(OSError, match="Cannot assign") as raised:
        net.udp().drop_membership(GROUP, HOST)

    assert raised.value.code == "EADDRNOTAVAIL"  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-160")
def test_a_socket_has_20_ipv4_memberships_or_what_the_system_says(net: Net) -> None:
    limit = int(Path("/proc/sys/net/ipv4/igmp_max_memberships").read_text())
    if limit > 200:
        pytest.skip(f"igmp_max_memberships is {limit} here")
    socket = net.udp()
    for number in range(limit):
        socket.add_membership(f"239.2.{number // 250}.{number % 250}", HOST)

    with pytest.raises(OSError, match="buffer space") as raised:
        socket.add_membership("239.3.0.1", HOST)

    assert raised.value.code == "ENOBUFS"  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-160")
def test_a_socket_may_have_more_ipv6_memberships(net: Net) -> None:
    socket = net.udp(hostname="::1")

    assert all(socket.add_membership(f"ff02::2:{number:x}", "::%lo") for number in range(1, 60))


@needs_ipv6
@pytest.mark.shows("UDP-161")
def test_the_family_of_the_group_counts_not_that_of_the_socket(net: Net) -> None:
    both = net.udp("a", hostname="::")
    sender = net.udp()
    sender.set_multicast_interface(HOST)

    assert both.add_membership(GROUP, HOST) is True
    sender.send(b"x", both.port, GROUP)
    assert net.settle() == "a.data(x)"

    with pytest.raises(OSError, match="not available") as raised:
        net.udp().add_membership(GROUP6, "::%lo")
    assert raised.value.errno == errno.ENOPROTOOPT


@pytest.mark.shows("UDP-162", "UDP-164")
def test_connected_and_bound_sockets_may_join_but_hear_no_multicast(party: Party) -> None:
    connected = party.net.udp("c", connect=peer(party.sender))
    bound = party.net.udp("b")

    assert connected.add_membership(GROUP, HOST) is True
    assert bound.add_membership(GROUP, HOST) is True

    for socket in (connected, bound, party.a):
        assert party.sender.send(b"x", socket.port, GROUP)
    assert party.net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-164")
def test_a_socket_bound_to_the_group_receives_from_the_group_alone(party: Party) -> None:
    group = party.net.udp("g", hostname=GROUP)
    group.add_membership(GROUP, HOST)
    group.set_multicast_interface(HOST)
    party.a.add_membership(OTHER, HOST)

    party.sender.send(b"x", group.port, GROUP)
    party.sender.send(b"y", group.port, HOST)
    party.sender.send(b"z", group.port, OTHER)
    group.send(b"from", party.a.port, HOST)

    assert group.address[0] == GROUP
    assert sorted(party.net.settle().split()) == ["a.data(from)", "g.data(x)"]
    assert {each[2] for each in party.net.received} == {HOST}


@pytest.mark.shows("UDP-163")
def test_a_wildcard_socket_receives_from_groups_of_others_on_its_host(party: Party) -> None:
    member = party.net.udp()
    member.add_membership(GROUP, HOST)

    assert party.hears("x") == "a.data(x)"

    party.a.add_membership(OTHER, HOST)
    assert party.hears("y") == "a.data(y)"


@pytest.mark.shows("UDP-166")
@pytest.mark.parametrize("share", ["reuse_addr", "reuse_port"])
def test_sockets_that_share_a_port_all_receive_multicast_and_one_gets_unicast(
    net: Net, share: str
) -> None:
    shared: dict[str, Any] = {"hostname": "0.0.0.0", share: True}
    a = net.udp("a", **shared)
    b = net.udp("b", port=a.port, **shared)
    sender = net.udp()
    sender.set_multicast_interface(HOST)
    for member in (a, b):
        member.add_membership(GROUP, HOST)

    sender.send(b"x", a.port, GROUP)
    assert sorted(net.settle().split()) == ["a.data(x)", "b.data(x)"]
    net.log.clear()

    for _ in range(10):
        sender.send(b"u", b.port, HOST)
    heard = net.settle().split()
    assert len(heard) == 10
    assert len(set(heard)) == 1
    if share == "reuse_addr":
        assert heard[0] == "b.data(u)"


@pytest.mark.shows("UDP-166")
def test_a_port_is_shared_by_the_same_way_only(net: Net) -> None:
    a = net.udp(reuse_port=True)
    for reuse_addr in (False, True):
        with pytest.raises(OSError, match="in use"):
            net.udp(port=a.port, reuse_addr=reuse_addr)
    both = net.udp(port=a.port, reuse_port=True, reuse_addr=True)
    assert both.port == a.port


S1, S2 = "127.0.0.11", "127.0.0.12"


@pytest.mark.shows("UDP-167", "UDP-168", "UDP-175")
def test_only_the_sources_that_were_joined_are_heard(party: Party) -> None:
    join, leave = party.a.add_source_specific_membership, party.a.drop_source_specific_membership
    assert party.hears("0", source=S1) == ""

    assert join(S1, GROUP, HOST) is True
    assert (party.hears("1", source=S1), party.hears("2", source=S2)) == ("a.data(1)", "")
    assert join(S2, GROUP, HOST) is True
    assert (party.hears("1", source=S1), party.hears("2", source=S2)) == (
        "a.data(1)",
        "a.data(2)",
    )
    assert leave(S1, GROUP, HOST) is True
    assert (party.hears("1", source=S1), party.hears("2", source=S2)) == ("", "a.data(2)")
    assert leave(S2, GROUP, HOST) is True
    assert (party.hears("1", source=S1), party.hears("2", source=S2)) == ("", "")


@pytest.mark.shows("UDP-175")
def test_the_filter_is_the_sockets_own(party: Party) -> None:
    b = party.net.udp("b", hostname="0.0.0.0")
    party.a.add_source_specific_membership(S1, GROUP, HOST)
    b.add_membership(GROUP, HOST)
    from_s2 = party.net.udp(hostname=S2)
    from_s2.set_multicast_interface(HOST)

    for socket in (party.a, b):
        from_s2.send(b"x", socket.port, GROUP)

    assert party.net.settle() == "b.data(x)"


@needs_ipv6
@pytest.mark.shows("UDP-167", "UDP-168", "UDP-170", "UDP-175")
def test_sources_of_ipv6_groups_are_filtered_too(cable: Cable) -> None:
    cable.ip("addr", "add", "fd77::1/64", "dev", "va", "nodad")
    cable.ip("addr", "add", "fd77::9/64", "dev", "va", "nodad")
    with cable.net() as net:
        a = net.udp("a", hostname="::")
        senders = [net.udp(hostname=f"fd77::{number}") for number in (1, 9)]
        for sender in senders:
            sender.set_multicast_interface("::%va")
        assert a.add_source_specific_membership("fd77::1", GROUP6, "::%va") is True
        with pytest.raises(OSError, match="Cannot assign"):
            a.add_source_specific_membership("fd77::1", GROUP6, "::%va")

        for number, sender in enumerate(senders):
            sender.send(b"%d" % number, a.port, f"{GROUP6}%va")
        assert net.settle() == "a.data(0)"

        assert a.drop_source_specific_membership("fd77::1", GROUP6, "::%va") is True
        assert not cable.joined(GROUP6, "va")


@pytest.mark.shows("UDP-169", "UDP-173", "D15")
def test_a_source_that_is_none_is_refused_and_so_are_swapped_arguments(net: Net) -> None:
    socket = net.udp()

    with pytest.raises(ValueError, match=r"group: expected a multicast address, got '10\.0\.0\.1'"):
        socket.add_source_specific_membership(GROUP, "10.0.0.1", HOST)
    with pytest.raises(ValueError, match="source: expected an IP address"):
        socket.add_source_specific_membership("nowhere", GROUP, HOST)
    with pytest.raises(ValueError, match="interface: expected an IP address"):
        socket.add_source_specific_membership("10.0.0.1", GROUP, "va")
    with pytest.raises(OSError, match="No such device"):
        socket.add_source_specific_membership("10.0.0.1", GROUP, "192.0.2.77")


@pytest.mark.shows("UDP-170")
def test_the_same_source_twice_is_eaddrnotavail(net: Net) -> None:
    socket = net.udp()
    socket.add_source_specific_membership("10.0.0.1", GROUP, HOST)

    with pytest.raises(OSError, match="Cannot assign") as raised:
        socket.add_source_specific_membership("10.0.0.1", GROUP, HOST)

    assert raised.value.code == "EADDRNOTAVAIL"  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-171")
def test_leaving_an_unknown_source_depends_on_whether_the_group_was_joined(net: Net) -> None:
    socket = net.udp()
    socket.add_source_specific_membership("10.0.0.1", GROUP, HOST)

    for group, name in ((GROUP, "EADDRNOTAVAIL"), (OTHER, "EINVAL")):
        with pytest.raises(OSError, match=r"^\[Errno") as raised:
            socket.drop_source_specific_membership("10.0.0.2", group, HOST)
        assert raised.value.code == name  # type: ignore[attr-defined]

    socket.drop_source_specific_membership("10.0.0.1", GROUP, HOST)
    with pytest.raises(OSError, match="Cannot assign"):
        socket.drop_membership(GROUP, HOST)


@pytest.mark.shows("UDP-172")
@pytest.mark.parametrize(
    ("source", "group"),
    [("10.0.0.1", "239.1.1.1"), ("10.0.0.1", "224.0.0.1"), ("0.0.0.0", GROUP), (OTHER, GROUP)],
)
def test_any_group_and_odd_sources_are_taken(net: Net, source: str, group: str) -> None:
    assert net.udp().add_source_specific_membership(source, group, HOST) is True


@pytest.mark.shows("UDP-174")
def test_a_group_has_10_sources_or_what_the_system_says(net: Net) -> None:
    limit = int(Path("/proc/sys/net/ipv4/igmp_max_msf").read_text())
    socket = net.udp()
    for number in range(limit):
        socket.add_source_specific_membership(f"10.0.0.{number + 1}", GROUP, HOST)

    with pytest.raises(OSError, match="buffer space") as raised:
        socket.add_source_specific_membership("10.0.1.1", GROUP, HOST)

    assert raised.value.code == "ENOBUFS"  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-174")
def test_an_ipv6_group_has_64_sources_or_what_the_system_says(net: Net) -> None:
    limit = int(Path("/proc/sys/net/ipv6/mld_max_msf").read_text())
    socket = net.udp(hostname="::1")
    for number in range(1, limit + 1):
        socket.add_source_specific_membership(f"fd77::{number:x}", GROUP6, "::%lo")

    with pytest.raises(OSError, match="buffer space"):
        socket.add_source_specific_membership("fd77::ffff", GROUP6, "::%lo")


@pytest.mark.shows("UDP-176")
def test_a_source_turns_a_membership_of_all_into_one_of_sources(party: Party) -> None:
    party.a.add_membership(GROUP, HOST)
    assert party.hears("2", source=S2) == "a.data(2)"

    party.a.add_source_specific_membership(S1, GROUP, HOST)
    assert (party.hears("1", source=S1), party.hears("2", source=S2)) == ("a.data(1)", "")

    party.a.drop_source_specific_membership(S1, GROUP, HOST)
    with pytest.raises(OSError, match="Cannot assign"):
        party.a.drop_membership(GROUP, HOST)


@pytest.mark.shows("UDP-176")
def test_a_membership_of_sources_cannot_become_one_of_all_but_can_be_left_whole(net: Net) -> None:
    socket = net.udp()
    socket.add_source_specific_membership(S1, GROUP, HOST)

    with pytest.raises(OSError, match="in use"):
        socket.add_membership(GROUP, HOST)

    assert socket.drop_membership(GROUP, HOST) is True
    with pytest.raises(OSError, match="Invalid argument"):
        socket.drop_source_specific_membership(S1, GROUP, HOST)


@pytest.mark.shows("UDP-139")
def test_close_leaves_the_groups(cable: Cable) -> None:
    with cable.net() as net:
        socket = net.udp(hostname="0.0.0.0")
        socket.add_membership(GROUP, HERE)
        assert cable.joined(GROUP, "va")

        socket.close()

        assert not cable.joined(GROUP, "va")


@pytest.mark.shows("UDP-081", "UDP-192", "UDP-193", "UDP-006")
def test_link_local_addresses_have_a_zone_that_can_be_sent_back_to(cable: Cable) -> None:
    here, there = LINK_LOCAL_HERE, LINK_LOCAL_THERE
    with cable.net() as net:
        a = net.udp("a", hostname="::")
        b = net.udp("b", hostname=f"{here}%va")
        assert b.hostname == f"{here}%va"
        assert b.address[0] == here

        b.send(b"to a", a.port, f"{here}%va")
        net.until_received(1)
        assert net.received[0][2] == f"{here}%va"
        a.send(b"back", *net.received[0][1:3])
        assert net.settle() == "a.data(to a) b.data(back)"

        c = net.udp("c", hostname=f"{here}%va", connect={"hostname": f"{here}%va", "port": b.port})
        assert c.remote_address == (here, b.port)
        c.send(b"connected")
        assert net.settle().endswith("b.data(connected)")
        assert a.send(b"into the wrong link", b.port, f"{there}%va") is True
        assert a.send(b"whichever", 9, "ff02::1") is True
