"""The handlers and their arguments, exceptions in handlers, `timeout`, `reload`."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from tests.helpers.conversation import Log, Talk

MakeTalk = Callable[..., Talk]


class Boom(Exception):
    """Raised by a handler."""


def boom(*_args: Any) -> None:
    raise Boom("boom")


def provoke(conversation: Talk, event: str) -> None:
    """Make the client's handler of this name run."""
    client, server = conversation.client, conversation.server
    if event == "data":
        server.write("d")
    elif event == "end":
        server.end()
    elif event == "close":
        client.end()
    elif event == "drain":
        conversation.fill(client)
    elif event == "timeout":
        client.timeout(0.001)


@pytest.mark.shows("TCP-079", "TCP-101", "TCP-117")
@pytest.mark.parametrize(
    ("event", "then"), [("data", ""), ("drain", ""), ("timeout", ""), ("end", " c.close(None)")]
)
def test_an_exception_in_a_handler_goes_to_error_and_does_not_close(
    talk: MakeTalk, event: str, then: str
) -> None:
    """TCP-101."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", **{event: boom}))
    log.clear()

    provoke(conversation, event)
    conversation.until_seen("c", "error")

    shown = "data(d)" if event == "data" else event
    assert log.of("c") == f"c.{shown} c.error(Boom)" + then
    assert conversation.client.ready_state == (-1 if then else 1)


@pytest.mark.shows("TCP-101", "TCP-108")
def test_an_exception_in_close_goes_to_error_and_never_out_of_end(talk: MakeTalk) -> None:
    """TCP-101, TCP-108."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", close=boom))
    log.clear()

    assert conversation.client.end() == 0

    assert log.trace() == "c.close(None) c.error(Boom)"


@pytest.mark.shows("TCP-104")
def test_an_exception_in_open_goes_to_error_and_closes_gracefully(talk: MakeTalk) -> None:
    """TCP-104: the attempt has succeeded all the same."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", open=boom))

    assert conversation.client.ready_state == -1
    assert conversation.trace() == "s.open c.open c.error(Boom) c.close(None) s.end s.close(None)"


@pytest.mark.shows("TCP-102", "D17")
def test_without_an_error_handler_an_exception_comes_out_of_run_when_callbacks_are_done(
    talk: MakeTalk,
) -> None:
    """TCP-102, D17: the socket goes on."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", data=boom, error=None))
    conversation.server.write("d")

    with pytest.raises(Boom):
        conversation.reactor.run_until(lambda: False, 5)

    assert conversation.client.ready_state == 1
    conversation.settle()


