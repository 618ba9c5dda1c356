"""Chunks, pause and resume, half-open sockets, resets."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.tcp.socket import Socket
from tests.helpers.conversation import Log, Talk

MakeTalk = Callable[..., Talk]
CHUNK = 524288


class Sizes(Log):
    """Remembers the sizes of chunks too."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.chunks: list[bytes] = []

    def note(self, who: str, event: str, *args: Any) -> None:
        if event == "data":
            self.sizes.append(len(args[0]))
            self.chunks.append(args[0])
        super().note(who, event, *args)


@pytest.mark.shows("TCP-088", "TCP-095")
def test_a_chunk_has_at_most_512_kib_and_is_never_empty(tcp: MakeTalk) -> None:
    """TCP-088, TCP-095."""
    log = Sizes()
    conversation = tcp(log=log, listen_options={"pause_on_connect": True})
    taken = conversation.fill(conversation.client)
    conversation.server.resume()

    conversation.until(lambda: sum(log.sizes) == taken)

    assert max(log.sizes) <= CHUNK
    assert min(log.sizes) > 0


@pytest.mark.shows("TCP-090")
def test_each_chunk_is_bytes_of_its_own(talk: MakeTalk) -> None:
    """TCP-090."""
    log = Sizes()
    conversation = talk(log=log)
    for text in ("first", "second"):
        conversation.client.write(text)
        conversation.settle()

    assert log.chunks == [b"first", b"second"]
    assert {type(chunk) for chunk in log.chunks} == {bytes}


def test_a_fast_peer_does_not_keep_another_socket_waiting(tcp: MakeTalk) -> None:
    """TCP-093: several chunks in a row, but a bounded number."""
    log = Sizes()
    conversation = tcp(log=log, listen_options={"pause_on_connect": True})
    conversation.connect().result(5)
    first, second = conversation.accepted
    conversation.fill(conversation.client)
    first.resume()
    log.sizes.clear()

    conversation.reactor.run_once(0)

    assert 1 <= len(log.sizes) <= 8
    assert second.ready_state == 1


@pytest.mark.shows("TCP-094")
def test_ready_sockets_are_served_in_the_order_they_became_ready(talk: MakeTalk) -> None:
    """TCP-094."""
    conversation = talk()
    clients = [conversation.client, *(conversation.connect().result(5) for _ in range(2))]
    order: list[Any] = []
    conversation.listener.reload({"data": lambda socket, data: order.append(data)})

    for number in (2, 0, 1):
        clients[number].write(str(number))
    conversation.until(lambda: len(order) == 3)

    assert order == [b"2", b"0", b"1"]


@pytest.mark.shows("TCP-029", "TCP-099")
def test_data_end_and_close_come_in_one_iteration(talk: MakeTalk) -> None:
    """TCP-099."""
    conversation = talk()
    conversation.settle()
    conversation.log.clear()
    conversation.client.write("x")
    conversation.client.end()

    conversation.reactor.run_once(1)

    assert conversation.log.of("s") == "s.data(x) s.end s.close(None)"


@pytest.mark.shows("TCP-092")
def test_with_only_drain_incoming_data_is_dropped(talk: MakeTalk) -> None:
    """TCP-092."""
    log = Log()
    conversation = talk(log=log, server=log.handlers("s", "drain"))
    conversation.client.write("lost")
    conversation.settle()
    conversation.listener.reload(log.handlers("s", "data"))

    conversation.client.write("seen")

    conversation.until_seen("s", "data")
    assert log.of("s") == "s.data(seen)"


@pytest.mark.shows("TCP-100")
def test_an_open_socket_survives_garbage_collection(talk: MakeTalk) -> None:
    """TCP-100."""
    conversation = talk()
    for _ in range(3):
        conversation.connect()
    conversation.settle()
    conversation.log.clear()

    gc.collect()

    assert conversation.trace() == ""
    assert len(conversation.listener.connections) == 4


# pause and resume


