"""Exceptions in every handler, on both sides (TCP-101..109)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect
from tests.helpers.conversation import DEADLINE, Log, Talk
from tests.helpers.programs import run_program

MakeTalk = Callable[..., Talk]

TABLE = [
    # handler | with an `error` handler | without one | the state then
    ("open", "open error(Boom) close(None)", "open close(None) uncaught(Boom)", -1),
    ("data", "open data(d) error(Boom)", "open data(d) uncaught(Boom)", 1),
    ("drain", "open drain error(Boom)", "open drain uncaught(Boom)", 1),
    ("end", "open end error(Boom) close(None)", "open end close(None) uncaught(Boom)", -1),
    ("close", "open end close(None) error(Boom)", "open end close(None) uncaught(Boom)", -1),
    ("timeout", "open timeout error(Boom)", "open timeout uncaught(Boom)", 1),
]
"""Bun reports an uncaught exception before the next event; we do after the iteration."""


class Boom(Exception):
    """Raised by a handler."""


def boom(*_args: Any) -> None:
    raise Boom


@pytest.fixture
def log(reactor: Reactor) -> Log:
    """A log that also records the exceptions that leave the reactor."""
    log = Log()
    reactor.on_exception = lambda error: log.note("a", "uncaught", error)
    return log


def provoke(event: str, actor: Any, other: Any, talk: Talk) -> None:
    """Cause a call of the actor's handler of this name."""
    if event == "data":
        other.write("d")
    elif event == "drain":
        talk.fill(actor)
    elif event in ("end", "close"):
        other.end()
    elif event == "timeout":
        actor.timeout(0.001)


@pytest.mark.shows("TCP-079", "TCP-101", "TCP-102", "TCP-104", "TCP-117", "D17")
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize(
    ("event", "with_handler", "without", "state"), TABLE, ids=[row[0] for row in TABLE]
)
def test_an_exception_goes_to_error_or_comes_out_of_the_reactor(
    talk: MakeTalk,
    log: Log,
    event: str,
    with_handler: str,
    without: str,
    state: int,
    handled: bool,
    side: str,
) -> None:
    handlers = log.handlers("a", **{event: boom}, **({} if handled else {"error": None}))
    conversation = talk(log=log, **{side: handlers})
    actor, other = conversation.client, conversation.server
    if side == "server":
        actor, other = other, actor
    conversation.settle()

    provoke(event, actor, other, conversation)
    conversation.until_seen("a", "error" if handled else "uncaught")
    conversation.settle()

    expected = with_handler if handled else without
    assert log.of("a") == " ".join(f"a.{part}" for part in expected.split())
    assert actor.ready_state == state


@pytest.mark.shows("TCP-107", "D17")
@pytest.mark.parametrize("side", ["client", "server"])
def test_an_exception_in_error_is_uncaught_and_the_socket_works_on(
    talk: MakeTalk, log: Log, side: str
) -> None:
    def fail(_socket: Any, _error: Exception) -> None:
        raise KeyError

    conversation = talk(log=log, **{side: log.handlers("a", data=boom, error=fail)})
    other = conversation.server if side == "client" else conversation.client
    for _ in range(2):
        other.write("d")
        conversation.settle()

    once = "a.data(d) a.error(Boom) a.uncaught(KeyError)"
    assert log.of("a") == f"a.open {once} {once}"


@pytest.mark.shows("TCP-108", "D17")
@pytest.mark.parametrize("method", ["end", "close", "terminate"])
@pytest.mark.parametrize("handled", [True, False])
def test_an_exception_in_close_never_comes_out_of_the_call(
    talk: MakeTalk, log: Log, method: str, handled: bool
) -> None:
    handlers = log.handlers("a", close=boom, **({} if handled else {"error": None}))
    conversation = talk(log=log, client=handlers)
    conversation.settle()
    log.clear()

    getattr(conversation.client, method)()

    assert log.of("a") == "a.close(None)" + (" a.error(Boom)" if handled else "")
    conversation.settle()
    assert log.of("a") == "a.close(None) a." + ("error(Boom)" if handled else "uncaught(Boom)")


@pytest.mark.shows("TCP-108")
def test_an_exception_in_close_does_not_keep_stop_from_closing_the_others(
    talk: MakeTalk, log: Log
) -> None:
    conversation = talk(log=log, server=log.handlers("a", close=boom, error=None))
    conversation.connect().result(DEADLINE)
    conversation.until(lambda: len(conversation.accepted) == 2)
    log.clear()

    conversation.listener.stop(True)

    assert log.of("a") == "a.close(None) a.close(None)"
    conversation.settle()
    assert log.seen("a", "uncaught") == 2


@pytest.mark.shows("TCP-105", "D17")
@pytest.mark.parametrize("event", ["open", "data", "end", "close"])
def test_a_returned_exception_is_ignored(talk: MakeTalk, log: Log, event: str) -> None:
    handlers = log.handlers("a", **{event: lambda *_args: Boom()})
    conversation = talk(log=log, server=handlers)
    conversation.client.end("d")

    conversation.settle()

    assert log.of("a") == "a.open a.data(d) a.end a.close(None)"


@pytest.mark.shows("TCP-109", "D17")
def test_an_exception_that_connect_error_returns_is_ignored(
    reactor: Reactor, tmp_path: Path, log: Log
) -> None:
    handlers = log.handlers("a", connect_error=lambda *_args: Boom())

    with pytest.raises(FileNotFoundError):
        connect(socket=handlers, unix=tmp_path / "missing", reactor=reactor).result()

    assert log.of("a") == "a.connect_error(ENOENT)"


RAISES = """\
import sockharness
def data(socket, data):
    raise KeyError("boom")
def error(socket, exception):
    print("error", exception)
handlers = {"data": data, %s}
listener = sockharness.listen(socket=handlers, hostname="127.0.0.1", port=0)
client = {"data": print, "open": lambda socket: socket.end("x")}
sockharness.connect(socket=client, hostname="127.0.0.1", port=listener.port)
listener.unref()
sockharness.run()
print("done")
"""


@pytest.mark.slow
@pytest.mark.shows("TCP-103", "D17")
def test_a_program_ends_with_the_exception_that_nobody_took() -> None:
    ended = run_program(RAISES % "")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("KeyError: 'boom'\n")


@pytest.mark.slow
@pytest.mark.shows("TCP-103")
def test_a_program_with_an_error_handler_goes_on() -> None:
    ended = run_program(RAISES % '"error": error')

    assert (ended.returncode, ended.stdout) == (0, "error 'boom'\ndone\n")
