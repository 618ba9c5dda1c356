"""In asyncio, uvloop and trio: the receivers of exceptions, and `async def` handlers."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from sockharness.engine.loop import embed
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.socket import Socket
from sockharness.errors import UsageError
from tests.engine.outer_loops import (
    LIBRARIES,
    Boom,
    Run,
    RunLoop,
    boom,
    breathe,
    in_trio,
)
from tests.helpers.conformance import DRIVES, PLACES, SMALL, Stage


def test_in_asyncio_the_exception_handler_gets_what_nobody_took(run_loop: RunLoop) -> None:
    """D17: an `async def` handler's too, which never goes to `error` (TCP-106)."""
    contexts: list[dict[str, Any]] = []
    errors: list[Exception] = []

    async def async_boom(*_args: Any) -> None:
        raise Boom

    async def main() -> None:
        told = asyncio.Event()

        def take(_loop: Any, context: dict[str, Any]) -> None:
            contexts.append(context)
            if len(contexts) == 3:
                told.set()

        asyncio.get_running_loop().set_exception_handler(take)
        server = {"data": async_boom, "error": lambda _socket, error: errors.append(error)}
        listener = listen(socket=server, hostname="127.0.0.1", port=0)
        client = await connect(
            socket={"data": boom, "close": boom}, hostname="127.0.0.1", port=listener.port
        )
        client.write("x")
        client.end()
        Reactor.current().call_soon(boom)
        await told.wait()
        assert client in [context.get("socket") for context in contexts]

    run_loop(main())

    assert errors == []
    assert [type(context["exception"]) for context in contexts] == [Boom, Boom, Boom]
    assert sum("socket" in context for context in contexts) == 2
    assert all("exception in a" in context["message"] for context in contexts)


def test_in_asyncio_a_failed_connect_that_nobody_awaits_is_reported_when_the_loop_ends(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """TCP-139."""
    contexts: list[dict[str, Any]] = []
    loop = new_loop()
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))

    async def main() -> None:
        connect(socket={"data": boom}, unix="/nowhere/s")
        with pytest.raises(FileNotFoundError):
            await connect(socket={"data": boom}, unix="/nowhere/t")

    loop.run_until_complete(main())
    loop.close()

    assert [type(context["exception"]) for context in contexts] == [FileNotFoundError]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_in_asyncio_an_interrupt_in_a_handler_ends_the_loop(
    run_loop: RunLoop, kind: type[BaseException]
) -> None:
    errors: list[Exception] = []

    async def main() -> None:
        def interrupt(*_args: Any) -> None:
            raise kind

        handlers = {
            "data": interrupt,
            "error": lambda _socket, error: errors.append(error),
        }
        listener = listen(socket=handlers, hostname="127.0.0.1", port=0)
        client = await connect(socket={"data": boom}, hostname="127.0.0.1", port=listener.port)
        client.write("x")
        await asyncio.Event().wait()

    with pytest.raises(kind):
        run_loop(main())

    assert errors == []


async def _trio_conversation(server: dict[str, Any], say: str = "x") -> None:
    async with embed.attached():
        listener = listen(socket=server, hostname="127.0.0.1", port=0)
        client = await connect(socket={"data": boom}, hostname="127.0.0.1", port=listener.port)
        client.write(say)
        await trio.sleep_forever()


def test_in_trio_what_nobody_took_is_raised_out_of_the_block() -> None:
    """D17."""
    with pytest.raises(ExceptionGroup) as caught:
        trio.run(_trio_conversation, {"data": boom})

    assert [type(each) for each in caught.value.exceptions] == [Boom]