@pytest.mark.shows("TCP-179", "D9")
def test_pause_holds_data_back_and_resume_delivers_it_later(talk: MakeTalk) -> None:
    """TCP-179, D9: no drain comes with it."""
    conversation = talk()
    conversation.log.clear()
    server = conversation.server
    for _ in range(2):
        server.pause()
    conversation.client.write("a")
    conversation.client.write("b")
    assert conversation.trace() == ""

    for _ in range(2):
        server.resume()

    assert conversation.log.trace() == ""
    assert conversation.trace() == "s.data(ab)"


@pytest.mark.shows("TCP-180")
def test_a_fin_is_not_seen_while_paused(talk: MakeTalk) -> None:
    """TCP-180."""
    conversation = talk()
    conversation.server.pause()
    conversation.client.write("tail")
    conversation.client.shutdown()
    conversation.log.clear()
    assert conversation.trace() == ""
    assert conversation.server.write("x") == 1

    conversation.server.resume()

    conversation.settle()
    assert conversation.log.of("s") == "s.data(tail) s.end s.close(None)"


@pytest.mark.shows("TCP-181")
def test_a_reset_is_seen_while_paused(tcp: MakeTalk) -> None:
    """TCP-181."""
    conversation = tcp()
    conversation.server.pause()
    conversation.log.clear()

    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.close(ECONNRESET)"


@pytest.mark.shows("TCP-181", "TCP-053")
def test_what_came_before_a_reset_is_delivered_though_paused(tcp: MakeTalk) -> None:
    """As in Bun: a reset ends the connection at once, and no bytes are lost."""
    conversation = tcp()
    conversation.server.pause()
    conversation.log.clear()

    conversation.client.write("before")
    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.data(before) s.close(ECONNRESET)"


@pytest.mark.shows("D33")
def test_a_paused_socket_that_is_shut_both_ways_sees_a_reset(tcp: MakeTalk) -> None:
    """Every socket has a terminal event."""
    conversation = tcp(listen_options={"pause_on_connect": True})
    conversation.client.shutdown()
    conversation.client.pause()
    conversation.client.shutdown(read=True)
    conversation.settle()
    conversation.log.clear()

    conversation.server.terminate()

    assert conversation.trace() == "s.close(None) c.close(ECONNRESET)"


@pytest.mark.shows("TCP-180", "TCP-181")
def test_a_reset_after_an_unseen_end_is_reported_as_that_end(tcp: MakeTalk) -> None:
    """As in Bun: the FIN was first."""
    conversation = tcp()
    conversation.client.pause()
    conversation.server.end()
    conversation.log.clear()

    assert conversation.client.write("x") == 1

    conversation.settle()
    assert conversation.log.of("c") == "c.end c.close(None)"


@pytest.mark.shows("TCP-182")
def test_end_works_while_paused(talk: MakeTalk) -> None:
    """TCP-182."""
    conversation = talk()
    conversation.server.pause()
    conversation.log.clear()

    conversation.server.end("bye")

    assert conversation.trace() == "s.close(None) c.data(bye) c.end c.close(None)"


@pytest.mark.shows("TCP-183")
def test_pause_in_data_holds_the_rest_back(talk: MakeTalk) -> None:
    """TCP-183."""
    log = Sizes()
    server = log.handlers("s", data=lambda socket, data: socket.pause())
    conversation = talk(log=log, server=server)
    taken = conversation.client.write(bytes(3_000_000))

    conversation.settle()
    assert len(log.sizes) == 1
    while sum(log.sizes) < taken:
        conversation.server.resume()
        count = len(log.sizes)
        conversation.until(lambda count=count: len(log.sizes) > count)  # type: ignore[misc]


@pytest.mark.shows("TCP-184")
@pytest.mark.parametrize("side", ["listen_options", "connect_options"])
def test_pause_on_connect_opens_the_socket_paused(talk: MakeTalk, side: str) -> None:
    """TCP-184."""
    conversation = talk(**{side: {"pause_on_connect": True}})
    listening = side == "listen_options"
    paused, other = (
        (conversation.server, conversation.client)
        if listening
        else (conversation.client, conversation.server)
    )
    other.write("x")
    conversation.log.clear()
    assert conversation.trace() == ""

    paused.resume()

    assert conversation.trace() == f"{'s' if listening else 'c'}.data(x)"


