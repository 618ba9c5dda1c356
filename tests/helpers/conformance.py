"""The contract of `Socket`, as checks that hold wherever it runs and whatever it runs over.

A check is an `async def` that gets a `Stage`: a way to make connected pairs, and a way to wait. It
runs where the reactor's owner runs: inline, on a reactor's own thread, in asyncio or trio. Its
steps are made outside of the reactor's iterations, so they also prove that the reactor sees them.

`CHECKS` are all of them, `PLACES` what they can run over, `DRIVES` how they can be driven:

    DRIVES["trio"](CHECKS["reset"], PLACES["tcp"])
"""

import asyncio
import hashlib
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sockharness.engine.loop import embed
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.connecting import Connecting
from sockharness.engine.tcp.listener import Listener
from sockharness.engine.tcp.socket import Socket
from tests.helpers import certificates, raw
from tests.helpers.conversation import DEADLINE, Handlers, Log
from tests.helpers.loopback import wait_for_delivery
from tests.helpers.ports import leased_port

Until = Callable[[Callable[[], object]], Awaitable[None]]
Place = Callable[[str], dict[str, Any]]

SMALL: dict[str, Any] = {"send_buffer": 16 * 1024, "recv_buffer": 16 * 1024}
CLOSINGS = ("end", "close", "terminate")


class Stage:
    """One run of a check: its reactor, its log, its sockets.

    Attributes:
        log: the events that the handlers saw, `s` for accepted sockets, `c` for clients.
        uncaught: the exceptions that no `error` handler took.
        until: suspends until a condition holds.
        secure: TLS; then ending waits for the peer's end (TLS-059), `close` comes later, and
            a half-closed socket gets the peer's `end` too (TLS-061).
    """

    def __init__(self, reactor: Reactor, where: dict[str, Any], until: Until, log: Log) -> None:
        self.reactor = reactor
        self.where = {key: value for key, value in where.items() if key != "secure"}
        self.secure = "secure" in where
        self.until = until
        self.log = log
        self.uncaught: list[BaseException] = []
        self.accepted: list[Socket] = []
        self._listener: Listener | None = None
        reactor.on_exception = self.uncaught.append

    @property
    def is_tcp(self) -> bool:
        """Whether this runs over TCP, which knows resets."""
        return "port" in self.where

    def listen(self, handlers: Handlers | None = None, **options: Any) -> Listener:
        """Listen, and no longer where it listened before; logging handlers by default."""
        if self._listener is not None:
            self._listener.stop()
        handlers = dict(handlers or self.log.handlers("s"))
        opened = handlers.get("open")

        def open_(socket: Socket) -> Any:
            self.accepted.append(socket)
            result = None if opened is None else opened(socket)
            self.log.ring and self.log.ring()
            return result

        handlers["open"] = open_
        if self.secure:
            options = {"tls": certificates.good().options, **options}
        where = {**self.where, **options}
        self._listener = listen(socket=handlers, reactor=self.reactor, **where)
        return self._listener

    @contextmanager
    def stopped(self) -> Iterator[Listener]:
        """Yield a stopped listener on a port that no other test can get."""
        with leased_port() as port:
            where: dict[str, Any] = {"port": port} if self.is_tcp else {}
            listener = self.listen(**where)
            listener.stop()
            yield listener

    def connect(
        self, listener: Listener, handlers: Handlers | None = None, **options: Any
    ) -> Connecting:
        """Connect to a listener; logging handlers by default."""
        where = {**self.where, "port": listener.port} if self.is_tcp else self.where
        handlers = handlers or self.log.handlers("c")
        if self.secure:
            options = {"tls": {"ca": certificates.root().pem}, **options}
        return connect(socket=handlers, reactor=self.reactor, **where, **options)

    async def pair(
        self, *, server: Handlers | None = None, client: Handlers | None = None, **options: Any
    ) -> tuple[Socket, Socket]:
        """Return a connected client and the accepted socket."""
        count = len(self.accepted)
        connecting = self.connect(self.listen(server, **options), client, **options)
        await self.until(lambda: connecting.settled and len(self.accepted) > count)
        made: Any = connecting.result()
        await self.until(lambda: not self.secure or made.handshake_outcome is not None)
        return made, self.accepted[-1]

    async def clogged(self, **handlers: Any) -> tuple[Socket, Socket]:
        """Return a pair whose client can write no more: the accepted socket is paused."""
        client, server = await self.pair(**handlers, **SMALL)
        server.pause()
        while not raw.is_acknowledged(client.fileno()) or client.write(bytes(65536)) > 0:
            await self.settle()
        return client, server

    async def seen(self, who: str, event: str, times: int = 1) -> None:
        """Wait until an event was logged so often."""
        await self.until(lambda: self.log.seen(who, event) >= times)

    async def settle(self) -> None:
        """Wait until nothing happens for some iterations."""
        quiet, before = 0, -1

        def look() -> None:
            nonlocal quiet, before
            quiet = quiet + 1 if before == self.log.calls else 0
            before = self.log.calls
            wait_for_delivery()
            if quiet < 5:
                self.reactor.call_soon(look)
            elif self.log.ring is not None:
                self.log.ring()

        look()
        await self.until(lambda: quiet >= 5)

    async def trace(self) -> str:
        """Settle, and return what happened since `log.clear`."""
        await self.settle()
        return self.log.trace()


