"""`data` (UDP-079..097)."""

import asyncio
import os
import socket as raw
import struct
from collections import Counter
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp.handlers import DatagramFlags
from sockharness.engine.udp.socket import UDPSocket, udp_socket
from tests.helpers.datagrams import DEADLINE, Net, needs_ipv6, to

HOST = "127.0.0.1"


@pytest.mark.shows("UDP-079", "UDP-080")
def test_data_gets_socket_payload_port_address_and_flags(net: Net) -> None:
    seen: list[tuple[Any, ...]] = []
    receiver = net.udp(socket={"data": lambda *args: seen.append(args)})
    sender = net.udp()

    sender.send(b"x", receiver.port, HOST)

    net.until(lambda: seen)
    socket, data, port, address, flags = seen[0]
    assert (socket, data, port, address) == (receiver, b"x", sender.port, HOST)
    assert (flags.truncated, flags.ipv6) == (False, False)
    assert type(data) is bytes


@pytest.mark.shows("UDP-079")
def test_data_may_do_without_the_flags(net: Net) -> None:
    seen: list[tuple[Any, ...]] = []

    def four(socket: object, data: bytes, port: int, address: str) -> None:
        seen.append((socket, data, port, address))

    def five(socket: object, data: bytes, port: int, address: str, flags: object = 5) -> None:
        seen.append((socket, data, port, address, flags))

    sender = net.udp()
    for data in (four, five):
        receiver = net.udp(socket={"data": data})
        sender.send(b"x", receiver.port, HOST)
        net.until(lambda: seen)
        assert seen.pop()[1:4] == (b"x", sender.port, HOST)


@needs_ipv6
@pytest.mark.shows("UDP-080", "UDP-082")
def test_addresses_are_numeric_and_flags_tell_how_they_are_written(net: Net) -> None:
    both, six = net.udp("a", hostname="::"), net.udp("b", hostname="::1")
    four = net.udp()

    four.send(b"4", both.port, HOST)
    net.until_received(1)
    six.send(b"6", both.port, "::1")
    net.until_received(2)

    assert net.received == [
        (b"4", four.port, "::ffff:127.0.0.1", DatagramFlags(truncated=False, ipv6=True)),
        (b"6", six.port, "::1", DatagramFlags(truncated=False, ipv6=True)),
    ]


@pytest.mark.shows("UDP-084")
def test_each_datagram_may_be_kept(net: Net) -> None:
    receiver, sender = net.udp("a"), net.udp()
    payloads = [bytes([number]) * 64 for number in range(32)]

    sender.send_many(to(receiver, *payloads))
    received = net.until_received(32)
    sender.send_many(to(receiver, *[b"other" * 10] * 32))
    net.until_received(64)

    assert received == payloads
    assert len({id(each) for each in received}) == 32


@pytest.mark.skipif(os.geteuid() != 0, reason="forging a source port needs root")
@pytest.mark.shows("UDP-087")
def test_datagrams_from_port_0_are_dropped(net: Net) -> None:
    receiver = net.udp("a")
    with raw.socket(raw.AF_INET, raw.SOCK_RAW, raw.IPPROTO_UDP) as forger:
        for number, source in enumerate((0, 1234, 0)):
            header = struct.pack("!HHHH", source, receiver.port, 9, 0)
            forger.sendto(header + b"%d" % number, (HOST, 0))

    assert net.settle() == "a.data(1)"


@pytest.mark.shows("UDP-089", "UDP-090", "D14")
def test_two_busy_sockets_and_a_timer_take_turns_of_32_datagrams(net: Net) -> None:
    a, b, sender = net.udp("a"), net.udp("b"), net.udp(segment_offload=False)
    for receiver in (a, b):
        sender.send_many(to(receiver, *[b"."] * 80))
    turns = []
    for _ in range(4):
        net.reactor.call_soon(net.log.append, "t")
        before = len(net.log)
        net.reactor.run_once(0)
        net.reactor.run_once(0)
        turns.append(Counter(net.log[before:]))

    assert [turn["a.data(.)"] for turn in turns] == [64, 16, 0, 0] or [
        turn["a.data(.)"] for turn in turns
    ] == [32, 32, 16, 0]
    assert turns[0]["t"] == 1


@pytest.mark.shows("UDP-089", "UDP-090", "D14")
@pytest.mark.parametrize("offload", [True, False])
def test_no_turn_delivers_more_than_32_datagrams(net: Net, offload: bool) -> None:
    receiver, sender = net.udp("a"), net.udp(segment_offload=offload)
    sender.send_many(to(receiver, *[b"%03d" % number for number in range(150)]))

    counts = []
    while len(net.received) < 150:
        before = len(net.received)
        net.reactor.run_once(DEADLINE)
        counts.append(len(net.received) - before)

    assert max(counts) == 32
    assert [each[0] for each in net.received] == [b"%03d" % number for number in range(150)]


@pytest.mark.shows("UDP-090", "D14")
@pytest.mark.parametrize("many", [1, 64])
def test_timers_live_through_a_flood(net: Net, many: int) -> None:
    ticks: list[int] = []

    def feed(socket: UDPSocket, data: bytes, *_rest: Any) -> None:
        if len(ticks) < 20:
            socket.send_many(to(socket, *[data] * many))

    def tick() -> None:
        ticks.append(1)
        if len(ticks) < 20:
            net.reactor.call_later(0.001, tick)

    fed = net.udp(socket={"data": feed})
    feed(fed, b"x")
    net.reactor.call_later(0.001, tick)

    net.until(lambda: len(ticks) == 20)


