"""Errors from the network, and the `error` handler (UDP-098..112, UDP-053)."""

import asyncio
import errno
import os
import socket as raw
import struct
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp.socket import UDPSocket, udp_socket
from sockharness.errors import code_of
from tests.helpers.cables import Cable
from tests.helpers.datagrams import DEADLINE, Net, needs_ipv6, peer, to

HOST = "127.0.0.1"


@pytest.mark.shows("UDP-098", "UDP-101")
def test_an_unconnected_socket_gets_the_error_of_a_dead_port_and_lives_on(net: Net) -> None:
    a, b = net.udp("a"), net.udp("b")

    assert a.send(b"x", net.dead_port(), HOST) is True

    assert net.settle() == "a.error(ECONNREFUSED)"
    assert not a.closed
    assert a.send(b"y", b.port, HOST)
    assert net.settle().endswith("b.data(y)")


@pytest.mark.shows("UDP-099", "UDP-100", "D23")
def test_error_gets_the_socket_and_an_os_error(net: Net) -> None:
    seen: list[tuple[Any, ...]] = []
    a = net.udp(socket={"error": lambda *args: seen.append(args)})

    a.send(b"x", net.dead_port(), HOST)

    net.until(lambda: seen)
    socket, error = seen[0]
    assert socket is a
    assert isinstance(error, OSError)
    assert type(error).__name__ == "ConnectionRefusedError"
    assert (error.errno, code_of(error)) == (errno.ECONNREFUSED, "ECONNREFUSED")
    assert error.filename is None


@pytest.mark.shows("UDP-101", "UDP-104")
def test_a_connected_socket_recovers_when_the_peer_appears(net: Net) -> None:
    port = net.dead_port()
    a = net.udp("a", connect={"hostname": HOST, "port": port})
    a.send(b"x")
    assert net.settle() == "a.error(ECONNREFUSED)"

    net.udp("b", port=port)
    a.send(b"y")

    assert net.settle().endswith("b.data(y)")


@pytest.mark.shows("UDP-102", "UDP-103", "D8")
def test_no_datagram_pays_for_another_ones_dead_port(net: Net) -> None:
    a, b, dead = net.udp("a"), net.udp("b"), net.dead_port()

    sent = [a.send(b"x", dead, HOST), a.send(b"victim", b.port, HOST), a.send(b"x", dead, HOST)]
    sent += [a.send(b"x", dead, HOST), a.send(b"after", b.port, HOST)]

    assert sent == [True] * 5
    net.settle()
    assert net.log.count("a.error(ECONNREFUSED)") == 3
    assert [each for each in net.log if "data" in each] == ["b.data(victim)", "b.data(after)"]


@pytest.mark.shows("UDP-105", "D8")
def test_an_unconnected_socket_without_an_error_handler_drops_it(net: Net) -> None:
    a, b = net.udp(), net.udp("b")

    for _ in range(3):
        assert a.send(b"x", net.dead_port(), HOST)
        assert a.send(b"y", b.port, HOST)

    assert net.settle() == "b.data(y) b.data(y) b.data(y)"


@pytest.mark.shows("UDP-103", "UDP-104", "D8")
def test_a_connected_socket_with_an_error_handler_gets_each_error(net: Net) -> None:
    a = net.udp("a", connect={"hostname": HOST, "port": net.dead_port()})

    assert [a.send(b"x") for _ in range(5)] == [True] * 5

    assert net.settle() == " ".join(["a.error(ECONNREFUSED)"] * 5)


@pytest.mark.shows("UDP-104", "D8")
@pytest.mark.parametrize("turns", [0, 1, 5])
def test_a_connected_socket_without_an_error_handler_raises_it_at_the_next_send_once(
    net: Net, turns: int
) -> None:
    port = net.dead_port()
    a = net.udp(connect={"hostname": HOST, "port": port})
    assert a.send(b"x")
    for _ in range(turns):
        net.reactor.run_once(0)
    b = net.udp("b", port=port)

    with pytest.raises(ConnectionRefusedError) as raised:
        a.send(b"not sent")

    assert raised.value.code == "ECONNREFUSED"  # type: ignore[attr-defined]
    assert a.send(b"y")
    assert net.settle() == "b.data(y)"
    assert a.send(b"z")
    assert net.settle() == "b.data(y) b.data(z)"
    assert not b.closed


