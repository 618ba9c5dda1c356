import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.kernel import AddressInfo, Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.errors import UsageError
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
from tests.helpers.conversation import DEADLINE, Log, Talk

MakeTalk = Callable[..., Talk]
HANDLERS: dict[str, Any] = {"data": print}


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A held port without a listener."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Names(Kernel):
    """Resolves from a table; counts and records sockets."""

    def __init__(self, **names: list[str] | socket.gaierror) -> None:
        self.names = names
        self.threads: list[int] = []

    def addresses(self, host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
        if flags & socket.AI_NUMERICHOST or host not in self.names:
            return super().addresses(host, port, flags=flags)
        self.threads.append(threading.get_ident())
        found = self.names[host]
        if isinstance(found, socket.gaierror):
            raise found
        look_up = super().addresses
        return [entry for each in found for entry in look_up(each, port)]


def attempt(reactor: Reactor, **options: Any) -> Any:
    options.setdefault("socket", HANDLERS)
    if not {"unix", "fd"} & options.keys():
        options.setdefault("hostname", "127.0.0.1")
    return connect(reactor=reactor, **options)


def assert_nothing_is_open(reactor: Reactor) -> None:
    __tracebackhide__ = True
    assert repr(reactor) == "<Reactor idle descriptors=0 timers=0 posted=0 references=0>"


@pytest.mark.shows("TCP-002", "TCP-124", "TCP-125", "TCP-126", "TCP-127", "TCP-128", "D24", "D25")
def test_a_wrong_option_raises_at_once_and_leaves_nothing(
    reactor: Reactor, gallery: Gallery
) -> None:
    """TCP-002, TCP-120..130, D24."""
    rows: list[tuple[Any, type[Exception]]] = [
        ({"hostname": None}, TypeError),
        ({"hostname": None, "port": None}, TypeError),
        ({"port": None}, TypeError),
        ({"port": True}, TypeError),
        ({"port": 70000}, ValueError),
        ({"unix": "/x"}, ValueError),
        ({"fd": 3}, ValueError),
        ({"fd": -1, "hostname": None, "port": None}, ValueError),
        ({"fd": "3", "hostname": None, "port": None}, TypeError),
        ({"local_address": "localhost"}, ValueError),
        ({"local_address": 5}, TypeError),
        ({"local_port": -1}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"allow_half_open": None}, TypeError),
        ({"pause_on_connect": 1}, TypeError),
        ({"send_buffer": -1}, ValueError),
        ({"socket": None}, TypeError),
        ({"tls": {"kye": ""}}, TypeError),
    ]

    def attempt_with(options: dict[str, Any]) -> None:
        given = {"hostname": "127.0.0.1", "port": 1, "socket": HANDLERS, **options}
        try:
            connect(reactor=reactor, **given)
        finally:
            assert_nothing_is_open(reactor)

    gallery.check(table(rows, attempt_with))


@pytest.mark.shows("D25")
def test_local_options_are_refused_beside_a_path(reactor: Reactor) -> None:
    with pytest.raises(ValueError, match="local_address and local_port beside hostname only"):
        attempt(reactor, unix="/x", local_port=5)


@pytest.mark.shows("TCP-002", "TCP-191")
def test_connect_returns_before_anything_happens(talk: MakeTalk) -> None:
    """TCP-002, TCP-191."""
    conversation = talk()
    conversation.log.clear()

    connecting = conversation.connect()

    assert not connecting.settled
    assert conversation.log.trace() == ""
    assert connecting.result(DEADLINE).ready_state == 1
    assert conversation.log.trace() == "s.open c.open"


@pytest.mark.shows("TCP-012")
def test_open_is_optional(talk: MakeTalk) -> None:
    """TCP-012."""
    assert talk().connect(socket=HANDLERS).result(DEADLINE).ready_state == 1


@pytest.mark.shows("TCP-006")
def test_result_is_the_socket_that_handlers_get(talk: MakeTalk) -> None:
    """TCP-006."""
    seen: list[Any] = []
    connecting = talk().connect(socket={"data": print, "open": seen.append})

    assert connecting.result(DEADLINE) is connecting.result() is seen[0]


