import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sockharness import Member, MulticastGroup
from sockharness.errors import ClosedError, ExpectationFailed, Unavailable, UsageError
from sockharness.facade.udp import group as groups
from sockharness.harness import Harness

WORKER = """
import socket, sys
import sockharness

number, windows, size = map(int, sys.argv[1:])
with sockharness.Harness() as h:
    group = h.multicast_group()
    member = group.join()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((group.host, 0))
    print(*group.address, flush=True)
    sys.stdin.readline()
    for window in range(windows):
        for each in range(size):
            sender.sendto(b"%d %d %d" % (number, window, each), group.address)
        for each in range(size):
            expected = b"%d %d %d" % (number, window, each)
            got = member.receive(timeout=120)
            assert got == expected, (got, expected)
            assert got.address == sender.getsockname()
    sender.close()
"""


@pytest.fixture
def group(harness: Harness) -> MulticastGroup:
    try:
        return harness.multicast_group()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def sender(group: MulticastGroup) -> Iterator[socket.socket]:
    """A program under test that names the interface by its own address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((group.host, 0))
        yield sock


def test_every_member_hears_what_is_sent(group: MulticastGroup, sender: socket.socket) -> None:
    members = [group.join(), group.join(), group.join()]

    sender.sendto(b"here I am", group.address)

    assert [member.receive() for member in members] == [b"here I am"] * 3
    group.check()


def test_a_program_may_name_the_interface_instead(group: MulticastGroup) -> None:
    member = group.join()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        here = socket.inet_aton(group.host)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        sock.sendto(b"here I am", group.address)

    assert member.receive() == b"here I am"


def test_a_program_can_be_a_member_beside_ours(group: MulticastGroup) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", group.port))
        request = socket.inet_aton(group.group) + socket.inet_aton(group.host)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        member = group.join()

        group.send("hello")

        assert sock.recvfrom(100) == (b"hello", group.sender().address)
        assert member.receive() == b"hello"
    group.check()


def test_what_is_sent_stays_on_this_host(group: MulticastGroup) -> None:
    member = group.join()

    group.send(b"hello")

    assert member.receive().ttl == 0


def test_a_source_specific_member_hears_one_source_only(group: MulticastGroup) -> None:
    everyone, one = group.join(), group.join(source="127.0.0.5")

    group.send(b"no")
    group.send(b"yes", source="127.0.0.5")

    got = one.receive()
    assert (got, got.address[0]) == (b"yes", "127.0.0.5")
    assert [everyone.receive(), everyone.receive()] == [b"no", b"yes"]
    one.receive_nothing(within=0.01)
    group.check()


def test_members_join_and_leave_while_datagrams_come(group: MulticastGroup) -> None:
    first = group.join()
    group.send(b"1")
    second = group.join()
    group.send(b"2")
    first.leave()
    group.send(b"3")

    assert [second.receive(), second.receive()] == [b"2", b"3"]
    assert [first.receive(), first.receive()] == [b"1", b"2"]
    with pytest.raises(ExpectationFailed, match="got no datagram; it is closed"):
        first.receive()
    with pytest.raises(ExpectationFailed, match="saw no error; it is closed"):
        first.wait_for("error")
    group.check()


def test_a_member_leaves_at_the_end_of_its_block(group: MulticastGroup) -> None:
    with group.join() as member:
        group.send(b"1")
        assert member.receive() == b"1"
    member.leave()  # once more is no harm

    group.send(b"2")

    assert member.received == [b"1"]
    assert "closed, 1 datagram, 0 unread" in repr(member)


def test_groups_do_not_hear_each_other(harness: Harness, group: MulticastGroup) -> None:
    other = harness.multicast_group()
    ours, theirs = group.join(), other.join()

    group.send(b"ours")
    other.send(b"theirs")

    assert ours.receive() == b"ours"
    assert theirs.receive() == b"theirs"
    harness.check()
    assert group.address != other.address


def test_a_member_may_answer_the_sender(group: MulticastGroup) -> None:
    group.join().expect(b"who is there?").reply(b"I am")

    group.send(b"who is there?")

    answer = group.sender().receive()
    assert answer == b"I am"
    assert answer.address == (group.host, group.port)
    group.check()


def test_what_no_member_asked_for_is_told_with_the_member(group: MulticastGroup) -> None:
    group.join()
    second = group.join()
    group.send(b"hello")
    second.receive()

    with pytest.raises(ExpectationFailed, match='multicast_group got "hello" that nobody expect'):
        group.check()
    group.check()


def test_an_unexpected_answer_to_what_was_sent_is_told(group: MulticastGroup) -> None:
    member = group.join()
    group.send(b"hello")
    member._endpoint.send(b"what?", member.receive().address)

    with pytest.raises(ExpectationFailed, match=r'multicast_group.tx got "what\?" that nobody'):
        group.check()


def test_hearing_nothing_says_what_may_be_the_reason(group: MulticastGroup) -> None:
    with pytest.raises(ExpectationFailed, match="hint: only what is sent by lo is heard: set IP_M"):
        group.join().receive(timeout=0.01)
    with pytest.raises(ExpectationFailed, match=r"sent by lo, and from 127\.0\.0\.5 is heard"):
        group.join(source="127.0.0.5").receive(timeout=0.01)


def test_the_ladder_shows_who_heard_it(group: MulticastGroup) -> None:
    first, second = group.join(), group.join()
    group.send(b"hello")
    first.receive()
    second.receive()
    second.expect(b"more").ignore()

    with pytest.raises(ExpectationFailed) as failure:
        group.check()

    text = str(failure.value)
    assert 'multicast_group@2 never got "more"' in text
    assert "send(5 B to the group)" in text
    assert text.count("> hello") == 2


@pytest.mark.parametrize("source", ["localhost", "::1", ""])
def test_a_source_that_is_no_address_of_the_family_is_refused(
    group: MulticastGroup, source: str
) -> None:
    with pytest.raises((ValueError, OSError)):
        group.join(source=source)
    group.check()
    assert "0 members" in repr(group)


def test_an_address_of_another_host_cannot_be_sent_from(group: MulticastGroup) -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        group.send(b"x", source="192.0.2.77")
    group.check()


def test_between_tests_members_stay_and_those_that_left_are_forgotten(
    group: MulticastGroup,
) -> None:
    stays, leaves = group.join(), group.join()
    stays.when(b"PING").reply(b"PONG")
    leaves.leave()
    group.clear()

    group.send(b"PING")

    assert group.sender().receive() == b"PONG"
    assert "1 member" in repr(group)
    third = group.join()
    group.send(b"PING")
    assert (group.sender().receive(), third.receive()) == (b"PONG", b"PING")
    group.check()


def test_a_closed_group_says_so() -> None:
    harness = Harness()
    with closing(harness):
        try:
            group = harness.multicast_group()
        except Unavailable as reason:
            pytest.skip(str(reason))
        member = group.join()

    for call in (group.join, lambda: group.send(b"x"), lambda: member.expect(b"x")):
        with pytest.raises(ClosedError, match="multicast_group is closed"):
            call()


# Whether it works


def test_it_is_tried_once_in_a_process(
    harness: Harness, group: MulticastGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "preflight", lambda context, place: pytest.fail("tried again"))

    harness.multicast_group()


def test_where_a_datagram_does_not_come_back_it_is_unavailable(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_reasons", {})
    monkeypatch.setattr(groups, "ROUND_TRIP", 0.01)
    monkeypatch.setattr(groups.Group, "send", lambda self, data, source: None)

    why = r"multicast does not work on lo over IPv4: what is sent to \S+ does not come back"
    with pytest.raises(Unavailable, match=why):
        harness.multicast_group()
    assert harness.names == set()


def test_what_the_system_refuses_is_the_reason(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: groups.Group, source: str | None) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(groups, "_reasons", {})
    monkeypatch.setattr(groups.Group, "join", refuse)

    with pytest.raises(Unavailable, match="on lo over IPv4: joining failed with No such device"):
        harness.multicast_group()


def test_a_group_of_ipv6(harness: Harness) -> None:
    try:
        group = harness.multicast_group(ipv6=True)
    except Unavailable as reason:
        pytest.skip(str(reason))
    member = group.join()
    group.send(b"hello")
    assert member.receive() == b"hello"


# Parallel workers


def swarm(workers: int, windows: int, size: int) -> None:
    """Let workers send and receive at once, each in a group of its own."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(number), str(windows), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(workers)
    ]
    addresses = set()
    for program in programs:
        assert program.stdout is not None
        addresses.add(program.stdout.readline())
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    told = [program.communicate(timeout=300)[1] for program in programs]

    assert told == [""] * workers
    assert len(addresses) == workers