@pytest.mark.shows("UDP-104", "D8")
@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("sizes", [1, 5])
@pytest.mark.parametrize("count", [2, 7, 8, 40, 300])
def test_a_batch_during_which_an_error_comes_stops_there_and_the_next_send_raises_it_once(
    net: Net, offload: bool, sizes: int, count: int
) -> None:
    port = net.dead_port()
    a = net.udp(connect={"hostname": HOST, "port": port}, segment_offload=offload)
    batch = [b"x" * (1 + number % sizes) for number in range(count)]
    together = min(count, 128) if offload and sizes == 1 else 1  # it is told after a run

    assert a.send_many(batch) == together
    b = net.udp("b", port=port)
    with pytest.raises(ConnectionRefusedError):
        a.send_many(batch)

    assert a.send_many(batch) == count
    net.settle()
    assert a.send(b"x")
    assert not b.closed


@pytest.mark.shows("UDP-104", "D8")
@pytest.mark.parametrize("turns", [0, 5])
def test_a_batch_of_such_a_socket_raises_it_once_too(net: Net, turns: int) -> None:
    port = net.dead_port()
    a = net.udp(connect={"hostname": HOST, "port": port})
    assert a.send(b"x")
    for _ in range(turns):
        net.reactor.run_once(0)
    net.udp("b", port=port)

    with pytest.raises(ConnectionRefusedError):
        a.send_many([b"1", b"22"])

    assert a.send_many([b"1", b"22"]) == 2
    assert net.settle() == "b.data(1) b.data(22)"


@pytest.mark.shows("D8")
def test_an_error_that_stops_a_batch_of_such_a_socket_is_raised_later_once(net: Net) -> None:
    port = net.dead_port()
    drains: list[object] = []
    a = net.udp(connect={"hostname": HOST, "port": port}, socket={"drain": drains.append})

    assert a.send_many([b"1", b"22"]) == 1
    net.until(lambda: drains)
    net.settle()

    net.udp("b", port=port)
    with pytest.raises(ConnectionRefusedError):
        a.send_many([b"22"])
    assert a.send_many([b"22"]) == 1
    assert net.settle() == "b.data(22)"


@pytest.mark.shows("D8")
def test_an_error_handler_that_comes_with_reload_is_called_from_then_on(net: Net) -> None:
    a = net.udp(connect={"hostname": HOST, "port": net.dead_port()})
    a.reload({"error": net.handlers("a")["error"]})

    assert a.send(b"x")
    assert a.send(b"x")

    assert net.settle() == "a.error(ECONNREFUSED) a.error(ECONNREFUSED)"


def icmp(kind: int, code: int, source: raw.socket | UDPSocket, to_port: int) -> bytes:
    """Return an ICMP error about a datagram that a socket sent to a port of loopback."""
    port = source.port if isinstance(source, UDPSocket) else source.getsockname()[1]
    address = raw.inet_aton(HOST)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, address, address)
    rest = struct.pack("!HH", 0, 1400) if code == 4 else bytes(4)
    body = rest + header + struct.pack("!HHHH", port, to_port, 8, 0)
    message = struct.pack("!BBH", kind, code, 0) + body
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBH", kind, code, checksum) + body


@pytest.mark.shows("UDP-106")
@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [
        (3, 0, "ENETUNREACH"),
        (3, 1, "EHOSTUNREACH"),
        (3, 3, "ECONNREFUSED"),
        (3, 4, "EMSGSIZE"),
        (3, 13, "EHOSTUNREACH"),
        (11, 0, "EHOSTUNREACH"),
    ],
)
# The kernel believes what it is told, of its loopback interface, for ten minutes.
@pytest.mark.parametrize("debug", [False, True])
def test_each_kind_of_icmp_error_has_its_errno(
    cable: Cable, kind: int, code: int, name: str, debug: bool
) -> None:
    with (
        Net(reactor=Reactor(cable.kernel, debug=debug)) as net,
        cable.make_socket(raw.AF_INET, raw.SOCK_DGRAM) as receiver,
        cable.make_socket(raw.AF_INET, raw.SOCK_RAW, raw.IPPROTO_ICMP) as forger,
    ):
        receiver.bind((HOST, 0))
        port = receiver.getsockname()[1]
        a = net.udp("a")
        a.send(b"x", port, HOST)
        forger.sendto(icmp(kind, code, a, port), (HOST, 0))

        assert net.settle() == f"a.error({name})"
        assert a.send(b"y", port, HOST)


@pytest.mark.shows("UDP-106", "UDP-107")
def test_a_host_that_nobody_answers_for_is_unreachable(cable: Cable) -> None:
    for name in ("mcast_solicit", "retrans_time_ms"):
        cable.write_setting(f"ipv4/neigh/va/{name}", "1" if name == "mcast_solicit" else "10")
    with cable.net() as net:
        a = net.udp("a", hostname="10.77.0.1")

        assert a.send(b"x", 9, "10.77.0.99") is True

        net.until(lambda: net.log)
        assert net.settle() == "a.error(EHOSTUNREACH)"


