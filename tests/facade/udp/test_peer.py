import errno
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import sockharness
from sockharness import Datagram, DatagramFlags, UdpPeer, match
from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.harness import Harness
from sockharness.machine import probes
from sockharness.story.outcome import Verdict
from tests.helpers.ports import leased_port


@pytest.fixture
def peer(harness: Harness) -> UdpPeer:
    return harness.udp_peer()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def test_an_expected_datagram_is_answered(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"QUERY").reply(b"ANSWER")

    client.sendto(b"QUERY", peer.address)

    assert client.recvfrom(100) == (b"ANSWER", peer.address)
    peer.check()


def test_a_lost_datagram_is_one_that_is_ignored(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"QUERY").ignore()
    peer.expect(b"QUERY").reply(b"ANSWER")

    client.sendto(b"QUERY", peer.address)
    client.sendto(b"QUERY", peer.address)

    assert client.recv(100) == b"ANSWER"
    peer.check()


def test_an_empty_datagram_can_be_expected_and_answered_with_one(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"").reply(b"")

    client.sendto(b"", peer.address)

    assert client.recv(100) == b""
    peer.check()


def test_a_rule_answers_any_number_of_clients(peer: UdpPeer) -> None:
    peer.when(match.regex("PING [0-9]+")).reply(lambda got: got.replace(b"I", b"O"))

    with ExitStack() as stack:
        for number in range(5):
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.settimeout(5)
            client.sendto(b"PING %d" % number, peer.address)
            assert client.recv(100) == b"PONG %d" % number
    peer.check()


def test_a_reply_function_is_given_the_datagram_with_its_sender(
    peer: UdpPeer, client: socket.socket
) -> None:
    given: list[bytes] = []

    def answer(got: bytes) -> bytes:
        given.append(got)
        return b"YOU"

    peer.expect(b"WHO").reply(answer)

    client.sendto(b"WHO", peer.address)

    assert client.recv(100) == b"YOU"
    assert isinstance(given[0], Datagram)
    assert given[0].address == client.getsockname()


def test_an_answer_stated_after_the_datagram_was_taken_is_still_given(
    peer: UdpPeer, client: socket.socket
) -> None:
    stated = peer.expect(b"QUERY")
    client.sendto(b"QUERY", peer.address)
    peer.wait_for("data")

    stated.reply(b"ANSWER")

    assert client.recv(100) == b"ANSWER"
    peer.check()


def test_an_expectation_stated_later_takes_what_came_before(
    peer: UdpPeer, client: socket.socket
) -> None:
    client.sendto(b"QUERY", peer.address)
    peer.wait_for("data")

    peer.expect(b"QUERY").reply(b"ANSWER")

    assert client.recv(100) == b"ANSWER"
    peer.check()


@pytest.mark.parametrize("sent", [b"QUERI", b"QUER", b"QUERY!", b""])
def test_another_datagram_is_a_mismatch(peer: UdpPeer, client: socket.socket, sent: bytes) -> None:
    peer.expect(b"QUERY").reply(b"ANSWER")
    peer.expect(b"QUERY").reply(b"ANSWER")

    client.sendto(sent, peer.address)

    got = f'"{sent.decode()}"' if sent else "an empty datagram"
    said = re.escape(f'udp_peer got {got}, expected "QUERY"')
    with pytest.raises(ExpectationFailed, match=said) as failure:
        peer.check()
    assert "also:" not in str(failure.value)


def test_datagrams_are_not_joined(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"QUERY").ignore()

    client.sendto(b"QUE", peer.address)
    client.sendto(b"RY", peer.address)

    with pytest.raises(ExpectationFailed, match='got "QUE", expected "QUERY"'):
        peer.check()


def test_the_failure_shows_the_line_the_bytes_and_what_crossed(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"HELLO").reply(b"WORLD")
    peer.expect(b"QUERY").reply(b"ANSWER")  # this line

    client.sendto(b"HELLO", peer.address)
    client.recv(100)
    client.sendto(b"QUERI", peer.address)

    with pytest.raises(ExpectationFailed) as failure:
        peer.check()
    text = str(failure.value)
    assert re.match(r'line \d+: udp_peer got "QUERI", expected "QUERY"\n', text)
    assert 'peer.expect(b"QUERY").reply(b"ANSWER")  # this line' in text
    assert "  expected  51 55 45 52 59   QUERY\n  received  51 55 45 52 49   QUERI\n" in text
    assert re.search(r"client +udp_peer\n", text)
    assert re.search(r"5 B +-+> HELLO\n", text)
    assert re.search(r"WORLD +<-+ 5 B\n", text)
    assert re.search(r"5 B +-+> QUERI\n", text)