def test_workers_at_once_hear_nothing_foreign_and_lose_nothing(group: MulticastGroup) -> None:
    swarm(workers=3, windows=5, size=50)


@pytest.mark.slow
def test_eight_workers_at_once_exchange_10000_datagrams_each(group: MulticastGroup) -> None:
    swarm(workers=8, windows=100, size=100)


def test_what_a_member_loses_is_told(harness: Harness, group: MulticastGroup) -> None:
    small = harness.multicast_group(name="small", recv_buffer=1)
    member: Member = small.join()
    sent = 200

    def burst() -> None:  # on the thread that reads
        for _ in range(sent):
            small.send(b"x" * 500)

    harness._context.runner.call(burst)
    harness._context.settle()

    came = len(member.received)
    outcome = harness.verdict()
    assert outcome is not None
    assert outcome.headline == f"inconclusive: small lost {sent - came} datagrams"


def test_a_group_is_not_tried_on_the_harness_thread(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_reasons", {})

    with pytest.raises(UsageError, match="multicast_group cannot wait"):
        harness._context.runner.call(harness.multicast_group)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("239.1.1.1", "source: expected the address of a host, got the group"),
        ("", "source: expected"),
    ],
)
def test_a_source_that_is_no_host_is_refused(
    group: MulticastGroup, source: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        group.join(source=source)
    assert "0 members" in repr(group)


@pytest.mark.parametrize("source", ["localhost", "239.1.1.1", ("127.0.0.1", 9)])
def test_a_source_to_send_from_is_an_address_of_this_host(
    group: MulticastGroup, source: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="source: expected"):
        group.send(b"x", source)
    group.check()


def test_who_has_left_says_so(group: MulticastGroup) -> None:
    member = group.join()
    member.leave()

    with pytest.raises(ClosedError, match="multicast_group has left its group"):
        member.expect(b"x")
