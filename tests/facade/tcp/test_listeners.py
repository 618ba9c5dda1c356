"""Listeners that are made ahead."""

import socket
from collections.abc import Iterator

import pytest

from sockharness.engine.loop.runner import ThreadRunner
from sockharness.facade.tcp.listeners import Spares
from sockharness.harness import Harness

ORDINARY = {"hostname": "127.0.0.1"}


@pytest.fixture
def runner() -> Iterator[ThreadRunner]:
    runner = ThreadRunner()
    yield runner
    runner.close()


def test_the_first_server_makes_its_own_and_the_next_ones_are_ready(runner: ThreadRunner) -> None:
    spares = Spares(runner)

    assert spares.take(ORDINARY) is None
    runner.call(lambda: None)

    front, other = spares.take(ORDINARY), spares.take(ORDINARY)
    assert front is not None
    assert other is not None
    assert front.listener.port != other.listener.port


def test_other_options_are_not_served_from_the_spares(runner: ThreadRunner) -> None:
    spares = Spares(runner)
    spares.take(ORDINARY)
    runner.call(lambda: None)

    assert spares.take({**ORDINARY, "pause_on_connect": True}) is None


def test_a_stranger_at_a_listener_without_an_owner_is_reset(runner: ThreadRunner) -> None:
    spares = Spares(runner)
    spares.take(ORDINARY)
    runner.call(lambda: None)
    front = spares.take(ORDINARY)
    assert front is not None

    address = ("127.0.0.1", front.listener.port or 0)
    # The reset may come while connect() is still to return, so both are inside.
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(address, timeout=5) as stranger,
    ):
        stranger.recv(1)


def test_a_server_on_a_spare_listener_serves(runner: ThreadRunner) -> None:
    spares = Spares(runner)
    spares.take(ORDINARY)
    runner.call(lambda: None)

    with Harness(runner, spares=spares) as harness:
        server = harness.tcp_server()
        server.expect(b"PING").reply(b"PONG")
        with socket.create_connection(server.address, timeout=5) as client:
            client.sendall(b"PING")
            assert client.recv(4) == b"PONG"
