"""Impossible arguments are refused by name, and a refusal leaves nothing behind."""

import contextlib
import math
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.errors import ClosedError, UsageError
from tests.helpers.conversation import Talk
from tests.helpers.descriptors import descriptors

HANDLERS = {"data": lambda socket, data: None}
TARGET: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0}
OPENERS = [listen, connect]
SURROGATE = "a\ud800b"

NO_FLAG = [None, 0, 1, "yes", 1.0, [], object()]
NO_NUMBER = [True, False, "80", b"80", 1.5, math.nan, Decimal(1), [], object()]
NO_SECONDS = [True, "1", b"1", Decimal(1), 1j, [], -1, math.nan, math.inf, 0, 10**400]
NO_NAME = [b"localhost", 5, True, "", "a\0b", SURROGATE, "a" * 64, "a..b", ["localhost"]]
NO_PATH = [5, True, 1.5, "", b"", "a\0b", "unix://", SURROGATE, ["/a"], object()]
NO_SIZE = [0, -1, 2**31, *NO_NUMBER]
NO_REACTOR = [True, 5, "reactor", Reactor, object()]

BAD: dict[Any, dict[str, list[Any]]] = {
    listen: {
        "hostname": NO_NAME,
        "port": [-1, 65536, 10**400, *NO_NUMBER],
        "backlog": [None, -1, 2**31, *NO_NUMBER],
        **dict.fromkeys(
            ("allow_half_open", "pause_on_connect", "reuse_port", "ipv6_only"), NO_FLAG
        ),
        "handshake_timeout": NO_SECONDS,
        "send_buffer": NO_SIZE,
        "recv_buffer": NO_SIZE,
        "reactor": NO_REACTOR,
    },
    connect: {
        "hostname": NO_NAME,
        "port": [-1, 65536, 10**400, *NO_NUMBER],
        "local_address": ["localhost", *NO_NAME],
        "local_port": [None, -1, 65536, *NO_NUMBER],
        **dict.fromkeys(("allow_half_open", "pause_on_connect"), NO_FLAG),
        "timeout": NO_SECONDS,
        "handshake_timeout": NO_SECONDS,
        "send_buffer": NO_SIZE,
        "recv_buffer": NO_SIZE,
        "reactor": NO_REACTOR,
    },
}
SWEEP = [(opener, option) for opener, options in BAD.items() for option in options]


@contextlib.contextmanager
def nothing_left(reactor: Reactor) -> Iterator[None]:
    """Demand that no descriptor, no reference and no registration is left."""
    before = (descriptors(), repr(reactor))
    yield
    assert (descriptors(), repr(reactor)) == before


