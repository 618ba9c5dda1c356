"""Membership and datagrams as seen on a link (UDP-177..188)."""

import socket as raw
import struct
from collections.abc import Iterator

import pytest

from sockharness.engine.udp.socket import UDPSocket
from tests.helpers.cables import HERE, LINK_LOCAL_HERE, Cable, payload_of

GROUP, OTHER, ALL_HOSTS = "239.1.2.3", "239.1.2.4", "224.0.0.1"
GROUP6 = "ff02::1234"
S1, S2 = "10.77.0.8", "10.77.0.9"
TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = 3, 4, 5, 6  # RFC 3376 section 4.2.12

# Of a report: group, type, sources.
Record = tuple[str, int, tuple[str, ...]]


def be_quick(cable: Cable) -> None:
    """Let reports be repeated soon, not within a second."""
    cable.write_setting("ipv4/conf/va/igmpv3_unsolicited_report_interval", "20")
    cable.write_setting("ipv6/conf/va/mldv2_unsolicited_report_interval", "20")


def frames(link: raw.socket) -> Iterator[bytes]:
    """Return the frames that leave by the interface."""
    while True:
        frame, address = link.recvfrom(65536)
        if address[2] == raw.PACKET_OUTGOING:
            yield frame


def reports(link: raw.socket) -> Iterator[tuple[bytes, list[Record]]]:
    """Return the frames with IGMPv3 and MLDv2 reports, and their records."""
    for frame in frames(link):
        if frame[12:14] == b"\x08\x00" and frame[23] == raw.IPPROTO_IGMP:
            body, width, family = frame[14 + 4 * (frame[14] & 15) :], 4, raw.AF_INET
        elif frame[12:14] == b"\x86\xdd" and frame[20] == 0 and frame[54] == raw.IPPROTO_ICMPV6:
            body, width, family = frame[62:], 16, raw.AF_INET6
        else:
            continue
        if body[0] in (0x22, 143):
            yield frame, list(_records(body, width, family))


def _records(body: bytes, width: int, family: int) -> Iterator[Record]:
    at = 8
    for _ in range(int.from_bytes(body[6:8], "big")):
        kind, _, count = struct.unpack_from("!BBH", body, at)
        texts = [
            raw.inet_ntop(family, body[start : start + width])
            for start in range(at + 4, at + 4 + width * (1 + count), width)
        ]
        yield texts[0], kind, tuple(texts[1:])
        at += 4 + width * (1 + count)