@pytest.mark.shows("TCP-136", "TCP-137", "TCP-138", "D27")
def test_refused_is_reported_to_connect_error_and_then_to_the_waiting_caller(
    reactor: Reactor, dead_port: int
) -> None:
    """TCP-136, TCP-137, D13: positive errno."""
    log = Log()
    seen: list[Any] = []

    def look(sock: Any, error: OSError) -> None:
        seen.append((sock.ready_state, sock.data, sock.write("x"), sock.end("x"), error))

    client = log.handlers("c", connect_error=look)
    connecting = attempt(reactor, port=dead_port, socket=client, data="D")
    with pytest.raises(ConnectionRefusedError, match=f"connect to 127.0.0.1 port {dead_port}") as e:
        connecting.result(DEADLINE)

    assert log.trace() == "c.connect_error(ECONNREFUSED)"
    assert seen == [(-1, "D", -1, -1, e.value)]
    assert (e.value.errno, vars(e.value)["code"]) == (errno.ECONNREFUSED, "ECONNREFUSED")
    assert_nothing_is_open(reactor)


@pytest.mark.shows("TCP-142")
def test_a_failure_known_at_once_is_reported_inside_connect(
    reactor: Reactor, tmp_path: Path
) -> None:
    """TCP-142."""
    log = Log()

    connecting = attempt(reactor, unix=tmp_path / "missing", socket=log.handlers("c"))

    assert connecting.settled
    assert log.trace() == "c.connect_error(ENOENT)"


@pytest.mark.shows("TCP-141")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing", "ENOENT"),
        ("file", "ECONNREFUSED"),
        (".", "ECONNREFUSED"),
        ("stale", "ECONNREFUSED"),
        ("x" * 108, "EINVAL"),
    ],
)
def test_a_path_without_a_listener_has_its_errno(
    reactor: Reactor, tmp_path: Path, name: str, code: str
) -> None:
    """TCP-141."""
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))

    with pytest.raises(OSError, match="connect to") as caught:
        attempt(reactor, unix=str(tmp_path / name)).result(DEADLINE)

    assert vars(caught.value)["code"] == code
    assert_nothing_is_open(reactor)


@pytest.mark.shows("TCP-143", "D13")
def test_errors_keep_their_errno(reactor: Reactor) -> None:
    """D13 (TCP-143): Bun says ECONNREFUSED."""
    with pytest.raises(OSError, match=r"255\.255\.255\.255") as caught:
        attempt(reactor, hostname="255.255.255.255", port=1).result(DEADLINE)

    assert vars(caught.value)["code"] in ("ENETUNREACH", "EACCES")


@pytest.mark.shows("TCP-109")
def test_an_exception_in_connect_error_takes_the_place_of_the_error(
    reactor: Reactor, dead_port: int
) -> None:
    """TCP-109: `error` is not called."""
    log = Log()

    def fail(*_args: Any) -> None:
        raise KeyError("ce-boom")

    client = log.handlers("c", connect_error=fail)
    with pytest.raises(KeyError, match="ce-boom"):
        attempt(reactor, port=dead_port, socket=client).result(DEADLINE)

    assert log.trace() == "c.connect_error(ECONNREFUSED)"


@pytest.mark.shows("D17")
def test_an_exception_in_connect_error_is_not_lost_when_nobody_waits(
    reactor: Reactor, dead_port: int
) -> None:
    """D17."""

    def fail(*_args: Any) -> None:
        raise KeyError("ce-boom")

    attempt(reactor, port=dead_port, socket={"data": print, "connect_error": fail})

    with pytest.raises(KeyError):
        reactor.run()


@pytest.mark.shows("TCP-139", "D17")
def test_an_unclaimed_failure_comes_out_of_run_when_it_ends(
    reactor: Reactor, dead_port: int
) -> None:
    """TCP-139, D17."""
    attempt(reactor, port=dead_port)

    with pytest.raises(ConnectionRefusedError):
        reactor.run()

    reactor.run()


