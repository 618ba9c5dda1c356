"""The kernel runs a socket filter on any socket, so a unix pair shows what a program accepts."""

import socket
from collections.abc import Callable

import pytest

from sockharness.wire.filter import MAX_PORTS, port_filter
from sockharness.wire.ring import attach_filter

TCP, UDP, ICMP = 6, 17, 1

Build = Callable[..., bytes]


def accepts(program: bytes, frame: bytes) -> bool:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        right.setblocking(False)
        attach_filter(right, program)
        left.send(frame)
        try:
            return right.recv(65536) == frame
        except BlockingIOError:
            return False


def accepts_ports(frame: bytes, *ports: int) -> bool:
    return accepts(port_filter(ports, outgoing_only=False), frame)


def test_a_source_or_a_destination_port_is_enough(ipv4: Build, tcp: Build) -> None:
    frame = ipv4(TCP, tcp(1000, 2000))

    assert accepts_ports(frame, 1000)
    assert accepts_ports(frame, 2000)
    assert not accepts_ports(frame, 1001, 1999)


def test_ipv6_is_understood(ipv6: Build, udp: Build) -> None:
    frame = ipv6(UDP, udp(1000, 2000))

    assert accepts_ports(frame, 2000)
    assert not accepts_ports(frame, 2001)


def test_ip_options_are_stepped_over(ipv4: Build, udp: Build) -> None:
    frame = ipv4(UDP, udp(1000, 2000), options=bytes(8))

    assert accepts_ports(frame, 2000)
    assert not accepts_ports(frame, 0x0001)


def test_only_the_first_fragment_has_ports(ipv4: Build, udp: Build) -> None:
    more_fragments, offset = 0x2000, 0x0010

    assert accepts_ports(ipv4(UDP, udp(1000, 2000), fragment=more_fragments), 2000)
    assert not accepts_ports(ipv4(UDP, udp(1000, 2000), fragment=offset), 2000)


@pytest.mark.parametrize("chosen", ["tcp", "udp"])
def test_one_protocol_can_be_chosen(chosen: str, ipv4: Build, tcp: Build, udp: Build) -> None:
    program = port_filter([2000], outgoing_only=False, protocols=[chosen])

    assert accepts(program, ipv4(TCP, tcp(1, 2000))) == (chosen == "tcp")
    assert accepts(program, ipv4(UDP, udp(1, 2000))) == (chosen == "udp")


def test_other_frames_are_rejected(ipv4: Build, udp: Build) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)

    assert not accepts_ports(arp, 2000)
    assert not accepts_ports(ipv4(ICMP, udp(1000, 2000)), 2000)
    assert not accepts_ports(ipv4(UDP, b"")[:34], 2000)
    assert not accepts_ports(b"\0", 2000)


def test_no_ports_accept_nothing_and_none_accepts_everything(ipv4: Build, udp: Build) -> None:
    assert not accepts_ports(ipv4(UDP, udp(1000, 2000)))
    assert accepts(port_filter(None, outgoing_only=False), b"\0")


@pytest.mark.parametrize("number", [60, MAX_PORTS])
def test_each_of_many_ports_counts(number: int, ipv4: Build, udp: Build) -> None:
    ports = range(3000, 3000 + number)

    assert accepts_ports(ipv4(UDP, udp(1, ports[0])), *ports)
    assert accepts_ports(ipv4(UDP, udp(1, ports[-1])), *ports)
    assert accepts_ports(ipv4(UDP, udp(ports[-1], 1)), *ports)
    assert not accepts_ports(ipv4(UDP, udp(2999, ports[-1] + 1)), *ports)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to 65535, got {port}"):
        port_filter([80, port], outgoing_only=True)


def test_too_many_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 1000, got 1001"):
        port_filter(range(1, MAX_PORTS + 2), outgoing_only=True)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of tcp, udp, got 'sctp'"):
        port_filter([80], outgoing_only=True, protocols=["sctp"])


def test_what_is_about_groups_is_accepted_only_if_it_is_asked_for(ipv4: Build, ipv6: Build) -> None:
    igmp, hop_by_hop = 2, 0
    without = port_filter([2000], outgoing_only=False)
    with_it = port_filter([2000], outgoing_only=False, protocols=("udp", "groups"))

    for report in (ipv4(igmp, bytes(8), options=bytes(4)), ipv6(hop_by_hop, bytes(36))):
        assert not accepts(without, report)
        assert accepts(with_it, report)


def test_beside_what_is_about_groups_ports_are_found_as_ever(
    ipv4: Build, ipv6: Build, udp: Build, tcp: Build
) -> None:
    program = port_filter([2000], outgoing_only=False, protocols=("udp", "groups"))

    for build in (ipv4, ipv6):
        assert accepts(program, build(UDP, udp(1000, 2000)))
        assert not accepts(program, build(UDP, udp(1000, 2001)))
        assert not accepts(program, build(TCP, tcp(1000, 2000)))
        assert not accepts(program, build(ICMP, bytes(8)))
