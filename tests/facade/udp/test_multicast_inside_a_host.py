"""Groups on a veth pair between two hosts of a network of their own."""

import socket
import sys

import pytest

from sockharness import MulticastGroup
from sockharness.errors import ExpectationFailed, Unavailable, UsageError
from sockharness.harness import Harness
from sockharness.machine import probes
from sockharness.netns import Host, Network

FAMILIES = [False, True]

PROGRAM = """
import socket, sys
group, port, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in group else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sender:
    sender.bind((source, 0))
    sender.sendto(b"here I am", (group, port))
"""


def made(harness: Harness, inside: Host, *, ipv6: bool) -> MulticastGroup:
    if ipv6 and (reason := probes.ipv6()):
        pytest.skip(reason)
    return harness.multicast_group(inside=inside, ipv6=ipv6)


@pytest.mark.parametrize("ipv6", FAMILIES)
def test_members_at_both_ends_of_a_link_hear_what_is_sent(
    harness: Harness, pair: tuple[Host, Host], ipv6: bool
) -> None:
    here, there = pair
    group = made(harness, here, ipv6=ipv6)
    near, far = group.join(), group.join(inside=there)

    group.send(b"hello")

    assert near.receive() == far.receive() == b"hello"
    assert (group.interface, group.host) == ("eth0", here.addresses[ipv6])
    group.check()


@pytest.mark.parametrize("ipv6", FAMILIES)
def test_a_program_on_the_other_host_is_heard(
    harness: Harness, pair: tuple[Host, Host], ipv6: bool
) -> None:
    here, there = pair
    group = made(harness, here, ipv6=ipv6)
    member = group.join()
    host = there.addresses[ipv6]

    program = there.run([sys.executable, "-c", PROGRAM, group.group, str(group.port), host])
    program.wait(30)

    got = member.receive()
    assert got == b"here I am"
    assert got.address[0] == host
    assert got.ttl == 1
    group.check()


@pytest.mark.parametrize("ipv6", FAMILIES)
def test_a_source_specific_member_hears_one_host_only(
    harness: Harness, pair: tuple[Host, Host], ipv6: bool
) -> None:
    here, there = pair
    group = made(harness, here, ipv6=ipv6)
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    member = group.join(source=there.addresses[ipv6])
    with there.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((there.addresses[ipv6], 0))

        group.send(b"from here")
        sender.sendto(b"from there", group.address)

    assert member.receive() == b"from there"
    member.receive_nothing(within=0.01)
    group.check()


@pytest.mark.parametrize("ipv6", FAMILIES)
def test_a_group_on_a_host_without_a_link_is_on_its_loopback_interface(
    harness: Harness, network: Network, ipv6: bool
) -> None:
    group = made(harness, network.host("alone"), ipv6=ipv6)
    member = group.join()

    group.send(b"hello")

    assert member.receive().ttl == 0
    assert group.interface == "lo"
    group.check()


def test_a_member_that_left_is_not_heard_of_at_the_other_end(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    here, there = pair
    group = made(harness, here, ipv6=False)
    with group.join(inside=there) as member:
        group.send(b"1")
        assert member.receive() == b"1"

    group.send(b"2")

    with pytest.raises(ExpectationFailed, match="it is closed"):
        member.receive()
    group.check()


def test_a_host_of_another_network_cannot_be_a_member(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    group = made(harness, pair[0], ipv6=False)

    with Network.open() as other, pytest.raises(UsageError, match="a host of the group's network"):
        group.join(inside=other.host("a"))


def test_a_group_on_this_machine_has_no_members_in_hosts(
    harness: Harness, pair: tuple[Host, Host]
) -> None:
    try:
        group = harness.multicast_group()
    except Unavailable as reason:
        pytest.skip(str(reason))

    with pytest.raises(UsageError, match=r"multicast_group\(inside=…\)"):
        group.join(inside=pair[1])


@pytest.mark.parametrize("make", ["udp_peer", "tcp_server", "multicast_group"])
def test_a_name_is_no_host(harness: Harness, make: str) -> None:
    with pytest.raises(TypeError, match="inside: expected a Host of a Network, got 'a'"):
        getattr(harness, make)(inside="a")