@pytest.mark.shows("TCP-139")
def test_a_failure_with_a_connect_error_handler_is_handled(
    reactor: Reactor, dead_port: int
) -> None:
    """TCP-139."""
    log = Log()
    attempt(reactor, port=dead_port, socket=log.handlers("c"))

    reactor.run()

    assert log.trace() == "c.connect_error(ECONNREFUSED)"


# names


@pytest.mark.shows("TCP-148")
def test_localhost_and_short_forms_are_looked_up_without_a_thread() -> None:
    """TCP-148."""
    asked: list[int] = []

    class Asked(Kernel):
        def addresses(self, host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
            asked.append(threading.get_ident())
            return super().addresses(host, port, flags=flags)

    with Reactor(Asked()) as reactor:
        listener = listen(socket=HANDLERS, hostname="127.0.0.1", port=0, reactor=reactor)
        for name in ("localhost", "127.1", "2130706433", "0x7f000001"):
            made = attempt(reactor, hostname=name, port=listener.port)
            assert made.result(DEADLINE).remote_address == "127.0.0.1"
    assert set(asked) == {threading.get_ident()}


@pytest.mark.shows("TCP-148")
def test_a_bracketed_ipv6_literal_works(reactor: Reactor) -> None:
    """TCP-148."""
    listener = listen(socket=HANDLERS, hostname="::1", port=0, reactor=reactor)

    client = attempt(reactor, hostname="[::1]", port=listener.port).result(DEADLINE)

    assert (client.remote_address, client.remote_family) == ("::1", "IPv6")


def test_other_names_are_looked_up_on_a_thread() -> None:
    kernel = Names(example=["127.0.0.1"])
    with Reactor(kernel) as reactor:
        listener = listen(socket=HANDLERS, hostname="127.0.0.1", port=0, reactor=reactor)

        client = attempt(reactor, hostname="example", port=listener.port).result(DEADLINE)

        assert client.remote_address == "127.0.0.1"
        assert kernel.threads[0] != threading.get_ident()


@pytest.mark.shows("TCP-020", "D3")
def test_addresses_are_tried_one_after_another(dead_port: int) -> None:
    """D3 (TCP-020): a server sees no phantom."""
    kernel = Names(example=["127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.4"])
    with Reactor(kernel) as reactor:
        talk = Talk(reactor)
        talk.log.clear()

        client = talk.connect(hostname="example").result(DEADLINE)

        assert client.remote_address == "127.0.0.1"
        assert talk.trace() == "s.open c.open"


@pytest.mark.shows("D3")
def test_when_all_addresses_fail_the_last_error_is_reported(dead_port: int) -> None:
    """D3."""
    kernel = Names(example=["127.0.0.2", "127.0.0.1"])
    last = r"127\.0\.0\.1 port"
    with Reactor(kernel) as reactor, pytest.raises(ConnectionRefusedError, match=last):
        attempt(reactor, hostname="example", port=dead_port).result(DEADLINE)


@pytest.mark.shows("TCP-140")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (socket.EAI_NONAME, "ENOTFOUND"),
        (socket.EAI_AGAIN, "EAI_AGAIN"),
        (socket.EAI_FAIL, "EAI_FAIL"),
    ],
)
@pytest.mark.parametrize("name", ["example", "localhost"])
def test_a_failed_look_up_has_its_code(name: str, number: int, code: str) -> None:
    """TCP-140."""
    log = Log()
    with Reactor(Names(**{name: socket.gaierror(number, "told")})) as reactor:
        connecting = attempt(reactor, hostname=name, port=1, socket=log.handlers("c"))
        with pytest.raises(socket.gaierror, match=f"told: look up {name}") as caught:
            connecting.result(DEADLINE)

        assert vars(caught.value)["code"] == code
        assert log.trace() == f"c.connect_error({code})"


def test_a_resolver_with_a_bug_does_not_leave_the_attempt_hanging() -> None:
    class Buggy(Kernel):
        def addresses(self, host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "no literal")
            raise KeyError(host)

    with Reactor(Buggy()) as reactor:
        connecting = attempt(reactor, hostname="example", port=1)
        with pytest.raises(KeyError):
            connecting.result(DEADLINE)
        assert connecting.settled


# source address, descriptors