def elsewhere(function: Callable[[], object], name: str | None = None) -> BaseException | None:
    """Call a function in another thread; return what it raised."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except UsageError as error:
            raised.append(error)

    thread = threading.Thread(target=call, name=name)
    thread.start()
    thread.join()
    return raised[0] if raised else None


@pytest.mark.parametrize(("opener", "option"), SWEEP)
def test_an_option_that_cannot_be_is_refused_by_name(
    reactor: Reactor, opener: Any, option: str
) -> None:
    for value in BAD[opener][option]:
        given = {"socket": HANDLERS, **TARGET, "reactor": reactor, option: value}
        with nothing_left(reactor), pytest.raises((TypeError, ValueError)) as caught:
            opener(**given)
        assert str(caught.value).startswith(f"{option}: expected"), value
        assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_path_that_cannot_be_is_refused_by_name(reactor: Reactor, opener: Any) -> None:
    for value in NO_PATH:
        with nothing_left(reactor), pytest.raises((TypeError, ValueError)) as caught:
            opener(socket=HANDLERS, unix=value, reactor=reactor)
        assert str(caught.value).startswith("unix: expected"), value
        assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize("value", [-1, 2**31, *NO_NUMBER])
def test_a_number_that_is_no_descriptor_is_refused(reactor: Reactor, value: Any) -> None:
    with nothing_left(reactor), pytest.raises((TypeError, ValueError), match="fd: expected"):
        connect(socket=HANDLERS, fd=value, reactor=reactor)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_complaint_about_something_long_is_short(reactor: Reactor, opener: Any) -> None:
    with pytest.raises(TypeError) as caught:
        opener(socket=HANDLERS, hostname=["a"] * 10_000, port=0, reactor=reactor)

    assert len(str(caught.value)) < 200
    assert str(caught.value).endswith("…")


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("target", [TARGET, {"hostname": "name.invalid", "port": 1}, "unix", "fd"])
def test_a_closed_reactor_is_refused_before_anything_is_opened(
    tmp_path: Path, opener: Any, target: Any
) -> None:
    reactor = Reactor()
    reactor.close()
    path = tmp_path / "s"
    ours, theirs = socket.socketpair()
    if target == "unix":
        target = {"unix": path}
    if target == "fd":
        target = {"fd": ours.fileno()} if opener is connect else TARGET

    with ours, theirs:
        with nothing_left(reactor), pytest.raises(ClosedError, match="the reactor is closed"):
            opener(socket=HANDLERS, reactor=reactor, **target)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
    assert not path.exists()


@pytest.mark.parametrize("make", [socket.socket, lambda: socket.socket(type=socket.SOCK_DGRAM)])
def test_a_descriptor_that_is_refused_still_blocks(
    reactor: Reactor, make: Callable[[], socket.socket]
) -> None:
    """It is still the caller's, as it was."""
    with make() as theirs, nothing_left(reactor):
        refused = connect(socket=HANDLERS, fd=theirs.fileno(), reactor=reactor)
        with pytest.raises(OSError, match="adopt descriptor"):
            refused.result()

        assert os.get_blocking(theirs.fileno())


@pytest.mark.parametrize(
    "timeout", [True, "1", -1, math.nan, math.inf, pytest.param(10**400, id="huge"), 1j]
)
def test_a_wait_of_no_number_of_seconds_is_refused(
    reactor: Reactor, saturated: int, timeout: Any
) -> None:
    pending = connect(socket=HANDLERS, hostname="127.0.0.1", port=saturated, reactor=reactor)

    with pytest.raises((TypeError, ValueError), match="timeout: expected a"):
        pending.result(timeout)

    pending.cancel()


def test_another_thread_may_wait_for_longer_than_the_system_can(
    reactor: Reactor, saturated: int
) -> None:
    pending = connect(socket=HANDLERS, hostname="127.0.0.1", port=saturated, reactor=reactor)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            pending.result(1e300)
        except Exception as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    reactor.call_soon(pending.cancel)
    reactor.run()
    thread.join()

    assert [getattr(error, "code", error) for error in raised] == ["ECANCELED"]


def test_a_delay_that_the_system_cannot_have_is_not_set(tcp: Callable[[], Talk]) -> None:
    client = tcp().client

    assert [client.set_keep_alive(True, delay) for delay in (40_000, 2**31, 2**70)] == [False] * 3


@pytest.mark.parametrize("call", ["ref", "unref"])
def test_only_the_reactor_s_thread_may_reference(tcp: Callable[[], Talk], call: str) -> None:
    conversation = tcp()

    for handle in (conversation.client, conversation.listener):
        assert isinstance(elsewhere(getattr(handle, call)), UsageError)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda talk: talk.client.close(), "close"),
        (lambda talk: talk.client.timeout(1), "timeout"),
        (lambda talk: talk.client.reload({"data": print}), "reload"),
        (lambda talk: talk.client.__exit__(), "end"),
        (lambda talk: talk.client.write(b"x"), "write"),
        (lambda talk: talk.listener.stop(), "stop"),
        (lambda talk: talk.reactor.run(), "run"),
        (lambda talk: talk.reactor.run_until(bool), "run_until"),
        (lambda talk: listen(socket={"data": print}, **TARGET, reactor=talk.reactor), "listen"),
    ],
)
def test_a_call_in_another_thread_is_refused_by_its_name(
    tcp: Callable[[], Talk], call: Callable[[Talk], object], name: str
) -> None:
    talk = tcp()

    error = elsewhere(lambda: call(talk), "other")

    mine = threading.current_thread().name
    assert str(error) == (
        f"{name}: the reactor belongs to another thread, {mine!r}; here, in 'other',"
        " use reactor.call_soon_threadsafe"
    )


