import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.kernel import AddressInfo, Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.engine.tcp.listener import Listener
from sockharness.errors import ClosedError, UsageError
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
from tests.helpers.conversation import DEADLINE, Log, Talk

MakeTalk = Callable[..., Talk]
HANDLERS: dict[str, Any] = {"data": print}


def make(reactor: Reactor, **options: Any) -> Listener:
    options.setdefault("socket", HANDLERS)
    if "unix" not in options:
        options.setdefault("hostname", "127.0.0.1")
        options.setdefault("port", 0)
    return listen(reactor=reactor, **options)


def assert_nothing_is_open(reactor: Reactor) -> None:
    __tracebackhide__ = True
    assert repr(reactor) == "<Reactor idle descriptors=0 timers=0 posted=0 references=0>"


@pytest.mark.shows("TCP-001", "TCP-145")
def test_listen_returns_when_the_kernel_listens(reactor: Reactor) -> None:
    """TCP-001, TCP-145."""
    listener = make(reactor, data="D")

    with socket.create_connection(("127.0.0.1", listener.port or 0), DEADLINE):
        pass
    assert listener.hostname == "127.0.0.1"
    assert listener.unix is None
    assert listener.address == ("127.0.0.1", listener.port)
    assert (listener.data, listener.fileno() >= 0) == ("D", True)
    assert repr(listener) == f"<Listener listening ('127.0.0.1', {listener.port}) connections=0>"


@pytest.mark.shows("TCP-145")
def test_hostname_is_what_was_given_and_address_what_is_bound(reactor: Reactor) -> None:
    """TCP-145."""
    listener = make(reactor, hostname="localhost")

    assert listener.hostname == "localhost"
    assert listener.address in (("127.0.0.1", listener.port), ("::1", listener.port))


@pytest.mark.shows("TCP-121", "TCP-122", "TCP-124", "TCP-125", "TCP-126", "TCP-127", "D24", "D25")
def test_a_wrong_option_says_what_was_expected_and_got(reactor: Reactor, gallery: Gallery) -> None:
    """TCP-120..130, D24."""
    rows: list[tuple[Any, type[Exception]]] = [
        ({"hostname": None}, TypeError),
        ({"hostname": None, "port": None}, TypeError),
        ({"hostname": ""}, ValueError),
        ({"hostname": "a\0b"}, ValueError),
        ({"hostname": "a" * 64}, ValueError),
        ({"hostname": 5}, TypeError),
        ({"port": None}, TypeError),
        ({"port": "80"}, TypeError),
        ({"port": True}, TypeError),
        ({"port": 1.5}, TypeError),
        ({"port": -1}, ValueError),
        ({"port": 65536}, ValueError),
        ({"unix": "/x"}, ValueError),
        ({"unix": "/x", "hostname": None}, ValueError),
        ({"allow_half_open": 1}, TypeError),
        ({"reuse_port": None}, TypeError),
        ({"ipv6_only": "x"}, TypeError),
        ({"pause_on_connect": 0}, TypeError),
        ({"backlog": -1}, ValueError),
        ({"backlog": "5"}, TypeError),
        ({"send_buffer": 0}, ValueError),
        ({"recv_buffer": "x"}, TypeError),
        ({"handshake_timeout": 0}, ValueError),
        ({"socket": {}}, TypeError),
        ({"tls": {}}, ValueError),
        ({"tls": {"kye": ""}}, TypeError),
    ]

    def listen_with(options: dict[str, Any]) -> None:
        given = {"hostname": "127.0.0.1", "port": 0, "socket": HANDLERS, **options}
        try:
            listen(reactor=reactor, **given)
        finally:
            assert_nothing_is_open(reactor)

    gallery.check(table(rows, listen_with))


@pytest.mark.shows("TCP-127")
@pytest.mark.parametrize(
    ("unix", "error"), [("", ValueError), ("a\0b", ValueError), (5, TypeError), ([], TypeError)]
)
def test_a_wrong_path_is_refused(reactor: Reactor, unix: Any, error: type[Exception]) -> None:
    """TCP-127."""
    with pytest.raises(error, match="unix: expected a"):
        make(reactor, unix=unix)


