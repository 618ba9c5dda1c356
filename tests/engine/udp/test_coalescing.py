"""The engine sends some datagrams together, and no receiver sees a difference."""

import errno
import random
import socket
from typing import Any

import pytest

from sockharness.engine.udp import coalescing
from tests.helpers.cables import Cable
from tests.helpers.datagrams import Faulty, Net, kernel_of, needs_ipv6, to

HOST = "127.0.0.1"
UDP_GRO = 104


def divided(*entries: tuple[int, str, int]) -> list[coalescing.Run]:
    """Return the runs of datagrams that are port, host, size."""
    ports, hosts, sizes = (list(column) for column in zip(*entries, strict=True))
    return coalescing.runs(ports, hosts, list(map(bytes, sizes)))


@pytest.mark.parametrize(
    ("entries", "runs"),
    [
        ([(1, "a", 5)], [(0, 1, 0)]),
        ([(1, "a", 5), (1, "a", 5)], [(0, 2, 5)]),
        ([(1, "a", 5), (2, "a", 5)], [(0, 2, 0)]),
        ([(1, "a", 5), (1, "b", 5)], [(0, 2, 0)]),
        ([(1, "a", 5), (1, "a", 6)], [(0, 2, 0)]),
        ([(1, "a", 0), (1, "a", 0)], [(0, 2, 0)]),
        ([(1, "a", 40_000), (1, "a", 40_000)], [(0, 2, 0)]),
        ([(1, "a", 5)] * 3 + [(2, "a", 5)] * 2, [(0, 3, 5), (3, 5, 5)]),
        ([(1, "a", 5)] * 3 + [(1, "a", 6)], [(0, 3, 5), (3, 4, 0)]),
        ([(1, "a", 5), (2, "a", 5), (1, "a", 5), (2, "a", 5)], [(0, 4, 0)]),
        ([(1, "a", 5), (2, "a", 5), (2, "a", 5), (3, "a", 5)], [(0, 1, 0), (1, 3, 5), (3, 4, 0)]),
        ([(1, "a", 5)] * 260, [(0, 128, 5), (128, 256, 5), (256, 260, 5)]),
        ([(1, "a", 5)] * 129, [(0, 128, 5), (128, 129, 0)]),
        ([(1, "a", 30_000)] * 5, [(0, 2, 30_000), (2, 4, 30_000), (4, 5, 0)]),
        ([(1, "a", 5), (1, "a", 6), (1, "a", 6)], [(0, 1, 0), (1, 3, 6)]),
    ],
)
def test_runs_are_neighbours_of_one_size_and_destination(
    entries: list[tuple[int, str, int]], runs: list[coalescing.Run]
) -> None:
    assert divided(*entries) == runs


def test_runs_cover_everything_in_order() -> None:
    chance = random.Random(1)
    for _ in range(500):
        count = chance.randint(1, 200)
        entries = [
            (chance.choice((1, 2)), chance.choice("ab"), chance.choice((0, 5, 5, 5, 1400, 40_000)))
            for _ in range(count)
        ]
        runs = divided(*entries)

        assert [start for start, _, _ in runs] == [0, *(end for _, end, _ in runs[:-1])]
        assert runs[-1][1] == count
        for start, end, size in runs:
            if size:
                assert len(set(entries[start:end])) == 1
                assert 2 <= end - start <= coalescing.SEGMENTS
                assert (end - start) * size <= 65507
                assert entries[start][2] == size


def test_a_message_is_cut_where_the_control_says() -> None:
    control = [(17, UDP_GRO, (4).to_bytes(4, "little"))]

    assert list(coalescing.parts(b"aaaabbbbcc", control)) == [b"aaaa", b"bbbb", b"cc"]
    assert list(coalescing.parts(b"aaaabbbbcc", [])) == [b"aaaabbbbcc"]
    assert list(coalescing.parts(b"", [])) == [b""]


def sent_as(net: Net) -> list[tuple[str, int]]:
    """Return the system calls that sent."""
    assert isinstance(net.reactor.kernel, Faulty)
    return net.reactor.kernel.calls


@pytest.mark.parametrize("connected", [True, False])
def test_equal_datagrams_to_one_destination_are_one_system_call(connected: bool) -> None:
    with Net(Faulty()) as net:
        a, b = net.pair()
        sender = net.udp()
        payloads = [b"%03d" % number for number in range(200)]

        count = a.send_many(payloads) if connected else sender.send_many(to(b, *payloads))

        assert count == 200
        assert sent_as(net) == [("sendmsg", 3 * 128), ("sendmsg", 3 * 72)]
        assert net.until_received(200) == payloads
        assert {each[1:3] for each in net.received} == {
            (a.port if connected else sender.port, HOST)
        }


@pytest.mark.parametrize("by", ["socket", "reactor"])
def test_it_can_be_switched_off(by: str) -> None:
    with Net(Faulty()) as net:
        receiver = net.udp("a")
        sender = net.udp(segment_offload=by != "socket")
        net.reactor.segment_offload = by != "reactor"

        assert sender.send_many(to(receiver, b"1", b"2")) == 2

        assert sent_as(net) == [("sendto", 1)] * 2
        assert net.settle() == "a.data(1) a.data(2)"
        net.reactor.segment_offload = True
        assert sender.send_many(to(receiver, b"3", b"4")) == 2
        assert (sent_as(net)[-1][0] == "sendmsg") == (by == "reactor")