@pytest.mark.shows("UDP-092")
def test_async_data_handlers_are_not_serialised() -> None:
    async def main() -> None:
        log: list[str] = []
        gate = asyncio.Event()
        done = asyncio.Event()

        async def data(_socket: UDPSocket, payload: bytes, port: int, address: str) -> None:
            assert (address, port) == sender.address
            log.append(f"begins {payload.decode()}")
            await gate.wait()
            log.append(f"ends {payload.decode()}")
            if len(log) == 6:
                done.set()

        receiver = udp_socket(hostname=HOST, socket={"data": data})
        sender = udp_socket(hostname=HOST)
        sender.send_many(to(receiver, "0", "1", "2"))
        async with asyncio.timeout(DEADLINE):
            while len(log) < 3:
                await asyncio.sleep(0)
            gate.set()
            await done.wait()

        assert log == ["begins 0", "begins 1", "begins 2", "ends 0", "ends 1", "ends 2"]

    asyncio.run(main())


@pytest.mark.shows("UDP-093", "UDP-125")
@pytest.mark.parametrize("offload", [True, False])
def test_what_was_fetched_before_a_reload_goes_to_the_old_handler(net: Net, offload: bool) -> None:
    new = net.handlers("new")
    receiver = net.udp(socket=net.handlers("old", data=lambda socket, *_: socket.reload(new)))
    sender = net.udp(segment_offload=offload)

    sender.send_many(to(receiver, b"0", b"1", b"2", b"3"))
    net.until_received(4)
    sender.send(b"4", receiver.port, HOST)

    assert net.settle() == "old.data(0) old.data(1) old.data(2) old.data(3) new.data(4)"


@pytest.mark.shows("UDP-093")
def test_a_reload_concerns_the_next_batch_of_8(net: Net) -> None:
    new = net.handlers("new")
    receiver = net.udp(socket=net.handlers("old", data=lambda socket, *_: socket.reload(new)))

    net.udp(segment_offload=False).send_many(to(receiver, *[b"."] * 10))

    net.settle()
    assert Counter(net.log) == {"old.data(.)": 8, "new.data(.)": 2}


@pytest.mark.shows("UDP-094", "UDP-136")
@pytest.mark.parametrize("offload", [True, False])
def test_close_in_data_drops_the_rest_of_the_batch(net: Net, offload: bool) -> None:
    def close(socket: UDPSocket, data: bytes, *_rest: Any) -> None:
        if data == b"1":
            socket.close()

    receiver = net.udp(socket=net.handlers("a", data=close))
    sender = net.udp(segment_offload=offload)

    sender.send_many(to(receiver, *[b"%d" % number for number in range(6)]))

    assert net.settle() == "a.data(0) a.data(1)"


@pytest.mark.shows("UDP-094")
def test_close_between_the_turns_of_a_batch_drops_the_rest(net: Net) -> None:
    receiver = net.udp("a")
    net.udp().send_many(to(receiver, *[b"%02d" % number for number in range(60)]))
    net.reactor.run_once(DEADLINE)
    assert len(net.received) == 32

    receiver.close()

    net.settle()
    assert len(net.received) == 32


@pytest.mark.shows("UDP-094")
def test_closing_another_socket_of_the_same_poll_suppresses_its_events(net: Net) -> None:
    sockets: list[UDPSocket] = []

    def close_other(socket: UDPSocket, *_rest: Any) -> None:
        next(each for each in sockets if each is not socket).close()

    sockets += [net.udp(socket=net.handlers(who, data=close_other)) for who in "ab"]
    sender = net.udp()
    for socket in sockets:
        sender.send(b"x", socket.port, HOST)

    assert net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-095")
def test_without_a_data_handler_datagrams_are_dropped_not_kept(net: Net) -> None:
    receiver, sender = net.udp(), net.udp()
    sender.send_many(to(receiver, *[b"old"] * 100))
    net.settle()

    receiver.reload(net.handlers("a"))
    sender.send(b"new", receiver.port, HOST)

    assert net.settle() == "a.data(new)"


@pytest.mark.shows("UDP-096")
def test_datagrams_of_several_senders_come_in_the_order_of_arrival(net: Net) -> None:
    receiver = net.udp("a")
    senders = [net.udp() for _ in range(3)]
    for number in range(30):
        senders[number % 3].send(b"%d" % number, receiver.port, HOST)

    received = net.until_received(30)

    assert received == [b"%d" % number for number in range(30)]
    assert [each[1] for each in net.received] == [senders[n % 3].port for n in range(30)]


@pytest.mark.shows("UDP-097")
def test_the_socket_whose_datagram_came_first_is_served_first(net: Net) -> None:
    sockets = [net.udp(who) for who in "abc"]
    sender = net.udp()

    for place in (2, 0, 1):
        sender.send(b"x", sockets[place].port, HOST)

    assert net.settle() == "c.data(x) a.data(x) b.data(x)"


def test_a_datagram_sent_in_data_to_itself_comes_in_a_later_turn() -> None:
    with Net(reactor=Reactor()) as net:
        fed = net.udp(socket=net.handlers("a", data=lambda socket, *_: echo_once(socket, net)))
        fed.send(b"x", fed.port, HOST)

        assert net.settle() == "a.data(x) a.data(x)"


def echo_once(socket: UDPSocket, net: Net) -> None:
    """Send itself one more datagram."""
    if len(net.received) < 2:
        socket.send(b"x", socket.port, HOST)
