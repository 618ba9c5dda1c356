"""`end`, `close`, `terminate`, `shutdown` beyond the close matrix."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.conversation import DEADLINE, Log, Talk

MakeTalk = Callable[..., Talk]
HUGE = 16_000_000


@pytest.mark.shows("TCP-022", "TCP-026", "TCP-028")
@pytest.mark.parametrize("method", ["end", "close", "terminate"])
def test_the_close_handler_runs_inside_the_call(talk: MakeTalk, method: str) -> None:
    """TCP-022, TCP-026, TCP-028."""
    conversation = talk()
    conversation.log.clear()

    getattr(conversation.client, method)()

    assert conversation.log.trace() == "c.close(None)"
    assert (conversation.client.ready_state, conversation.client.fileno()) == (-1, -1)


@pytest.mark.shows("TCP-023")
@pytest.mark.parametrize(
    ("data", "returned"), [((), 0), ((None,), 0), (("",), 0), ((b"",), 0), (("bye",), 3)]
)
def test_end_returns_how_many_bytes_were_accepted(
    talk: MakeTalk, data: tuple[Any, ...], returned: int
) -> None:
    """TCP-023."""
    assert talk().client.end(*data) == returned


def test_end_takes_offset_and_length(talk: MakeTalk) -> None:
    conversation = talk()

    assert conversation.client.end(b"0123456789", 2, 3) == 3

    conversation.until_seen("s", "close")
    assert conversation.log.received("s") == b"234"


@pytest.mark.shows("TCP-025", "TCP-041")
def test_everything_is_inert_after_end(talk: MakeTalk) -> None:
    """TCP-025, TCP-041."""
    conversation = talk()
    client = conversation.client
    client.end()
    conversation.settle()
    conversation.log.clear()

    assert (client.write("x"), client.end("x"), client.end()) == (-1, -1, -1)
    assert (client.set_no_delay(), client.set_keep_alive(True)) == (False, False)
    for method in ("flush", "shutdown", "terminate", "close", "ref", "unref", "pause", "resume"):
        assert getattr(client, method)() is None
    client.timeout(-1)
    client.reload({"data": print})

    assert conversation.trace() == ""


@pytest.mark.shows("TCP-040")
def test_a_with_block_ends_the_socket(talk: MakeTalk) -> None:
    """TCP-040."""
    conversation = talk()
    conversation.log.clear()

    with conversation.client as client:
        client.write("zz")

    assert conversation.trace() == "c.close(None) s.data(zz) s.end s.close(None)"


@pytest.mark.shows("TCP-039")
def test_inside_close_the_socket_is_already_detached(talk: MakeTalk) -> None:
    """TCP-039."""
    log = Log()
    seen: list[Any] = []

    def look(socket: Any, error: object) -> None:
        seen.append((socket.end(), socket.write("x"), socket.ready_state, socket.fileno()))

    conversation = talk(log=log, client=log.handlers("c", "data", "close", close=look))

    conversation.client.end()

    assert seen == [(-1, -1, -1, -1)]


@pytest.mark.shows("TCP-027")
@pytest.mark.parametrize("method", ["end", "close", "shutdown"])
def test_what_the_kernel_accepted_is_not_lost_by_a_graceful_close(
    talk: MakeTalk, method: str
) -> None:
    """TCP-027."""
    conversation = talk()
    accepted = conversation.client.write(bytes(HUGE))

    getattr(conversation.client, method)()

    conversation.until_seen("s", "close")
    assert len(conversation.log.received("s")) == accepted
    assert conversation.log.of("s").endswith("s.end s.close(None)")


@pytest.mark.shows("D1", "TCP-082", "TCP-084", "TCP-085", "TCP-086", "TCP-070")
def test_a_big_end_accepts_everything_and_finishes_in_the_background(talk: MakeTalk) -> None:
    """D1 (TCP-082..087)."""
    conversation = talk()
    conversation.log.clear()
    client = conversation.client
    source = bytearray(range(250)) * (HUGE // 250)
    expected = bytes(source)

    assert client.end(source) == HUGE
    source[:] = bytes(HUGE)  # the buffer is the caller's again

    assert (client.ready_state, client.write("x"), client.end("x"), client.end()) == (1, -1, -1, -1)
    client.flush()
    assert conversation.log.trace() == ""
    conversation.until_seen("s", "close")
    assert conversation.log.received("s") == expected
    assert conversation.log.of("c") == "c.close(None)"
    assert client.bytes_written == HUGE


@pytest.mark.shows("D1")
def test_data_is_still_delivered_while_a_big_end_finishes(talk: MakeTalk) -> None:
    """D1."""
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.client.end(bytes(HUGE))
    conversation.server.write("meanwhile")

    conversation.until_seen("c", "data")
    conversation.server.resume()

    conversation.until_seen("c", "close")
    assert conversation.log.of("c") == "c.open c.data(meanwhile) c.close(None)"


@pytest.mark.shows("D1")
def test_a_big_end_goes_on_when_the_peer_has_shut_down(talk: MakeTalk) -> None:
    """D1; after the own end there is no `end` event, as after the own shutdown (TCP-032)."""
    conversation = talk(listen_options={"pause_on_connect": True, "allow_half_open": True})
    conversation.client.end(bytes(HUGE))
    conversation.server.shutdown()
    conversation.settle()
    conversation.server.resume()

    conversation.until_seen("s", "close")

    assert len(conversation.log.received("s")) == HUGE
    assert conversation.log.of("c") == "c.open c.close(None)"


@pytest.mark.shows("D1")
def test_close_drops_the_rest_of_a_big_end(talk: MakeTalk) -> None:
    """D1."""
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.client.end(bytes(HUGE))
    accepted = conversation.client.bytes_written

    conversation.client.close()

    assert conversation.log.of("c") == "c.open c.close(None)"
    conversation.server.resume()
    conversation.until_seen("s", "close")
    assert len(conversation.log.received("s")) == accepted < HUGE


@pytest.mark.shows("D1")
def test_terminate_drops_the_rest_of_a_big_end(tcp: MakeTalk) -> None:
    """D1."""
    conversation = tcp(listen_options={"pause_on_connect": True})
    conversation.client.end(bytes(HUGE))

    conversation.client.terminate()

    conversation.until_seen("s", "close")
    assert len(conversation.log.received("s")) < HUGE
    assert conversation.log.of("s").endswith("s.close(ECONNRESET)")


@pytest.mark.shows("D1", "D5")
def test_a_big_end_to_a_peer_that_goes_away_closes_with_the_error(talk: MakeTalk) -> None:
    """D1 and D5: exactly one `close`, which says that the rest did not arrive."""
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.client.end(bytes(HUGE))

    conversation.server.terminate()

    conversation.until_seen("c", "close")
    conversation.settle()
    assert conversation.log.of("c") in ("c.open c.close(ECONNRESET)", "c.open c.close(EPIPE)")


@pytest.mark.shows("D1")
def test_stop_lets_a_big_end_of_an_accepted_socket_finish(talk: MakeTalk) -> None:
    """D1."""
    conversation = talk()
    conversation.server.end(bytes(HUGE))

    conversation.listener.stop(True)

    conversation.until_seen("c", "close")
    assert len(conversation.log.received("c")) == HUGE


@pytest.mark.shows("D1")
def test_a_big_end_in_the_end_handler_is_sent_before_the_automatic_close(talk: MakeTalk) -> None:
    """D1, TCP-043."""
    log = Log()
    server = log.handlers("s", end=lambda socket: socket.end(bytes(HUGE)))
    conversation = talk(log=log, server=server)

    conversation.client.shutdown()

    conversation.until_seen("c", "close")
    assert len(log.received("c")) == HUGE
    assert log.of("s").endswith("s.end s.close(None)")


@pytest.mark.shows("D1", "TCP-083", "TCP-087")
def test_end_of_a_full_socket_closes_when_its_tail_was_taken(talk: MakeTalk) -> None:
    """D1 (TCP-087)."""
    conversation = talk()
    taken = conversation.fill(conversation.client)

    assert conversation.client.end("tail") == 4

    conversation.until_seen("s", "close")
    assert conversation.log.received("s") == bytes(taken) + b"tail"
    assert conversation.log.seen("c", "drain") == 0


@pytest.mark.shows("TCP-023")
def test_end_with_data_after_shutdown_is_refused_and_end_closes(talk: MakeTalk) -> None:
    """TCP-023."""
    conversation = talk(allow_half_open=True)
    client = conversation.client
    client.shutdown()

    assert (client.end("x"), client.ready_state) == (-1, 1)
    assert (client.end(), client.ready_state) == (0, -1)


@pytest.mark.shows("TCP-080")
def test_end_in_drain_sends_and_closes(talk: MakeTalk) -> None:
    """TCP-080."""
    log = Log()
    client = log.handlers("c", "drain", "close", drain=lambda socket: socket.end("end"))
    conversation = talk(log=log, client=client)
    conversation.fill(conversation.client)

    conversation.until_seen("s", "close")

    assert log.received("s").endswith(b"end")
    assert log.of("c") == "c.drain c.close(None)"


@pytest.mark.shows("TCP-038")
def test_closing_in_data_nests_and_nothing_follows(talk: MakeTalk) -> None:
    """TCP-038."""
    log = Log()

    def close(socket: Any, data: bytes) -> None:
        socket.terminate()
        log.note("s", "returned")

    conversation = talk(log=log, server=log.handlers("s", data=close))
    log.clear()
    conversation.client.write(bytes(3_000_000))
    conversation.until_seen("s", "returned")
    conversation.settle()

    assert [entry[1] for entry in log.entries if entry[0] == "s"] == ["data", "close", "returned"]


@pytest.mark.shows("TCP-043")
def test_what_the_end_handler_writes_is_sent_before_the_automatic_close(talk: MakeTalk) -> None:
    """TCP-043."""
    log = Log()
    server = log.handlers("s", end=lambda socket: socket.write("reply"))
    conversation = talk(log=log, server=server)
    log.clear()

    conversation.client.shutdown()

    assert conversation.trace() == "s.end s.close(None) c.data(reply) c.close(None)"


@pytest.mark.shows("TCP-036")
@pytest.mark.parametrize("method", ["end", "shutdown", "terminate"])
@pytest.mark.parametrize("half_open", [False, True])
def test_simultaneous_closes_bring_two_closes_and_no_end(
    tcp: MakeTalk, method: str, half_open: bool
) -> None:
    """TCP-036."""
    conversation = tcp(allow_half_open=half_open)
    conversation.log.clear()

    getattr(conversation.client, method)()
    getattr(conversation.server, method)()

    assert sorted(conversation.trace().split()) == ["c.close(None)", "s.close(None)"]


@pytest.mark.shows("TCP-037", "TCP-196")
def test_closing_with_unread_data_resets_the_peer(talk: MakeTalk) -> None:
    """TCP-037, TCP-196: the kernel's doing."""
    conversation = talk(listen_options={"pause_on_connect": True})
    conversation.client.write("unread")
    conversation.settle()
    conversation.log.clear()

    conversation.server.end()

    assert conversation.trace() == "s.close(None) c.close(ECONNRESET)"