@pytest.mark.shows("UDP-053")
@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("unreachable", "EHOSTUNREACH"),
        ("prohibit", "EACCES"),
        ("blackhole", "EINVAL"),
        ("", "ENETUNREACH"),
    ],
)
def test_what_the_own_routes_forbid_is_raised_and_not_reported_again(
    cable: Cable, route: str, name: str
) -> None:
    if route:
        cable.ip("route", "add", route, "10.99.0.0/16")
    with cable.net() as net:
        a = net.udp("a", hostname="0.0.0.0")

        for _ in range(2):
            with pytest.raises(OSError, match=r"^\[Errno") as raised:
                a.send(b"x", 9, "10.99.0.1")
            assert raised.value.code == name  # type: ignore[attr-defined]

        assert net.settle() == ""


@pytest.mark.shows("UDP-109")
def test_close_in_error_stops_the_errors(net: Net) -> None:
    a = net.udp(socket=net.handlers("a", error=lambda socket, _error: socket.close()))
    for _ in range(3):
        a.send(b"x", net.dead_port(), HOST)

    assert net.settle() == "a.error(ECONNREFUSED)"
    assert a.closed


@pytest.mark.shows("UDP-110", "D17")
def test_an_exception_in_error_comes_out_of_the_reactor(net: Net) -> None:
    def boom(_socket: object, _error: object) -> None:
        raise LookupError("second")

    a = net.udp(socket={"error": boom})
    a.send(b"x", net.dead_port(), HOST)

    with pytest.raises(LookupError, match="second"):
        net.until(lambda: False)
    assert not a.closed


@pytest.mark.shows("UDP-110", "UDP-123", "D17")
@pytest.mark.parametrize("event", ["data", "error"])
def test_what_an_async_handler_raises_never_goes_to_error(event: str, free_port: int) -> None:
    async def main() -> None:
        uncaught: list[BaseException] = []
        told: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: uncaught.append(context["exception"]))

        async def boom(*_args: Any) -> None:
            raise LookupError

        handlers = {"error": lambda *args: told.append(args), event: boom}
        socket = udp_socket(hostname=HOST, socket=handlers)
        socket.send(b"x", socket.port if event == "data" else free_port, HOST)
        async with asyncio.timeout(DEADLINE):
            while not uncaught:
                await asyncio.sleep(0)

        assert [type(each) for each in uncaught] == [LookupError]
        assert told == []
        assert not socket.closed

    asyncio.run(main())


@pytest.mark.shows("UDP-111", "UDP-114")
def test_whom_a_connected_peer_does_not_want_to_hear_is_refused(net: Net) -> None:
    b = net.udp("b")
    a = net.udp("a", connect=peer(b))
    intruder = net.udp("i")

    intruder.send(b"x", a.port, HOST)

    assert net.settle() == "i.error(ECONNREFUSED)"


@needs_ipv6
@pytest.mark.shows("UDP-112")
@pytest.mark.parametrize(("bound", "target"), [("::1", "::1"), ("::", "::1"), ("::", HOST)])
def test_an_ipv6_socket_gets_errors_of_dead_ports_of_both_families(
    net: Net, bound: str, target: str
) -> None:
    a, dead = net.udp("a", hostname=bound), net.dead_port()

    assert a.send(b"x", dead, target)
    assert a.send(b"x", dead, target)

    assert net.settle() == "a.error(ECONNREFUSED) a.error(ECONNREFUSED)"


def test_a_flood_of_errors_is_reported_in_several_turns(net: Net) -> None:
    a, dead = net.udp("a"), net.dead_port()
    for _ in range(100):
        a.send(b"x", dead, HOST)

    net.reactor.run_once(DEADLINE)
    assert 0 < len(net.log) <= 32
    net.settle()
    assert net.log == ["a.error(ECONNREFUSED)"] * len(net.log)
    assert len(net.log) > 32


def test_an_error_that_the_queue_had_no_room_for_is_reported(net: Net) -> None:
    a, dead = net.udp("a"), net.dead_port()
    with raw.socket(fileno=os.dup(a.fileno())) as sock:
        sock.setsockopt(raw.SOL_SOCKET, raw.SO_RCVBUF, 1)  # the least that the kernel allows
    for _ in range(50):
        a.send(b"x", dead, HOST)

    net.settle()

    assert net.log == ["a.error(ECONNREFUSED)"] * len(net.log)
    assert 0 < len(net.log) < 50
    assert net.reactor.poll_timeout() is None


def test_pending_errors_do_not_disturb_receiving(net: Net) -> None:
    b = net.udp("b")
    net.udp().send_many(to(b, b"1", b"2"))
    b.send(b"x", net.dead_port(), HOST)

    assert net.settle() == "b.error(ECONNREFUSED) b.data(1) b.data(2)"