@pytest.mark.shows("TCP-108", "D17")
def test_an_exception_in_close_is_kept_until_the_loop_runs(talk: MakeTalk) -> None:
    """D17, TCP-108."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", close=boom, error=None))

    assert conversation.client.end() == 0

    with pytest.raises(Boom):
        conversation.reactor.run_once(0)


@pytest.mark.shows("D17")
def test_several_exceptions_of_one_iteration_come_as_a_group(talk: MakeTalk) -> None:
    """D17."""
    log = Log()
    client = log.handlers("c", data=boom, end=boom, close=boom, error=None)
    conversation = talk(log=log, client=client)
    conversation.settle()
    conversation.server.end("d")

    with pytest.raises(ExceptionGroup) as caught:
        conversation.reactor.run_until(lambda: False, 5)

    assert [type(each) for each in caught.value.exceptions] == [Boom, Boom, Boom]


@pytest.mark.shows("TCP-107")
def test_an_exception_in_error_is_not_lost(talk: MakeTalk) -> None:
    """TCP-107."""
    log = Log()

    def fail(socket: Any, error: Exception) -> None:
        raise KeyError("from error") from error

    conversation = talk(log=log, client=log.handlers("c", data=boom, error=fail))
    conversation.server.write("d")

    with pytest.raises(KeyError):
        conversation.reactor.run_until(lambda: False, 5)

    assert conversation.client.ready_state == 1


@pytest.mark.shows("D17")
@pytest.mark.parametrize("kind_of_exit", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_never_goes_to_error(talk: MakeTalk, kind_of_exit: type) -> None:
    """D17: it comes out before other exceptions of the iteration."""
    log = Log()

    def interrupt(*_args: Any) -> None:
        raise kind_of_exit

    client = log.handlers("c", data=boom, end=interrupt, error=None)
    conversation = talk(log=log, client=client)
    conversation.settle()
    conversation.server.end("d")

    with pytest.raises(kind_of_exit) as caught:
        conversation.reactor.run_until(lambda: False, 5)

    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert log.of("c").endswith("c.end c.close(None)")


@pytest.mark.shows("TCP-105", "D17")
def test_returning_an_exception_is_not_raising_it(talk: MakeTalk) -> None:
    """D17 (TCP-105)."""
    log = Log()
    conversation = talk(log=log, client=log.handlers("c", open=lambda socket: Boom("returned")))

    assert conversation.trace() == "s.open c.open"


@pytest.mark.shows("TCP-004")
def test_handlers_are_functions_of_the_moment_of_the_call(talk: MakeTalk) -> None:
    """TCP-004."""
    log = Log()
    handlers = log.handlers("s")
    conversation = talk(log=log, server=handlers)
    log.clear()
    handlers["data"] = boom

    conversation.client.write("x")

    assert conversation.trace() == "s.data(x)"


# timeout


@pytest.mark.shows("TCP-112", "TCP-111", "D2")
def test_timeout_fires_once_and_does_not_close(talk: MakeTalk) -> None:
    """TCP-112, D2: to the millisecond, whatever the traffic (TCP-113)."""
    conversation = talk()
    now = conversation.reactor.now
    conversation.log.clear()
    begun = now()
    conversation.client.timeout(0.02)
    conversation.server.write("traffic")

    conversation.until_seen("c", "timeout")

    assert now() - begun >= 0.02
    # on a busy machine it may be due before the traffic is looked at
    assert sorted(conversation.trace().split()) == ["c.data(traffic)", "c.timeout"]
    assert conversation.client.ready_state == 1


@pytest.mark.shows("TCP-114")
def test_timeout_zero_cancels_and_another_call_replaces(talk: MakeTalk) -> None:
    """TCP-114."""
    conversation = talk()
    begun = conversation.reactor.now()

    conversation.client.timeout(0.001)
    conversation.client.timeout(0)
    conversation.server.timeout(0.001)
    conversation.server.timeout(0.02)

    conversation.until_seen("s", "timeout")

    assert conversation.reactor.now() - begun >= 0.02
    assert conversation.log.seen("c", "timeout") == 0


@pytest.mark.shows("TCP-110")
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_timeout_refuses_what_is_not_a_length_of_time(talk: MakeTalk, value: float) -> None:
    """TCP-110."""
    with pytest.raises(ValueError, match="seconds: expected a finite number"):
        talk().client.timeout(value)


@pytest.mark.shows("TCP-110", "D25")
@pytest.mark.parametrize("value", ["5", None, True])
def test_timeout_refuses_what_is_not_a_number(talk: MakeTalk, value: Any) -> None:
    """TCP-110."""
    with pytest.raises(TypeError, match="seconds: expected a number of seconds"):
        talk().client.timeout(value)


@pytest.mark.shows("TCP-117")
def test_a_paused_socket_times_out_and_may_end_there(talk: MakeTalk) -> None:
    """TCP-117."""
    log = Log()
    client = log.handlers("c", timeout=lambda socket: socket.end())
    conversation = talk(log=log, client=client)
    conversation.client.pause()
    conversation.client.timeout(0.001)

    conversation.until_seen("c", "close")

    assert log.of("c") == "c.open c.timeout c.close(None)"


def test_closing_forgets_the_timeout(talk: MakeTalk) -> None:
    conversation = talk()
    conversation.client.timeout(0.005)

    conversation.client.end()

    assert conversation.reactor.run_until(lambda: False, 0.01) is False
    assert conversation.log.seen("c", "timeout") == 0


# reload


@pytest.mark.shows("TCP-170")
def test_reload_replaces_all_handlers_of_the_listener(talk: MakeTalk) -> None:
    """TCP-170: also of future connections; what is left out is gone."""
    conversation = talk()
    log = conversation.log
    log.clear()
    conversation.listener.reload(log.handlers("new", "data", "open"))
    conversation.client.write("x")
    conversation.settle()

    other = conversation.connect(socket={"data": boom}).result(5)
    other.end()

    assert conversation.trace() == "new.data(x) new.open"


@pytest.mark.shows("TCP-172")
def test_reload_of_an_accepted_socket_is_that_of_its_listener(talk: MakeTalk) -> None:
    """TCP-172."""
    conversation = talk()
    other = conversation.connect().result(5)
    conversation.log.clear()
    conversation.server.reload(conversation.log.handlers("v2"))

    other.write("x")

    assert conversation.trace() == "v2.data(x)"


@pytest.mark.shows("TCP-171")
def test_reload_of_a_client_concerns_it_alone(talk: MakeTalk) -> None:
    """TCP-171."""
    conversation = talk()
    other = conversation.connect().result(5)
    conversation.log.clear()
    other.reload(conversation.log.handlers("v2"))

    for socket in conversation.accepted:
        socket.write("x")

    assert sorted(conversation.trace().split()) == ["c.data(x)", "v2.data(x)"]


@pytest.mark.shows("TCP-174")
def test_a_failed_reload_changes_nothing(talk: MakeTalk) -> None:
    """TCP-174."""
    conversation = talk()
    conversation.log.clear()
    bad: Any = {"data": 5}
    for thing in (conversation.listener, conversation.client, conversation.server):
        with pytest.raises(TypeError):
            thing.reload(bad)

    conversation.client.write("x")

    assert conversation.trace() == "s.data(x)"


@pytest.mark.shows("TCP-176")
def test_reload_in_a_handler_takes_effect_from_the_next_event(talk: MakeTalk) -> None:
    """TCP-176."""
    log = Log()
    server = log.handlers("v1", data=lambda socket, data: socket.reload(log.handlers("v2")))
    conversation = talk(log=log, server=server)
    log.clear()
    conversation.client.write("one")
    conversation.settle()

    conversation.client.end("two")

    assert conversation.trace() == "v1.data(one) c.close(None) v2.data(two) v2.end v2.close(None)"


# properties


@pytest.mark.shows("TCP-149")
def test_addresses_tell_both_ends(tcp: MakeTalk) -> None:
    """TCP-149."""
    conversation = tcp()
    client, server = conversation.client, conversation.server

    assert (client.local_address, client.remote_address) == ("127.0.0.1", "127.0.0.1")
    assert (client.local_family, client.remote_family) == ("IPv4", "IPv4")
    assert (client.local_port, client.remote_port) == (server.remote_port, server.local_port)
    assert client.remote_port == conversation.listener.port


@pytest.mark.shows("TCP-150", "D12")
@pytest.mark.parametrize("end", ["end", "terminate"])
def test_addresses_stay_readable_after_close(tcp: MakeTalk, end: str) -> None:
    """D12 (TCP-150): without being read before."""
    conversation = tcp()
    getattr(conversation.client, end)()
    conversation.until_seen("s", "close")
    client, server = conversation.client, conversation.server

    assert (client.remote_port, server.local_port) == (conversation.listener.port,) * 2
    assert (client.local_port, client.local_address) == (server.remote_port, "127.0.0.1")
    assert server.remote_family == "IPv4"


@pytest.mark.shows("TCP-149")
def test_a_unix_socket_has_no_addresses(reactor: Reactor, tmp_path: Any) -> None:
    """TCP-149."""
    conversation = Talk(reactor, unix=str(tmp_path / "s"))
    names = [
        f"{side}_{what}" for side in ("local", "remote") for what in ("address", "port", "family")
    ]

    for socket in (conversation.client, conversation.server):
        assert {getattr(socket, name) for name in names} == {None}


@pytest.mark.shows("TCP-152")
def test_listener_is_known_to_accepted_sockets_while_open(talk: MakeTalk) -> None:
    """TCP-152."""
    conversation = talk()
    server = conversation.server
    assert conversation.client.listener is None
    assert server.listener is conversation.listener

    conversation.listener.stop()
    assert server.listener is conversation.listener
    server.end()

    assert server.listener is None


@pytest.mark.shows("TCP-155", "TCP-156", "TCP-157")
def test_data_is_shared_by_reference_and_survives_close(talk: MakeTalk) -> None:
    """TCP-154..157."""
    value = ["shared"]
    conversation = talk(data=value)
    conversation.listener.data = "new"
    later = conversation.connect().result(5)
    conversation.until(lambda: len(conversation.accepted) == 2)

    assert conversation.server.data is conversation.client.data is value
    assert conversation.accepted[1].data == "new"
    later.end()
    later.data = 5
    assert later.data == 5


@pytest.mark.shows("TCP-186", "TCP-187", "D29")
def test_set_no_delay_and_keep_alive_reach_the_kernel(tcp: MakeTalk) -> None:
    """TCP-186, TCP-187: seconds here, milliseconds in Bun."""
    import socket

    client = tcp().client
    real = socket.socket(fileno=client.fileno())
    try:
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert client.set_no_delay(False)
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        assert client.set_keep_alive(True, 7.5)
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
        assert client.set_keep_alive()
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    finally:
        real.detach()


@pytest.mark.shows("TCP-001")
def test_accepted_sockets_send_small_segments_at_once(tcp: MakeTalk) -> None:
    """TCP-001: TCP_NODELAY is inherited from the listening socket."""
    import socket

    real = socket.socket(fileno=tcp().server.fileno())
    try:
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        real.detach()


@pytest.mark.shows("TCP-186", "TCP-187")
def test_options_of_tcp_on_a_unix_socket(reactor: Reactor, tmp_path: Any) -> None:
    """TCP-186, TCP-187."""
    client = Talk(reactor, unix=str(tmp_path / "s")).client

    assert client.set_no_delay() is True
    assert client.set_keep_alive(True) is True
    assert client.set_keep_alive(True, 1.0) is False


def test_repr_shows_state_addresses_and_counters(tcp: MakeTalk) -> None:
    conversation = tcp()
    client = conversation.client
    client.write("abc")
    port = conversation.listener.port

    assert repr(client) == (
        f"<Socket open local=127.0.0.1:{client.local_port} remote=127.0.0.1:{port} bytes_written=3>"
    )
    client.end()
    assert repr(client).startswith("<Socket closed local=127.0.0.1:")
