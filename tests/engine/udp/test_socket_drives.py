"""UDP sockets however the reactor is driven."""

from typing import Any

import pytest

from sockharness.engine.udp.socket import UDPSocket, udp_socket
from tests.engine.outer_loops import Run
from tests.helpers.conformance import DRIVES, PLACES, Check, Stage
from tests.helpers.ports import leased_port

HOST = "127.0.0.1"


def udp(stage: Stage, who: str, **options: Any) -> UDPSocket:
    """Make a socket with logging handlers."""
    handlers = options.pop("socket", stage.log.handlers(who, "data", "drain", "error"))
    return udp_socket(hostname=HOST, socket=handlers, reactor=stage.reactor, **options)


async def datagrams_arrive_both_ways(stage: Stage) -> None:
    """In `data`, with where they came from."""
    b = udp(stage, "b")
    a = udp(stage, "a", connect={"hostname": HOST, "port": b.port})

    a.send(b"ping")
    await stage.seen("b", "data")
    _, _, (payload, port, address, flags) = stage.log.entries[-1]
    assert (payload, port, address) == (b"ping", a.port, HOST)
    assert (flags.truncated, flags.ipv6) == (False, False)
    b.send(b"pong", port, address)
    await stage.seen("a", "data")


async def a_batch_that_takes_several_turns_arrives_whole(stage: Stage) -> None:
    """Also what is left in the receiver is delivered, though the kernel has nothing to report."""
    received: list[bytes] = []

    def keep(_socket: UDPSocket, data: bytes, *_rest: Any) -> None:
        received.append(data)
        stage.log.ring and stage.log.ring()

    receiver = udp(stage, "a", socket={"data": keep})
    sender = udp(stage, "b")
    payloads = [b"%03d" % number for number in range(200)]

    assert sender.send_many([(data, receiver.port, HOST) for data in payloads]) == 200

    await stage.until(lambda: len(received) == 200)
    assert received == payloads


async def errors_of_the_network_are_reported(stage: Stage) -> None:
    """D8, UDP-098."""
    a = udp(stage, "a")

    with leased_port() as dead:
        assert a.send(b"x", dead, HOST)
        assert a.send(b"x", dead, HOST)
        await stage.seen("a", "error", 2)

    assert await stage.trace() == "a.error(ECONNREFUSED) a.error(ECONNREFUSED)"


async def close_in_data_is_the_end(stage: Stage) -> None:
    """UDP-094."""
    a = udp(
        stage, "a", socket=stage.log.handlers("a", "data", data=lambda socket, *_: socket.close())
    )
    udp(stage, "b").send_many([(b"1", a.port, HOST), (b"2", a.port, HOST)])

    await stage.seen("a", "data")
    await stage.settle()
    assert stage.log.seen("a", "data") == 1
    assert a.closed


async def exceptions_that_nobody_takes_are_reported(stage: Stage) -> None:
    """D17."""

    def fail(*_args: Any) -> None:
        raise LookupError

    a = udp(stage, "a", socket=stage.log.handlers("a", "data", data=fail))
    a.send(b"x", a.port, HOST)

    await stage.seen("a", "data")
    await stage.settle()
    assert [type(each) for each in stage.uncaught] == [LookupError]
    assert not a.closed


CHECKS: dict[str, Check] = {
    each.__name__: each
    for each in (
        datagrams_arrive_both_ways,
        a_batch_that_takes_several_turns_arrives_whole,
        errors_of_the_network_are_reported,
        close_in_data_is_the_end,
        exceptions_that_nobody_takes_are_reported,
    )
}


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check: str, drive: str) -> None:
    if drive == "uvloop":
        pytest.importorskip("uvloop")

    DRIVES[drive](CHECKS[check], PLACES["tcp"](""))


def test_async_handlers_run_in_the_host(run: Run) -> None:
    async def check(stage: Stage) -> None:
        seen: list[str] = []

        async def data(socket: UDPSocket, payload: bytes, port: int, address: str) -> None:
            seen.append(payload.decode())
            socket.send(b"echo", port, address)

        async def error(_socket: UDPSocket, error: OSError) -> None:
            seen.append(type(error).__name__)
            stage.log.ring and stage.log.ring()

        a = udp(stage, "a", socket={"data": data, "error": error})
        with leased_port() as port:
            b = udp(stage, "b", port=port)
            b.send(b"x", a.port, HOST)
            await stage.seen("b", "data")
            b.close()
            a.send(b"y", port, HOST)
            await stage.until(lambda: len(seen) == 2)

        assert seen == ["x", "ConnectionRefusedError"]

    run(check)