@pytest.mark.parametrize("name", ["onData", "Data", "dta", "data_", "datas"])
def test_an_object_with_a_misspelt_handler_alone_gets_a_suggestion(
    reactor: Reactor, name: str
) -> None:
    handlers = SimpleNamespace(**{name: print})

    with pytest.raises(TypeError, match="did you mean 'data'") as raised:
        listen(socket=handlers, **TARGET, reactor=reactor)

    assert f"'{name}'" in str(raised.value)


@pytest.mark.parametrize("value", [None, True, "1", b"1", Decimal(1), [], math.nan])
def test_a_time_that_is_no_number_is_refused(reactor: Reactor, value: Any) -> None:
    """NaN above all: a heap of timers that holds one has no order any more."""
    for call in ("call_later", "call_at"):
        with nothing_left(reactor), pytest.raises((TypeError, ValueError), match="expected a num"):
            getattr(reactor, call)(value, print)
    if value is not None:
        with pytest.raises((TypeError, ValueError), match="timeout: expected a number"):
            reactor.run_once(value)
        with pytest.raises((TypeError, ValueError), match="timeout: expected a number"):
            reactor.run_until(lambda: True, value)


@pytest.mark.parametrize("delay", [30 * 86_400, 1e300, pytest.param(10**400, id="huge"), math.inf])
def test_a_time_beyond_what_the_system_can_wait_for_is_waited_for(
    reactor: Reactor, delay: float
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        timer = reactor.call_later(delay, print)
        reactor.register(ours.fileno(), select.EPOLLIN, lambda _mask: timer.cancel())

        reactor.run()  # waits for the timer, and is woken at once
        reactor.run_once(delay)

        reactor.unregister(ours.fileno())
    assert not timer.pending


@pytest.mark.parametrize("call", ["run", "run_once", "run_until"])
def test_a_reactor_does_not_run_inside_a_callback(reactor: Reactor, call: str) -> None:
    arguments = [lambda: True] if call == "run_until" else []
    reactor.call_soon(getattr(reactor, call), *arguments)

    with pytest.raises(UsageError, match=f"{call}: the reactor is running already"):
        reactor.run()


@pytest.mark.parametrize("call", ["run", "run_once", "run_until", "call_later", "call_at"])
def test_a_closed_reactor_says_so(call: str) -> None:
    reactor = Reactor()
    reactor.close()
    arguments: dict[str, list[Any]] = {
        "run_until": [lambda: True],
        "call_later": [1, print],
        "call_at": [1, print],
    }

    with pytest.raises(ClosedError, match="the reactor is closed"):
        getattr(reactor, call)(*arguments.get(call, []))


@pytest.mark.parametrize("value", [None, 0, 1, "on", 1.0, []])
def test_a_switch_is_true_or_false(tcp: Callable[[], Talk], value: Any) -> None:
    client = tcp().client

    for call in (client.set_no_delay, client.set_keep_alive):
        with pytest.raises(TypeError, match="on: expected True or False"):
            call(value)
    with pytest.raises(TypeError, match="read: expected True or False"):
        client.shutdown(value)
    assert client.write(b"x") == 1


@pytest.mark.parametrize("call", ["set_no_delay", "set_keep_alive", "pause", "resume", "write"])
def test_another_thread_may_not_use_a_socket(tcp: Callable[[], Talk], call: str) -> None:
    """The reactor of these tests checks in the hot methods too."""
    client = tcp().client
    before = repr(client)
    arguments = [b"x"] if call == "write" else []

    assert isinstance(elsewhere(lambda: getattr(client, call)(*arguments)), UsageError)

    assert repr(client) == before