def test_paused_with_both_directions_ended_the_loop_sleeps(talk: MakeTalk) -> None:
    """EPOLLHUP cannot be masked; it must not turn the loop into a spin."""
    conversation = talk(allow_half_open=True)
    server = conversation.server
    server.pause()
    server.shutdown()
    conversation.client.end()
    conversation.settle()
    calls = count_iterations(conversation, 0.03)

    assert calls <= 3
    conversation.log.clear()
    server.resume()
    assert conversation.trace() == "s.close(None)"


@pytest.mark.parametrize("who", ["half-open", "paused"])
def test_a_socket_with_nothing_to_read_lets_the_loop_sleep(talk: MakeTalk, who: str) -> None:
    conversation = talk(allow_half_open=True)
    if who == "paused":
        conversation.server.pause()
    conversation.client.write("x")
    conversation.client.shutdown()
    conversation.settle()

    assert count_iterations(conversation, 0.03) <= 3


def count_iterations(conversation: Talk, seconds: float) -> int:
    calls = 0

    def count() -> bool:
        nonlocal calls
        calls += 1
        return False

    assert not conversation.reactor.run_until(count, seconds)
    return calls


# half-open


@pytest.mark.shows("TCP-045", "TCP-048", "TCP-197", "D9")
def test_a_half_open_socket_writes_on_until_it_is_ended(talk: MakeTalk) -> None:
    """TCP-045, D9: no drain comes with it."""
    conversation = talk(listen_options={"allow_half_open": True})
    conversation.log.clear()
    conversation.client.shutdown()
    assert conversation.trace() == "s.end"

    assert conversation.server.write("late") == 4
    assert conversation.server.end("last") == 4

    assert conversation.trace() == "s.end s.close(None) c.data(latelast) c.close(None)"


@pytest.mark.shows("TCP-047")
def test_half_open_on_the_listener_does_not_concern_clients(talk: MakeTalk) -> None:
    """TCP-047."""
    conversation = talk(listen_options={"allow_half_open": True})
    conversation.log.clear()

    conversation.server.shutdown()

    assert conversation.trace() == "c.end c.close(None) s.close(None)"


@pytest.mark.shows("TCP-050")
def test_two_half_open_sides_close_when_both_have_shut_down(talk: MakeTalk) -> None:
    """TCP-050."""
    conversation = talk(allow_half_open=True)
    conversation.client.shutdown()
    conversation.settle()
    conversation.log.clear()

    conversation.server.shutdown()

    assert sorted(conversation.trace().split()) == ["c.close(None)", "s.close(None)"]


@pytest.mark.shows("TCP-051")
def test_a_reset_after_the_fin_is_reported_as_broken_pipe(tcp: MakeTalk) -> None:
    """TCP-051: Linux in CLOSE_WAIT."""
    conversation = tcp(listen_options={"allow_half_open": True})
    conversation.client.shutdown()
    conversation.settle()
    conversation.log.clear()

    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.close(EPIPE)"


@pytest.mark.shows("TCP-049", "D5")
def test_two_writes_to_a_closed_peer_keep_the_error_for_close(tcp: MakeTalk) -> None:
    """D5 (TCP-049): in Bun the second write consumes the error and `close` has none."""
    conversation = tcp(listen_options={"allow_half_open": True})
    conversation.client.end()
    conversation.settle()
    conversation.log.clear()

    writes = (conversation.server.write("1"), conversation.server.write("2"))

    assert writes == (1, -1)
    assert conversation.server.ready_state == 1
    assert conversation.trace() == "s.close(EPIPE)"


@pytest.mark.shows("TCP-197")
def test_a_half_open_unix_socket_closes_when_its_peer_is_gone(reactor: Any, tmp_path: Any) -> None:
    """TCP-197."""
    conversation = Talk(reactor, unix=str(tmp_path / "s"), allow_half_open=True)
    conversation.log.clear()

    conversation.client.end()

    assert conversation.trace() == "c.close(None) s.end s.close(None)"


def test_shutdown_in_the_end_handler_closes_without_half_open(talk: MakeTalk) -> None:
    log = Log()
    conversation = talk(log=log, server=log.handlers("s", end=Socket.shutdown))
    log.clear()

    conversation.client.shutdown()

    assert conversation.trace() == "s.end s.close(None) c.close(None)"