@pytest.mark.parametrize("code", ["EINVAL", "EIO", "EOPNOTSUPP", "ENOPROTOOPT", "EMSGSIZE"])
def test_where_it_is_refused_they_go_one_by_one(code: str) -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp("s")
        kernel.errors = [getattr(errno, code)]

        assert sender.send_many(to(receiver, b"1", b"2", b"3")) == 3

        assert sent_as(net) == [("sendto", 1)] * 3
        assert net.settle() == "a.data(1) a.data(2) a.data(3)"
        assert sender.send_many(to(receiver, b"4", b"5")) == 2
        again = (
            "sendmsg" if code == "EMSGSIZE" else "sendto"
        )  # a matter of the path, or of the host
        assert sent_as(net)[-1][0] == again


def test_an_older_kernel_gets_64_at_once() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp()
        kernel.errors = [errno.EINVAL]
        batch = to(receiver, *[b"%03d" % number for number in range(128)])

        assert sender.send_many(batch) == sender.send_many(batch) == 128

        assert sent_as(net)[128:] == [("sendmsg", 3 * 64)] * 2
        assert len(net.until_received(256)) == 256


@pytest.mark.parametrize("code", ["EAGAIN", "ENOBUFS"])
@pytest.mark.parametrize("taken", [0, 2])
def test_a_full_kernel_is_a_partial_count_here_too(code: str, taken: int) -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp("s")
        kernel.errors = [getattr(errno, code)] + [0] * taken + [getattr(errno, code)]

        assert sender.send_many(to(receiver, b"0", b"1", b"2", b"3")) == taken

        net.settle()
        assert net.log.count("s.drain") == 1
        assert len(net.received) == taken


@pytest.mark.parametrize("handler", [True, False])
def test_a_pending_error_costs_no_run_and_is_reported_once(handler: bool) -> None:
    with Net() as net:
        receiver = net.udp("b")
        sender = net.udp("s" if handler else "")
        sender.send(b"x", net.dead_port(), HOST)

        assert sender.send_many(to(receiver, b"1", b"2")) == 2

        net.settle()
        assert [each for each in net.log if each[0] == "b"] == ["b.data(1)", "b.data(2)"]
        assert net.log.count("s.error(ECONNREFUSED)") == handler


def test_a_connected_socket_without_error_handler_gets_one_error_of_its_dead_peer() -> None:
    with Net() as net:
        port = net.dead_port()
        a = net.udp(connect={"hostname": HOST, "port": port})

        assert a.send_many([b"1", b"2", b"3"]) == 3
        net.settle()

        raised = 0
        net.udp("b", port=port)
        for _ in range(4):
            try:
                a.send(b"x")
            except ConnectionRefusedError:
                raised += 1
        assert raised == 1
        assert net.settle() == "b.data(x) b.data(x) b.data(x)"


def test_datagrams_that_do_not_fit_the_link_are_fragmented_one_by_one_without_a_trace(
    cable: Cable,
) -> None:
    cable.ip("link", "set", "lo", "mtu", "1500")
    with cable.net(Faulty(of=cable.kernel)) as net:
        receiver, sender = net.udp("a"), net.udp("s")
        payloads = [bytes([number]) * 2000 for number in range(5)]

        assert sender.send_many(to(receiver, *payloads)) == 5
        assert sent_as(net) == [("sendto", 2000)] * 5
        assert net.until_received(5) == payloads
        assert sender.send_many(to(receiver, *[b"fits"] * 5)) == 5
        assert sent_as(net)[-1] == ("sendmsg", 20)
        net.settle()
        assert all(each.startswith("a.data") for each in net.log)


@needs_ipv6
@pytest.mark.parametrize(("bound", "target"), [("::1", "::1"), ("::", HOST), ("::", "::1")])
def test_it_works_over_ipv6_and_for_mapped_addresses(bound: str, target: str) -> None:
    with Net(Faulty()) as net:
        receiver = net.udp("a", hostname=target)
        sender = net.udp(hostname=bound)
        payloads = [b"%03d" % number for number in range(30)]

        assert sender.send_many(to(receiver, *payloads, host=target)) == 30

        assert sent_as(net) == [("sendmsg", 90)]
        assert net.until_received(30) == payloads


def test_what_arrives_is_the_same_with_and_without() -> None:
    chance = random.Random(2)
    with Net() as net:
        receivers = [net.udp(who, socket=net.handlers(who)) for who in "abc"]
        senders = [net.udp(segment_offload=on) for on in (True, False)]
        for _ in range(60):
            batch: list[Any] = []
            for _ in range(chance.randint(1, 40)):
                data = bytes(chance.choices(b"xyz", k=chance.choice((0, 1, 1, 1, 100, 1400))))
                receiver = chance.choice(receivers[: chance.randint(1, 3)])
                batch += to(receiver, *[data] * chance.choice((1, 1, 5)))
            logs = []
            for sender in senders:
                net.log.clear()
                assert sender.send_many(batch) == len(batch) // 3
                net.settle()
                logs.append([[each for each in net.log if each[0] == who] for who in "abc"])
            assert logs[0] == logs[1]


def test_a_receiver_asks_for_runs_in_one_piece() -> None:
    with Net() as net, kernel_of(net.udp()) as sock:
        assert sock.getsockopt(17, UDP_GRO) == 1


def test_a_kernel_without_it_is_no_hindrance() -> None:
    class Old(Faulty):
        def socket(self, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
            class Refusing(socket.socket):
                def setsockopt(self, *args: Any) -> None:
                    if args[:2] == (17, UDP_GRO):
                        raise OSError(errno.ENOPROTOOPT, "injected")
                    super().setsockopt(*args)

                def sendmsg(self, *_args: Any) -> int:
                    raise OSError(errno.EINVAL, "injected")

            sock = Refusing(family, kind)
            sock.settimeout(0)
            return sock

    with Net(Old()) as net:
        a, _ = net.pair()

        assert a.send_many([b"1", b"2"]) == 2

        assert net.settle() == "b.data(1) b.data(2)"