@pytest.mark.shows("TCP-153")
def test_local_address_and_port_are_those_of_the_socket(tcp: MakeTalk, free_port: int) -> None:
    """TCP-153."""
    client = tcp().connect(local_address="127.0.0.2", local_port=free_port).result(DEADLINE)

    assert (client.local_address, client.local_port) == ("127.0.0.2", free_port)


def test_local_port_alone_binds_any_address(tcp: MakeTalk, free_port: int) -> None:
    assert tcp().connect(local_port=free_port).result(DEADLINE).local_port == free_port


@pytest.mark.shows("TCP-153", "D13")
def test_a_local_address_of_the_wrong_family_fails(reactor: Reactor) -> None:
    """TCP-153."""
    with pytest.raises(OSError, match=r"connect to 127.0.0.1 port 1 from ::1$") as caught:
        attempt(reactor, port=1, local_address="::1").result(DEADLINE)

    assert vars(caught.value)["code"] == "EAFNOSUPPORT"


def test_a_failure_names_the_local_port_too(reactor: Reactor, dead_port: int) -> None:
    text = f"connect to 127.0.0.1 port {dead_port} from 127.0.0.1 port {dead_port}"

    with pytest.raises(OSError, match=f"{text}$"):
        attempt(reactor, port=dead_port, local_address="127.0.0.1", local_port=dead_port).result(
            DEADLINE
        )


@pytest.mark.shows("TCP-199")
def test_a_descriptor_is_adopted_inside_the_call(reactor: Reactor) -> None:
    """TCP-199."""
    log = Log()
    ours, theirs = socket.socketpair()
    with theirs:
        connecting = attempt(reactor, fd=ours.detach(), socket=log.handlers("c"))

        assert connecting.settled
        assert log.trace() == "c.open"
        theirs.sendall(b"x")
        client = connecting.result()
        assert client.end("bye") == 3
        assert theirs.recv(10) == b"bye"


@pytest.mark.shows("TCP-200", "D13")
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: os.open(path, os.O_CREAT | os.O_RDWR), "ENOTSOCK"),
        (lambda path: socket.socket().detach(), "ENOTCONN"),
        (lambda path: socket.socket(type=socket.SOCK_DGRAM).detach(), "EPROTOTYPE"),
    ],
    ids=["file", "unconnected", "datagram"],
)
def test_an_unusable_descriptor_fails_and_stays_the_callers(
    reactor: Reactor, tmp_path: Path, make: Callable[[str], int], code: str
) -> None:
    """TCP-200, D13."""
    fd = make(str(tmp_path / "file"))
    try:
        with pytest.raises(OSError, match=f"adopt descriptor {fd}") as caught:
            attempt(reactor, fd=fd).result()

        assert vars(caught.value)["code"] == code
        os.fstat(fd)
    finally:
        os.close(fd)


@pytest.mark.shows("TCP-200")
def test_a_descriptor_of_this_reactor_cannot_be_adopted_twice(tcp: MakeTalk) -> None:
    """TCP-200."""
    conversation = tcp()

    with pytest.raises(FileExistsError):
        attempt(conversation.reactor, fd=conversation.client.fileno()).result()

    assert conversation.client.write("x") == 1


# time and cancelling


@pytest.mark.shows("TCP-144", "D11")
def test_timeout_bounds_the_connect(reactor: Reactor, saturated: int) -> None:
    """D11."""
    log = Log()

    with pytest.raises(TimeoutError) as caught:
        attempt(reactor, port=saturated, timeout=0.02, socket=log.handlers("c")).result(DEADLINE)

    assert vars(caught.value)["code"] == "ETIMEDOUT"
    assert log.trace() == "c.connect_error(ETIMEDOUT)"
    assert_nothing_is_open(reactor)


@pytest.mark.shows("D11")
def test_timeout_bounds_the_look_up() -> None:
    """D11."""
    asked = threading.Event()

    class Slow(Kernel):
        def addresses(self, host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "no literal")
            asked.wait(DEADLINE)
            return []

    with Reactor(Slow()) as reactor:
        connecting = attempt(reactor, hostname="slow", port=1, timeout=0.01)
        with pytest.raises(TimeoutError) as caught:
            connecting.result(DEADLINE)
        asked.set()
        assert vars(caught.value)["code"] == "ETIMEDOUT"
    for thread in threading.enumerate():
        if thread.name == "look up slow":
            thread.join(DEADLINE)


