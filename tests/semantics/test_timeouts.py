"""`timeout` (TCP-110..119)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from tests.helpers.conversation import Log, Talk

MakeTalk = Callable[..., Talk]


class Clock(Kernel):
    """A clock that a test advances, and that may stand still otherwise."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.stopped: float | None = None

    def stop(self) -> None:
        self.stopped = time.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() if self.stopped is None else self.stopped) + self.ahead


@pytest.mark.shows("TCP-110")
def test_timeout_returns_nothing_and_looks_at_nothing_when_closed(talk: MakeTalk) -> None:
    client: Any = talk().client

    assert client.timeout(1) is None
    assert client.timeout(0) is None
    client.close()
    assert client.timeout(-5) is None


@pytest.mark.shows("TCP-113", "TCP-111", "D2")
def test_traffic_does_not_postpone_a_timeout(kind: str, tmp_path: Path) -> None:
    unix = str(tmp_path / "s") if kind == "unix" else None
    kernel, log = Clock(), Log()
    echo = log.handlers("s", data=lambda socket, data: socket.write(data))
    client = log.handlers("c", data=lambda socket, data: socket.write(data))
    with Reactor(kernel) as reactor:
        conversation = Talk(reactor, unix=unix, log=log, server=echo, client=client)
        conversation.client.timeout(1000)
        conversation.client.write("ping")
        for pings in (5, 10):
            conversation.until(lambda pings=pings: log.received("c").count(b"ping") > pings)  # type: ignore[misc]
            assert log.seen("c", "timeout") == 0
            kernel.ahead += 900

        conversation.until_seen("c", "timeout")

        assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-114")
def test_a_timeout_can_be_armed_anew_after_it_fired(talk: MakeTalk) -> None:
    log = Log()

    def again(socket: Any) -> None:
        if log.seen("c", "timeout") < 3:
            socket.timeout(0.001)

    conversation = talk(log=log, client=log.handlers("c", timeout=again))
    conversation.client.timeout(0.001)

    conversation.until_seen("c", "timeout", 3)
    assert not conversation.reactor.run_until(lambda: False, 0.01)

    assert log.seen("c", "timeout") == 3


@pytest.mark.shows("TCP-115")
def test_without_a_handler_a_timeout_changes_nothing(talk: MakeTalk) -> None:
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", "data"))
    conversation.client.timeout(0.001)

    conversation.reactor.run_until(lambda: False, 0.01)
    conversation.server.write("still here")

    conversation.settle()
    assert log.of("c") == "c.data(still here)"
    assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-116", "D2")
def test_timeouts_fire_in_the_order_of_their_time_whatever_the_age_of_the_socket(
    talk: MakeTalk,
) -> None:
    conversation = talk()
    order: list[int] = []
    clients = [
        conversation.connect(
            socket={"data": print, "timeout": lambda socket: order.append(socket.data)}, data=n
        ).result(5)
        for n in range(3)
    ]
    for number, seconds in ((1, 0.004), (0, 0.005), (2, 0.006)):
        clients[number].timeout(seconds)

    conversation.until(lambda: len(order) == 3)

    assert order == [1, 0, 2]


@pytest.mark.shows("TCP-117", "D17")
@pytest.mark.parametrize("handled", [True, False])
def test_an_exception_in_timeout_leaves_the_socket_open(talk: MakeTalk, handled: bool) -> None:
    def fail(_socket: Any) -> None:
        raise KeyError

    log = Log()
    client = log.handlers("c", timeout=fail, **({} if handled else {"error": None}))
    conversation = talk(log=log, client=client)
    conversation.reactor.on_exception = lambda error: log.note("c", "uncaught", error)
    conversation.client.timeout(0.001)

    conversation.until_seen("c", "error" if handled else "uncaught")

    assert conversation.client.ready_state == 1
    assert conversation.client.write("x") == 1


@pytest.mark.shows("TCP-118", "D2")
def test_accepted_sockets_have_no_timeout_that_nobody_asked_for() -> None:
    kernel = Clock()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        assert reactor.poll_timeout() is None

        kernel.ahead = 130.0
        talk.settle()

        assert talk.log.seen("s", "timeout") == talk.log.seen("c", "timeout") == 0


@pytest.mark.shows("TCP-119", "TCP-111", "D2")
@pytest.mark.parametrize("seconds", [0.5, 239.5, 241.0, 2.0**31])
def test_a_timeout_of_any_length_fires_when_its_time_has_come(seconds: float) -> None:
    kernel = Clock()
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        kernel.stop()
        talk.client.timeout(seconds)

        kernel.ahead = seconds - 0.4
        talk.settle()
        assert talk.log.seen("c", "timeout") == 0

        kernel.ahead = seconds
        talk.settle()

        assert talk.log.seen("c", "timeout") == 1