Check = Callable[[Stage], Coroutine[Any, Any, None]]


# Checks


async def opens_once_on_both_sides_server_first(stage: Stage) -> None:
    """TCP-010, TCP-013."""
    client, server = await stage.pair()

    # of TLS 1.3 the client is done first (TLS-004), and without `handshake` opens then (TLS-002)
    assert await stage.trace() == ("c.open s.open" if stage.secure else "s.open c.open")
    assert (client.ready_state, server.ready_state) == (1, 1)
    assert server.local_port == client.remote_port
    assert server.remote_port == client.local_port
    assert server.listener is not None
    assert client.listener is None


async def data_then_end_then_close(stage: Stage) -> None:
    """TCP-022, TCP-029, TCP-099: and a closed socket's own `close` runs inside the call."""
    client, server = await stage.pair()
    stage.log.clear()

    assert client.write(b"hello") == 5
    assert client.end(b" bye") == 4
    assert stage.log.trace() == ("" if stage.secure else "c.close(None)")

    ending = "s.data(hello bye) s.end s.close(None)"
    whole = f"{ending} c.close(None)" if stage.secure else f"c.close(None) {ending}"
    assert await stage.trace() == whole
    assert (client.ready_state, server.ready_state) == (-1, -1)
    assert (client.bytes_written, server.bytes_written) == (9, 0)


async def many_round_trips(stage: Stage) -> None:
    """No wake-up is lost, on either side."""

    def answer(socket: Socket, data: bytes) -> None:
        assert socket.write(data) == len(data)

    client, _ = await stage.pair(server=stage.log.handlers("s", data=answer))

    for number in range(20):
        assert client.write(b"%04d" % number) == 4
        await stage.until(lambda: len(stage.log.received("c")) == client.bytes_written)

    assert stage.log.received("c") == b"".join(b"%04d" % number for number in range(20))


async def one_terminal_event_however_it_is_closed(stage: Stage) -> None:
    """TCP-035: exactly one `close`, and nothing after it."""
    for way in CLOSINGS:
        for both in (False, True):
            client, server = await stage.pair()
            await stage.settle()
            stage.log.clear()

            getattr(client, way)()
            if both:
                getattr(server, way)()
            client.close()
            client.terminate()

            await stage.seen("s", "close")
            await stage.settle()
            for who in ("s", "c"):
                assert stage.log.seen(who, "close") == 1
                assert stage.log.entries[-1][1] == "close"
                assert [each for each in stage.log.entries if each[0] == who][-1][1] == "close"