def test_in_trio_an_exception_of_an_async_handler_is_raised_out_of_the_block() -> None:
    """TCP-106."""

    async def async_boom(*_args: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise Boom

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(_trio_conversation, {"data": async_boom, "error": print})

    assert [type(each) for each in caught.value.exceptions] == [Boom]


def test_in_trio_an_interrupt_is_raised_out_of_the_block() -> None:
    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(_trio_conversation, {"data": interrupt, "error": print})

    assert [type(each) for each in caught.value.exceptions] == [KeyboardInterrupt]


def test_in_trio_leaving_the_block_raises_what_was_not_reported_yet() -> None:
    """Exceptions of an earlier call, of failed connects (TCP-139), and of the block itself."""

    async def main() -> None:
        async with embed.attached() as reactor:
            connect(socket={"data": boom}, unix="/nowhere/s")
            reactor.report(Boom())
            raise KeyError

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(main)

    flat = caught.value.exceptions
    kinds = [type(each) for each in flat if not isinstance(each, ExceptionGroup)]
    for each in flat:
        kinds += [type(inner) for inner in getattr(each, "exceptions", ())]
    assert sorted(kind.__name__ for kind in kinds) == ["Boom", "FileNotFoundError", "KeyError"]


def test_async_handlers_begin_after_the_iteration_in_event_order(run: Run) -> None:
    """TCP-098: they are not serialised."""

    async def check(stage: Stage) -> None:
        order: list[str] = []
        let_go = trio.Event() if in_trio() else asyncio.Event()

        def handler(name: str) -> Callable[..., Any]:
            async def handle(*_args: Any) -> None:
                order.append(name)
                await let_go.wait()
                order.append(f"{name} done")

            return handle

        names = ("data", "end", "close")
        server = {name: handler(name) for name in names}
        client, _ = await stage.pair(server=server, allow_half_open=True)
        stage.reactor.call_soon(client.end, "x")
        stage.reactor.call_soon(order.append, "same iteration")
        stage.reactor.call_soon(client.end)
        while len(order) < 3:
            await breathe()
        stage.accepted[0].end()
        while len(order) < 4:
            await breathe()
        let_go.set()
        while len(order) < 7:
            await breathe()

        assert order[:4] == ["same iteration", "data", "end", "close"]
        assert sorted(order[4:]) == ["close done", "data done", "end done"]

    run(check)


def test_many_async_handlers_of_one_iteration_begin_in_order(run: Run) -> None:
    async def check(stage: Stage) -> None:
        order: list[bytes] = []

        async def data(_socket: Socket, chunk: bytes) -> None:
            order.append(chunk)

        listener = stage.listen({"data": data})
        clients = [await stage.connect(listener) for _ in range(8)]
        await stage.until(lambda: len(stage.accepted) == 8)

        def write_all() -> None:
            for number, client in enumerate(clients):
                client.write(str(number))

        stage.reactor.call_soon(write_all)
        while len(order) < 8:
            await breathe()

        assert b"".join(order) == b"01234567"

    run(check)


def test_the_close_after_end_waits_for_an_async_end(run: Run) -> None:
    """TCP-043, TCP-044: what it writes after a real wait is sent too."""

    async def check(stage: Stage) -> None:
        async def end(socket: Socket) -> None:
            socket.write("sync-part ")
            for _ in range(20):
                await breathe()
            assert socket.ready_state == 1
            socket.write("x")

        client, _ = await stage.pair(server=stage.log.handlers("s", end=end))
        stage.log.clear()
        client.shutdown()
        await stage.seen("c", "close")

        await stage.settle()
        assert stage.log.of("s") == "s.end s.close(None)"
        assert stage.log.received("c") == b"sync-part x"

    run(check)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_close_after_end_waits_also_after_a_hang_up(library: str, tmp_path: Any) -> None:
    """TCP-197: on a unix socket the kernel reports it at once."""

    async def check(stage: Stage) -> None:
        states: list[int] = []

        async def end(socket: Socket) -> None:
            for _ in range(20):
                await breathe()
            states.append(socket.ready_state)

        client, _ = await stage.pair(server=stage.log.handlers("s", end=end))
        client.end()
        await stage.seen("s", "close")

        assert states == [1]

    DRIVES[library](check, PLACES["unix"](str(tmp_path / "s")))


def test_an_async_end_may_end_the_socket_itself(run: Run) -> None:
    async def check(stage: Stage) -> None:
        async def end(socket: Socket) -> None:
            await breathe()
            socket.end("bye")
            await breathe()

        client, _ = await stage.pair(server=stage.log.handlers("s", end=end))
        stage.log.clear()
        client.shutdown()
        await stage.seen("c", "close")

        assert await stage.trace() == "s.end s.close(None) c.data(bye) c.close(None)"

    run(check)


def test_an_async_handler_of_a_call_from_outside_begins_too(run: Run) -> None:
    async def check(stage: Stage) -> None:
        closed: list[Any] = []

        async def close(_socket: Socket, error: Any) -> None:
            closed.append(error)

        client, _ = await stage.pair(client={"data": boom, "close": close})
        assert client.end() == 0
        assert closed == []
        while not closed:
            await breathe()

        assert closed == [None]

    run(check)


def test_reload_takes_async_handlers_where_an_outer_loop_is(run: Run) -> None:
    async def check(stage: Stage) -> None:
        got: list[bytes] = []

        async def data(_socket: Socket, data: bytes) -> None:
            got.append(data)

        client, server = await stage.pair()
        server.reload({"data": functools.partial(data)})
        client.write("x")
        while not got:
            await breathe()

    run(check)


def test_async_handlers_need_an_outer_loop_and_cannot_answer_at_once(
    run: Run,
) -> None:
    async def check(stage: Stage) -> None:
        async def handler(*_args: Any) -> None: ...

        async def generator(*_args: Any) -> Any:
            yield

        with Reactor() as own, pytest.raises(UsageError, match="handler 'data' is async def"):
            listen(socket={"data": handler}, unix="\0x", reactor=own)
        with pytest.raises(UsageError, match="'alpn_callback' is async def, but must answer"):
            stage.listen({"data": boom, "alpn_callback": handler})
        with pytest.raises(TypeError, match="handler 'data': expected a function"):
            stage.listen({"data": generator})

    run(check)


def test_an_async_connect_error_changes_nothing_for_whoever_awaits(run: Run) -> None:
    """TCP-109."""

    async def check(stage: Stage) -> None:
        async def connect_error(_socket: Socket, error: OSError) -> None:
            told.append(error)

        told: list[OSError] = []
        with stage.stopped() as listener, pytest.raises(ConnectionRefusedError):
            await stage.connect(listener, {"data": boom, "connect_error": connect_error})
        while not told:
            await breathe()

    run(check)


def test_small_buffers_and_an_async_drain(run: Run) -> None:
    async def check(stage: Stage) -> None:
        payload = bytes(300_000)

        async def drain(socket: Socket) -> None:
            await breathe()
            socket.write(payload, socket.bytes_written)

        client, _ = await stage.pair(client=stage.log.handlers("c", drain=drain), **SMALL)
        client.write(payload)
        await stage.until(lambda: len(stage.log.received("s")) == len(payload))

    run(check)
