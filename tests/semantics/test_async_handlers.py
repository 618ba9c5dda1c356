"""`async def` handlers, inside asyncio (TCP-044, TCP-098, TCP-106)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.streams import connect, listen
from tests.helpers.conversation import DEADLINE, Log

Handlers = dict[str, Callable[..., Any]]


class Boom(Exception):
    """Raised by a handler."""


async def fail(*_args: Any) -> None:
    raise Boom


class Meeting:
    """A client and the socket that a listener accepted, in the running loop; `a` logs for it."""

    def __init__(self) -> None:
        self.log = Log()
        self.server: Any = None
        self.client: Any = None
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.log.note("a", "uncaught", context["exception"])
        )

    async def begin(self, **replaced: Callable[..., Any]) -> None:
        """Connect; the accepted socket has logging handlers, except for the `replaced` ones."""
        first = {"data": print, "open": lambda socket: setattr(self, "server", socket)}
        listener = listen(socket=first, hostname="127.0.0.1", port=0)
        self.client = await connect(
            socket=self.log.handlers("c"), hostname="127.0.0.1", port=listener.port
        )
        await self.until(lambda: self.server)
        self.server.reload({**self.log.handlers("a"), **replaced})
        self.log.clear()

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until a condition holds."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0)

    async def until_seen(self, event: str) -> None:
        """Let the loop run until the accepted socket logged an event."""
        await self.until(lambda: self.log.seen("a", event))


@pytest.mark.shows("TCP-098")
def test_async_handlers_are_neither_awaited_nor_serialised() -> None:
    async def main() -> None:
        gate = asyncio.Event()
        meeting = Meeting()

        async def data(_socket: Any, chunk: bytes) -> None:
            meeting.log.note("a", f"begins {chunk.decode()}")
            await gate.wait()
            meeting.log.note("a", f"ends {chunk.decode()}")

        await meeting.begin(data=data)
        for text in ("1", "2"):
            meeting.client.write(text)
            await meeting.until_seen(f"begins {text}")
        meeting.client.end()
        await meeting.until_seen("close")
        gate.set()
        await meeting.until_seen("ends 2")

        expected = "a.begins 1 a.begins 2 a.end a.close(None) a.ends 1 a.ends 2"
        assert meeting.log.of("a") == expected

    asyncio.run(main())


@pytest.mark.shows("TCP-098", "D32")
def test_the_bodies_of_async_handlers_begin_after_the_iteration_in_order() -> None:
    async def main() -> None:
        meeting = Meeting()

        async def data(_socket: Any, _chunk: bytes) -> None:
            meeting.log.note("a", "data body")

        async def close(_socket: Any, _error: object) -> None:
            meeting.log.note("a", "close body")

        await meeting.begin(data=data, close=close)
        meeting.client.end("x")
        await meeting.until_seen("close body")

        assert meeting.log.of("a") == "a.end a.data body a.close body"

    asyncio.run(main())


@pytest.mark.shows("TCP-044", "D32")
def test_the_automatic_close_waits_for_an_async_end() -> None:
    async def main() -> None:
        gate = asyncio.Event()
        meeting = Meeting()

        async def end(socket: Any) -> None:
            meeting.log.note("a", "end")
            socket.write("before, ")
            await gate.wait()
            meeting.log.note("a", str(socket.write("behind")))

        await meeting.begin(end=end)
        meeting.client.shutdown()
        await meeting.until(lambda: meeting.log.received("c") == b"before, ")
        gate.set()
        await meeting.until(lambda: meeting.log.seen("c", "close"))

        assert meeting.log.of("a") == "a.end a.6 a.close(None)"
        assert meeting.log.received("c") == b"before, behind"

    asyncio.run(main())


@pytest.mark.shows("TCP-106", "D17")
@pytest.mark.parametrize(
    ("event", "trace", "state"),
    [
        ("data", "a.uncaught(Boom)", 1),
        ("drain", "a.uncaught(Boom)", 1),
        ("timeout", "a.uncaught(Boom)", 1),
        ("end", "a.close(None) a.uncaught(Boom)", -1),
        ("close", "a.end a.uncaught(Boom)", -1),
    ],
)
def test_what_an_async_handler_raises_is_uncaught_and_never_goes_to_error(
    event: str, trace: str, state: int
) -> None:
    async def main() -> None:
        meeting = Meeting()
        await meeting.begin(**{event: fail})
        if event == "data":
            meeting.client.write("d")
        elif event == "drain":
            while meeting.server.write(bytes(8_000_000)):
                pass
        elif event == "timeout":
            meeting.server.timeout(0.001)
        else:
            meeting.client.shutdown()

        await meeting.until_seen("uncaught")
        await meeting.until(lambda: state == 1 or meeting.log.seen("c", "close"))

        assert sorted(meeting.log.of("a").split()) == sorted(trace.split())
        assert meeting.server.ready_state == state

    asyncio.run(main())


@pytest.mark.shows("TCP-106", "D17")
def test_what_an_async_open_raises_does_not_close_the_socket() -> None:
    async def main() -> None:
        meeting = Meeting()
        await meeting.begin()
        port = meeting.server.local_port
        client = await connect(
            socket={**meeting.log.handlers("a"), "open": fail}, hostname="127.0.0.1", port=port
        )

        await meeting.until_seen("uncaught")

        assert (client.ready_state, client.write("x")) == (1, 1)
        assert meeting.log.seen("a", "error") == meeting.log.seen("a", "close") == 0

    asyncio.run(main())


@pytest.mark.shows("TCP-106", "TCP-107", "D17")
def test_what_an_async_error_handler_raises_is_uncaught() -> None:
    async def main() -> None:
        meeting = Meeting()

        def data(_socket: Any, _chunk: bytes) -> None:
            raise KeyError

        await meeting.begin(data=data, error=fail)
        meeting.client.write("d")

        await meeting.until_seen("uncaught")

        assert meeting.log.of("a") == "a.uncaught(Boom)"
        assert meeting.server.ready_state == 1

    asyncio.run(main())


@pytest.mark.shows("TCP-106", "TCP-109", "D17")
def test_what_an_async_connect_error_raises_does_not_replace_the_error(tmp_path: Path) -> None:
    async def main() -> None:
        meeting = Meeting()
        handlers = {**meeting.log.handlers("a"), "connect_error": fail}

        with pytest.raises(FileNotFoundError):
            await connect(socket=handlers, unix=tmp_path / "missing")

        await meeting.until_seen("uncaught")
        assert meeting.log.of("a") == "a.uncaught(Boom)"

    asyncio.run(main())


@pytest.mark.shows("TCP-011")
def test_who_awaits_a_connect_goes_on_when_open_has_returned() -> None:
    async def main() -> None:
        meeting = Meeting()
        await meeting.begin()

        await connect(
            socket=meeting.log.handlers("d", open=lambda _: meeting.log.note("d", "opened")),
            hostname="127.0.0.1",
            port=meeting.server.local_port,
        )
        meeting.log.note("d", "awaited")

        assert meeting.log.of("d") == "d.open d.opened d.awaited"

    asyncio.run(main())
