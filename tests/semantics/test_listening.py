"""Options of `listen`, its failures, addresses, `data`, `stop` (TCP-120..165)."""

import socket as raw
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.kernel import AddressInfo, Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.listener import Listener
from sockharness.errors import UsageError, code_of
from sockharness.machine import probes
from tests.helpers.conversation import DEADLINE, Log, Talk
from tests.helpers.programs import run_program

MakeTalk = Callable[..., Talk]
HANDLERS: dict[str, Any] = {"data": print}


def make(reactor: Reactor, hostname: str = "127.0.0.1", port: int = 0, **more: Any) -> Listener:
    return listen(
        socket=more.pop("socket", HANDLERS), hostname=hostname, port=port, reactor=reactor, **more
    )


@pytest.mark.shows("TCP-121")
@pytest.mark.parametrize("function", [listen, connect])
def test_handlers_are_required(reactor: Reactor, function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="socket"):
        function(hostname="127.0.0.1", port=0, reactor=reactor)


@pytest.mark.shows("TCP-124", "TCP-125")
@pytest.mark.parametrize("function", [listen, connect])
@pytest.mark.parametrize("given", [{}, {"port": 0}, {"hostname": "127.0.0.1"}])
def test_there_is_no_default_for_hostname_and_port(
    reactor: Reactor, function: Callable[..., Any], given: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"expected (hostname and port|a (port|hostname) beside)"):
        function(socket=HANDLERS, reactor=reactor, **given)


@pytest.mark.shows("TCP-128")
def test_listen_takes_no_descriptor(reactor: Reactor) -> None:
    anything: Any = listen

    with pytest.raises(TypeError, match="fd"):
        anything(socket=HANDLERS, fd=0, reactor=reactor)


@pytest.mark.shows("TCP-129")
@pytest.mark.parametrize("tls", [None, False])
def test_without_tls_a_connection_is_plain(tcp: MakeTalk, tls: Any) -> None:
    conversation = tcp(tls=tls)
    conversation.client.write("plain")

    assert conversation.trace().endswith("s.data(plain)")


@pytest.mark.shows("TCP-129")
@pytest.mark.parametrize("function", [listen, connect])
@pytest.mark.parametrize("tls", [1, "x", []])
def test_what_is_no_tls_option_is_refused(
    reactor: Reactor, function: Callable[..., Any], tls: Any
) -> None:
    with pytest.raises((TypeError, UsageError)):
        function(socket=HANDLERS, hostname="127.0.0.1", port=0, tls=tls, reactor=reactor)


@pytest.mark.shows("TCP-132", "D30")
@pytest.mark.parametrize("option", ["exclusive", "host"])
def test_options_of_bun_that_do_nothing_of_their_own_are_not_there(
    reactor: Reactor, option: str
) -> None:
    given: dict[str, Any] = {option: True}

    with pytest.raises(TypeError, match=option):
        make(reactor, **given)