@pytest.mark.shows("TCP-196")
def test_terminate_on_a_unix_socket_looks_like_an_end(reactor: Any, tmp_path: Any) -> None:
    """TCP-196."""
    conversation = Talk(reactor, unix=str(tmp_path / "s"))
    conversation.log.clear()

    conversation.client.terminate()

    assert conversation.trace() == "c.close(None) s.end s.close(None)"


@pytest.mark.shows("TCP-016")
def test_a_server_that_closes_in_open_lets_the_client_open_first(talk: MakeTalk) -> None:
    """TCP-016."""
    log = Log()
    server = log.handlers("s", open=lambda socket: socket.end("hi"))
    conversation = talk(log=log, server=server)

    trace = conversation.trace()
    assert trace == "s.open s.close(None) c.open c.data(hi) c.end c.close(None)"


@pytest.mark.shows("TCP-017")
def test_a_server_of_the_same_reactor_that_resets_in_open_lets_the_client_open_first(
    tcp: MakeTalk,
) -> None:
    """TCP-017."""
    log = Log()
    server = log.handlers("s", open=lambda socket: socket.terminate())
    conversation = tcp(log=log, server=server)

    assert conversation.trace() == "s.open s.close(None) c.open c.close(ECONNRESET)"


@pytest.mark.shows("TCP-015")
@pytest.mark.parametrize("method", ["end", "close"])
def test_a_client_that_closes_in_open_is_returned_closed(talk: MakeTalk, method: str) -> None:
    """TCP-015."""
    log = Log()
    client = log.handlers("c", open=lambda socket: getattr(socket, method)())
    conversation = talk(log=log, client=client)

    assert conversation.client.ready_state == -1
    assert conversation.trace() == "s.open c.open c.close(None) s.end s.close(None)"


@pytest.mark.shows("TCP-010", "TCP-014")
def test_both_sides_may_write_in_open(talk: MakeTalk) -> None:
    """TCP-010, TCP-014: the server opens first."""
    log = Log()
    conversation = talk(
        log=log,
        server=log.handlers("s", open=lambda socket: socket.write("from-server")),
        client=log.handlers("c", open=lambda socket: socket.write("from-client")),
    )

    trace = conversation.trace()
    assert trace == "s.open c.open c.data(from-server) s.data(from-client)"


@pytest.mark.shows("TCP-019")
def test_accepts_come_before_opens_in_connect_order(talk: MakeTalk) -> None:
    """TCP-019."""
    conversation = talk()
    conversation.log.clear()
    more = [
        conversation.connect(socket=conversation.log.handlers(f"c{number}")) for number in range(3)
    ]

    conversation.until(lambda: all(each.settled for each in more))

    assert conversation.log.trace() == "s.open s.open s.open c0.open c1.open c2.open"
    for each in more:
        each.result(DEADLINE).close()
