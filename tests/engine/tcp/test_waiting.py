"""Waiting until a connection is secured: in loops, on other threads, and in vain."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sockharness.engine.loop import embed
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.listener import Listener
from sockharness.errors import TLSError, UsageError
from tests.helpers import certificates
from tests.helpers.conversation import DEADLINE
from tests.helpers.ports import leased_port

SILENT: dict[str, Callable[..., None]] = {"data": lambda *_: None}
TRUST = {"ca": certificates.root().pem}


def pair(reactor: Reactor, *, trusted: bool = True) -> tuple[Listener, Connecting]:
    issued = certificates.good() if trusted else certificates.stranger().issue("localhost")
    listener = listen(
        socket=SILENT, hostname="127.0.0.1", port=0, tls=issued.options, reactor=reactor
    )
    connecting = connect(
        socket=SILENT, hostname="localhost", port=listener.port, tls=TRUST, reactor=reactor
    )
    return listener, connecting


async def converse(reactor: Reactor) -> None:
    listener, connecting = pair(reactor)
    socket = await connecting.secured()
    assert socket.authorized
    assert await connecting.secured() is socket  # again: at once
    listener.stop(True)

    listener, connecting = pair(reactor, trusted=False)
    with pytest.raises(TLSError, match="unable to verify the first certificate"):
        await connecting.secured()
    listener.stop(True)

    with leased_port() as port, pytest.raises(ConnectionRefusedError):
        await connect(
            socket=SILENT, hostname="127.0.0.1", port=port, tls=TRUST, reactor=reactor
        ).secured()


async def in_asyncio() -> None:
    await converse(Reactor.current())


async def in_trio() -> None:
    async with embed.attached() as reactor:
        await converse(reactor)


def run_trio(main: Callable[[], Awaitable[None]]) -> None:
    import trio

    trio.run(main)


def test_it_can_be_awaited_in_asyncio() -> None:
    asyncio.run(asyncio.wait_for(in_asyncio(), DEADLINE))


def test_it_can_be_awaited_in_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(in_asyncio(), DEADLINE))


def test_it_can_be_awaited_in_trio() -> None:
    run_trio(in_trio)


def test_an_async_handshake_handler_runs_in_its_loop() -> None:
    async def main() -> list[Any]:
        told: list[Any] = []
        done = asyncio.Event()

        async def handshake(socket: Any, success: bool, error: Any) -> None:
            told.append((socket.tls_version, success, error))
            done.set()

        listener, _ = pair(Reactor.current())
        connect(
            socket={"data": SILENT["data"], "handshake": handshake},
            hostname="localhost",
            port=listener.port,
            tls=TRUST,
        )
        await asyncio.wait_for(done.wait(), DEADLINE)
        return told

    assert asyncio.run(main()) == [("TLSv1.3", True, None)]


@pytest.mark.parametrize("trusted", [True, False])
def test_another_thread_can_wait(trusted: bool) -> None:
    with Reactor() as reactor, ThreadRunner(reactor) as runner:
        _, connecting = runner.call(lambda: pair(reactor, trusted=trusted))
        if trusted:
            assert connecting.secured().result(DEADLINE) is connecting.result()
        else:
            with pytest.raises(TLSError):
                connecting.secured().result(DEADLINE)


def test_another_threads_wait_is_limited() -> None:
    held = threading.Event()
    with Reactor() as reactor, ThreadRunner(reactor) as runner:
        silent = runner.call(
            lambda: listen(socket=SILENT, hostname="127.0.0.1", port=0, reactor=reactor)
        )
        connecting = runner.call(
            lambda: connect(
                socket={"data": print, "open": lambda _: held.set()},
                hostname="127.0.0.1",
                port=silent.port,
                tls={**TRUST, "server_name": "x"},
                reactor=reactor,
            )
        )
        with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
            connecting.secured().result(0.01)


def test_a_handler_cannot_wait(reactor: Reactor) -> None:
    refused: list[str] = []

    def wait(_socket: Any) -> None:
        try:
            connecting.secured().result()
        except UsageError as error:
            refused.append(str(error))

    listener, connecting = pair(reactor)
    other = connect(
        socket={"data": print, "open": wait, "handshake": lambda *_: None},
        hostname="localhost",
        port=listener.port,
        tls=TRUST,
        reactor=reactor,
    )
    other.secured().result(DEADLINE)

    assert len(refused) == 1
    assert "it would block" in refused[0]
    listener.stop(True)


def test_a_reset_is_raised_as_it_is(reactor: Reactor) -> None:
    listener = listen(
        socket={"data": print, "open": lambda socket: socket.terminate()},
        hostname="127.0.0.1",
        port=0,
        reactor=reactor,
    )
    connecting = connect(
        socket=SILENT, hostname="127.0.0.1", port=listener.port, tls=TRUST, reactor=reactor
    )

    with pytest.raises(OSError, match=r"reset|disconnected|Broken pipe"):
        connecting.secured().result(DEADLINE)
    listener.stop(True)