def changes(link: raw.socket, group: str, count: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return the next records about a group, each state change being sent twice."""
    found: list[tuple[int, tuple[str, ...]]] = []
    for _, records in reports(link):
        found += [(kind, sources) for name, kind, sources in records if name == group]
        if len(found) >= count:
            return found
    return found


@pytest.mark.shows("UDP-177", "UDP-178", "UDP-179")
def test_join_and_leave_are_reported_twice_each(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="0.0.0.0")

        socket.add_membership(GROUP, HERE)
        frame, records = next(each for each in reports(link) if each[1][0][0] == GROUP)
        assert records == [(GROUP, TO_EXCLUDE, ())]
        assert frame[:6].hex(":") == "01:00:5e:00:00:16"
        assert frame[15] == 0xC0
        assert frame[22] == 1
        assert raw.inet_ntoa(frame[26:30]) == HERE
        assert raw.inet_ntoa(frame[30:34]) == "224.0.0.22"
        assert frame[34:38].hex() == "94040000"
        assert changes(link, GROUP, 1) == [(TO_EXCLUDE, ())]

        socket.drop_membership(GROUP, HERE)
        assert changes(link, GROUP, 2) == [(TO_INCLUDE, ())] * 2


@pytest.mark.shows("UDP-180")
def test_sources_are_allowed_and_blocked(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="0.0.0.0")
        for source in (S1, S2):
            socket.add_source_specific_membership(source, GROUP, HERE)
            assert changes(link, GROUP, 2) == [(ALLOW, (source,))] * 2
        for source in (S1, S2):
            socket.drop_source_specific_membership(source, GROUP, HERE)
            assert changes(link, GROUP, 2) == [(BLOCK, (source,))] * 2


@pytest.mark.shows("UDP-181")
def test_a_membership_that_becomes_one_of_a_source_is_reported_as_that(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="0.0.0.0")
        socket.add_membership(GROUP, HERE)
        socket.add_source_specific_membership(S1, GROUP, HERE)

        told = changes(link, GROUP, 1)
        while told[-1] != (TO_INCLUDE, (S1,)):  # the timer may have ticked between the calls
            assert told[-1] == (TO_EXCLUDE, ())
            told = changes(link, GROUP, 1)


@pytest.mark.shows("UDP-139", "UDP-182")
def test_only_the_first_and_the_last_member_are_reported_and_close_is_leaving(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        first, second = net.udp(hostname="0.0.0.0"), net.udp(hostname="0.0.0.0")
        first.add_membership(GROUP, HERE)
        assert changes(link, GROUP, 2) == [(TO_EXCLUDE, ())] * 2

        second.add_membership(GROUP, HERE)
        first.drop_membership(GROUP, HERE)
        second.close()

        assert changes(link, GROUP, 2) == [(TO_INCLUDE, ())] * 2


@pytest.mark.shows("UDP-183")
def test_two_joins_are_both_reported(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="0.0.0.0")
        for group in (GROUP, OTHER):
            socket.add_membership(group, HERE)

        told: set[Record] = set()
        for _, records in reports(link):
            told.update(records)
            if {(GROUP, TO_EXCLUDE, ()), (OTHER, TO_EXCLUDE, ())} <= told:
                return


@pytest.mark.shows("UDP-184")
def test_the_group_of_all_hosts_is_never_reported(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="::")
        for group in (ALL_HOSTS, "ff02::1"):
            assert socket.add_membership(group, HERE if group == ALL_HOSTS else "::%va") is True
        socket.add_membership(GROUP, HERE)
        socket.add_membership(GROUP6, "::%va")

        told: list[str] = []
        for _, records in reports(link):
            told += [group for group, _, _ in records]
            if told.count(GROUP) >= 2 and GROUP6 in told:
                break
        assert ALL_HOSTS not in told
        assert "ff02::1" not in told


@pytest.mark.shows("UDP-185")
def test_ipv6_groups_are_reported_by_mld(cable: Cable) -> None:
    be_quick(cable)
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="::")
        socket.add_membership(GROUP6, "::%va")
        frame, _ = next(each for each in reports(link) if (GROUP6, TO_EXCLUDE, ()) in each[1])
        assert frame[:6].hex(":") == "33:33:00:00:00:16"
        assert frame[21] == 1
        assert raw.inet_ntop(raw.AF_INET6, frame[22:38]) == LINK_LOCAL_HERE
        assert raw.inet_ntop(raw.AF_INET6, frame[38:54]) == "ff02::16"
        assert frame[56:62].hex() == "050200000100"
        assert changes(link, GROUP6, 1)[0] == (TO_EXCLUDE, ())

        socket.drop_membership(GROUP6, "::%va")
        assert changes(link, GROUP6, 2)[-1] == (TO_INCLUDE, ())
        socket.add_source_specific_membership("fd77::9", GROUP6, "::%va")
        while changes(link, GROUP6, 1)[-1] != (ALLOW, ("fd77::9",)):
            pass
        socket.drop_source_specific_membership("fd77::9", GROUP6, "::%va")
        while changes(link, GROUP6, 1)[-1] != (BLOCK, ("fd77::9",)):
            pass


@pytest.mark.shows("UDP-186")
def test_an_old_link_gets_reports_of_its_own_and_sources_are_filtered_all_the_same(
    cable: Cable,
) -> None:
    cable.write_setting("ipv4/conf/va/force_igmp_version", "2")
    cable.write_setting("ipv4/conf/va/igmpv2_unsolicited_report_interval", "20")
    cable.ip("addr", "add", f"{S1}/24", "dev", "va")
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp("a", hostname="0.0.0.0")
        for source in (S1, S2):
            socket.add_source_specific_membership(source, GROUP, HERE)
        for source in (HERE, S1):
            sender = net.udp(hostname=source)
            sender.set_multicast_interface(HERE)
            sender.send(source, socket.port, GROUP)
        assert net.settle() == f"a.data({S1})"
        told = [next(igmp2(link))]
        socket.close()
        while told[-1][0] != 0x17:
            told.append(next(igmp2(link)))

        assert set(told[:-1]) == {(0x16, GROUP, GROUP)}
        assert told[-1] == (0x17, "224.0.0.2", GROUP)


def igmp2(link: raw.socket) -> Iterator[tuple[int, str, str]]:
    """Return type, destination and group of IGMPv2 messages (RFC 2236)."""
    for frame in frames(link):
        if frame[12:14] == b"\x08\x00" and frame[23] == raw.IPPROTO_IGMP:
            yield frame[38], raw.inet_ntoa(frame[30:34]), raw.inet_ntoa(frame[42:46])


@pytest.mark.shows("UDP-186")
def test_an_old_ipv6_link_gets_reports_of_mldv1(cable: Cable) -> None:
    cable.write_setting("ipv6/conf/va/force_mld_version", "1")
    with cable.net() as net, cable.watching("va") as link:
        socket = net.udp(hostname="::")
        socket.add_membership(GROUP6, "::%va")
        socket.drop_membership(GROUP6, "::%va")

        told = []
        for frame in frames(link):
            if frame[12:14] == b"\x86\xdd" and frame[20] == 0 and frame[62] in (131, 132):
                group = raw.inet_ntop(raw.AF_INET6, frame[70:86])
                if group == GROUP6:
                    told.append((frame[62], raw.inet_ntop(raw.AF_INET6, frame[38:54])))
            if told and told[-1][0] == 132:
                break
        assert set(told[:-1]) <= {(131, GROUP6)}
        assert told[-1] == (132, "ff02::2")


@pytest.mark.shows("UDP-141", "UDP-187")
def test_multicast_and_broadcast_have_their_hops_and_hardware_addresses(cable: Cable) -> None:
    cable.ip("addr", "add", "10.79.0.1/24", "brd", "10.79.0.255", "dev", "va")
    with cable.net() as net, cable.watching("va") as link:
        sender = net.udp(hostname="::")
        sender.set_broadcast(True)
        sender.set_multicast_interface(HERE)
        sender.set_multicast_interface("::%va")
        seen = [
            _sent(link, sender, GROUP),
            _sent(link, sender, f"{GROUP6}%va"),
            _sent(link, sender, "10.79.0.255"),
        ]

    assert seen == [
        ("01:00:5e:01:02:03", 1),
        ("33:33:00:00:12:34", 1),
        ("ff:ff:ff:ff:ff:ff", 64),
    ]


def _sent(link: raw.socket, sender: UDPSocket, address: str) -> tuple[str, int]:
    sender.send(b"x", 4242, address)
    for frame in frames(link):
        if frame[12:14] == b"\x08\x00" and frame[36:38] == (4242).to_bytes(2, "big"):
            return frame[:6].hex(":"), frame[22]
        if frame[20] == raw.IPPROTO_UDP and frame[56:58] == (4242).to_bytes(2, "big"):
            return frame[:6].hex(":"), frame[21]
    raise AssertionError


@pytest.mark.shows("UDP-188")
def test_what_is_longer_than_a_frame_arrives_whole(cable: Cable) -> None:
    cable.ip("link", "set", "lo", "mtu", "1500")
    with cable.net() as net:
        a, _ = net.pair()

        for size in (1472, 1473, 9000, 65507):
            assert a.send(bytes(size))
        assert list(map(len, net.until_received(4))) == [1472, 1473, 9000, 65507]


def test_a_link_shows_whether_datagrams_were_sent_together(cable: Cable) -> None:
    with cable.net() as net, cable.watching("lo") as link:
        a, b = net.pair()
        a.send_many([b"one", b"two"])
        assert payload_of(link, b.port) == b"onetwo"
        while payload_of(link, b.port) != b"onetwo":  # the frame that comes back in
            pass

        net.reactor.segment_offload = False
        a.send_many([b"one", b"two"])
        assert payload_of(link, b.port) == b"one"
        net.reactor.segment_offload = True
        a.send_many([b"one", b"two"])
        assert net.settle() == " ".join(["b.data(one) b.data(two)"] * 3)
