import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from tests.engine.outer_loops import LIBRARIES, Run, RunLoop
from tests.helpers.cables import cable as cable
from tests.helpers.conformance import DRIVES, PLACES
from tests.helpers.conversation import DEADLINE, Talk
from tests.helpers.ports import free_port

__all__ = ["free_port"]


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    with Reactor(debug=True) as reactor:
        yield reactor


@pytest.fixture
def saturated() -> Iterator[int]:
    """A port whose queue is full, so that connects to it stay pending."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for client in (first, second):
            client.settimeout(0)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@pytest.fixture(params=["tcp", "unix"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def talk(reactor: Reactor, tmp_path: Path, kind: str) -> Any:
    """Make a `Talk` over TCP and over a unix socket."""

    def make(**options: Any) -> Talk:
        return Talk(reactor, unix=str(tmp_path / "s") if kind == "unix" else None, **options)

    return make


@pytest.fixture
def tcp(reactor: Reactor) -> Any:
    """Make a `Talk` over TCP."""

    def make(**options: Any) -> Talk:
        return Talk(reactor, **options)

    return make


@pytest.fixture(params=LIBRARIES)
def run(request: pytest.FixtureRequest) -> Run:
    """Run an `async def` with a `Stage` over TCP in each of the outer loops."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return lambda check: DRIVES[request.param](check, PLACES["tcp"](""))


@pytest.fixture(params=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    uvloop = pytest.importorskip("uvloop")
    loops: Any = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    made: Callable[[], asyncio.AbstractEventLoop] = loops[request.param]
    # The first loop of a process opens what libuv keeps for its life; tests count descriptors.
    with asyncio.Runner(loop_factory=made) as runner:
        runner.run(asyncio.sleep(0))
    return made


@pytest.fixture
def run_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> RunLoop:
    """Run a coroutine in an asyncio loop of its own, as `asyncio.run` does."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=new_loop, debug=True) as runner:
            return runner.run(asyncio.wait_for(coroutine, DEADLINE))

    return run


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each iteration of an embedded reactor."""
    counted: list[int] = []
    real = Reactor.turn

    def turn(reactor: Reactor) -> None:
        counted.append(1)
        real(reactor)

    monkeypatch.setattr(Reactor, "turn", turn)
    return counted
