"""The chunks of received data, and the order of handlers (TCP-088..100)."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from tests.helpers.conversation import Talk

MakeTalk = Callable[..., Talk]


@pytest.mark.shows("TCP-089")
def test_what_is_written_before_the_reader_runs_comes_in_one_chunk(talk: MakeTalk) -> None:
    conversation = talk()
    chunks: list[bytes] = []
    conversation.listener.reload({"data": lambda _, data: chunks.append(data)})
    for number in range(5):
        conversation.client.write(f"m{number}")
    conversation.settle()
    for number in range(5):
        conversation.client.write(f"m{number}")
        conversation.settle()

    assert chunks == [b"m0m1m2m3m4", b"m0", b"m1", b"m2", b"m3", b"m4"]


@pytest.mark.shows("TCP-093")
def test_full_chunks_are_read_in_a_row_but_not_for_ever(
    talk: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockharness.engine.tcp.socket.CHUNK", 1000)
    monkeypatch.setattr("sockharness.engine.tcp.socket.BULK_CHUNK", 1000)
    conversation = talk(listen_options={"pause_on_connect": True})
    clients = [conversation.client, *(conversation.connect().result(5) for _ in range(2))]
    conversation.until(lambda: len(conversation.accepted) == 3)
    order: list[int] = []
    conversation.listener.reload(
        {"data": lambda socket, _: order.append(conversation.accepted.index(socket))}
    )
    clients[0].write(bytes(20_000))
    clients[1].write("b")
    clients[2].write("c")
    for socket in conversation.accepted:
        socket.resume()

    conversation.until(lambda: order)

    assert order == [0] * 9 + [1, 2]
    conversation.settle()
    assert order == [0] * 9 + [1, 2] + [0] * 11


@pytest.mark.shows("TCP-100")
def test_a_listener_that_nobody_holds_goes_on_accepting(reactor: Reactor) -> None:
    seen: list[Any] = []
    listener = listen(
        socket={"data": print, "open": seen.append}, hostname="127.0.0.1", port=0, reactor=reactor
    )
    port, reference = listener.port, weakref.ref(listener)
    del listener

    gc.collect()

    assert reference() is not None
    client = {"data": print}
    connect(socket=client, hostname="127.0.0.1", port=port, reactor=reactor).result(5)
    assert len(seen) == 1


@pytest.mark.shows("TCP-100")
def test_clients_that_nobody_holds_go_on_talking(reactor: Reactor) -> None:
    seen: list[bytes] = []
    handlers = {"data": lambda _, data: seen.append(data), "open": lambda s: s.write("hello")}
    listener = listen(socket=handlers, hostname="127.0.0.1", port=0, reactor=reactor)
    talk = Talk(reactor)
    for _ in range(3):
        talk.connect(socket=handlers, port=listener.port)

    gc.collect()

    talk.until(lambda: len(b"".join(seen)) == 30)
