"""`Outbox` over real sockets: all bytes, in order, whatever the kernel takes at once."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.certificates import Authority
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.outbox import Outbox
from sockharness.errors import UsageError
from tests.helpers.conversation import Log, Talk

MANY = bytes(range(256)) * 16_384  # 4 MiB: more than buffers of this size hold, on any machine
BUFFER = 64 * 1024
MakeTalk = Callable[..., Talk]


@pytest.fixture(scope="module")
def ca() -> Any:
    with Authority() as authority:
        yield authority


@pytest.fixture(params=["plain", "tls"])
def make(request: pytest.FixtureRequest, reactor: Reactor, ca: Authority) -> MakeTalk:
    """Make a `Talk` without TLS, and one with it."""
    listening: dict[str, Any] = {"recv_buffer": BUFFER}
    connecting: dict[str, Any] = {"send_buffer": BUFFER}
    if request.param == "tls":
        shown = ca.issue("localhost")
        listening["tls"] = {"key": shown.key_pem, "cert": shown.chain_pem}
        connecting["tls"] = {"ca": ca.ca_pem, "server_name": "localhost"}
    return lambda **options: Talk(
        reactor, listen_options=listening, connect_options=connecting, **options
    )


def test_more_than_the_kernel_takes_arrives_whole_and_in_order(make: MakeTalk) -> None:
    talk = make()
    outbox = Outbox(talk.client)

    written = [outbox.write(MANY), outbox.write(b"then this"), outbox.write(b"_and_that_", 1, 8)]
    waiting = len(outbox)
    talk.until(lambda: len(talk.log.received("s")) == len(MANY) + 17)

    assert written == [len(MANY), 9, 8]
    assert waiting > 0
    assert len(outbox) == 0
    assert talk.log.received("s") == MANY + b"then thisand_that"


def test_what_the_kernel_takes_at_once_does_not_wait(tcp: MakeTalk) -> None:
    talk = tcp()

    assert Outbox(talk.client).write("hello") == 5

    assert len(Outbox(talk.client)) == 0
    talk.until(lambda: talk.log.received("s") == b"hello")


def test_what_waits_is_a_copy_of_the_buffer(make: MakeTalk) -> None:
    talk, buffer = make(), bytearray(MANY)

    Outbox(talk.client).write(buffer)
    buffer[:] = bytes(len(buffer))
    talk.until(lambda: len(talk.log.received("s")) == len(MANY))

    assert talk.log.received("s") == MANY


def test_end_waits_until_all_is_sent(make: MakeTalk) -> None:
    talk = make()
    outbox = Outbox(talk.client)
    outbox.write(MANY)

    ended = outbox.end(b"bye")

    assert (ended, talk.client.ready_state) == (3, 1)
    assert (outbox.write(b"more"), outbox.end()) == (-1, -1)
    talk.until_seen("s", "close")
    assert talk.log.received("s") == MANY + b"bye"


def test_end_closes_inside_the_call_when_nothing_waits(tcp: MakeTalk) -> None:
    talk = tcp()

    assert Outbox(talk.client).end() == 0

    assert talk.client.ready_state == -1
    assert talk.log.seen("c", "close")


def test_bytes_wait_for_the_handshake(reactor: Reactor, ca: Authority) -> None:
    shown = ca.issue("localhost")
    log, written = Log(), []
    handlers = log.handlers(
        "c", open=lambda socket: written.append(Outbox(socket).write(b"early"))
    ) | {"handshake": lambda *_arguments: None}  # with it, `open` comes before the handshake
    talk = Talk(
        reactor,
        log=log,
        client=handlers,
        listen_options={"tls": {"key": shown.key_pem, "cert": shown.chain_pem}},
        connect_options={"tls": {"ca": ca.ca_pem, "server_name": "localhost"}},
    )

    talk.until(lambda: talk.log.received("s") == b"early")

    assert written == [5]


def test_drain_is_called_after_the_outbox_has_gone_on(make: MakeTalk) -> None:
    waiting: list[int] = []
    log = Log()
    client = log.handlers("c", drain=lambda socket: waiting.append(len(Outbox(socket))))
    talk = make(log=log, client=client)

    Outbox(talk.client).write(MANY)
    talk.until(lambda: waiting and not waiting[-1])

    assert waiting == sorted(waiting, reverse=True)


def test_no_drain_follows_the_end_of_the_outbox(tcp: MakeTalk) -> None:
    talk = tcp()
    drains: list[int] = []
    talk.client.reload({"drain": lambda socket: drains.append(socket.ready_state)})

    Outbox(talk.client).end(MANY)
    talk.until_seen("s", "close")

    assert set(drains) <= {1}


def test_a_socket_that_takes_nothing_more_gives_minus_one(make: MakeTalk) -> None:
    talk = make()
    talk.until(lambda: Outbox(talk.client).write(b"x") == 1)
    talk.client.shutdown()

    assert Outbox(talk.client).write(b"y") == -1

    talk.client.close()
    assert (Outbox(talk.client).write(b"z"), Outbox(talk.client).end()) == (-1, -1)


def test_what_waits_is_dropped_with_the_connection(make: MakeTalk) -> None:
    talk = make()
    outbox, called = Outbox(talk.client), []
    outbox.write(MANY)
    outbox.then(lambda: called.append("then"))

    talk.client.terminate()

    assert (len(outbox), called) == (0, [])
    assert (outbox.write(b"x"), outbox.end()) == (-1, -1)
    assert repr(outbox) == "<Outbox closed, 0 B waiting>"


def test_a_function_runs_when_everything_before_it_was_taken(make: MakeTalk) -> None:
    talk = make()
    outbox, waiting = Outbox(talk.client), list[int]()
    outbox.write(MANY)
    outbox.then(lambda: waiting.append(len(outbox)))
    outbox.then(lambda: outbox.write(b"!"))
    before = list(waiting)

    talk.until(lambda: talk.log.received("s") == MANY + b"!")

    assert (before, waiting) == ([], [0])


def test_a_function_that_raises_is_reported_and_the_rest_goes_on(tcp: MakeTalk) -> None:
    talk = tcp()
    outbox = Outbox(talk.client)
    outbox.write(MANY)
    outbox.then(lambda: 1 / 0)
    outbox.write(b"!")

    talk.until_seen("c", "error")
    outbox.flush()

    talk.until(lambda: talk.log.received("s") == MANY + b"!")


def test_a_piece_can_hold_the_queue_up(tcp: MakeTalk) -> None:
    talk, free = tcp(), list[bool]()
    outbox = Outbox(talk.client)
    outbox.write(b"one", begin=lambda: bool(free))
    outbox.write(b"two")
    talk.settle()
    before = talk.log.received("s")

    free.append(True)
    outbox.flush()

    talk.until(lambda: talk.log.received("s") == b"onetwo")
    assert before == b""


def test_progress_counts_what_was_taken(tcp: MakeTalk) -> None:
    talk, counted = tcp(), list[int]()
    outbox = Outbox(talk.client)

    outbox.write(MANY, progress=counted.append)
    talk.until(lambda: not len(outbox))

    assert counted == sorted(set(counted))
    assert len(counted) > 1
    assert counted[-1] == len(MANY)


def test_there_is_one_outbox_per_socket(tcp: MakeTalk) -> None:
    talk = tcp()

    assert Outbox(talk.client) is Outbox(talk.client)
    assert Outbox(talk.client) is not Outbox(talk.server)


def test_going_over_to_tls_is_refused_while_bytes_wait_in_the_clear(
    tcp: MakeTalk, ca: Authority
) -> None:
    talk = tcp()
    Outbox(talk.client).write(MANY)

    with pytest.raises(UsageError, match=r"upgrade_tls: \d+ B still wait to be sent without TLS"):
        talk.client.upgrade_tls(tls={"ca": ca.ca_pem}, socket=talk.log.handlers("c"))


@pytest.mark.parametrize("data", [5, None, ["a"]])
def test_other_data_is_a_type_error(tcp: MakeTalk, data: Any) -> None:
    with pytest.raises(TypeError, match="data: expected bytes-like or str"):
        Outbox(tcp().client).write(data)


REST = b"B" * 100_000


def raise_it(*_arguments: object) -> bool:
    raise RuntimeError("of a user")


def raise_at_the_end(taken: int) -> None:
    if taken == len(MANY):
        raise_it()


@pytest.mark.parametrize("place", ["then", "progress", "begin"])
def test_all_is_sent_though_a_function_raises(make: MakeTalk, place: str) -> None:
    talk = make()
    outbox = Outbox(talk.client)
    outbox.write(MANY, progress=raise_at_the_end if place == "progress" else None)
    if place == "then":
        outbox.then(raise_it)
    outbox.write(REST, begin=raise_it if place == "begin" else None)

    talk.until(lambda: len(talk.log.received("s")) == len(MANY + REST))

    assert talk.log.received("s") == MANY + REST
    assert talk.log.seen("c", "error") == 1
    assert len(outbox) == 0


def test_a_function_that_raises_and_closes_is_reported(make: MakeTalk) -> None:
    talk = make()
    outbox, called = Outbox(talk.client), list[str]()

    def close_and_raise() -> None:
        talk.client.terminate()
        raise_it()

    outbox.write(MANY)
    outbox.then(close_and_raise)
    outbox.then(lambda: called.append("behind"))

    talk.until_seen("c", "error")

    assert called == []


def test_a_begin_that_closes_drops_its_bytes_once(make: MakeTalk) -> None:
    talk = make()
    outbox, told = Outbox(talk.client), list[int]()

    def close() -> bool:
        talk.client.terminate()
        return True

    outbox.write(MANY)
    outbox.write(REST, begin=close, progress=told.append)

    talk.until_seen("c", "close")

    assert told == [-1]


def test_a_shutdown_drops_what_waits(make: MakeTalk) -> None:
    talk = make()
    outbox, told = Outbox(talk.client), list[Any]()
    outbox.write(MANY, progress=lambda taken: told.append(("first", taken)))
    outbox.write(REST, progress=lambda taken: told.append(("second", taken)))
    outbox.then(lambda: told.append("then"))
    told.clear()

    talk.client.shutdown()

    assert told == [("first", -1), ("second", -1)]
    assert len(outbox) == 0
    assert (outbox.write(b"late"), outbox.end(b"z")) == (-1, -1)
    talk.until_seen("s", "end")


def test_the_end_of_the_outbox_closes_after_a_shutdown(make: MakeTalk) -> None:
    talk = make()
    outbox = Outbox(talk.client)
    outbox.write(MANY)
    outbox.end()

    talk.client.shutdown()

    assert outbox.write(b"x") == -1
    assert outbox.end() == 0
    assert talk.client.ready_state == -1


def test_functions_that_wait_for_no_bytes_run_after_a_shutdown(make: MakeTalk) -> None:
    talk, called = make(), list[str]()
    outbox = Outbox(talk.client)
    outbox.write(MANY)
    outbox.then(talk.client.shutdown)
    outbox.then(lambda: called.append("behind"))

    talk.until(lambda: called)

    assert talk.client.ready_state == 1


@pytest.mark.parametrize("data", [None, MANY])
def test_an_end_of_the_socket_drops_what_waits(make: MakeTalk, data: bytes | None) -> None:
    talk = make()
    outbox, told = Outbox(talk.client), list[int]()
    outbox.write(MANY)
    outbox.write(REST, progress=told.append)

    talk.client.end(data)

    assert (told, outbox.write(b"late"), outbox.end(b"z")) == ([-1], -1, -1)


@pytest.mark.parametrize("how", ["close", "terminate", "reset by the peer"])
def test_progress_is_told_of_the_close_before_the_close_handler(make: MakeTalk, how: str) -> None:
    talk, told = make(), list[Any]()
    talk.client.reload(talk.log.handlers("c", close=lambda *_arguments: told.append("close")))
    outbox = Outbox(talk.client)
    outbox.write(MANY, progress=lambda taken: told.append(("begun", taken)))
    outbox.write(REST, progress=lambda taken: told.append(("queued", taken)))
    told.clear()
    talk.server.pause()

    if how == "reset by the peer":
        talk.server.terminate()
        talk.until_seen("c", "close")
    else:
        getattr(talk.client, how)()

    assert told[-3:] == [("begun", -1), ("queued", -1), "close"]


def test_what_progress_raises_at_the_close_is_reported(make: MakeTalk) -> None:
    talk, told = make(), list[int]()
    outbox = Outbox(talk.client)
    outbox.write(MANY)
    outbox.write(REST, progress=raise_it)
    outbox.write(REST, progress=told.append)

    talk.client.terminate()

    assert told == [-1]
    assert talk.log.of("c", "open", "handshake", "drain").startswith("c.error")
    assert talk.log.seen("c", "close") == 1


def test_progress_is_told_of_bytes_that_are_refused(make: MakeTalk) -> None:
    talk, told = make(), list[int]()
    outbox = Outbox(talk.client)
    talk.client.terminate()

    assert outbox.write(b"x", progress=told.append) == -1

    assert told == [-1]


def test_a_reactor_that_closes_calls_no_progress() -> None:
    told = list[int]()
    with Reactor() as reactor:
        talk = Talk(reactor)
        outbox = Outbox(talk.client)
        outbox.write(MANY)
        outbox.write(REST, progress=told.append)

    assert (told, len(outbox), outbox.write(b"x")) == ([], 0, -1)


def test_no_function_is_called_on_a_closed_socket(make: MakeTalk) -> None:
    talk, called = make(), list[str]()
    before = Outbox(talk.client)
    talk.client.terminate()

    before.then(lambda: called.append("before"))
    Outbox(talk.client).then(lambda: called.append("after"))

    assert called == []


def test_no_bytes_are_accepted_as_long_as_bytes_are(reactor: Reactor, ca: Authority) -> None:
    shown = ca.issue("localhost")
    log, written = Log(), list[int]()
    handlers = log.handlers("c", open=lambda socket: written.append(Outbox(socket).write(b""))) | {
        "handshake": lambda *_arguments: None
    }
    Talk(
        reactor,
        log=log,
        client=handlers,
        listen_options={"tls": {"key": shown.key_pem, "cert": shown.chain_pem}},
        connect_options={"tls": {"ca": ca.ca_pem, "server_name": "localhost"}},
    )

    assert written == [0]


@pytest.mark.parametrize("socket", [None, 3])
def test_an_outbox_of_something_else_is_a_type_error(socket: Any) -> None:
    with pytest.raises(TypeError, match=f"Outbox: expected a Socket, got {socket}"):
        Outbox(socket)


def test_the_outbox_of_a_socket_below_tls_closes_with_it(tcp: MakeTalk, ca: Authority) -> None:
    talk, called = tcp(), list[str]()
    raw, secure = talk.client.upgrade_tls(tls={"ca": ca.ca_pem}, socket=talk.log.handlers("c"))
    outbox = Outbox(raw)

    secure.terminate()
    outbox.then(lambda: called.append("then"))

    assert (called, repr(outbox)) == ([], "<Outbox closed, 0 B waiting>")
