"""Entry points, handlers and their arguments, opening a connection (TCP-001..021)."""

import socket as raw
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.machine import probes
from tests.helpers.conversation import DEADLINE, EVENTS, Handlers, Log, Talk, settle
from tests.helpers.raw import reset

MakeTalk = Callable[..., Talk]
TLS_HANDLERS = ("handshake", "keylog", "session", "server_name", "alpn_callback")


class Arguments:
    """Handlers that record the number of their arguments and their socket."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.sockets: set[int] = set()

    def handlers(self, **failing: Exception) -> Handlers:
        return {name: self._handler(name, failing.get(name)) for name in EVENTS}

    def _handler(self, name: str, error: Exception | None) -> Callable[..., None]:
        def handler(*args: Any) -> None:
            self.counts[name] = len(args)
            self.sockets.add(id(args[0]))
            if error is not None:
                raise error

        return handler


@pytest.mark.shows("TCP-005", "TCP-006")
def test_every_handler_gets_the_same_socket_first_and_a_second_argument_as_in_bun(
    talk: MakeTalk,
) -> None:
    seen = Arguments()
    conversation = talk(client=seen.handlers(data=KeyError("for error")))
    client = conversation.client
    sent = conversation.fill(client)
    client.timeout(0.001)
    conversation.until(lambda: {"drain", "timeout"} <= seen.counts.keys())
    # Closing with unread data resets the connection (TCP-037).
    conversation.until(lambda: len(conversation.log.received("s")) == sent)
    conversation.server.end("x")
    conversation.until(lambda: "close" in seen.counts)

    one, two = dict.fromkeys(("open", "drain", "end", "timeout"), 1), ("data", "close", "error")
    assert seen.counts == one | dict.fromkeys(two, 2)
    assert seen.sockets == {id(client)}


@pytest.mark.shows("TCP-005")
def test_connect_error_gets_a_socket_and_the_error(reactor: Reactor, tmp_path: Any) -> None:
    seen = Arguments()

    connect(socket=seen.handlers(), unix=tmp_path / "missing", reactor=reactor)

    assert seen.counts == {"connect_error": 2}


@pytest.mark.shows("TCP-009")
def test_tls_handlers_are_accepted_and_never_called_on_a_plain_socket(talk: MakeTalk) -> None:
    log = Log()
    extra = {name: lambda *args: log.note("tls", "close", *args) for name in TLS_HANDLERS}
    conversation = talk(log=log, server=log.handlers("s") | extra, client=log.handlers("c") | extra)
    conversation.client.end("x")

    conversation.settle()

    assert log.of("tls") == ""
    assert log.of("s") == "s.open s.data(x) s.end s.close(None)"


@pytest.mark.shows("TCP-009")
@pytest.mark.parametrize("name", TLS_HANDLERS)
def test_tls_handlers_are_checked_all_the_same(reactor: Reactor, name: str) -> None:
    handlers: Any = {"data": print, name: 5}

    with pytest.raises(TypeError, match=f"handler '{name}': expected a function, got 5"):
        listen(socket=handlers, hostname="127.0.0.1", port=0, reactor=reactor)


@pytest.mark.shows("TCP-010")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_accepted_socket_opens_before_the_client(reactor: Reactor, host: str) -> None:
    if host == "::1" and (reason := probes.ipv6()):
        pytest.skip(reason)
    log = Log()
    listener = listen(socket=log.handlers("s"), hostname=host, port=0, reactor=reactor)

    client = connect(socket=log.handlers("c"), hostname=host, port=listener.port, reactor=reactor)
    client.result(DEADLINE)

    assert log.trace() == "s.open c.open"


@pytest.mark.shows("TCP-011")
def test_a_connect_is_settled_when_open_has_returned(talk: MakeTalk) -> None:
    conversation = talk()
    settled: list[bool] = []
    handlers: Handlers = {"data": print, "open": lambda _: settled.append(connecting.settled)}

    connecting = conversation.connect(socket=handlers)
    connecting.result(DEADLINE)

    assert settled == [False]


@pytest.mark.shows("TCP-013")
def test_open_comes_once_and_brings_no_drain(talk: MakeTalk) -> None:
    conversation = talk()
    for text in ("one", "two"):
        conversation.client.write(text)
        conversation.server.write(text)
        conversation.settle()

    for who in ("s", "c"):
        assert conversation.log.of(who).startswith(f"{who}.open {who}.data(one)")
        assert conversation.log.seen(who, "open") == 1
        assert conversation.log.seen(who, "drain") == 0


@pytest.mark.shows("TCP-015")
@pytest.mark.parametrize(
    ("method", "state", "client", "server"),
    [
        ("terminate", -1, "c.open c.close(None)", "s.open s.close(ECONNRESET)"),
        ("shutdown", 1, "c.open c.close(None)", "s.open s.end s.close(None)"),
    ],
)
def test_a_client_that_resets_or_shuts_down_in_open_has_connected(
    tcp: MakeTalk, method: str, state: int, client: str, server: str
) -> None:
    log = Log()
    states: list[int] = []

    def then(socket: Any) -> None:
        getattr(socket, method)()
        states.append(socket.ready_state)

    conversation = tcp(log=log, client=log.handlers("c", open=then))
    conversation.settle()

    assert states == [state]
    assert log.of("c") == client
    assert log.of("s") == server


@pytest.mark.shows("TCP-016")
@pytest.mark.parametrize("method", ["end", "close", "shutdown"])
def test_a_server_that_ends_in_open_is_opened_to_the_client_first(
    talk: MakeTalk, method: str
) -> None:
    log = Log()
    server = log.handlers("s", open=lambda socket: getattr(socket, method)())
    conversation = talk(log=log, server=server)
    conversation.settle()

    assert log.of("c") == "c.open c.end c.close(None)"
    assert log.of("s") == "s.open s.close(None)"


@pytest.mark.shows("TCP-017")
def test_a_reset_that_is_there_before_the_client_looks_is_a_connect_error(
    reactor: Reactor,
) -> None:
    log = Log()
    with raw.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connecting = connect(
            socket=log.handlers("c"), hostname="127.0.0.1", port=port, reactor=reactor
        )
        reset(server.accept()[0])

        with pytest.raises(ConnectionResetError):
            connecting.result(DEADLINE)

    assert log.trace() == "c.connect_error(ECONNRESET)"


@pytest.mark.shows("TCP-017")
def test_a_reset_after_the_client_opened_is_its_close(reactor: Reactor) -> None:
    log = Log()
    with raw.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connecting = connect(
            socket=log.handlers("c"), hostname="127.0.0.1", port=port, reactor=reactor
        )
        connecting.result(DEADLINE)
        reset(server.accept()[0])
        settle(reactor, log)

    assert log.trace() == "c.open c.close(ECONNRESET)"


@pytest.mark.shows("TCP-019")
def test_many_clients_are_all_accepted_before_data_comes(talk: MakeTalk) -> None:
    conversation = talk()
    conversation.settle()
    conversation.log.clear()

    def greet(socket: Any) -> None:
        socket.write("x")

    handlers = {"data": print, "open": greet}
    many = [conversation.connect(socket=handlers) for _ in range(20)]
    conversation.until(lambda: len(conversation.log.received("s")) == 20)

    assert conversation.log.trace() == " ".join(["s.open"] * 20 + [f"s.data({'x' * 20})"])
    assert all(each.settled for each in many)


@pytest.mark.shows("TCP-021")
def test_connect_and_listen_work_in_every_handler_and_their_events_come_later(
    talk: MakeTalk,
) -> None:
    log = Log()
    done: list[str] = []

    def within(name: str) -> Callable[..., None]:
        def handler(socket: Any, *_args: Any) -> None:
            if name in done:
                return
            done.append(name)
            inner = listen(
                socket=log.handlers(f"s-{name}"),
                hostname="127.0.0.1",
                port=0,
                reactor=conversation.reactor,
            )
            connect(
                socket=log.handlers(f"c-{name}"),
                hostname="127.0.0.1",
                port=inner.port,
                reactor=conversation.reactor,
            )
            log.note(name, "returned")

        return handler

    conversation = talk(log=log, client=log.handlers("c"))
    names = ("data", "drain", "end", "close", "timeout")
    conversation.client.reload(log.handlers("c", **{name: within(name) for name in names}))
    sent = conversation.fill(conversation.client)
    conversation.client.timeout(0.001)
    conversation.until(lambda: {"drain", "timeout"} <= set(done))
    # Closing with unread data resets the connection (TCP-037).
    conversation.until(lambda: len(log.received("s")) == sent)
    conversation.server.end("x")
    conversation.until(lambda: all(log.seen(f"c-{name}", "open") for name in names))

    order = [entry[:2] for entry in log.entries]
    for name in names:
        steps = [(name, "returned"), (f"s-{name}", "open"), (f"c-{name}", "open")]
        assert [step for step in order if step in steps] == steps


@pytest.mark.shows("TCP-021")
def test_connect_in_open_opens_in_a_later_turn(talk: MakeTalk) -> None:
    log = Log()
    inner: list[Any] = []

    def again(socket: Any) -> None:
        if not inner:
            inner.append(None)
            inner[0] = conversation.connect(socket=log.handlers("inner"))
            log.note("c", "returned")

    conversation = talk(log=log)
    conversation.settle()
    log.clear()
    conversation.connect(socket=log.handlers("c", open=again)).result(DEADLINE)
    conversation.until_seen("inner", "open")

    assert log.trace() == "s.open c.open c.returned s.open inner.open"
