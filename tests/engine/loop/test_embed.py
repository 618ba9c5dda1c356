"""A reactor inside asyncio, uvloop and trio: whose it is, how long it lives, when it wakes."""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from sockharness.engine.loop import embed
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.socket import Socket
from sockharness.errors import UsageError
from tests.engine.outer_loops import (
    Boom,
    Run,
    RunLoop,
    boom,
)
from tests.helpers.conformance import Stage
from tests.helpers.conversation import DEADLINE
from tests.helpers.descriptors import descriptors


def test_each_loop_has_its_own_reactor_made_on_first_use(run_loop: RunLoop) -> None:
    async def main() -> Reactor:
        assert Reactor.current() is Reactor.current()
        return Reactor.current()

    first, second = run_loop(main()), run_loop(main())

    outside = Reactor.current()
    assert len({id(each) for each in (first, second, outside)}) == 3
    outside.close()


def test_the_reactor_is_closed_with_its_loop_whatever_is_left_open(run_loop: RunLoop) -> None:
    """No handler is called and nothing is left behind, even if a caller keeps an exception."""
    before = descriptors()
    kept: list[Any] = []

    async def main() -> None:
        async def forever(socket: Socket) -> None:
            kept.append(socket)
            await asyncio.Event().wait()

        handlers = {"open": forever, "data": boom, "close": kept.append, "error": kept.append}
        listener = listen(socket=handlers, hostname="127.0.0.1", port=0)
        client = await connect(
            socket={"data": boom, "open": boom, "error": lambda _socket, error: kept.append(error)},
            hostname="127.0.0.1",
            port=listener.port,
        )
        kept.append((client, listener, Reactor.current()))
        Reactor.current().call_later(1000, print)
        Reactor.current().call_soon_threadsafe(int)
        while len(kept) < 3:
            await asyncio.sleep(0)

    run_loop(main())

    client, listener, reactor = next(each for each in kept if isinstance(each, tuple))
    assert reactor.closed
    assert (client.ready_state, listener.fileno()) == (-1, -1)
    assert [type(each) for each in kept].count(Boom) == 1
    assert len(kept) == 3
    assert descriptors() == before