@pytest.mark.shows("D25")
@pytest.mark.parametrize("option", ["reuse_port", "ipv6_only"])
def test_options_of_tcp_are_refused_beside_a_path(
    reactor: Reactor, tmp_path: Path, option: str
) -> None:
    with pytest.raises(ValueError, match=f"{option}: expected False beside unix, got True"):
        make(reactor, unix=tmp_path / "s", **{option: True})


@pytest.mark.shows("TCP-129")
def test_tls_false_means_plain(reactor: Reactor) -> None:
    """TCP-129."""
    assert make(reactor, tls=False).port


@pytest.mark.shows("TCP-131")
def test_a_port_in_use_raises_its_errno(reactor: Reactor) -> None:
    """TCP-131."""
    first = make(reactor)

    with pytest.raises(OSError, match=r"listen on 127\.0\.0\.1 port") as caught:
        make(reactor, port=first.port)

    assert (caught.value.errno, vars(caught.value)["code"]) == (errno.EADDRINUSE, "EADDRINUSE")
    first.stop()
    assert_nothing_is_open(reactor)


@pytest.mark.shows("TCP-132")
@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, True)],
)
def test_reuse_port_on_both_shares_the_port(
    reactor: Reactor, first: bool, second: bool, shared: bool
) -> None:
    """TCP-132."""
    port = make(reactor, reuse_port=first).port

    if shared:
        assert make(reactor, port=port, reuse_port=second).port == port
    else:
        with pytest.raises(OSError, match="Address already in use"):
            make(reactor, port=port, reuse_port=second)


@pytest.mark.shows("TCP-133")
def test_the_port_can_be_bound_again_while_accepted_connections_live(
    tcp: MakeTalk, free_port: int
) -> None:
    """TCP-133."""
    conversation = tcp(listen_options={"port": free_port})
    conversation.listener.stop()

    assert make(conversation.reactor, port=conversation.listener.port).port


@pytest.mark.shows("TCP-134")
def test_an_address_of_another_machine_is_not_available(reactor: Reactor) -> None:
    """TCP-134."""
    with pytest.raises(OSError, match=r"listen on 192\.0\.2\.77") as caught:
        make(reactor, hostname="192.0.2.77")

    assert vars(caught.value)["code"] == "EADDRNOTAVAIL"