async def writes_return_what_was_taken(stage: Stage) -> None:
    """TCP-061..068, D10."""
    client, _ = await stage.pair()
    stage.log.clear()

    assert client.write(b"abc") == 3
    assert client.write(b"") == 0
    assert client.write("é") == 2
    assert client.write(bytearray(b"xyz"), 1) == 2
    assert client.write(memoryview(b"12345"), 1, 3) == 3
    assert client.write(b"abc", 3) == 0
    with_raised(TypeError, lambda: client.write(None))  # type: ignore[arg-type]
    with_raised(ValueError, lambda: client.write(b"abc", 4))

    assert await stage.trace() == "s.data(abc" + "é".encode().decode("latin-1") + "yz234)"
    assert client.bytes_written == 10


async def a_closed_socket_is_inert(stage: Stage) -> None:
    """TCP-041, D12."""
    client, server = await stage.pair()
    address = (client.local_address, client.local_port, client.remote_port)
    client.end()
    await stage.seen("s", "close")
    await stage.seen("c", "close")
    calls = stage.log.calls

    for socket in (client, server):
        assert socket.write(b"x") == socket.write(None) == -1  # type: ignore[arg-type]
        assert socket.end(b"x") == socket.end() == -1
        assert socket.fileno() == -1
        for name in ("close", "terminate", "shutdown", "pause", "resume", "flush", "ref", "unref"):
            getattr(socket, name)()
        socket.timeout(1)
        assert socket.set_no_delay() is socket.set_keep_alive(on=True) is False

    await stage.settle()
    assert stage.log.calls == calls
    assert (client.local_address, client.local_port, client.remote_port) == address


async def back_pressure_and_one_drain(stage: Stage) -> None:
    """TCP-072, TCP-073, D9: the sender owns what was not taken."""
    client, server = await stage.clogged()
    stage.log.clear()

    assert client.write(b"x") == 0
    assert await stage.trace() == ""

    server.resume()
    await stage.seen("c", "drain")
    await stage.settle()
    assert stage.log.seen("c", "drain") == 1
    assert client.write(b"tail") == 4
    await stage.until(lambda: stage.log.received("s").endswith(b"tail"))


async def an_end_that_does_not_fit_is_sent_whole(stage: Stage) -> None:
    """D1: no drain, and `close` when the kernel has all of it."""
    client, server = await stage.pair(**SMALL)
    stage.log.clear()
    server.pause()
    payload = random.Random(1).randbytes(1_000_000)

    assert client.end(payload) == len(payload)
    assert client.write(b"x") == client.end() == -1
    assert client.ready_state == 1

    server.resume()
    await stage.seen("s", "close")
    await stage.settle()
    assert stage.log.of("c") == "c.close(None)"
    assert stage.log.received("s") == payload
    await stage.seen("c", "close")
    assert stage.log.of("s").endswith("s.end s.close(None)")


async def half_close_goes_on_in_the_other_direction(stage: Stage) -> None:
    """TCP-031, TCP-032, TCP-045."""
    client, server = await stage.pair(allow_half_open=True)
    await stage.settle()
    stage.log.clear()

    client.shutdown()
    assert client.write(b"x") == -1
    await stage.seen("s", "end")
    assert (client.ready_state, server.ready_state) == (1, 1)
    assert server.write(b"still here") == 10
    await stage.seen("c", "data")
    server.end()

    ending = "s.close(None) c.end c.close(None)" if stage.secure else "s.close(None) c.close(None)"
    assert await stage.trace() == f"s.end c.data(still here) {ending}"


async def without_half_open_the_answer_in_end_is_sent(stage: Stage) -> None:
    """TCP-043."""

    def last_words(socket: Socket) -> None:
        assert socket.write(b"last words") == 10

    server_handlers = stage.log.handlers("s", end=last_words)
    client, _ = await stage.pair(server=server_handlers)
    stage.log.clear()

    client.shutdown()

    ending = "c.end c.close(None)" if stage.secure else "c.close(None)"
    assert await stage.trace() == f"s.end s.close(None) c.data(last words) {ending}"


