"""Closing, half-open connections, resets (TCP-022..058)."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect
from sockharness.engine.tcp.socket import Socket
from tests.helpers.conversation import Log, Talk

MakeTalk = Callable[..., Talk]
HUGE = 16_000_000
CLOSING: dict[str, Callable[[Socket], object]] = {
    "end": lambda socket: socket.end(),
    "end with data": lambda socket: socket.end("bye"),
    "end with much data": lambda socket: socket.end(bytes(HUGE)),
    "close": lambda socket: socket.close(),
    "terminate": lambda socket: socket.terminate(),
    "shutdown": lambda socket: socket.shutdown(),
    "shutdown read": lambda socket: socket.shutdown(True),
}


@pytest.mark.shows("TCP-024")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1,), TypeError),
        (({},), TypeError),
        ((print,), TypeError),
        ((b"ab", 99), ValueError),
        ((b"ab", 0, 3), ValueError),
        ((b"ab", "0"), TypeError),
    ],
)
def test_an_end_that_raises_leaves_the_socket_open(
    talk: MakeTalk, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    conversation = talk()
    conversation.log.clear()

    with pytest.raises(error):
        conversation.client.end(*arguments)

    assert conversation.client.ready_state == 1
    assert conversation.client.write("alive") == 5
    assert conversation.trace() == "s.data(alive)"


@pytest.mark.shows("TCP-027")
def test_terminate_drops_what_the_kernel_had_accepted(tcp: MakeTalk) -> None:
    conversation = tcp(listen_options={"pause_on_connect": True})
    accepted = conversation.fill(conversation.client)

    conversation.client.terminate()

    conversation.until_seen("s", "close")
    assert len(conversation.log.received("s")) < accepted
    assert conversation.log.of("s").endswith("s.close(ECONNRESET)")
    assert conversation.log.seen("s", "end") == 0


@pytest.mark.shows("TCP-031")
def test_after_shutdown_the_socket_reads_on_and_a_second_one_does_nothing(talk: MakeTalk) -> None:
    conversation = talk(listen_options={"allow_half_open": True})
    conversation.log.clear()
    client = conversation.client
    client.shutdown()
    conversation.settle()

    client.shutdown()
    conversation.server.write("still read")

    assert conversation.trace() == "s.end c.data(still read)"
    assert (client.ready_state, client.write("x"), client.write("")) == (1, -1, -1)


@pytest.mark.shows("TCP-032")
@pytest.mark.parametrize("half_open", [False, True])
@pytest.mark.parametrize("method", ["end", "shutdown"])
def test_after_an_own_shutdown_there_is_no_end_whatever_half_open_says(
    talk: MakeTalk, half_open: bool, method: str
) -> None:
    conversation = talk(
        listen_options={"allow_half_open": True}, connect_options={"allow_half_open": half_open}
    )
    conversation.client.shutdown()
    conversation.settle()
    conversation.log.clear()

    getattr(conversation.server, method)()

    assert sorted(conversation.trace().split()) == ["c.close(None)", "s.close(None)"]


@pytest.mark.shows("TCP-033")
def test_after_shutdown_of_reading_what_the_peer_sends_is_never_delivered(tcp: MakeTalk) -> None:
    conversation = tcp(allow_half_open=True)
    conversation.log.clear()
    conversation.client.shutdown(True)
    assert conversation.log.trace() == ""
    assert conversation.trace() == "c.end"

    assert conversation.server.write("never seen") == 10
    assert conversation.client.write("still sent") == 10

    assert conversation.trace() == "c.end s.data(still sent)"
    assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-035")
@pytest.mark.parametrize("half_open", [False, True])
@pytest.mark.parametrize("second", CLOSING)
@pytest.mark.parametrize("first", CLOSING)
def test_each_socket_gets_exactly_one_close_as_its_last_event(
    talk: MakeTalk, first: str, second: str, half_open: bool
) -> None:
    conversation = talk(allow_half_open=half_open)
    CLOSING[first](conversation.client)
    CLOSING[second](conversation.server)
    conversation.settle()
    CLOSING[second](conversation.client)
    CLOSING[first](conversation.server)
    conversation.settle()

    for who, socket in (("c", conversation.client), ("s", conversation.server)):
        socket.close()
        conversation.settle()
        events = [event for name, event, _ in conversation.log.entries if name == who]
        assert events.count("close") == 1
        assert events[-1] == "close"
        assert events.count("open") == 1


@pytest.mark.shows("TCP-035")
def test_a_socket_that_never_opened_gets_no_close(reactor: Reactor, tmp_path: Any) -> None:
    log = Log()

    def closes(socket: Socket, error: object) -> None:
        socket.end()
        socket.close()
        socket.terminate()

    handlers = log.handlers("c", connect_error=closes)
    connect(socket=handlers, unix=tmp_path / "missing", reactor=reactor)
    reactor.run_once(0)

    assert log.trace() == "c.connect_error(ENOENT)"


@pytest.mark.shows("TCP-036")
def test_when_both_end_with_data_in_one_turn_both_lose_it(tcp: MakeTalk) -> None:
    conversation = tcp()
    conversation.settle()
    conversation.log.clear()

    returned = (conversation.client.end("a"), conversation.server.end("b"))

    assert returned == (1, 1)
    assert conversation.trace() == "c.close(None) s.close(None)"


@pytest.mark.shows("TCP-037")
def test_end_with_data_over_unread_bytes_sends_the_data_and_resets(tcp: MakeTalk) -> None:
    conversation = tcp(listen_options={"pause_on_connect": True})
    conversation.client.write("unread")
    conversation.settle()
    conversation.log.clear()

    assert conversation.server.end("x") == 1

    assert conversation.trace() == "s.close(None) c.data(x) c.close(ECONNRESET)"


@pytest.mark.shows("TCP-041")
def test_a_closed_socket_keeps_data_and_counters_and_nothing_else(talk: MakeTalk) -> None:
    conversation = talk(data="mine")
    server: Any = conversation.server
    server.write("four")
    server.end()

    assert (server.data, server.bytes_written) == ("mine", 4)
    assert (server.ready_state, server.fileno(), server.listener) == (-1, -1, None)
    assert server.timeout("anything") is None
    assert server.reload({"nothing": 1}) is None
    server.data = "new"
    assert server.data == "new"


@pytest.mark.shows("TCP-042")
def test_the_state_is_open_in_all_handlers_but_close(tcp: MakeTalk) -> None:
    log = Log()
    states: dict[str, int] = {}

    def look(event: str) -> Callable[..., None]:
        def handler(socket: Socket, *_args: Any) -> None:
            states[event] = socket.ready_state
            if event == "data":
                raise KeyError("for error")

        return handler

    events = ("open", "data", "drain", "end", "close", "error", "timeout")
    client = log.handlers("c", **{event: look(event) for event in events})
    conversation = tcp(log=log, client=client, connect_options={"allow_half_open": True})
    conversation.fill(conversation.client)
    conversation.client.timeout(0.001)
    conversation.until(lambda: {"drain", "timeout"} <= states.keys())
    conversation.server.write("x")
    conversation.server.shutdown()
    conversation.until(lambda: "end" in states)
    half_open = conversation.client.ready_state
    conversation.client.end()

    assert states == {**dict.fromkeys(events, 1), "close": -1}
    assert half_open == 1


@pytest.mark.shows("TCP-042", "TCP-031")
def test_the_state_is_open_after_shutdown_and_closed_in_connect_error(
    talk: MakeTalk, tmp_path: Any
) -> None:
    conversation = talk(allow_half_open=True)
    conversation.client.shutdown()
    states: list[int] = []
    handlers = {
        "data": print,
        "connect_error": lambda socket, _error: states.append(socket.ready_state),
    }

    connect(socket=handlers, unix=tmp_path / "missing", reactor=conversation.reactor)

    assert conversation.client.ready_state == 1
    assert states == [-1]


@pytest.mark.shows("TCP-056")
def test_a_reset_needs_no_handler_for_end_or_error(tcp: MakeTalk) -> None:
    log = Log()
    conversation = tcp(log=log, server=log.handlers("s", "open", "data", "close"))

    conversation.client.terminate()

    conversation.settle()
    assert log.of("s") == "s.open s.close(ECONNRESET)"
    conversation.reactor.run_once(0)


@pytest.mark.shows("TCP-058")
def test_a_write_after_the_fin_was_seen_returns_minus_one(talk: MakeTalk) -> None:
    conversation = talk()
    conversation.client.shutdown()
    conversation.settle()

    assert (conversation.server.write("late"), conversation.server.ready_state) == (-1, -1)