def test_an_unmet_expectation_is_told(peer: UdpPeer) -> None:
    peer.expect(b"QUERY").reply(b"ANSWER")

    with pytest.raises(ExpectationFailed, match=r"line \d+: udp_peer got no datagram"):
        peer.check()


def test_the_second_of_two_is_missed_by_name(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"ONE").ignore()
    peer.expect(b"TWO").ignore()
    client.sendto(b"ONE", peer.address)

    with pytest.raises(ExpectationFailed, match='udp_peer never got "TWO"'):
        peer.check()


def test_an_expectation_without_an_answer_is_told(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"QUERY")
    client.sendto(b"QUERY", peer.address)

    with pytest.raises(ExpectationFailed, match='no answer for "QUERY"'):
        peer.check()


def test_a_datagram_that_nobody_asked_for_is_told(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"hello", peer.address)

    with pytest.raises(ExpectationFailed, match='udp_peer got "hello" that nobody expected'):
        peer.check()


def test_a_datagram_behind_the_last_expectation_is_told(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"ONE").ignore()
    for data in (b"ONE", b"TWO", b""):
        client.sendto(data, peer.address)

    with pytest.raises(ExpectationFailed, match="udp_peer got 2 datagrams, expected nothing"):
        peer.check()


def test_a_datagram_that_was_received_is_no_finding(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"hello", peer.address)

    got = peer.receive()

    assert got == b"hello"
    assert got.address == client.getsockname()
    assert got.truncated is False
    assert got.at >= 0
    peer.check()


def test_a_datagram_that_was_looked_at_is_no_finding_and_can_still_be_received(
    peer: UdpPeer, client: socket.socket
) -> None:
    client.sendto(b"hello", peer.address)
    peer.wait_for("data")

    assert peer.received == [b"hello"]
    peer.check()
    assert peer.received == [b"hello"]
    assert peer.receive() == b"hello"
    assert peer.received == [b"hello"]


def test_what_was_looked_at_does_not_contradict_a_later_expectation(
    peer: UdpPeer, client: socket.socket
) -> None:
    client.sendto(b"noise", peer.address)
    client.sendto(b"QUERY", peer.address)
    while len(peer.received) < 2:
        peer.wait_for("data")

    peer.expect(b"QUERY").reply(b"ANSWER")

    assert client.recv(100) == b"ANSWER"
    peer.check()


def test_the_oldest_is_received_first(peer: UdpPeer, client: socket.socket) -> None:
    for data in (b"1", b"2", b"3"):
        client.sendto(data, peer.address)

    assert [peer.receive(), peer.receive(), peer.receive()] == [b"1", b"2", b"3"]


def test_whoever_waits_to_receive_goes_before_a_rule(peer: UdpPeer, client: socket.socket) -> None:
    peer.when(b"QUERY").reply(b"ANSWER")
    got: list[Datagram] = []
    waiting = threading.Thread(target=lambda: got.append(peer.receive()))
    waiting.start()
    while not peer._endpoint.context.waiters:
        pass

    client.sendto(b"QUERY", peer.address)
    waiting.join()
    client.sendto(b"QUERY", peer.address)

    assert client.recv(100) == b"ANSWER"
    assert got == [b"QUERY"]