async def without_an_end_handler_there_is_only_close(stage: Stage) -> None:
    """TCP-030, TCP-046."""
    for half_open in (False, True):
        handlers = stage.log.handlers("s", end=None)
        client, _ = await stage.pair(server=handlers, allow_half_open=half_open)
        await stage.settle()
        stage.log.clear()

        client.end()

        who = ("s", "c") if stage.secure else ("c", "s")
        assert await stage.trace() == " ".join(f"{each}.close(None)" for each in who)


async def reset(stage: Stage) -> None:
    """TCP-028, TCP-052, TCP-196: a unix socket has no reset."""
    client, _ = await stage.pair()
    await stage.settle()
    stage.log.clear()

    client.terminate()

    ending = "s.close(ECONNRESET)" if stage.is_tcp else "s.end s.close(None)"
    assert await stage.trace() == f"c.close(None) {ending}"


async def paused_sockets_get_nothing_until_they_resume(stage: Stage) -> None:
    """TCP-179, TCP-180."""
    client, server = await stage.pair()
    stage.log.clear()
    server.pause()

    client.write(b"held")
    client.end(b" back")
    assert await stage.trace() == ("" if stage.secure else "c.close(None)")

    server.resume()
    ending = "s.data(held back) s.end s.close(None)"
    whole = f"{ending} c.close(None)" if stage.secure else f"c.close(None) {ending}"
    assert await stage.trace() == whole


async def closing_inside_every_handler(stage: Stage) -> None:
    """TCP-038: `close` nests, and no event follows it."""
    for way in CLOSINGS:
        for event in ("open", "data", "end", "timeout", "error", "drain", "close"):
            await _close_inside(stage, event, way)


async def _close_inside(stage: Stage, event: str, way: str) -> None:
    def close(socket: Socket, *_args: Any) -> None:
        getattr(socket, way)()
        assert socket.ready_state == -1
        assert socket.write(b"x") == -1

    def boom(*_args: Any) -> None:
        raise Boom

    extra = {"data": boom} if event == "error" else {}
    handlers = stage.log.handlers("c", **{**extra, event: close})
    if event == "drain":
        client, server = await stage.clogged(client=handlers)
        server.resume()
    elif event == "open" and stage.secure:  # the server then gets only a reset (TLS-057)
        stage.connect(stage.listen(), handlers)
    else:
        client, server = await stage.pair(client=handlers)
    if event in ("data", "error"):
        server.write(b"x")
    elif event == "end":
        server.shutdown()
    elif event == "timeout":
        client.timeout(0.001)
    elif event == "close":
        client.end()

    await stage.seen("c", "close")
    await stage.seen("s", "close")
    await stage.settle()
    seen = [name for who, name, _ in stage.log.entries if who == "c"]
    assert seen.count("close") == 1
    assert seen[-1] == "close"
    if event != "close":
        assert seen[-2] == event
    stage.log.clear()


async def reload_replaces_all_handlers_from_the_next_event_on(stage: Stage) -> None:
    """TCP-170, TCP-171, TCP-172."""
    client, server = await stage.pair()
    stage.log.clear()
    client.reload({"data": stage.log.handlers("new")["data"]})
    server.reload(stage.log.handlers("other"))
    with_raised(TypeError, lambda: server.reload({"dota": print}))

    server.write(b"x")
    await stage.seen("new", "data")
    client.end(b"y")

    assert await stage.trace() == "new.data(x) other.data(y) other.end other.close(None)"


async def exceptions_go_to_error_and_close_nothing(stage: Stage) -> None:
    """TCP-101, TCP-106."""

    def boom(*_args: Any) -> None:
        raise Boom

    client, server = await stage.pair(client=stage.log.handlers("c", data=boom, close=boom))
    stage.log.clear()

    server.write(b"x")
    await stage.seen("c", "error")
    assert client.ready_state == 1
    assert client.end() == 0
    await stage.seen("c", "close")

    assert stage.log.of("c") == "c.data(x) c.error(Boom) c.close(None) c.error(Boom)"
    await stage.settle()
    assert stage.uncaught == []


