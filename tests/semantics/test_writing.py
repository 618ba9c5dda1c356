"""The arguments of `write`, back-pressure, `drain` (TCP-059..087)."""

import socket as raw
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect
from tests.helpers.conversation import DEADLINE, Log, Talk, settle
from tests.helpers.raw import drain

MakeTalk = Callable[..., Talk]
HUGE = 16_000_000


@pytest.mark.shows("TCP-061", "D26")
@pytest.mark.parametrize("method", ["write", "end"])
def test_a_lone_surrogate_is_refused_and_nothing_is_sent(talk: MakeTalk, method: str) -> None:
    conversation = talk()
    conversation.log.clear()

    with pytest.raises(ValueError, match="data: expected text without lone surrogates"):
        getattr(conversation.client, method)("before \ud800 behind")

    assert conversation.client.ready_state == 1
    assert conversation.trace() == ""


@pytest.mark.shows("TCP-069")
def test_bytes_written_counts_what_was_accepted_and_survives_the_close(talk: MakeTalk) -> None:
    conversation = talk()
    client = conversation.client
    counts = [client.bytes_written]
    taken = client.write(bytes(HUGE))
    counts.append(client.bytes_written)
    conversation.until_seen("c", "drain")
    client.write("é")
    client.write("")
    counts.append(client.bytes_written)
    client.end("end")
    counts.append(client.bytes_written)

    assert counts == [0, taken, taken + 2, taken + 5]
    assert client.ready_state == -1
    assert not hasattr(client, "bytes_read")


@pytest.mark.shows("TCP-070")
def test_flush_returns_nothing_and_does_nothing_in_any_state(talk: MakeTalk) -> None:
    conversation = talk(allow_half_open=True)
    client: Any = conversation.client
    conversation.fill(client)
    conversation.log.clear()

    returned = [client.flush()]
    client.shutdown()
    returned.append(client.flush())
    assert conversation.log.trace() == ""
    client.end()
    returned.append(client.flush())

    assert returned == [None, None, None]
    assert conversation.log.trace() == "c.close(None)"


@pytest.mark.shows("TCP-084", "D1")
def test_a_big_end_needs_no_drain_handler_to_finish_and_close(talk: MakeTalk) -> None:
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", "data", "close"))

    assert conversation.client.end(bytes(HUGE)) == HUGE

    conversation.until_seen("c", "close")
    conversation.until_seen("s", "close")
    assert len(log.received("s")) == HUGE
    assert log.of("c") == "c.close(None)"


@pytest.mark.shows("TCP-072")
def test_a_write_to_a_full_socket_returns_zero(talk: MakeTalk) -> None:
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.fill(conversation.client)

    assert conversation.client.write(bytes(65536)) == 0
    assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-077", "D9")
def test_pausing_resuming_and_half_open_ends_bring_no_drain(talk: MakeTalk) -> None:
    conversation = talk(allow_half_open=True)
    server = conversation.server
    conversation.client.write("x")
    server.pause()
    conversation.settle()
    server.resume()
    conversation.settle()
    conversation.client.shutdown()
    conversation.until_seen("s", "end")
    conversation.settle()

    assert conversation.log.seen("s", "drain") == conversation.log.seen("c", "drain") == 0


@pytest.mark.shows("TCP-077", "TCP-199", "D9")
@pytest.mark.parametrize("paused", [False, True])
def test_an_adopted_descriptor_brings_no_drain(reactor: Reactor, paused: bool) -> None:
    log = Log()
    ours, theirs = raw.socketpair()
    with theirs:
        client = connect(
            socket=log.handlers("c"), fd=ours.detach(), pause_on_connect=paused, reactor=reactor
        ).result()
        settle(reactor, log)
        client.resume()
        theirs.sendall(b"x")
        settle(reactor, log)

    assert log.trace() == "c.open c.data(x)"


@pytest.mark.shows("TCP-078")
def test_a_socket_that_is_writable_and_readable_at_once_drains_first(reactor: Reactor) -> None:
    log = Log()
    with raw.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connecting = connect(
            socket=log.handlers("c"), hostname="127.0.0.1", port=port, reactor=reactor
        )
        client, (theirs, _) = connecting.result(DEADLINE), server.accept()
        with theirs:
            while client.write(bytes(HUGE)):
                pass
            settle(reactor, log)
            log.clear()
            theirs.sendall(b"x")
            while drain(theirs):
                pass

            reactor.run_once(DEADLINE)

    assert log.trace() == "c.drain c.data(x)"