def test_a_loop_that_is_only_closed_closes_its_reactor_too(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    before = descriptors()
    loop = new_loop()

    async def main() -> Reactor:
        listen(socket={"data": boom}, hostname="127.0.0.1", port=0)
        return Reactor.current()

    reactors = [loop.run_until_complete(main())]
    assert [each.closed for each in reactors] == [False]
    loop.close()

    assert [each.closed for each in reactors] == [True]
    assert descriptors() == before


def test_a_reactor_that_was_closed_is_succeeded_by_another(run_loop: RunLoop) -> None:
    async def main() -> None:
        first = Reactor.current()
        first.close()
        called = asyncio.Event()

        second = Reactor.current()
        assert second is not first
        second.call_later(0.001, called.set)
        await called.wait()

    run_loop(main())


def test_a_reactor_follows_its_loop_into_another_thread(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loop = new_loop()

    async def main() -> Reactor:
        called = asyncio.Event()
        Reactor.current().call_soon(called.set)
        await called.wait()
        return Reactor.current()

    reactors = [loop.run_until_complete(main())]
    thread = threading.Thread(target=lambda: reactors.append(loop.run_until_complete(main())))
    thread.start()
    thread.join()
    loop.close()

    assert reactors[0] is reactors[1]
    assert reactors[0].closed


def test_in_trio_there_is_a_reactor_inside_of_attached_only() -> None:
    async def in_block() -> Reactor:
        async with embed.attached() as reactor:
            assert Reactor.current() is reactor
            async with trio.open_nursery() as nursery:
                nursery.start_soon(check_current, reactor)
        with pytest.raises(UsageError, match=r"sockharness\.attached\(\)"):
            Reactor.current()
        with pytest.raises(UsageError, match=r"sockharness\.attached\(\)"):
            listen(socket={"data": boom}, hostname="127.0.0.1", port=0)
        return reactor

    async def check_current(reactor: Reactor) -> None:
        assert Reactor.current() is reactor

    assert trio.run(in_block).closed


def test_attached_may_be_nested() -> None:
    async def main() -> None:
        async with embed.attached() as outer:
            async with embed.attached() as inner:
                assert Reactor.current() is inner
            assert Reactor.current() is outer

    trio.run(main)


def test_leaving_attached_cancels_and_closes_and_calls_no_handler() -> None:
    before = descriptors()
    seen: list[str] = []

    async def main() -> None:
        async def wait(_socket: Socket) -> None:
            began.set()
            try:
                await trio.sleep_forever()
            finally:
                seen.append("cancelled")

        began = trio.Event()
        async with embed.attached():
            handlers = {"open": wait, "data": boom, "close": lambda *_args: seen.append("close")}
            listener = listen(socket=handlers, hostname="127.0.0.1", port=0)
            await connect(socket=handlers, hostname="127.0.0.1", port=listener.port)
            await began.wait()
        assert listener.fileno() == -1

    trio.run(main)

    assert set(seen) == {"cancelled"}
    assert descriptors() == before


def test_cancelling_attached_from_outside_calls_no_handler_either() -> None:
    """Not even the `close` that waits for an `async def end`."""
    seen: list[str] = []

    async def main() -> None:
        with trio.CancelScope() as scope:

            async def end(_socket: Socket) -> None:
                scope.cancel()
                await trio.sleep_forever()

            handlers = {"data": boom, "end": end, "close": lambda *_args: seen.append("close")}
            async with embed.attached():
                listener = listen(socket=handlers, hostname="127.0.0.1", port=0)
                client = await connect(
                    socket={"data": boom}, hostname="127.0.0.1", port=listener.port
                )
                client.end()
                await trio.sleep_forever()

    trio.run(main)

    assert seen == []


def test_a_reactor_that_is_closed_inside_of_attached_ends_quietly() -> None:
    async def main() -> None:
        async with embed.attached() as reactor:
            await trio.testing.wait_all_tasks_blocked()
            reactor.close()
            await trio.testing.wait_all_tasks_blocked()

    trio.run(main)


def test_attached_outside_of_trio_is_a_usage_error(run_loop: RunLoop) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="expected to be inside trio"):
            await embed.attached().__aenter__()

    run_loop(main())


def test_a_reactor_inside_an_outer_loop_cannot_be_run_by_hand(run: Run) -> None:
    async def check(stage: Stage) -> None:
        reactor = stage.reactor
        calls: list[Callable[[], object]] = [
            lambda: reactor.run_once(0),
            lambda: reactor.run_until(lambda: True, 0),
            reactor.run,
            lambda: ThreadRunner(reactor),
        ]
        for call in calls:
            with pytest.raises(UsageError, match="the reactor runs inside"):
                call()
        await stage.pair()

    run(check)


def test_a_reactor_of_ones_own_can_be_run_inside_a_loop(run: Run) -> None:
    async def check(_stage: Stage) -> None:
        with Reactor() as reactor:
            called: list[int] = []
            reactor.call_soon(called.append, 1)
            assert reactor.run_until(lambda: called, DEADLINE)

    run(check)


def test_a_forked_child_does_not_touch_its_parents_reactor(run_loop: RunLoop) -> None:
    async def main() -> None:
        listener = listen(socket={"data": boom}, hostname="127.0.0.1", port=0)
        child = os.fork()
        if child == 0:
            embed._loops.clear()
            os._exit(0)
        os.waitpid(child, 0)
        await connect(socket={"data": boom}, hostname="127.0.0.1", port=listener.port)

    run_loop(main())


def test_an_idle_reactor_does_not_iterate(run: Run, turns: list[int]) -> None:
    """Half-open, paused and timed sockets included: a timer costs an iteration or two."""

    async def check(stage: Stage) -> None:
        client, server = await stage.pair(allow_half_open=True)
        _, paused = await stage.pair()
        paused.pause()
        client.shutdown()
        client.timeout(1000)
        await stage.seen("s", "end")
        await stage.settle()
        fired: list[int] = []
        turns.clear()

        stage.reactor.call_later(0.05, fired.append, 1)
        stage.reactor.call_later(0.05, stage.log.ring or boom)
        await stage.until(lambda: fired)

        assert 1 <= len(turns) <= 4
        server.end()

    run(check)


def test_posted_calls_and_timers_made_outside_an_iteration_wake_the_loop(run: Run) -> None:
    async def check(stage: Stage) -> None:
        order: list[str] = []
        stage.reactor.call_later(1000, print)

        def note(text: str) -> None:
            order.append(text)
            assert stage.log.ring is not None
            stage.log.ring()

        await stage.settle()
        now = stage.reactor.now()
        stage.reactor.call_at(now + 0.03, note, "late")
        stage.reactor.call_at(now + 0.001, note, "early")
        stage.reactor.call_soon(note, "soon")
        await stage.until(lambda: len(order) == 3)

        assert sorted(order) == ["early", "late", "soon"]
        assert order.index("early") < order.index("late")

    run(check)


def test_a_timer_is_not_early(run: Run) -> None:
    async def check(stage: Stage) -> None:
        fired: list[float] = []
        begun = stage.reactor.now()
        stage.reactor.call_later(0.0105, lambda: fired.append(stage.reactor.now()))
        stage.reactor.call_later(0.0105, stage.log.ring or boom)
        await stage.until(lambda: fired)

        assert fired[0] - begun >= 0.0105

    run(check)


def test_posts_of_threads_wake_the_loop_and_none_is_lost(run: Run) -> None:
    async def check(stage: Stage) -> None:
        called: list[int] = []

        def note(number: int) -> None:
            called.append(number)
            assert stage.log.ring is not None
            stage.log.ring()

        def post() -> None:
            for number in range(300):
                stage.reactor.call_soon_threadsafe(note, number)

        thread = threading.Thread(target=post)
        thread.start()
        await stage.until(lambda: len(called) == 300)
        thread.join()

        assert called == list(range(300))

    run(check)
