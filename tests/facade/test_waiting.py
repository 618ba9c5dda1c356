import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from sockharness.errors import ExpectationFailed, UsageError
from sockharness.facade.tcp.server import TcpServer
from sockharness.harness import Harness
from tests.facade.conftest import Dial

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def asyncio_run(function: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await function()

    return asyncio.run(main())


in_both = pytest.mark.parametrize("run", [asyncio_run, trio.run], ids=["asyncio", "trio"])


def test_an_event_that_came_earlier_counts_once(server: TcpServer, dial: Dial) -> None:
    dial(server)

    event = server.wait_for("open")

    assert (event.name, event.connection) == ("open", 1)
    with pytest.raises(ExpectationFailed, match="tcp_server saw no open"):
        server.wait_for("open", timeout=0.01)


def test_an_event_that_comes_later_ends_the_wait(server: TcpServer, dial: Dial) -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(server.wait_for("close")))
    thread.start()
    dial(server).close()
    thread.join(5)

    assert [event.name for event in seen] == ["close"]


def test_a_wait_that_runs_out_tells_how_long_it_was(server: TcpServer, dial: Dial) -> None:
    dial(server)
    server.wait_for("open")

    with pytest.raises(ExpectationFailed) as failure:
        server.wait_for("data", timeout=0.02)

    text = str(failure.value)
    assert re.search(r"waiting: tcp_server for data, \d+\.\d\d of 0\.02 s \(given, scale 1\)", text)
    assert "connect ------------> open" in text


def test_what_can_no_longer_come_is_not_waited_for(server: TcpServer, dial: Dial) -> None:
    dial(server).close()

    with pytest.raises(ExpectationFailed, match="saw no timeout; it saw close"):
        server.connection(1).wait_for("timeout", timeout=60)


def test_a_mismatch_is_told_as_the_cause_of_a_wait_in_vain(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING").reply(b"PONG")
    dial(server, b"HELO")
    server.wait_for("close")

    with pytest.raises(ExpectationFailed, match='got "HELO", expected "PING"'):
        server.connection(1).read_exactly(4)
    server.clear()


def test_an_unknown_event_is_refused_with_a_suggestion(server: TcpServer) -> None:
    with pytest.raises(ValueError, match="did you mean 'close'"):
        server.wait_for("closed")


@pytest.mark.parametrize(("timeout", "error"), [(-1, ValueError), ("1", TypeError)])
def test_a_timeout_is_a_number_of_seconds(
    server: TcpServer, timeout: float, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout: expected seconds"):
        server.wait_for("open", timeout=timeout)


def test_waiting_in_a_handler_is_refused(server: TcpServer, dial: Dial) -> None:
    server.on(data=lambda _socket, _data: server.wait_for("close"))

    dial(server, b"x")
    server.wait_for("uncaught_exception")

    with pytest.raises(ExpectationFailed, match="handler raised UsageError"):
        server.check()


@in_both
def test_events_and_bytes_can_be_awaited(server: TcpServer, dial: Dial, run: Run) -> None:
    async def main() -> tuple[int, bytes, bytes]:
        client = dial(server)
        event = await server.aio.wait_for("open")
        client.sendall(b"one\ntwo")
        connection = server.connection(1).aio
        return (
            event.connection,
            await connection.read_until(b"\n"),
            await connection.read_exactly(3),
        )

    assert run(main) == (1, b"one\n", b"two")
    server.check()


@in_both
def test_an_await_suspends_only_its_own_task(server: TcpServer, dial: Dial, run: Run) -> None:
    async def main() -> list[str]:
        order = []
        wait = server.connection(1).aio.wait_for("close")
        if run is asyncio_run:
            task = asyncio.create_task(wait)
            await asyncio.sleep(0)
            order.append("other")
            dial(server).close()
            order.append((await task).name)
            return order

        async def waiter() -> None:
            order.append((await wait).name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            await trio.lowlevel.checkpoint()
            order.append("other")
            dial(server).close()
        return order

    assert run(main) == ["other", "close"]


@in_both
def test_an_awaited_timeout_is_told_with_the_users_line(server: TcpServer, run: Run) -> None:
    async def main() -> None:
        await server.aio.wait_for("open", timeout=0.01)  # this line

    with pytest.raises(ExpectationFailed, match="this line"):
        run(main)


@in_both
def test_the_plain_form_in_a_loop_names_the_awaitable_one(server: TcpServer, run: Run) -> None:
    async def main() -> None:
        server.wait_for("open")

    with pytest.raises(UsageError, match=r"await \.aio\.wait_for\(\) instead"):
        run(main)


@in_both
def test_a_cancelled_wait_leaves_nothing_behind(server: TcpServer, dial: Dial, run: Run) -> None:
    async def cancelled() -> None:
        wait = server.connection(1).aio.read_exactly(3)
        if run is asyncio_run:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wait, 0.01)
        else:
            with trio.move_on_after(0.01):
                await wait

    run(cancelled)
    dial(server, b"abc")

    assert len(server._service.context.waiters) == 0
    assert server.connection(1).read_exactly(3) == b"abc"


def test_awaiting_outside_of_any_loop_is_refused(server: TcpServer) -> None:
    waiting = server.aio.wait_for("open")

    with pytest.raises(UsageError, match="needs a running asyncio or trio loop"):
        waiting.send(None)


def test_a_small_scale_shortens_no_call_to_the_harness_thread() -> None:
    """Such a call waits for its turn, and for no program."""
    with Harness(timeout_scale=1e-6) as harness:
        server, peer = harness.tcp_server(), harness.udp_peer()
        with server.refusing():
            peer.send(b"x", peer.address)
        harness.clear()


def test_several_threads_can_wait_at_once(server: TcpServer) -> None:
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(server.connection(1).read_exactly(2)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"aabbccddee")
    for thread in threads:
        thread.join(5)

    assert sorted(got) == [b"aa", b"bb", b"cc", b"dd", b"ee"]