async def exceptions_that_nobody_takes_are_reported_once(stage: Stage) -> None:
    """D17, TCP-104, TCP-108: also those raised inside a call from outside an iteration."""

    def boom(*_args: Any) -> None:
        raise Boom

    client, server = await stage.pair(
        client=stage.log.handlers("c", error=None, data=boom, close=boom)
    )

    server.write(b"x")
    await stage.seen("c", "data")
    assert client.ready_state == 1
    assert client.end() == 0
    await stage.settle()

    assert [type(each) for each in stage.uncaught] == [Boom, Boom]


async def an_exception_in_open_closes(stage: Stage) -> None:
    """TCP-104: the attempt has succeeded all the same."""

    def boom(*_args: Any) -> None:
        raise Boom

    client, _ = await stage.pair(client=stage.log.handlers("c", open=boom))

    if stage.secure:  # not if it opens after the handshake (TLS-052)
        assert stage.log.of("c") == "c.open c.error(Boom)"
        assert client.ready_state == 1
        return
    assert client.ready_state == -1
    await stage.seen("s", "close")
    assert stage.log.of("c") == "c.open c.error(Boom) c.close(None)"
    assert stage.log.of("s") == "s.open s.end s.close(None)"


async def big_transfers_arrive_whole_in_both_directions(stage: Stage) -> None:
    """Short writes are continued in `drain`; the hashes agree."""
    payload = random.Random(2).randbytes(1_500_000)
    hashes = {who: hashlib.sha256() for who in ("s", "c")}
    counts = dict.fromkeys(("s", "c"), 0)
    ring = stage.log.ring or (lambda: None)

    def handlers(who: str) -> Handlers:
        def send(socket: Socket) -> None:
            while socket.bytes_written < len(payload):
                if socket.write(payload, socket.bytes_written) <= 0:
                    break

        def data(_socket: Socket, data: bytes) -> None:
            hashes[who].update(data)
            counts[who] += len(data)
            ring()

        return {"open": send, "drain": send, "data": data}

    await stage.pair(server=handlers("s"), client=handlers("c"), **SMALL)
    await stage.until(lambda: set(counts.values()) == {len(payload)})

    wanted = hashlib.sha256(payload).digest()
    assert [each.digest() for each in hashes.values()] == [wanted, wanted]


async def timeouts_fire_once_and_close_nothing(stage: Stage) -> None:
    """TCP-112, TCP-114, D2: also when set while the loop is asleep."""
    client, _ = await stage.pair()
    stage.log.clear()

    client.timeout(1000)
    client.timeout(0.001)
    await stage.seen("c", "timeout")

    assert await stage.trace() == "c.timeout"
    assert client.ready_state == 1


async def connecting_to_nobody_is_refused(stage: Stage) -> None:
    """TCP-136, TCP-141."""
    with stage.stopped() as listener:
        connecting = stage.connect(listener)
        await stage.seen("c", "connect_error")

    with_raised(OSError, connecting.result)
    assert stage.log.seen("c", "close") == stage.log.seen("c", "open") == 0


class Boom(Exception):
    """Raised by a handler."""


def with_raised(kind: type[Exception], call: Callable[[], object]) -> None:
    """Assert that a call raises."""
    __tracebackhide__ = True
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