def test_a_result_that_expires_leaves_the_attempt_running(reactor: Reactor, saturated: int) -> None:
    connecting = attempt(reactor, port=saturated)

    with pytest.raises(TimeoutError, match=r"expected a result within 0\.001 s") as caught:
        connecting.result(0.001)

    assert caught.value.errno is None
    assert not connecting.settled
    connecting.cancel()


@pytest.mark.shows("TCP-144", "D11")
def test_cancel_closes_and_calls_no_handler(reactor: Reactor, saturated: int) -> None:
    log = Log()
    connecting = attempt(reactor, port=saturated, socket=log.handlers("c"))

    connecting.cancel()
    connecting.cancel()

    text = f"Operation canceled: connect to 127.0.0.1 port {saturated}$"
    with pytest.raises(OSError, match=text) as caught:
        connecting.result()
    assert vars(caught.value)["code"] == "ECANCELED"
    assert log.trace() == ""
    assert_nothing_is_open(reactor)


def test_what_was_cancelled_is_reported_before_a_look_up_and_for_a_path_too(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "s")
    with (
        Reactor(Names(somewhere=["127.0.0.1"])) as reactor,
        listen(socket=HANDLERS, unix=path, reactor=reactor),
    ):
        for connecting, target in (
            (attempt(reactor, hostname="somewhere", port=7), "somewhere port 7"),
            (attempt(reactor, unix=path), repr(path)),
        ):
            assert repr(connecting) == f"<Connecting pending {target}>"
            connecting.cancel()
            with pytest.raises(OSError, match=f"Operation canceled: connect to {target}$"):
                connecting.result()


def test_cancel_after_success_has_no_effect(talk: MakeTalk) -> None:
    conversation = talk()
    connecting = conversation.connect()
    client = connecting.result(DEADLINE)

    connecting.cancel()

    assert connecting.result() is client
    assert client.ready_state == 1


def test_closing_the_reactor_cancels(saturated: int) -> None:
    reactor = Reactor()
    connecting = attempt(reactor, port=saturated)

    reactor.close()

    with pytest.raises(OSError, match="Operation canceled"):
        connecting.result()


def test_result_inside_a_handler_is_a_usage_error(talk: MakeTalk) -> None:
    conversation = talk()
    failures: list[Exception] = []

    def wait(socket: Any, data: bytes) -> None:
        with pytest.raises(UsageError, match="it would block the reactor") as caught:
            conversation.connect().result(DEADLINE)
        failures.append(caught.value)

    conversation.listener.reload({"data": wait})
    conversation.client.write("x")

    conversation.until(lambda: failures)


def test_result_in_a_running_asyncio_loop_is_a_usage_error(talk: MakeTalk) -> None:
    import asyncio

    conversation = talk()

    async def wait() -> None:
        conversation.connect().result(DEADLINE)

    with pytest.raises(UsageError, match="it would block the running event loop"):
        asyncio.run(wait())


def test_awaiting_comes_in_a_later_version(talk: MakeTalk) -> None:
    async def wait(connecting: Any) -> None:
        await connecting

    with pytest.raises(UsageError, match="use result"):
        wait(talk().connect()).send(None)


def test_another_thread_may_wait_and_cancel(saturated: int) -> None:
    with ThreadRunner() as runner:
        reactor = runner.reactor
        listener = runner.call(
            lambda: listen(socket=HANDLERS, hostname="127.0.0.1", port=0, reactor=reactor)
        )
        made = runner.call(lambda: attempt(reactor, port=listener.port))
        assert made.result(DEADLINE).ready_state == 1

        pending = runner.call(lambda: attempt(reactor, port=saturated))
        with pytest.raises(TimeoutError):
            pending.result(0.001)
        pending.cancel()
        with pytest.raises(OSError, match="Operation canceled"):
            pending.result(DEADLINE)
