"""`await connecting` in asyncio, uvloop and trio."""

import asyncio
import threading
from typing import Any

import pytest
import trio
import trio.testing

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.socket import Socket
from sockharness.errors import UsageError
from tests.engine.outer_loops import (
    Boom,
    Run,
    boom,
    in_tasks,
)
from tests.helpers.conformance import Stage
from tests.helpers.conversation import DEADLINE
from tests.helpers.descriptors import descriptors


def test_await_returns_the_socket_whose_open_has_run(run: Run) -> None:
    async def check(stage: Stage) -> None:
        client = await stage.connect(stage.listen())

        assert stage.log.of("c") == "c.open"
        assert client.ready_state == 1

    run(check)


def test_await_raises_why_it_failed(run: Run) -> None:
    async def check(stage: Stage) -> None:
        with stage.stopped() as listener:
            connecting = stage.connect(listener, {"data": boom})

            with pytest.raises(ConnectionRefusedError) as caught:
                await connecting
            with pytest.raises(ConnectionRefusedError):
                await connecting

        assert caught.value.code == "ECONNREFUSED"  # type: ignore[attr-defined]

    run(check)


def test_await_raises_what_connect_error_raised(run: Run) -> None:
    """TCP-109: it is not reported besides."""

    async def check(stage: Stage) -> None:
        with stage.stopped() as listener, pytest.raises(Boom):
            await stage.connect(listener, {"data": boom, "connect_error": boom})

        await stage.settle()
        assert stage.uncaught == []

    run(check)


def pending_connect(stage: Stage, port: int) -> Connecting:
    handlers = stage.log.handlers("c")
    return connect(socket=handlers, hostname="127.0.0.1", port=port, reactor=stage.reactor)


async def cancelled_soon(awaitable: Connecting) -> None:
    """Await something and be cancelled before it can be done."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with trio.CancelScope(deadline=trio.current_time()) as scope:
            await awaitable
        assert scope.cancelled_caught
    else:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await awaitable


def test_several_may_await_and_one_afterwards(run: Run) -> None:
    async def check(stage: Stage) -> None:
        connecting = stage.connect(stage.listen())
        got: list[Socket] = []

        async def wait() -> None:
            got.append(await connecting)

        await in_tasks(wait, wait, wait)
        await wait()

        assert len(got) == 4
        assert len(set(got)) == 1

    run(check)


def test_cancelling_one_who_awaits_cancels_the_connect_for_all(run: Run, saturated: int) -> None:
    """The descriptor is closed and no handler called."""

    async def check(stage: Stage) -> None:
        before = descriptors()
        connecting = pending_connect(stage, saturated)
        failures: list[OSError] = []

        async def wait() -> None:
            with pytest.raises(OSError, match="canceled") as caught:
                await connecting
            failures.append(caught.value)

        await in_tasks(wait, wait, lambda: cancelled_soon(connecting))
        await stage.settle()

        assert [each.code for each in failures] == ["ECANCELED", "ECANCELED"]  # type: ignore[attr-defined]
        assert stage.log.of("c") == ""
        assert stage.uncaught == []
        assert descriptors() == before

    run(check)


def test_cancel_wakes_those_who_await(run: Run, saturated: int) -> None:
    async def check(stage: Stage) -> None:
        connecting = pending_connect(stage, saturated)

        async def wait() -> None:
            with pytest.raises(OSError, match="canceled"):
                await connecting

        async def cancel() -> None:
            connecting.cancel()

        await in_tasks(wait, cancel)

    run(check)


def test_a_connect_of_another_thread_can_be_awaited_and_cancelled(run: Run, saturated: int) -> None:
    async def check(_stage: Stage) -> None:
        with ThreadRunner() as runner:
            listener = runner.call(
                lambda: listen(socket={"data": boom}, hostname="127.0.0.1", port=0)
            )

            def start(**options: Any) -> Connecting:
                where = {"hostname": "127.0.0.1", "port": listener.port, **options}
                return runner.call(lambda: connect(socket={"data": boom}, **where))

            assert isinstance(await start(), Socket)
            with pytest.raises(FileNotFoundError):
                await start(unix="/nowhere/s", hostname=None, port=None)

            connecting = start(port=saturated)
            await cancelled_soon(connecting)
            with pytest.raises(OSError, match="canceled"):
                await connecting

    run(check)


def test_a_connect_inside_an_outer_loop_can_be_waited_for_in_another_thread(run: Run) -> None:
    async def check(stage: Stage) -> None:
        connecting = stage.connect(stage.listen())
        got: list[Socket] = []

        def wait() -> None:
            got.append(connecting.result(DEADLINE))
            assert stage.log.ring is not None
            stage.reactor.call_soon_threadsafe(stage.log.ring)

        thread = threading.Thread(target=wait)
        thread.start()
        await stage.until(lambda: got)
        thread.join()

    run(check)


def test_result_in_a_loop_is_a_usage_error(run: Run) -> None:
    async def check(stage: Stage) -> None:
        connecting = stage.connect(stage.listen())
        with pytest.raises(UsageError, match="would block the running event loop"):
            connecting.result()
        await connecting

    run(check)


def test_await_of_what_no_loop_drives_is_a_usage_error(run: Run) -> None:
    async def check(_stage: Stage) -> None:
        with Reactor() as reactor:
            listener = listen(socket={"data": boom}, hostname="127.0.0.1", port=0, reactor=reactor)
            connecting = connect(
                socket={"data": boom}, hostname="127.0.0.1", port=listener.port, reactor=reactor
            )
            with pytest.raises(UsageError, match=r"use result\(\)"):
                await connecting

    run(check)


def test_await_without_a_loop_is_a_usage_error(saturated: int) -> None:
    with ThreadRunner() as runner:
        where: dict[str, Any] = {"hostname": "127.0.0.1", "port": saturated}
        connecting = runner.call(lambda: connect(socket={"data": boom}, **where))
        with pytest.raises(UsageError, match="expected a running asyncio or trio loop"):
            connecting.__await__().send(None)
        assert not connecting.settled