CHECKS: dict[str, Check] = {
    each.__name__: each
    for each in (
        opens_once_on_both_sides_server_first,
        data_then_end_then_close,
        many_round_trips,
        one_terminal_event_however_it_is_closed,
        writes_return_what_was_taken,
        a_closed_socket_is_inert,
        back_pressure_and_one_drain,
        an_end_that_does_not_fit_is_sent_whole,
        half_close_goes_on_in_the_other_direction,
        without_half_open_the_answer_in_end_is_sent,
        without_an_end_handler_there_is_only_close,
        reset,
        paused_sockets_get_nothing_until_they_resume,
        closing_inside_every_handler,
        reload_replaces_all_handlers_from_the_next_event_on,
        exceptions_go_to_error_and_close_nothing,
        exceptions_that_nobody_takes_are_reported_once,
        an_exception_in_open_closes,
        big_transfers_arrive_whole_in_both_directions,
        timeouts_fire_once_and_close_nothing,
        connecting_to_nobody_is_refused,
    )
}

# Each place gets a path of its own.
PLACES: dict[str, Place] = {
    "tcp": lambda _path: {"hostname": "127.0.0.1", "port": 0},
    "tcp6": lambda _path: {"hostname": "::1", "port": 0},
    "tls": lambda _path: {"hostname": "127.0.0.1", "port": 0, "secure": True},
    "unix": lambda path: {"unix": path},
    "abstract": lambda path: {"unix": f"\0{path}"},
}


# Ways to drive


class Drive(Protocol):
    """Runs a check somewhere, at a place; raises what it raises."""

    def __call__(self, check: Check, where: dict[str, Any]) -> None: ...


def inline(check: Check, where: dict[str, Any]) -> None:
    """Run it on a reactor of this thread."""
    with Reactor(debug=True) as reactor:

        async def until(condition: Callable[[], object]) -> None:
            assert reactor.run_until(condition, DEADLINE), log.trace()

        log = Log()
        coroutine = check(Stage(reactor, where, until, log))
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise AssertionError("an inline check waits for nothing but `until`")


class _Suspension:
    def __await__(self) -> Any:
        yield


def thread(check: Check, where: dict[str, Any]) -> None:
    """Run it on a reactor's own thread, a step at a time."""
    bell = threading.Event()
    with Reactor(debug=True) as reactor, ThreadRunner(reactor) as runner:

        async def until(condition: Callable[[], object]) -> None:
            while not condition():
                await _Suspension()

        def step(coroutine: Coroutine[Any, Any, None]) -> bool:
            try:
                coroutine.send(None)
            except StopIteration:
                return True
            return False

        log = Log(bell.set)
        coroutine = runner.call(lambda: check(Stage(reactor, where, until, log)))
        while not runner.call(step, coroutine):
            assert bell.wait(DEADLINE), log.trace()
            bell.clear()


def in_asyncio(check: Check, where: dict[str, Any]) -> None:
    """Run it in asyncio, in debug mode."""
    asyncio.run(_asyncio_main(check, where), debug=True)


def in_uvloop(check: Check, where: dict[str, Any]) -> None:
    """Run it in uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_asyncio_main(check, where))


async def _asyncio_main(check: Check, where: dict[str, Any]) -> None:
    bell = asyncio.Event()
    log = Log(bell.set)

    async def until(condition: Callable[[], object]) -> None:
        while not condition():
            bell.clear()
            await bell.wait()

    async with asyncio.timeout(DEADLINE):
        await check(Stage(Reactor.current(), where, until, log))


def in_trio(check: Check, where: dict[str, Any]) -> None:
    """Run it in trio."""
    import trio

    class Bell:
        def __init__(self) -> None:
            self.event = trio.Event()

        def ring(self) -> None:
            self.event.set()
            self.event = trio.Event()

    async def main() -> None:
        bell = Bell()
        log = Log(bell.ring)

        async def until(condition: Callable[[], object]) -> None:
            while not condition():
                await bell.event.wait()

        with trio.fail_after(DEADLINE):
            async with embed.attached() as reactor:
                await check(Stage(reactor, where, until, log))

    trio.run(main)


DRIVES: dict[str, Drive] = {
    "inline": inline,
    "thread": thread,
    "asyncio": in_asyncio,
    "uvloop": in_uvloop,
    "trio": in_trio,
}