@pytest.mark.shows("TCP-133")
@pytest.mark.parametrize("hostname", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_bind_that_overlaps_is_refused(reactor: Reactor, hostname: str) -> None:
    if hostname == "::" and (reason := probes.ipv6()):
        pytest.skip(reason)
    port = make(reactor).port

    with pytest.raises(OSError, match="Address already in use"):
        make(reactor, hostname, port or 0)


@pytest.mark.shows("TCP-133")
@pytest.mark.parametrize(
    ("hostname", "ipv6_only"), [("127.0.0.2", False), ("::1", False), ("::", True)]
)
def test_a_bind_that_does_not_overlap_can_have_the_same_port(
    reactor: Reactor, hostname: str, ipv6_only: bool, free_port: int
) -> None:
    if ":" in hostname and (reason := probes.ipv6()):
        pytest.skip(reason)

    make(reactor, port=free_port)

    assert make(reactor, hostname, free_port, ipv6_only=ipv6_only).port == free_port


@pytest.mark.shows("TCP-133")
def test_a_port_can_be_bound_again_at_once_after_stop(tcp: MakeTalk, free_port: int) -> None:
    conversation = tcp(listen_options={"port": free_port})
    conversation.client.end()
    conversation.listener.stop(True)

    again = make(conversation.reactor, port=conversation.listener.port or 0)

    assert again.port == conversation.listener.port


class NoNames(Kernel):
    """A resolver that knows addresses only."""

    def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
        return super().addresses(hostname, port, flags=flags | raw.AI_NUMERICHOST)


@pytest.mark.shows("TCP-134")
@pytest.mark.parametrize("name", ["a b", "[::1]", "http://127.0.0.1", "256.1.1.1", "127.0.0.1:0"])
def test_a_name_that_is_none_is_a_failed_look_up(name: str) -> None:
    with (
        Reactor(NoNames()) as reactor,
        pytest.raises(raw.gaierror, match="listen on") as caught,
    ):
        make(reactor, name)

    assert code_of(caught.value) == "ENOTFOUND"


# addresses


@pytest.mark.shows("TCP-147", "TCP-177", "D28")
def test_a_stopped_listener_keeps_its_data_and_can_be_reloaded(talk: MakeTalk) -> None:
    conversation = talk(listen_options={"data": "mine"})
    listener = conversation.listener
    kept = (listener.address, listener.hostname, listener.unix)
    listener.stop()
    conversation.server.end()
    conversation.settle()

    listener.reload(HANDLERS)

    assert (listener.data, listener.fileno()) == ("mine", -1)
    assert (listener.address, listener.hostname, listener.unix) == kept


@pytest.mark.shows("TCP-148")
def test_all_addresses_of_ipv4_are_reached_and_none_of_ipv6(
    reactor: Reactor, free_port: int
) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    port = make(reactor, "0.0.0.0", free_port).port
    for host in ("127.0.0.1", "127.0.0.2"):
        client = connect(socket=HANDLERS, hostname=host, port=port, reactor=reactor)
        assert client.result(DEADLINE).remote_address == host
    with pytest.raises(ConnectionRefusedError):
        connect(socket=HANDLERS, hostname="::1", port=port, reactor=reactor).result(DEADLINE)


@pytest.mark.shows("TCP-149")
def test_a_client_of_a_mapped_address_sees_it_mapped_and_the_server_does_not(
    tcp: MakeTalk,
) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    conversation = tcp()

    client = conversation.connect(hostname="::ffff:127.0.0.1").result(DEADLINE)

    assert (client.remote_address, client.remote_family) == ("::ffff:127.0.0.1", "IPv6")
    conversation.until(lambda: len(conversation.accepted) == 2)
    accepted = conversation.accepted[1]
    assert (accepted.remote_address, accepted.remote_family) == ("127.0.0.1", "IPv4")


@pytest.mark.shows("TCP-149")
def test_addresses_of_ipv6_have_no_brackets(reactor: Reactor) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    port = make(reactor, "::1").port

    client = connect(socket=HANDLERS, hostname="::1", port=port, reactor=reactor).result(DEADLINE)

    assert (client.local_address, client.remote_address) == ("::1", "::1")
    assert (client.local_family, client.remote_family) == ("IPv6", "IPv6")
    assert isinstance(client.local_port, int)


@pytest.mark.shows("TCP-151", "TCP-152", "D12")
def test_end_can_read_everything_and_close_no_descriptor_and_no_listener(tcp: MakeTalk) -> None:
    log = Log()
    seen: list[Any] = []

    def look(socket: Any, *_error: Any) -> None:
        addresses = (socket.local_address, socket.remote_address, socket.remote_port is not None)
        listens = socket.listener is not None
        seen.append((addresses, socket.fileno() >= 0, listens, int(socket.ready_state)))

    conversation = tcp(log=log, server=log.handlers("s", end=look, close=look))
    conversation.client.end()
    conversation.until_seen("s", "close")

    addresses = ("127.0.0.1", "127.0.0.1", True)
    assert seen == [(addresses, True, True, 1), (addresses, False, False, -1)]


@pytest.mark.shows("TCP-153", "D25")
@pytest.mark.parametrize("address", ["localhost", "nope", ""])
def test_a_source_address_that_is_none_is_refused(reactor: Reactor, address: str) -> None:
    with pytest.raises(ValueError, match="local_address: expected"):
        connect(
            socket=HANDLERS,
            hostname="127.0.0.1",
            port=1,
            local_address=address,
            reactor=reactor,
        )


# data


@pytest.mark.shows("TCP-154")
@pytest.mark.parametrize("value", [None, 0, False, "", (), "x"])
def test_data_is_the_option_whatever_it_is(talk: MakeTalk, value: Any) -> None:
    seen: list[Any] = []
    log = Log()
    handlers = log.handlers("c", open=lambda socket: seen.append(socket.data))
    conversation = talk(log=log, client=handlers, data=value)

    for each in (*seen, conversation.server.data, conversation.listener.data):
        assert each is value


@pytest.mark.shows("TCP-154")
def test_data_is_none_without_the_option_and_reaches_connect_error(
    talk: MakeTalk, tmp_path: Path
) -> None:
    conversation = talk()
    seen: list[Any] = []
    handlers = {"data": print, "connect_error": lambda socket, _: seen.append(socket.data)}

    given: list[dict[str, Any]] = [{}, {"data": 0}]
    for options in given:
        connect(socket=handlers, unix=tmp_path / "missing", reactor=conversation.reactor, **options)

    assert seen == [None, 0]
    assert (conversation.client.data, conversation.server.data) == (None, None)
    assert conversation.listener.data is None


@pytest.mark.shows("TCP-155", "TCP-156")
def test_a_new_value_reaches_later_sockets_and_a_socket_may_have_its_own(talk: MakeTalk) -> None:
    shared: list[int] = []
    conversation = talk(listen_options={"data": shared})
    listener = conversation.listener
    for value in ("new", None):
        listener.data = value
        conversation.connect().result(DEADLINE)
    conversation.until(lambda: len(conversation.accepted) == 3)
    conversation.server.data.append(1)

    assert [each.data for each in conversation.accepted] == [[1], "new", None]
    conversation.server.data = "own"
    assert shared == [1]
    assert listener.data is None


# stop


@pytest.mark.shows("TCP-159", "TCP-165")
def test_stop_with_true_sends_fin_and_leaves_clients_to_their_own_end(talk: MakeTalk) -> None:
    conversation = talk()
    conversation.settle()
    conversation.log.clear()

    assert conversation.listener.stop(True) is None  # type: ignore[func-returns-value]

    assert conversation.log.trace() == "s.close(None)"
    assert conversation.client.ready_state == 1
    assert conversation.trace() == "s.close(None) c.end c.close(None)"


@pytest.mark.shows("TCP-161")
def test_clients_see_stop_with_true_newest_first_too(talk: MakeTalk) -> None:
    conversation = talk()
    more = [
        conversation.connect(socket=conversation.log.handlers(f"c{number}")).result(DEADLINE)
        for number in (1, 2)
    ]
    conversation.until(lambda: len(conversation.accepted) == 3)
    conversation.settle()
    conversation.log.clear()

    conversation.listener.stop(True)
    conversation.settle()

    ended = [who for who, event, _ in conversation.log.entries if event == "end"]
    assert ended == ["c2", "c1", "c"]
    assert all(each.ready_state == -1 for each in more)


# out of descriptors

EXHAUSTED = """\
import os, resource, socket
import sockharness
told = []
def error(who, exception):
    told.append((who is listener, exception.code))
accepted = []
handlers = {"data": print, "open": accepted.append, "error": error}
listener = sockharness.listen(socket=handlers, hostname="127.0.0.1", port=0)
reactor = sockharness.Reactor.current()
clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(3)]
free = os.dup(0)
os.close(free)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
turns = 0
def turn():
    global turns
    turns += 1
assert not reactor.run_until(turn, 0.15)
print(len(accepted), told, turns < 20)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert reactor.run_until(lambda: len(accepted) == 3, 5)
print(len(accepted), len(told))
clients[0].sendall(b"x")
for each in clients:
    each.close()
reactor.close()
"""


@pytest.mark.slow
@pytest.mark.shows("D4")
def test_out_of_descriptors_a_process_reports_it_once_sleeps_and_recovers() -> None:
    ended = run_program(EXHAUSTED)

    assert ended.stderr == ""
    assert ended.stdout == "1 [(True, 'EMFILE')] True\n3 1\n"