def test_a_rule_goes_on_when_another_datagram_was_received(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.when(b"PING").reply(b"PONG")
    client.sendto(b"noise", peer.address)
    peer.wait_for("data")
    peer._endpoint.context.settle()
    assert peer.receive() == b"noise"

    client.sendto(b"PING", peer.address)

    assert client.recv(100) == b"PONG"
    peer.check()


def test_receiving_in_vain_says_so(peer: UdpPeer) -> None:
    with pytest.raises(ExpectationFailed, match="udp_peer got no datagram") as failure:
        peer.receive(timeout=0.01)

    told = r"waiting: udp_peer for a datagram, \d+\.\d\d of 0\.01 s \(given, scale 1\)"
    assert re.search(told, str(failure.value))


def test_receiving_in_vain_tells_the_mismatch_that_came_before(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"QUERY").ignore()
    client.sendto(b"QUERI", peer.address)

    with pytest.raises(ExpectationFailed, match='got "QUERI", expected "QUERY"'):
        peer.receive()


def test_receiving_behind_an_outstanding_expectation_says_why_it_waits(peer: UdpPeer) -> None:
    peer.expect(b"QUERY").ignore()

    with pytest.raises(ExpectationFailed, match="what was expected comes first"):
        peer.receive(timeout=0.01)


def test_nothing_is_received_when_nothing_comes(peer: UdpPeer) -> None:
    peer.receive_nothing(within=0.01)


def test_a_datagram_where_nothing_was_to_come_is_told(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"hello", peer.address)

    with pytest.raises(ExpectationFailed, match='udp_peer got "hello", expected nothing'):
        peer.receive_nothing(within=0)


def test_nothing_new_is_to_come_behind_what_was_looked_at(
    peer: UdpPeer, client: socket.socket
) -> None:
    client.sendto(b"hello", peer.address)
    peer.wait_for("data")
    assert peer.received

    peer.receive_nothing(within=0.01)


def test_the_test_may_speak_first(peer: UdpPeer, client: socket.socket) -> None:
    peer.send("hello", client.getsockname())

    assert client.recvfrom(100) == (b"hello", peer.address)


def test_what_was_received_can_be_answered(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"hello", peer.address)
    peer.send(b"you", peer.receive().address)

    assert client.recv(100) == b"you"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("127.0.0.1", TypeError),
        (("127.0.0.1",), TypeError),
        (("127.0.0.1", "5"), TypeError),
        (("localhost", 5), ValueError),
        (("127.0.0.1", 0), ValueError),
    ],
)
def test_what_cannot_be_an_address_is_refused(
    peer: UdpPeer, address: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        peer.send(b"x", address)
    peer.check()


def test_what_the_system_refuses_to_send_is_raised(peer: UdpPeer) -> None:
    with pytest.raises(OSError, match="Message too long") as refused:
        peer.send(bytes(65508), ("127.0.0.1", 9))

    assert refused.value.errno == errno.EMSGSIZE
    peer.check()


def test_a_reply_that_cannot_be_sent_fails_the_test_with_its_line(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"QUERY").reply(bytes(65508))
    client.sendto(b"QUERY", peer.address)

    with pytest.raises(ExpectationFailed, match=r"line \d+: udp_peer handler raised OSError"):
        peer.check()


def test_a_reply_function_that_raises_fails_the_test(peer: UdpPeer, client: socket.socket) -> None:
    peer.expect(b"QUERY").reply(lambda got: bytes(1 // 0))
    client.sendto(b"QUERY", peer.address)

    with pytest.raises(ExpectationFailed, match="handler raised ZeroDivisionError") as failure:
        peer.check()
    assert "bytes(1 // 0)" in str(failure.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("expect(b'x').close()", "datagrams have no connection to close; say .reply"),
        ("expect(b'x').reset()", "datagrams have no connection to reset; say .reply"),
        ("expect(b'x').reply(b'y').close()", "no connection to close"),
        ("expect(b'x').reply(b'yz', cuts=1)", "sent whole: cuts are for connections"),
        ("when(b'x').reset()", "no connection to reset"),
    ],
)
def test_what_makes_no_sense_for_datagrams_is_refused(peer: UdpPeer, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        eval(f"peer.{line}", {"peer": peer})


def test_the_events_of_connections_are_refused(peer: UdpPeer) -> None:
    with pytest.raises(ValueError, match="expected one of data, drain, error, got 'close'"):
        peer.wait_for("close")


@pytest.mark.parametrize("want", [5, None, [b"x"]])
def test_what_cannot_be_matched_is_refused(peer: UdpPeer, want: object) -> None:
    with pytest.raises(TypeError, match="want: expected bytes"):
        peer.expect(want)  # type: ignore[arg-type]


def test_the_hops_left_are_told(peer: UdpPeer, client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
    client.sendto(b"x", peer.address)

    assert peer.receive().ttl == 7


def test_a_peer_on_ipv6(harness: Harness) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    peer = harness.udp_peer(hostname="::1")
    peer.expect(b"QUERY").reply(b"ANSWER")

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"QUERY", peer.address)
        assert client.recv(100) == b"ANSWER"
        peer.send(b"more", ("::1", *client.getsockname()[1:]))
        assert client.recv(100) == b"more"
    peer.check()


def test_a_datagram_can_be_pickled() -> None:
    datagram = Datagram(b"x", address=("127.0.0.1", 5), ttl=3, at=1.5, truncated=True)

    copy = pickle.loads(pickle.dumps(datagram))

    assert (copy, copy.address, copy.ttl, copy.at, copy.truncated) == (
        b"x",
        ("127.0.0.1", 5),
        3,
        1.5,
        True,
    )


# Handlers


def test_a_peer_made_of_handlers(peer: UdpPeer, client: socket.socket) -> None:
    def echo(udp: sockharness.UDPSocket, data: bytes, port: int, host: str) -> None:
        udp.send(data.upper(), port, host)

    peer.on(data=echo)
    client.sendto(b"hello", peer.address)

    assert client.recv(100) == b"HELLO"
    peer.check()


def test_a_handler_may_take_the_flags(peer: UdpPeer, client: socket.socket) -> None:
    told: list[DatagramFlags] = []
    peer.on(data=lambda udp, data, port, host, flags: told.append(flags))
    client.sendto(b"hello", peer.address)
    peer.wait_for("data")
    peer.check()

    assert told == [DatagramFlags(truncated=False, ipv6=False, ttl=64)]


def test_a_handler_is_given_what_came_before_it(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"one", peer.address)
    peer.wait_for("data")
    came: list[bytes] = []

    peer.on(data=lambda udp, data, port, host: came.append(data))
    client.sendto(b"two", peer.address)
    peer.wait_for("data")

    peer.check()
    assert came == [b"one", b"two"]


def test_reload_replaces_all_handlers(peer: UdpPeer, client: socket.socket) -> None:
    peer.on(data=lambda udp, data, port, host: udp.send(b"old", port, host))
    peer.reload({"drain": lambda udp: None})
    peer.expect(b"QUERY").reply(b"new")

    client.sendto(b"QUERY", peer.address)

    assert client.recv(100) == b"new"
    peer.check()


def test_what_a_handler_raises_goes_to_error_or_fails_the_test(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.on(data=lambda udp, data, port, host: 1 / 0)
    client.sendto(b"x", peer.address)
    with pytest.raises(ExpectationFailed, match="udp_peer handler raised ZeroDivisionError"):
        peer.check()
    taken: list[BaseException] = []
    peer.on(error=lambda udp, error: taken.append(error))

    client.sendto(b"x", peer.address)

    peer.check()
    assert isinstance(taken[0], ZeroDivisionError)


def test_what_the_network_says_goes_to_error(peer: UdpPeer) -> None:
    told: list[BaseException] = []
    peer.on(error=lambda udp, error: told.append(error))

    with leased_port() as nobody:
        peer.send(b"x", ("127.0.0.1", nobody))

        assert peer.wait_for("error").code == "ECONNREFUSED"
    peer.check()
    assert isinstance(told[0], ConnectionRefusedError)


def test_handlers_for_data_and_expectations_exclude_each_other(
    harness: Harness, peer: UdpPeer
) -> None:
    peer.on(data=lambda udp, data, port, host: None)
    with pytest.raises(UsageError, match="cannot be used beside on"):
        peer.expect(b"x")
    with pytest.raises(UsageError, match=r"go to on\(data=…\)"):
        peer.receive()
    other = harness.udp_peer()
    other.when(b"x").ignore()
    with pytest.raises(UsageError, match="cannot be used beside expect"):
        other.on(data=lambda udp, data, port, host: None)


def test_handlers_that_cannot_be_are_refused(peer: UdpPeer) -> None:
    async def later(udp: object, data: bytes, port: int, host: str) -> None: ...

    misspelt: Any = {"errro": lambda _udp, _error: None}

    with pytest.raises(UsageError, match=r"'data' is async def.* give a plain function"):
        peer.on(data=later)
    with pytest.raises(TypeError, match="unknown handler 'errro'; did you mean 'error'"):
        peer.on(**misspelt)
    with pytest.raises(TypeError, match="expected one that takes"):
        peer.on(data=lambda udp, data: None)


# Life


def test_what_was_told_is_forgotten(peer: UdpPeer, client: socket.socket) -> None:
    client.sendto(b"hello", peer.address)
    with pytest.raises(ExpectationFailed):
        peer.check()

    peer.check()

    assert peer.received == []


def test_after_a_mismatch_and_clear_all_is_well_again(peer: UdpPeer, client: socket.socket) -> None:
    peer.when(b"PING").reply(b"PONG")
    peer.expect(b"QUERY").ignore()
    client.sendto(b"QUERI", peer.address)
    with pytest.raises(ExpectationFailed):
        peer.check()

    client.sendto(b"PING", peer.address)

    assert client.recv(100) == b"PONG"
    peer.check()


def test_check_takes_in_what_lies_in_the_kernel(peer: UdpPeer, client: socket.socket) -> None:
    for _ in range(50):
        peer.expect(b"one").ignore()
        client.sendto(b"one", peer.address)
        peer.check()


def test_names_are_numbered_by_their_kind(harness: Harness) -> None:
    harness.tcp_server()
    harness.udp_peer()
    harness.udp_peer()

    assert harness.names == {"tcp_server", "udp_peer", "udp_peer2"}


def test_only_loopback_is_listened_on(harness: Harness) -> None:
    with pytest.raises(ValueError, match="hostname: expected a loopback address"):
        harness.udp_peer(hostname="0.0.0.0")


@pytest.mark.parametrize(("size", "error"), [("1", TypeError), (True, TypeError), (0, ValueError)])
def test_a_buffer_of_no_size_is_refused(
    harness: Harness, size: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match="recv_buffer"):
        harness.udp_peer(recv_buffer=size)


def test_a_closed_peer_says_so(client: socket.socket) -> None:
    with Harness() as harness:
        peer = harness.udp_peer()
        client.sendto(b"x", peer.address)
        assert peer.receive() == b"x"

    with pytest.raises(ClosedError, match="udp_peer is closed"):
        peer.send(b"x", client.getsockname())
    with pytest.raises(ClosedError, match="udp_peer is closed"):
        peer.expect(b"x")
    with pytest.raises(ExpectationFailed, match="udp_peer saw no error; it is closed"):
        peer.wait_for("error")
    assert peer.received == [b"x"]
    assert "closed, 1 datagram, 0 unread, 0 expected" in repr(peer)


def test_the_plain_forms_are_refused_on_the_harness_thread(
    peer: UdpPeer, client: socket.socket
) -> None:
    peer.expect(b"x").reply(lambda got: peer.receive())
    client.sendto(b"x", peer.address)

    with pytest.raises(ExpectationFailed, match="handler raised UsageError"):
        peer.check()


# Loss


def test_what_the_kernel_dropped_makes_the_verdict_inconclusive(
    harness: Harness, client: socket.socket
) -> None:
    peer = harness.udp_peer(recv_buffer=1)
    go_on = threading.Event()
    harness._context.runner.post(go_on.wait, 10)  # the thread reads nothing meanwhile

    for _ in range(100):
        client.sendto(b"x" * 500, peer.address)
    go_on.set()

    harness._context.settle()
    came = len(peer.received)
    outcome = harness.verdict()
    assert outcome is not None
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.headline == f"inconclusive: udp_peer lost {100 - came} datagrams"
    with pytest.raises(ExpectationFailed, match="hint: send slower") as failure:
        peer.check()
    assert str(failure.value).startswith("inconclusive: udp_peer lost ")
    peer.check()  # told once


def test_a_loss_is_told_before_what_it_may_have_caused(
    harness: Harness, client: socket.socket
) -> None:
    harness.tcp_server().expect(b"x").ignore()
    peer = harness.udp_peer(recv_buffer=1)
    go_on = threading.Event()
    harness._context.runner.post(go_on.wait, 10)
    for _ in range(100):
        client.sendto(b"x" * 500, peer.address)
    go_on.set()

    outcome = harness.verdict()

    assert outcome is not None
    assert outcome.headline.startswith("inconclusive: udp_peer lost")
    assert any("tcp_server had no connection" in each.headline for each in outcome.failures)


def test_a_long_burst_is_not_lost(peer: UdpPeer, client: socket.socket) -> None:
    for number in range(1000):
        client.sendto(b"%d" % number, peer.address)
    peer._endpoint.context.settle()

    if peer._endpoint.ledger.judge(final=True)[0].inconclusive:
        pytest.skip("net.core.rmem_max is small here, and may not be exceeded")
    assert [int(each) for each in peer.received] == list(range(1000))
