"""`reload`'s argument, socket options (TCP-170..190)."""

import socket as raw
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sockharness.engine.tcp.socket import Socket
from tests.helpers.conversation import DEADLINE, Talk

MakeTalk = Callable[..., Talk]


@contextmanager
def kernel_of(socket: Socket) -> Iterator[raw.socket]:
    """Return the descriptor of an engine's socket; the engine keeps it."""
    real = raw.socket(fileno=socket.fileno())
    try:
        yield real
    finally:
        real.detach()


@pytest.mark.shows("TCP-171")
def test_clients_that_were_given_the_same_handlers_are_reloaded_one_by_one(talk: MakeTalk) -> None:
    conversation = talk()
    log, other = conversation.log, conversation.connect().result(DEADLINE)
    conversation.until(lambda: len(conversation.accepted) == 2)
    other.reload(log.handlers("v2"))
    conversation.settle()
    log.clear()

    for accepted in conversation.accepted:
        accepted.end("x")

    conversation.settle()
    assert log.of("c") == "c.data(x) c.end c.close(None)"
    assert log.of("v2") == "v2.data(x) v2.end v2.close(None)"


@pytest.mark.shows("TCP-172")
def test_reloading_an_accepted_socket_reaches_future_connections(talk: MakeTalk) -> None:
    conversation = talk()
    conversation.settle()
    conversation.log.clear()
    conversation.server.reload(conversation.log.handlers("v2"))

    conversation.connect().result(DEADLINE)

    assert conversation.trace() == "v2.open c.open"


@pytest.mark.shows("TCP-173")
@pytest.mark.parametrize("who", ["listener", "client", "server"])
def test_reload_takes_handlers_as_socket_and_refuses_what_holds_none(
    talk: MakeTalk, who: str
) -> None:
    conversation = talk()
    subject: Any = getattr(conversation, who)
    wrong: list[dict[str, Any]] = [{}, {"socket": None}, {"socket": 5}, {"socket": {}}]
    for arguments in wrong:
        with pytest.raises(TypeError):
            subject.reload(**arguments)

    assert subject.reload(socket=conversation.log.handlers("v2")) is None


@pytest.mark.shows("TCP-186")
def test_no_delay_is_false_when_closed(talk: MakeTalk) -> None:
    client = talk().client
    assert client.set_no_delay() is True

    client.close()

    assert client.set_no_delay() is False


@pytest.mark.shows("TCP-187", "D29")
def test_keep_alive_probes_each_second_ten_times_after_the_delay_in_seconds(
    tcp: MakeTalk,
) -> None:
    client = tcp().client

    assert client.set_keep_alive(True, 30) is True

    with kernel_of(client) as real:
        assert real.getsockopt(raw.SOL_SOCKET, raw.SO_KEEPALIVE) == 1
        options = (raw.TCP_KEEPIDLE, raw.TCP_KEEPINTVL, raw.TCP_KEEPCNT)
        assert [real.getsockopt(raw.IPPROTO_TCP, option) for option in options] == [30, 1, 10]


@pytest.mark.shows("TCP-187")
@pytest.mark.parametrize(
    ("delay", "error"), [(-1, ValueError), (float("nan"), ValueError), ("x", TypeError)]
)
def test_keep_alive_refuses_a_delay_that_cannot_be(
    talk: MakeTalk, delay: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="initial_delay: expected a"):
        talk().client.set_keep_alive(True, delay)


@pytest.mark.shows("TCP-188", "D30")
def test_what_there_is_no_method_for_can_be_set_through_the_descriptor(tcp: MakeTalk) -> None:
    client = tcp().client
    assert not hasattr(client, "set_type_of_service")

    with kernel_of(client) as real:
        real.setsockopt(raw.IPPROTO_IP, raw.IP_TOS, 16)

    with kernel_of(client) as real:
        assert real.getsockopt(raw.IPPROTO_IP, raw.IP_TOS) == 16
    assert client.write("x") == 1
