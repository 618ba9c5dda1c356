"""Many datagrams in one system call: the same datagrams, in the same order, as one by one."""

import errno
import mmap
import os
import random
import socket
import threading
from typing import Any

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.udp import vectors
from sockharness.engine.udp.outgoing import Destinations
from tests.helpers.datagrams import Net, needs_ipv6, peer, to

HOST = "127.0.0.1"


class Counting(Kernel):
    """Counts the messages of each call; fails as configured, or sends fewer."""

    def __init__(self, *errors: int, at_most: int = 10_000) -> None:
        self.errors = list(errors)
        self.at_most = at_most
        self.calls: list[int] = []

    def send_messages(self, sock: socket.socket, headers: int, count: int) -> int:
        if self.errors and (number := self.errors.pop(0)):
            raise OSError(number, os.strerror(number))
        self.calls.append(count)
        return super().send_messages(sock, headers, min(count, self.at_most))


class Receiving(Kernel):
    """Counts the messages that each call received; fails as configured."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.calls: list[int] = []

    def receive_messages(self, sock: socket.socket, headers: int, count: int) -> int:
        if self.errors and (number := self.errors.pop(0)):
            raise OSError(number, os.strerror(number))
        self.calls.append(super().receive_messages(sock, headers, count))
        return self.calls[-1]


def different(count: int) -> list[bytes]:
    """Return datagrams of different sizes, so that none of them go together."""
    return [b"%03d" % number + b"." * (number % 2) for number in range(count)]


@pytest.mark.parametrize("count", [8, 100, 300])
def test_datagrams_that_do_not_go_together_are_sent_in_few_calls(count: int) -> None:
    kernel = Counting()
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp()
        batch = to(receiver, *different(count))

        assert sender.send_many(batch) == count

        assert kernel.calls == {300: [256, 44]}.get(count, [count])
        received = net.until_received(min(count, 200))
        assert received == different(count)[: len(received)]
        assert {each[1:3] for each in net.received} == {(sender.port, HOST)}


def test_a_few_are_sent_one_by_one() -> None:
    kernel = Counting()
    with Net(kernel) as net:
        receiver = net.udp("a")

        assert net.udp().send_many(to(receiver, *different(7))) == 7

        assert kernel.calls == []
        assert net.until_received(7) == different(7)


@needs_ipv6
@pytest.mark.parametrize(
    ("bound", "targets"),
    [(HOST, [HOST, "127.0.0.2"]), ("::1", ["::1", "::1"]), ("::", [HOST, "::1"])],
)
def test_each_goes_where_it_should(bound: str, targets: list[str]) -> None:
    kernel = Counting()
    with Net(kernel) as net:
        receivers = [net.udp(str(n), hostname=host) for n, host in enumerate(targets)]
        sender = net.udp(hostname=bound)
        batch = [
            each
            for number in range(60)
            for each in to(receivers[number % 2], b"%d" % number, host=targets[number % 2])
        ]

        assert sender.send_many(batch) == 60
        assert sender.send_many(batch) == 60

        assert kernel.calls == [60, 60]
        net.until_received(120)
        for who in range(2):
            heard = [each for each in net.log if each[0] == str(who)]
            assert heard == [f"{who}.data({number})" for number in range(who, 60, 2)] * 2


def test_on_a_connected_socket_too() -> None:
    kernel = Counting()
    with Net(kernel) as net:
        b = net.udp("b")
        a = net.udp(connect=peer(b))

        assert a.send_many(different(20)) == 20

        assert kernel.calls == [20]
        assert net.until_received(20) == different(20)


@pytest.mark.parametrize("data", [bytearray(b"array"), memoryview(b"view"), "text", b""])
def test_all_kinds_of_data_and_empty_ones(data: Any) -> None:
    with Net(Counting()) as net:
        b = net.udp("b")
        a = net.udp(connect=peer(b))
        wanted = data.encode() if isinstance(data, str) else bytes(data)

        assert a.send_many([b"1", data, b"22", data, b"333"] * 4) == 20

        assert net.until_received(20) == [b"1", wanted, b"22", wanted, b"333"] * 4


def test_what_the_kernel_did_not_take_in_one_call_goes_on() -> None:
    kernel = Counting(at_most=3)
    with Net(kernel) as net:
        receiver = net.udp("a")

        assert net.udp().send_many(to(receiver, *different(30))) == 30

        assert net.until_received(30) == different(30)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_it_is_forbidden_they_go_one_by_one(number: int) -> None:
    kernel = Counting(number)
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp()

        assert sender.send_many(to(receiver, *different(20))) == 20
        assert sender.send_many(to(receiver, *different(20))) == 20

        assert kernel.calls == []
        assert net.until_received(40) == different(20) * 2


@pytest.mark.parametrize("place", [0, 1, 9, 255, 256, 257])
def test_the_place_of_a_failure_is_found(place: int) -> None:
    with Net(Counting()) as net:
        receiver, sender = net.udp("a"), net.udp("s")
        payloads = different(300)
        payloads[place] = bytes(65508)

        if place == 0:
            with pytest.raises(OSError, match="too long"):
                sender.send_many(to(receiver, *payloads))
        else:
            assert sender.send_many(to(receiver, *payloads)) == place
            net.settle()
            assert net.log.count("s.drain") == 1
        received = [each[0] for each in net.received]
        assert received == payloads[: len(received)]
        assert len(received) >= min(place, 200)


@pytest.mark.parametrize("handler", [True, False])
def test_dead_destinations_cost_no_other_datagram(handler: bool) -> None:
    with Net(Counting()) as net:
        receiver = net.udp("a")
        sender = net.udp("s" if handler else "")
        dead = net.dead_port()
        batch = [each for data in different(40) for each in (*to(receiver, data), b"x", dead, HOST)]

        assert sender.send_many(batch) == 80

        net.until_received(40)
        net.settle()
        assert [each[0] for each in net.received] == different(40)
        assert net.log.count("s.error(ECONNREFUSED)") == (40 if handler else 0)


@pytest.mark.parametrize("turns", [0, 5])
def test_a_connected_socket_without_error_handler_raises_what_is_pending_first(turns: int) -> None:
    with Net(Counting()) as net:
        port = net.dead_port()
        a = net.udp(connect={"hostname": HOST, "port": port})
        a.send(b"x")
        for _ in range(turns):
            net.reactor.run_once(0)
        net.udp("b", port=port)

        for payloads in (different(20), [b"equal"] * 20):
            if payloads[0] != b"equal":
                with pytest.raises(ConnectionRefusedError):
                    a.send_many(payloads)
            assert a.send_many(payloads) == 20

        assert net.until_received(40) == [*different(20), *[b"equal"] * 20]


def test_more_than_fits_in_memory_kept_for_it_goes_one_by_one() -> None:
    kernel = Counting()
    with Net(kernel) as net:
        receiver = net.udp()
        payloads = [bytes(60000 + number) for number in range(30)]
        assert sum(map(len, payloads)) > vectors.POOL

        assert net.udp().send_many(to(receiver, *payloads)) == 30
        assert kernel.calls[:1] != [30]


def test_addresses_may_be_as_many_as_they_like() -> None:
    kernel = Counting()
    with Net(kernel) as net:
        receiver, sender, dead = net.udp("a"), net.udp(), net.dead_port()
        sender.set_broadcast(False)
        for begin in range(0, 10_000, 200):  # more than are remembered
            batch = [
                each
                for number in range(begin, begin + 200)
                for each in (b"x", dead, f"127.1.{number >> 8}.{number & 255}")
            ]
            assert sender.send_many(batch) == len(batch) // 3
        assert sender.send_many(to(receiver, *different(20))) == 20
        assert net.until_received(20) == different(20)


def test_random_batches_arrive_as_they_do_one_by_one() -> None:
    chance = random.Random(3)
    with Net(Counting()) as net:
        receivers = [net.udp(who) for who in "abcd"]
        sender = net.udp(segment_offload=False)
        for _ in range(50):
            chosen = [
                (bytes(chance.choices(b"xyz", k=chance.randint(0, 30))), chance.choice(receivers))
                for _ in range(chance.randint(1, 60))
            ]
            net.log.clear()
            assert sender.send_many([(d, r.port, HOST) for d, r in chosen]) == len(chosen)
            net.settle()
            for who, receiver in zip("abcd", receivers, strict=True):
                heard = [each for each in net.log if each[0] == who]
                assert heard == [f"{who}.data({d.decode()})" for d, r in chosen if r is receiver]


# Receiving


def test_behind_a_full_batch_8_are_received_in_a_call_and_one_that_gets_fewer_is_the_last() -> None:
    kernel = Receiving()
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp(segment_offload=False)

        sender.send_many(to(receiver, *different(28)))

        assert net.until_received(28) == different(28)
        assert kernel.calls == [8, 8, 4]
        for count in (2, 3):  # few: the first call notices, from then on one by one
            sender.send_many(to(receiver, *different(count)))
            net.until_received(len(net.received) + count)
        assert kernel.calls == [8, 8, 4, 2]
        assert {each[1:] for each in net.received} == {(sender.port, HOST, (False, False, None))}


@needs_ipv6
@pytest.mark.parametrize(
    ("bound", "target", "source"),
    [(HOST, HOST, HOST), ("::1", "::1", "::1"), ("::", HOST, "::ffff:127.0.0.1")],
)
def test_sources_and_sizes_are_right(bound: str, target: str, source: str) -> None:
    with Net(Receiving()) as net:
        receiver = net.udp("a", hostname=bound)
        senders = [net.udp(hostname=target, segment_offload=False) for _ in range(3)]
        payloads = [b"", b"x", bytes(1400), bytes(20000), b"end"]

        for data in payloads:
            for sender in senders:
                sender.send(data, receiver.port, target)
            net.until_received(len(net.received) + 3)
        for data in payloads * 3:  # these in one call
            for sender in senders:
                sender.send(data[:1400], receiver.port, target)
        net.until_received(60)

        ports = [sender.port for sender in senders] * 20
        wanted = [*payloads, *[data[:1400] for data in payloads * 3]]
        assert [each[0] for each in net.received] == [data for data in wanted for _ in range(3)]
        assert [each[1] for each in net.received] == ports
        assert {each[2] for each in net.received} == {source}
        assert {tuple(each[3]) for each in net.received} == {(False, bound != HOST, None)}


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_it_is_forbidden_they_are_received_one_by_one(number: int) -> None:
    kernel = Receiving(number)
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp()

        sender.send_many(to(receiver, *[b"%02d" % each for each in range(40)]))

        assert net.until_received(40) == [b"%02d" % each for each in range(40)]
        assert kernel.calls == []


def test_an_interrupted_call_loses_nothing() -> None:
    kernel = Receiving(errno.EINTR, 0, errno.ECONNREFUSED)
    with Net(kernel) as net:
        receiver, sender = net.udp("a"), net.udp(segment_offload=False)

        sender.send_many(to(receiver, *different(20)))

        assert net.until_received(20) == different(20)


def test_an_unforeseen_error_is_raised_and_the_socket_lives_on() -> None:
    with Net(Receiving(errno.ENOMEM)) as net:
        receiver, sender = net.udp("a"), net.udp()
        sender.send_many(to(receiver, *different(20)))

        with pytest.raises(OSError, match="Cannot allocate"):
            net.until(lambda: False)

        assert net.until_received(20) == different(20)


def test_a_reactor_that_changes_threads_receives_into_the_new_threads_buffer() -> None:
    with Reactor() as reactor:
        net = Net(reactor=reactor)
        receiver, sender = net.udp("a"), net.udp(segment_offload=False)
        sender.send_many(to(receiver, *different(32)))
        net.until_received(32)
        before = vectors.receive_buffer()
        received: list[bytes] = []
        done = threading.Event()

        def keep(_socket: object, data: bytes, *_rest: Any) -> None:
            received.append(data)
            if len(received) == 32:
                done.set()

        with ThreadRunner(reactor) as runner:
            runner.call(lambda: receiver.reload({"data": keep}))
            runner.call(lambda: sender.send_many(to(receiver, *different(32))))
            assert done.wait(5)
            assert received == different(32)
            slots = runner.call(lambda: receiver._receiver._slots)
            assert slots is not None
            assert slots.buffer is runner.call(vectors.receive_buffer) is not before
        reactor.adopt_thread()


def test_slots_and_vectors_hold_what_the_system_calls_want() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(0)
        with mmap.mmap(-1, 4 * 65536) as buffer:
            slots = vectors.Slots(buffer, socket.AF_INET)
            room = vectors.Vectors(16)
            destinations = Destinations(socket.AF_INET, Kernel(), remember=True)
            name = destinations.packed([sock.getsockname()[1]], [HOST])
            assert room.fill([b"1", b"22", b"333"], name * 3)
            assert Kernel().send_messages(sock, room.headers, 3) == 3
            slots.clear()
            assert Kernel().receive_messages(sock, slots.headers, 4) == 3

            source = sock.getsockname()
            wanted: list[vectors.Message] = [
                (data, [], 0, source) for data in (b"1", b"22", b"333")
            ]
            assert slots.taken(3) == wanted
            with pytest.raises(BlockingIOError):
                Kernel().receive_messages(sock, slots.headers, 4)