@pytest.mark.shows("TCP-134")
def test_a_malformed_name_is_a_failed_look_up() -> None:
    """TCP-134."""

    class NoNames(Kernel):
        """Asks no name server, which may not be there."""

        def addresses(self, host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
            return super().addresses(host, port, flags=flags | socket.AI_NUMERICHOST)

    with (
        Reactor(NoNames()) as reactor,
        pytest.raises(socket.gaierror, match="listen on a b") as caught,
    ):
        make(reactor, hostname="a b")

    assert vars(caught.value)["code"] == "ENOTFOUND"


@pytest.mark.shows("TCP-148")
def test_all_addresses_of_ipv6_include_ipv4_unless_ipv6_only(
    reactor: Reactor, free_port: int
) -> None:
    """TCP-148."""
    both = make(reactor, hostname="::")
    only = make(reactor, hostname="::", port=free_port, ipv6_only=True)

    with socket.create_connection(("127.0.0.1", both.port or 0), DEADLINE):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", only.port or 0), DEADLINE)


@pytest.mark.shows("TCP-148")
def test_a_mapped_peer_has_family_ipv6(reactor: Reactor) -> None:
    """TCP-148."""
    log = Log()
    seen: list[Any] = []
    server = log.handlers("s", open=seen.append)
    listener = make(reactor, hostname="::", socket=server)
    client = connect(socket=HANDLERS, hostname="127.0.0.1", port=listener.port, reactor=reactor)
    client.result(DEADLINE)

    assert reactor.run_until(lambda: seen, DEADLINE)

    assert (seen[0].remote_address, seen[0].remote_family) == ("::ffff:127.0.0.1", "IPv6")


def test_buffer_sizes_are_those_of_accepted_sockets(tcp: MakeTalk) -> None:
    conversation = tcp(listen_options={"send_buffer": 20_000, "recv_buffer": 30_000})
    real = socket.socket(fileno=conversation.server.fileno())
    try:  # Linux doubles what it is given
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 60_000
    finally:
        real.detach()


# unix


@pytest.mark.shows("TCP-146")
def test_a_unix_listener_has_a_path_and_no_port(reactor: Reactor, tmp_path: Path) -> None:
    """TCP-146."""
    path = str(tmp_path / "s")
    listener = make(reactor, unix=path)

    assert (listener.unix, listener.address) == (path, path)
    assert (listener.hostname, listener.port) == (None, None)


@pytest.mark.shows("TCP-192")
@pytest.mark.parametrize("prefix", ["unix://", "file://", "sock://"])
def test_a_prefix_is_stripped(reactor: Reactor, tmp_path: Path, prefix: str) -> None:
    """TCP-192."""
    listener = make(reactor, unix=f"{prefix}{tmp_path}/s")

    assert listener.unix == f"{tmp_path}/s"
    client = connect(socket=HANDLERS, unix=f"{prefix}{tmp_path}/s", reactor=reactor)
    assert client.result(DEADLINE).ready_state == 1


@pytest.mark.shows("TCP-192")
@pytest.mark.parametrize("prefix", ["UNIX://", "unix:"])
def test_other_prefixes_are_taken_literally(
    reactor: Reactor, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP-192."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(FileNotFoundError):
        make(reactor, unix=f"{prefix}/nowhere/s")


@pytest.mark.shows("TCP-193")
def test_an_abstract_name_leaves_no_file(reactor: Reactor) -> None:
    """TCP-193."""
    name = f"\0sockharness-{os.getpid()}-{id(reactor)}"

    talk = Talk(reactor, unix=name)

    assert talk.listener.unix == name
    assert talk.client.write("x") == 1
    talk.listener.stop(True)


def test_a_path_object_is_a_path(reactor: Reactor, tmp_path: Path) -> None:
    assert make(reactor, unix=tmp_path / "s").unix == str(tmp_path / "s")


@pytest.mark.shows("TCP-195")
def test_a_long_path_works_when_its_last_component_is_short(
    reactor: Reactor, tmp_path: Path
) -> None:
    """TCP-195."""
    directory = tmp_path / ("d" * 200)
    directory.mkdir()
    path = str(directory / "s")

    talk = Talk(reactor, unix=path)

    assert talk.listener.unix == path
    assert os.path.exists(path)
    talk.listener.stop(True)
    assert not os.path.exists(path)


@pytest.mark.shows("TCP-135")
@pytest.mark.parametrize(
    ("name", "code"),
    [("x" * 108, "EINVAL"), ("missing/s", "ENOENT"), (".", "EADDRINUSE"), ("file", "EADDRINUSE")],
)
def test_a_path_that_cannot_be_bound_raises_its_errno(
    reactor: Reactor, tmp_path: Path, name: str, code: str
) -> None:
    """TCP-135: whatever is there stays."""
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="listen on /") as caught:
        make(reactor, unix=str(tmp_path / name))

    assert vars(caught.value)["code"] == code
    assert (tmp_path / "file").exists()
    assert_nothing_is_open(reactor)


@pytest.mark.shows("TCP-135")
def test_a_stale_socket_file_is_not_removed(reactor: Reactor, tmp_path: Path) -> None:
    """TCP-135."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)

    with pytest.raises(
        OSError, match=r"Address already in use: listen on .*; if nobody .* remove it"
    ):
        make(reactor, unix=path)

    assert os.path.exists(path)


@pytest.mark.shows("TCP-194")
@pytest.mark.parametrize("there", ["socket", "another file", "nothing"])
def test_stop_removes_whatever_is_at_the_path(reactor: Reactor, tmp_path: Path, there: str) -> None:
    """TCP-194."""
    path = tmp_path / "s"
    listener = make(reactor, unix=path)
    if there != "socket":
        path.unlink()
    if there == "another file":
        path.touch()

    listener.stop()

    assert not path.exists()


# stop


@pytest.mark.shows("TCP-147", "TCP-158")
def test_stop_refuses_new_connections_and_leaves_old_ones(
    talk: MakeTalk, kind: str, free_port: int
) -> None:
    """TCP-158, TCP-147."""
    conversation = talk(listen_options={"port": free_port} if kind == "tcp" else {})
    address = conversation.listener.address

    conversation.listener.stop()

    listener = conversation.listener
    assert (listener.address, listener.fileno()) == (address, -1)
    with pytest.raises(OSError, match="connect to") as caught:
        conversation.connect(socket=HANDLERS).result(DEADLINE)
    assert vars(caught.value)["code"] in ("ECONNREFUSED", "ENOENT")
    conversation.log.clear()
    conversation.client.write("x")
    conversation.server.write("y")
    assert sorted(conversation.trace().split()) == ["c.data(y)", "s.data(x)"]


@pytest.mark.shows("TCP-159", "TCP-161", "TCP-165")
def test_stop_with_true_ends_connections_newest_first_inside_the_call(talk: MakeTalk) -> None:
    """TCP-159, TCP-161, TCP-165."""
    conversation = talk()
    closed: list[Any] = []
    for _ in range(2):
        conversation.connect().result(DEADLINE)
    conversation.until(lambda: len(conversation.accepted) == 3)
    conversation.listener.reload({"data": print, "close": lambda socket, _: closed.append(socket)})

    conversation.listener.stop(True)

    assert closed == conversation.accepted[::-1]
    assert conversation.log.seen("c", "close") == 0
    conversation.until_seen("c", "close", 3)
    assert conversation.log.seen("c", "end") == 3


@pytest.mark.shows("TCP-162")
def test_stop_with_true_after_stop_still_closes(talk: MakeTalk) -> None:
    """TCP-162."""
    conversation = talk()
    conversation.listener.stop()
    conversation.listener.stop(True)
    conversation.listener.stop(True)

    assert conversation.log.of("s") == "s.open s.close(None)"


@pytest.mark.shows("TCP-160", "D25")
@pytest.mark.parametrize("value", [1, "x", None])
def test_stop_takes_only_a_bool(talk: MakeTalk, value: Any) -> None:
    """TCP-160."""
    with pytest.raises(TypeError, match="close_active: expected True or False"):
        talk().listener.stop(value)


@pytest.mark.shows("TCP-163")
def test_a_with_block_stops_and_closes(talk: MakeTalk) -> None:
    """TCP-163."""
    conversation = talk()

    with conversation.listener:
        pass

    assert conversation.server.ready_state == -1


@pytest.mark.shows("TCP-164")
def test_stop_in_open_leaves_that_connection(talk: MakeTalk) -> None:
    """TCP-164."""
    log = Log()
    server = log.handlers("s", open=lambda socket: socket.listener.stop())
    conversation = talk(log=log, server=server)

    assert conversation.server.ready_state == 1
    assert conversation.listener.fileno() == -1


@pytest.mark.shows("TCP-164")
def test_stop_with_true_in_data_nests(talk: MakeTalk) -> None:
    """TCP-164."""
    log = Log()

    def stop(socket: Any, data: bytes) -> None:
        socket.listener.stop(True)
        log.note("s", "returned")

    conversation = talk(log=log, server=log.handlers("s", data=stop))
    log.clear()
    conversation.client.write("x")
    conversation.settle()

    assert log.of("s") == "s.data(x) s.close(None) s.returned"


@pytest.mark.shows("TCP-018")
def test_a_connection_that_was_not_accepted_is_reset_by_stop(tcp: MakeTalk) -> None:
    """TCP-018."""
    conversation = tcp()
    pending = conversation.connect(socket=HANDLERS)
    conversation.listener.stop()

    with pytest.raises(ConnectionResetError):
        pending.result(DEADLINE)


@pytest.mark.shows("TCP-177")
def test_reload_works_after_stop(talk: MakeTalk) -> None:
    """TCP-177."""
    conversation = talk()
    conversation.listener.stop()
    conversation.log.clear()

    conversation.listener.reload(conversation.log.handlers("v2"))
    conversation.client.write("x")

    assert conversation.trace() == "v2.data(x)"


# refuse


def test_refuse_holds_the_port_and_accept_again_opens_it(tcp: MakeTalk) -> None:
    conversation = tcp()
    listener = conversation.listener
    port = listener.port
    for _ in range(2):
        listener.refuse()
        listener.refuse()
        assert repr(listener).startswith("<Listener refusing")
        with pytest.raises(ConnectionRefusedError):
            conversation.connect(socket=HANDLERS).result(DEADLINE)

        listener.accept_again()
        listener.accept_again()

        assert conversation.connect().result(DEADLINE).ready_state == 1
        assert listener.port == port
    conversation.log.clear()
    conversation.client.write("still here")
    assert conversation.trace() == "s.data(still here)"


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
def test_nobody_can_take_the_port_that_is_held(tcp: MakeTalk, option: int) -> None:
    conversation = tcp()
    conversation.listener.refuse()

    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="Address already in use"):
            thief.bind(("127.0.0.1", conversation.listener.port))


@pytest.mark.parametrize("hostname", ["0.0.0.0", "::", "::1", "localhost"])
def test_refusing_works_on_every_kind_of_address(reactor: Reactor, hostname: str) -> None:
    listener = make(reactor, hostname=hostname)
    host = "::1" if hostname == "::1" else "localhost"
    listener.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, listener.port or 0), DEADLINE)

    listener.accept_again()

    with socket.create_connection((host, listener.port or 0), DEADLINE):
        assert reactor.run_until(lambda: listener.connections, DEADLINE)


def test_accepted_sockets_after_refusing_have_the_same_options(tcp: MakeTalk) -> None:
    conversation = tcp(listen_options={"recv_buffer": 30_000})
    conversation.listener.refuse()
    conversation.listener.accept_again()
    conversation.connect().result(DEADLINE)
    conversation.until(lambda: len(conversation.accepted) == 2)
    real = socket.socket(fileno=conversation.accepted[1].fileno())
    try:
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 60_000
        assert real.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        real.detach()


def test_a_refusing_listener_can_be_stopped(tcp: MakeTalk) -> None:
    conversation = tcp()
    conversation.listener.refuse()

    conversation.listener.stop(True)

    with pytest.raises(ClosedError, match="accept_again: the listener was stopped"):
        conversation.listener.accept_again()


def test_refuse_is_for_tcp(reactor: Reactor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a TCP listener"):
        make(reactor, unix=tmp_path / "s").refuse()


# out of descriptors


class NoDescriptors(Kernel):
    """`accept` fails as often as configured."""

    def __init__(self, failures: int, number: int = errno.EMFILE) -> None:
        self.failures = failures
        self.calls = 0
        self._number = number

    def accept(self, listening: socket.socket) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise OSError(self._number, os.strerror(self._number))
        return super().accept(listening)


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sockharness.engine.tcp.listener._ACCEPT_PAUSE", 0.005)


@pytest.mark.shows("D4")
@pytest.mark.usefixtures("short_pause")
def test_out_of_descriptors_is_reported_once_and_recovers() -> None:
    """D4: no spin."""
    kernel = NoDescriptors(failures=2)
    with Reactor(kernel) as reactor:
        told: list[Any] = []
        log = Log()
        server = log.handlers("s", error=lambda *args: told.append(args))

        talk = Talk(reactor, log=log, server=server)

        assert [(who is talk.listener, vars(error)["code"]) for who, error in told] == [
            (True, "EMFILE")
        ]
        assert kernel.calls <= 5


@pytest.mark.shows("D4")
@pytest.mark.usefixtures("short_pause")
def test_out_of_descriptors_without_error_handler_warns() -> None:
    """D4."""
    with Reactor(NoDescriptors(failures=1)) as reactor:
        log = Log()
        with pytest.warns(ResourceWarning, match="cannot accept: Too many open files"):
            Talk(reactor, log=log, server=log.handlers("s", error=None))


def test_a_connection_lost_before_it_was_accepted_is_skipped() -> None:
    with Reactor(NoDescriptors(failures=1, number=errno.ECONNABORTED)) as reactor:
        assert Talk(reactor).server.ready_state == 1


def test_an_unknown_error_of_accept_is_raised() -> None:
    kernel = NoDescriptors(failures=1, number=errno.EINVAL)
    with Reactor(kernel) as reactor, pytest.raises(OSError, match="Invalid argument"):
        Talk(reactor)


def test_a_failed_registration_leaves_nothing_open(reactor: Reactor, tmp_path: Path) -> None:
    def fail(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(Reactor):
        register = fail  # type: ignore[assignment]

    with Full() as full, pytest.raises(OSError, match="No space left"):
        make(full, unix=tmp_path / "s")

    assert not (tmp_path / "s").exists()