@pytest.mark.shows("TCP-178")
def test_an_end_handler_added_by_reload_sees_the_next_fin(talk: MakeTalk) -> None:
    """TCP-178."""
    log = Log()
    conversation = talk(log=log, server=log.handlers("s", "data"))
    conversation.listener.reload(log.handlers("s2"))

    conversation.client.shutdown()

    conversation.settle()
    assert log.of("s2") == "s2.end s2.close(None)"


# resets


@pytest.mark.shows("TCP-052")
def test_a_reset_is_the_second_argument_of_close(tcp: MakeTalk) -> None:
    """TCP-052: positive errno, no `error`, no `end`."""
    conversation = tcp()

    conversation.client.terminate()

    conversation.until_seen("s", "close")
    error = conversation.log.entries[-1][2][0]
    assert isinstance(error, ConnectionResetError)
    assert (error.errno, vars(error)["code"]) == (104, "ECONNRESET")
    assert error.__traceback__ is None
    assert conversation.log.of("s") == "s.open s.close(ECONNRESET)"


@pytest.mark.shows("TCP-052")
def test_a_reset_after_the_own_shutdown_is_reported(tcp: MakeTalk) -> None:
    """TCP-052."""
    conversation = tcp()
    conversation.client.shutdown()
    conversation.log.clear()

    conversation.server.terminate()

    assert conversation.trace() == "s.close(None) c.close(ECONNRESET)"


def test_shutting_down_both_directions_closes_when_the_peer_ends(talk: MakeTalk) -> None:
    """TCP-032, TCP-033."""
    conversation = talk(connect_options={"allow_half_open": True})
    conversation.log.clear()
    conversation.client.shutdown()

    conversation.client.shutdown(True)

    assert sorted(conversation.trace().split()) == ["c.close(None)", "s.close(None)", "s.end"]


@pytest.mark.shows("TCP-053")
def test_data_before_a_reset_is_delivered_first(tcp: MakeTalk) -> None:
    """TCP-053."""
    conversation = tcp()
    conversation.log.clear()
    conversation.client.write("before-rst")

    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.data(before-rst) s.close(ECONNRESET)"


@pytest.mark.shows("TCP-054", "D5")
@pytest.mark.parametrize("method", ["write", "end"])
def test_a_write_that_meets_the_reset_leaves_the_error_to_close(tcp: MakeTalk, method: str) -> None:
    """D5 (TCP-054): in Bun `end` and `close(undefined)` follow."""
    conversation = tcp()
    conversation.log.clear()
    conversation.client.terminate()

    assert getattr(conversation.server, method)("x") == -1
    assert conversation.server.ready_state == 1
    assert conversation.server.write("x") == -1

    assert conversation.trace() == "c.close(None) s.close(ECONNRESET)"


@pytest.mark.shows("TCP-054")
def test_end_without_data_after_a_reset_closes_at_once(tcp: MakeTalk) -> None:
    """TCP-054."""
    conversation = tcp()
    conversation.log.clear()
    conversation.client.terminate()

    assert conversation.server.end() == 0

    assert conversation.trace() == "c.close(None) s.close(None)"


@pytest.mark.shows("TCP-055")
def test_a_reset_with_a_full_send_queue_brings_no_drain(tcp: MakeTalk) -> None:
    """TCP-055."""
    conversation = tcp(connect_options={"pause_on_connect": True})
    conversation.fill(conversation.server)
    conversation.log.clear()

    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.close(ECONNRESET)"


@pytest.mark.shows("TCP-057")
@pytest.mark.parametrize(
    ("half_open", "trace"),
    [(False, "s.data(bye) s.end s.close(None)"), (True, "s.data(bye) s.end s.close(EPIPE)")],
)
def test_a_write_in_the_turn_in_which_the_peer_ended_succeeds(
    tcp: MakeTalk, half_open: bool, trace: str
) -> None:
    """TCP-057."""
    conversation = tcp(listen_options={"allow_half_open": half_open})
    conversation.log.clear()
    conversation.client.end("bye")

    assert conversation.server.write("x") == 1

    conversation.settle()
    assert conversation.log.of("s") == trace
