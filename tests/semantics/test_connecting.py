"""Failures of `connect` (TCP-136..144) and adopting descriptors (TCP-199, TCP-200)."""

import errno
import socket as raw
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect
from sockharness.errors import code_of
from sockharness.machine import probes
from tests.helpers.conversation import DEADLINE, Log, Talk, settle

MakeTalk = Callable[..., Talk]


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A held port without a listener."""
    with raw.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.shows("TCP-136")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_refused_connect_calls_connect_error_and_nothing_else(
    reactor: Reactor, host: str, dead_port: int
) -> None:
    if host == "::1" and (reason := probes.ipv6()):
        pytest.skip(reason)
    log = Log()
    port = 0 if host == "::1" else dead_port
    connecting = connect(socket=log.handlers("c"), hostname=host, port=port, reactor=reactor)
    with pytest.raises(ConnectionRefusedError) as caught:
        connecting.result(DEADLINE)
    settle(reactor, log)

    assert log.trace() == "c.connect_error(ECONNREFUSED)"
    assert caught.value.errno == errno.ECONNREFUSED


@pytest.mark.shows("TCP-138", "D27")
def test_whoever_waits_gets_the_exception_that_connect_error_got(
    reactor: Reactor, dead_port: int
) -> None:
    seen: list[OSError] = []
    handlers = {"data": print, "connect_error": lambda _, error: seen.append(error)}
    connecting = connect(socket=handlers, hostname="127.0.0.1", port=dead_port, reactor=reactor)

    with pytest.raises(ConnectionRefusedError) as caught:
        connecting.result(DEADLINE)

    assert [caught.value is each for each in seen] == [True]


@pytest.mark.shows("TCP-137", "TCP-039")
def test_the_socket_of_connect_error_is_as_harmless_as_a_closed_one(
    reactor: Reactor, tmp_path: Any
) -> None:
    log = Log()
    returned: list[Any] = []

    def use(socket: Any, _error: OSError) -> None:
        returned.extend([socket.write("x"), socket.end("x"), socket.set_no_delay()])
        names = ("flush", "shutdown", "close", "terminate", "pause", "resume", "ref", "unref")
        for name in names:
            returned.append(getattr(socket, name)())
        returned.append(socket.timeout(1))

    handlers = log.handlers("c", connect_error=use)
    connect(socket=handlers, unix=tmp_path / "missing", reactor=reactor)
    settle(reactor, log)

    assert returned == [-1, -1, False, *[None] * 9]
    assert log.trace() == "c.connect_error(ENOENT)"


@pytest.mark.shows("TCP-142")
@pytest.mark.parametrize("target", ["path", "descriptor", "address"])
def test_what_is_known_at_once_is_reported_before_connect_returns(
    reactor: Reactor, tmp_path: Any, target: str
) -> None:
    log = Log()
    with raw.socket() as unconnected:
        where: dict[str, dict[str, Any]] = {
            "path": {"unix": tmp_path / "missing"},
            "descriptor": {"fd": unconnected.fileno()},
            "address": {"hostname": "255.255.255.255", "port": 1},
        }
        connecting = connect(socket=log.handlers("c"), reactor=reactor, **where[target])

    assert connecting.settled
    assert log.seen("c", "connect_error") == 1


@pytest.mark.shows("TCP-199")
def test_an_adopted_descriptor_has_addresses_and_all_events(reactor: Reactor) -> None:
    log = Log()
    with raw.create_server(("127.0.0.1", 0)) as server:
        ours = raw.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with theirs:
            name = ours.getsockname()
            client = connect(socket=log.handlers("c"), fd=ours.detach(), reactor=reactor).result()
            theirs.sendall(b"x")
            theirs.shutdown(raw.SHUT_WR)
            settle(reactor, log)

            assert log.trace() == "c.open c.data(x) c.end c.close(None)"
            assert (client.local_address, client.local_port) == name
            assert client.remote_port == server.getsockname()[1]
            assert theirs.recv(1) == b""


@pytest.mark.shows("TCP-200", "D13")
def test_a_number_that_is_no_descriptor_has_the_systems_errno(reactor: Reactor) -> None:
    log = Log()

    with pytest.raises(OSError, match="adopt descriptor") as caught:
        connect(socket=log.handlers("c"), fd=2**20, reactor=reactor).result()

    assert code_of(caught.value) == "EBADF"
    assert log.trace() == "c.connect_error(EBADF)"


@pytest.mark.shows("TCP-200", "D25")
def test_a_negative_descriptor_is_refused(reactor: Reactor) -> None:
    with pytest.raises(ValueError, match="fd: expected 0 to"):
        connect(socket={"data": print}, fd=-1, reactor=reactor)
