"""The fixtures `udp_peer` and `multicast_group`: the test that fails, the time, and the report."""

import asyncio
import errno
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
import trio

from sockharness import (
    Datagram,
    ExpectationFailed,
    MulticastGroup,
    UdpPeer,
    UdpPeerFactory,
    UsageError,
)
from sockharness.facade.packets import Wire
from tests.suite.test_fixtures_tcp_server import run

CLIENT = """
import socket

def ask(address, question, timeout=5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(question, address)
        return client.recv(100)

def tell(address, *words):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        for word in words:
            client.sendto(word, address)
"""

PROGRAM = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(5)
    client.bind(("127.0.0.1", 0))
    client.sendto(b"QUERY", (sys.argv[1], int(sys.argv[2])))
    print(client.recv(100).decode())
"""


@pytest.fixture
def client_module(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else the summary has no room for the headlines
    pytester.makepyfile(client=CLIENT)
    pytester.syspathinsert()


def in_another_process(address: tuple[str, int]) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, address[0], str(address[1])],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.strip()


# Who asks


def test_a_client_in_another_process(udp_peer: UdpPeer) -> None:
    udp_peer.expect(b"QUERY").reply(b"ANSWER")

    assert in_another_process(udp_peer.address) == "ANSWER"


def test_a_client_of_a_group_in_another_process(multicast_group: MulticastGroup) -> None:
    multicast_group.join().expect(b"QUERY").reply(b"ANSWER")

    assert in_another_process(multicast_group.address) == "ANSWER"


async def in_asyncio(peer: UdpPeer) -> Datagram:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=peer.address
    )
    try:
        await peer.aio.receive_nothing(within=0.01)
        transport.sendto(b"hello")
        assert (await peer.aio.wait_for("data")).data == b"hello"
        return await peer.aio.receive()
    finally:
        transport.close()


def test_a_client_in_asyncio(udp_peer: UdpPeer) -> None:
    assert asyncio.run(in_asyncio(udp_peer)) == b"hello"


async def in_trio(peer: UdpPeer) -> Datagram:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        await peer.aio.receive_nothing(within=0.01)
        await client.sendto(b"hello", peer.address)
        assert (await peer.aio.wait_for("data")).data == b"hello"
        return await peer.aio.receive()


def test_a_client_in_trio(udp_peer: UdpPeer) -> None:
    assert trio.run(in_trio, udp_peer) == b"hello"


def test_a_member_is_awaited(multicast_group: MulticastGroup) -> None:
    async def hear() -> Datagram:
        member = multicast_group.join()
        multicast_group.send(b"here I am")
        return await member.aio.receive()

    assert asyncio.run(hear()) == b"here I am"
    assert trio.run(hear) == b"here I am"
    first = multicast_group.join()  # the first of those above has heard the second datagram, too
    multicast_group.clear()
    first.leave()


def test_waiting_awaited_in_vain_says_so(udp_peer: UdpPeer) -> None:
    async def wait() -> None:
        await udp_peer.aio.receive(timeout=0.01)

    with pytest.raises(ExpectationFailed, match="udp_peer got no datagram"):
        asyncio.run(wait())
    with pytest.raises(ExpectationFailed, match="udp_peer got no datagram"):
        trio.run(wait)


def test_what_comes_where_nothing_is_awaited_is_told(udp_peer: UdpPeer) -> None:
    async def wait() -> None:
        await udp_peer.aio.receive_nothing(within=0.01)

    udp_peer.send(b"to myself", udp_peer.address)

    with pytest.raises(ExpectationFailed, match='udp_peer got "to myself", expected nothing'):
        asyncio.run(wait())
    udp_peer.clear()


@pytest.mark.parametrize("method", ["receive", "receive_nothing", "wait_for"])
def test_the_plain_forms_are_refused_in_a_loop(udp_peer: UdpPeer, method: str) -> None:
    async def block() -> None:
        getattr(udp_peer, method)(*["data"] * (method == "wait_for"))

    with pytest.raises(UsageError, match=rf"await \.aio\.{method}\(\) instead"):
        asyncio.run(block())
    with pytest.raises(UsageError, match=rf"await \.aio\.{method}\(\) instead"):
        trio.run(block)


def test_the_wire_shows_each_datagram_of_a_batch(udp_peer: UdpPeer, wire: Wire) -> None:
    udp_peer.on(data=lambda sock, data, port, host: sock.send_many([b"1", port, host] * 3))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.bind(("127.0.0.1", 0))

        with wire.capture(udp_peer) as packets:
            client.sendto(b"all", udp_peer.address)
            assert [client.recv(10) for _ in range(3)] == [b"1"] * 3

    assert [bytes(each["UDP"].payload) for each in packets] == [b"all", b"1", b"1", b"1"]


def test_the_wire_shows_datagrams(
    udp_peer: UdpPeer, multicast_group: MulticastGroup, wire: Wire
) -> None:
    udp_peer.expect(b"QUERY").reply(b"ANSWER")
    member = multicast_group.join()

    with wire.capture(udp_peer, multicast_group) as packets:
        assert in_another_process(udp_peer.address) == "ANSWER"
        multicast_group.send(b"here I am")
        member.receive()

    assert [bytes(each["UDP"].payload) for each in packets] == [b"QUERY", b"ANSWER", b"here I am"]


def neighbours(stack: ExitStack, factory: UdpPeerFactory) -> tuple[UdpPeer, socket.socket]:
    """Return a peer and a TCP server with the same number, which must be free."""
    for _ in range(100):
        peer = stack.enter_context(factory())
        try:
            return peer, stack.enter_context(socket.create_server(peer.address))
        except OSError as error:  # of a connection, or of one that ended a minute ago
            if error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("no number is free")


def test_a_neighbour_of_tcp_that_has_the_same_number_is_not_shown(
    udp_peer_factory: UdpPeerFactory, wire: Wire
) -> None:
    with ExitStack() as stack:
        peer, neighbour = neighbours(stack, udp_peer_factory)
        packets = stack.enter_context(wire.capture(peer))
        stack.enter_context(socket.create_connection(neighbour.getsockname(), timeout=5))
        peer.send(b"mine", peer.address)
        assert peer.receive() == b"mine"

    assert [bytes(each["UDP"].payload) for each in packets] == [b"mine"]


# Which test fails


@pytest.mark.usefixtures("client_module")
def test_the_test_that_got_other_bytes_fails_in_its_call_phase(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask, tell
        def test_before(udp_peer):
            udp_peer.expect(b"QUERY").reply(b"ANSWER")
            assert ask(udp_peer.address, b"QUERY") == b"ANSWER"
        def test_unmet(udp_peer):
            udp_peer.expect(b"QUERY").reply(b"ANSWER")
        def test_mismatch(udp_peer):
            udp_peer.expect(b"QUERY").reply(b"ANSWER")
            ask(udp_peer.address, b"QUERI", timeout=0.2)
        def test_unasked(udp_peer):
            tell(udp_peer.address, b"hello")
        def test_after(udp_peer):
            pass
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "line 7: udp_peer got no datagram",
            'line 9: udp_peer got "QUERI", expected "QUERY"',
            "  expected  51 55 45 52 59   QUERY",
            "  received  51 55 45 52 49   QUERI",
            "  again:   pytest *::test_mismatch*",
            "FAILED *::test_unmet - line 7: udp_peer got no datagram",
            'FAILED *::test_mismatch - line 9: udp_peer got "QUERI", expected "QUERY"',
            'FAILED *::test_unasked - udp_peer got "hello" that nobody expected',
        ]
    )


@pytest.mark.usefixtures("client_module")
def test_what_the_client_raised_stands_while_it_has_sent_nothing(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(udp_peer):
            udp_peer.expect(b"QUERY").reply(b"ANSWER")
            raise TimeoutError("no answer")
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *sockharness: line 2: udp_peer got no datagram",
            "FAILED * - TimeoutError: no answer",
        ]
    )


@pytest.mark.usefixtures("client_module")
def test_a_loss_makes_the_failure_inconclusive(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket, threading
        def test_it(tcp_server, udp_peer_factory):
            tcp_server.expect(b"A").ignore()
            with udp_peer_factory(name="small", recv_buffer=1) as small:
                go_on = threading.Event()
                def burst(got):
                    for _ in range(100):
                        client.sendto(b"x" * 500, small.address)
                    return b""
                small.when(b"go").reply(burst)
                small.when(b"x" * 500).ignore()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(5)
                    client.sendto(b"go", small.address)
                    client.recv(10)
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["inconclusive: small lost * datagrams", "  hint: send slower, *"])


@pytest.mark.usefixtures("client_module")
def test_a_peer_of_wider_scope_is_judged_after_each_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask, tell
        @pytest.fixture(scope="module")
        def resolver(udp_peer_factory):
            with udp_peer_factory(name="resolver") as peer:
                peer.when(b"QUERY").reply(b"ANSWER")
                yield peer
        def test_good(resolver):
            assert ask(resolver.address, b"QUERY") == b"ANSWER"
        def test_bad(resolver):
            tell(resolver.address, b"noise")
        def test_good_again(resolver):
            assert ask(resolver.address, b"QUERY") == b"ANSWER"
            assert resolver.received == [b"QUERY"]
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['FAILED *::test_bad - resolver got "noise", expected nothing'])


@pytest.mark.usefixtures("client_module")
def test_members_of_wider_scope_are_judged_after_each_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import tell
        @pytest.fixture(scope="module")
        def group(multicast_group_factory):
            with multicast_group_factory(name="devices") as group:
                yield group
        @pytest.fixture(scope="module")
        def device(group):
            return group.join()
        def test_good(group, device):
            tell(group.address, b"one")
            assert device.receive() == b"one"
        def test_bad(group, device):
            tell(group.address, b"two")
        def test_good_again(group, device):
            tell(group.address, b"three")
            assert device.receive() == b"three"
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['FAILED *::test_bad - devices got "two" that nobody expected'])


@pytest.mark.usefixtures("client_module")
def test_an_empty_datagram_is_enough_for_the_peer_to_explain(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_it(udp_peer):
            udp_peer.expect(b"QUERY").reply(b"ANSWER")
            ask(udp_peer.address, b"", timeout=0.2)
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    text = 'FAILED * - line 3: udp_peer got an empty datagram, expected "QUERY"'
    result.stdout.fnmatch_lines([text])


@pytest.mark.usefixtures("client_module")
def test_one_failure_tells_what_all_of_them_found(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(udp_peer, tcp_server, multicast_group):
            tcp_server.expect(b"A").ignore()
            udp_peer.expect(b"B").ignore()
            multicast_group.join().expect(b"C").ignore()
            udp_peer.receive(timeout=0.01)
        """
    )

    result = run(pytester)

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "line 5: udp_peer got no datagram",
            "  also:   line 2: tcp_server had no connection",
            "  also:   line 4: multicast_group got no datagram",
        ]
    )


@pytest.mark.usefixtures("client_module")
def test_where_multicast_does_not_work_the_test_is_skipped_with_the_reason(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from sockharness.facade.udp import group
        from sockharness.facade import interface
        group._reasons[interface.loopback(ipv6=False)] = "it is Sunday"
        def test_fixture(multicast_group):
            pass
        def test_factory(multicast_group_factory):
            with multicast_group_factory():
                pass
        """
    )

    result = run(pytester, "-rs")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["SKIPPED * multicast does not work on lo over IPv4: it is Sunday"] * 2
    )


@pytest.mark.starts_xdist
@pytest.mark.usefixtures("client_module")
def test_parallel_workers_do_not_hear_each_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from client import tell
        @pytest.mark.parametrize("number", range(40))
        def test_it(multicast_group, udp_peer, number):
            word = b"%d of %d" % (number, os.getpid())
            member = multicast_group.join()
            tell(multicast_group.address, *[word] * 20)
            assert [member.receive() for _ in range(20)] == [word] * 20
            tell(udp_peer.address, word)
            assert udp_peer.receive() == word
        """
    )

    run(pytester, "-n", "2").assert_outcomes(passed=40)
