import errno
import os
import re
import socket
import threading
from typing import Any

import pytest

import sockharness
from sockharness import match
from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.facade.tcp.server import TcpServer
from sockharness.harness import Harness
from sockharness.match.regex import Regex
from tests.facade.conftest import Dial


def test_an_expected_request_is_answered(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING\r\n").reply(b"PONG\r\n")

    client = dial(server, b"PING\r\n")

    assert client.recv(100) == b"PONG\r\n"
    server.check()


def test_bytes_that_came_first_are_seen_by_a_later_expectation(
    server: TcpServer, dial: Dial
) -> None:
    client = dial(server, b"PING")
    server.wait_for("data")

    server.expect(b"PING").reply("PONG")

    assert client.recv(100) == b"PONG"


def test_an_answer_stated_after_the_bytes_were_taken_is_still_given(
    server: TcpServer, dial: Dial
) -> None:
    client = dial(server, b"BYE")
    server.wait_for("data")
    stated = server.expect(b"BYE")
    server.connection(1).wait_for("data")
    stated.close()

    assert client.recv(100) == b""


def test_a_mismatch_resets_the_connection_at_once(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING\r\n").reply(b"PONG\r\n")

    client = dial(server, b"PONG\r\n")

    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with pytest.raises(ExpectationFailed, match='tcp_server got "PONG␍␊", expected "PING␍␊"'):
        server.check()


def test_bytes_behind_the_last_expectation_reset_the_connection(
    server: TcpServer, dial: Dial
) -> None:
    server.expect(b"PING").ignore()

    client = dial(server, b"PING again")

    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with pytest.raises(ExpectationFailed, match='got " again", expected nothing'):
        server.check()


def test_bytes_that_contradict_every_rule_reset_the_connection(
    server: TcpServer, dial: Dial
) -> None:
    server.when(b"PING").reply(b"PONG")

    client = dial(server, b"HELLO")

    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with pytest.raises(ExpectationFailed, match='got "HELLO", expected nothing'):
        server.check()


def test_a_partial_request_is_told_when_the_client_has_closed(server: TcpServer) -> None:
    server.expect(b"PING\r\n").reply(b"PONG\r\n")

    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"PING\r")

    with pytest.raises(ExpectationFailed, match="tcp_server got 5 of 6 bytes, then end"):
        server.check()


def test_an_unmet_expectation_is_told_with_its_own_line(server: TcpServer) -> None:
    server.expect(b"PING\r\n").reply(b"PONG\r\n")  # this line

    with pytest.raises(ExpectationFailed) as failure:
        server.check()

    text = str(failure.value)
    assert re.match(r"line \d+: tcp_server had no connection\n", text)
    assert 'server.expect(b"PING\\r\\n").reply(b"PONG\\r\\n")  # this line' in text


def test_unread_bytes_are_told(server: TcpServer, dial: Dial) -> None:
    dial(server, b"hello")

    with pytest.raises(ExpectationFailed, match="got 5 bytes that nobody expected"):
        server.check()


def test_what_was_told_is_forgotten(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING")
    with pytest.raises(ExpectationFailed):
        server.check()

    server.check()


def test_check_takes_in_what_lies_in_the_kernel(server: TcpServer) -> None:
    for _ in range(50):
        server.expect(b"one").ignore()
        with socket.create_connection(server.address, timeout=5) as client:
            client.sendall(b"one")
        server.check()

    assert len(server.connections) == 50


def test_expectations_are_met_in_their_order(server: TcpServer, dial: Dial) -> None:
    server.expect(b"1").reply(b"one ")
    server.expect(b"2").reply(b"two")

    client = dial(server, b"12")

    assert client.makefile("rb").read(7) == b"one two"
    server.check()


def test_each_connection_claims_its_group(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING").reset()
    server.expect(b"PING").reply(b"PONG")

    first = dial(server, b"PING")
    with pytest.raises(ConnectionResetError):
        first.recv(100)
    second = dial(server, b"PING")

    assert second.recv(100) == b"PONG"
    server.check()


def test_the_rest_of_a_group_goes_to_the_next_connection(server: TcpServer, dial: Dial) -> None:
    server.expect(b"1").reply(b"one")
    server.expect(b"2").reply(b"two")
    with dial(server, b"1") as first:
        assert first.recv(100) == b"one"

    second = dial(server, b"2")

    assert second.recv(100) == b"two"
    server.check()


def test_one_connection_goes_on_with_what_is_stated_later(server: TcpServer, dial: Dial) -> None:
    server.expect(b"1").reply(b"one")
    client = dial(server, b"1")
    assert client.recv(100) == b"one"

    server.expect(b"2").reply(b"two")
    client.sendall(b"2")

    assert client.recv(100) == b"two"


def test_a_future_connection_can_be_scripted(server: TcpServer, dial: Dial) -> None:
    server.connection(1).expect(b"PING").reset()
    server.connection(2).expect(b"PING").reply(b"PONG")

    first = dial(server, b"PING")
    with pytest.raises(ConnectionResetError):
        first.recv(100)

    assert dial(server, b"PING").recv(100) == b"PONG"
    server.check()


def test_a_future_connection_is_greeted_at_its_accept(server: TcpServer, dial: Dial) -> None:
    server.connection(1).write(b"220 ready\r\n")
    server.connection(1).expect(b"QUIT\r\n").close()

    client = dial(server)

    assert client.recv(100) == b"220 ready\r\n"
    client.sendall(b"QUIT\r\n")
    assert client.recv(100) == b""
    server.check()


def test_rules_are_met_any_number_of_times(server: TcpServer, dial: Dial) -> None:
    rule = server.when(b"PING").reply(b"PONG")

    for _ in range(3):
        assert dial(server, b"PING").recv(100) == b"PONG"

    server.check()
    assert rule.met == 3


def test_a_reply_function_is_given_the_matched_bytes(server: TcpServer, dial: Dial) -> None:
    server.expect(Regex(re.compile(rb"GET \w+\n"))).reply(lambda got: got.upper())

    assert dial(server, b"GET it\n").recv(100) == b"GET IT\n"


def test_a_reply_function_that_raises_fails_the_check_and_resets(
    server: TcpServer, dial: Dial
) -> None:
    server.expect(b"x").reply(lambda _got: b"" + 1)  # type: ignore[operator]

    with pytest.raises(ConnectionResetError):
        dial(server, b"x").recv(100)
    with pytest.raises(ExpectationFailed, match="handler raised TypeError"):
        server.check()


def test_each_piece_is_sent_when_the_last_was_read(server: TcpServer, dial: Dial) -> None:
    server.expect(b"x").reply(b"hello", cuts="each_byte")

    client = dial(server, b"x")

    assert [client.recv(100) for _ in range(5)] == [b"h", b"e", b"l", b"l", b"o"]


def test_pieces_are_sent_though_the_client_has_half_closed(server: TcpServer, dial: Dial) -> None:
    server.expect(b"x").reply(b"hello", cuts=[2])
    client = dial(server, b"x")

    client.shutdown(socket.SHUT_WR)

    assert [client.recv(100), client.recv(100), client.recv(100)] == [b"he", b"llo", b""]


def test_a_large_reply_is_sent_whole(server: TcpServer, dial: Dial) -> None:
    big = bytes(range(256)) * 40_000
    server.expect(b"x").reply(big)
    server.expect(b"y").close()

    client = dial(server, b"xy")

    assert client.makefile("rb").read() == big


def test_end_and_shutdown_send_what_was_written_before(server: TcpServer, dial: Dial) -> None:
    client = dial(server)
    server.wait_for("open")
    connection = server.connection(1)

    connection.write("bye")
    connection.shutdown()
    assert (client.recv(100), client.recv(100)) == (b"bye", b"")
    client.sendall(b"late")
    assert connection.read_exactly(4) == b"late"


def test_reset_of_a_connection_reaches_the_client(server: TcpServer, dial: Dial) -> None:
    client = dial(server)
    server.wait_for("open")

    server.connection(1).reset()

    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_writing_to_a_closed_connection_returns_minus_one(server: TcpServer, dial: Dial) -> None:
    dial(server).close()
    server.wait_for("close")

    assert server.connection(1).write(b"x") == -1


def test_a_paused_connection_leaves_the_bytes_in_the_kernel(server: TcpServer, dial: Dial) -> None:
    server.connection(1).pause()
    dial(server, b"hello")
    server.wait_for("open")
    server.check()  # nothing was read, so nothing is unread

    server.connection(1).resume()

    assert server.connection(1).read_exactly(5) == b"hello"


def test_bytes_can_be_read_as_from_a_stream(server: TcpServer, dial: Dial) -> None:
    dial(server, b"one\r\ntwo and more")
    connection = server.connection(1)

    assert connection.read_until(b"\r\n") == b"one\r\n"
    assert connection.read_exactly(3) == b"two"
    assert connection.read_exactly(9) == b" and more"
    assert connection.received == b"one\r\ntwo and more"
    server.check()


def test_reading_more_than_comes_tells_how_much_came(server: TcpServer) -> None:
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"hello")

    with pytest.raises(ExpectationFailed, match="tcp_server got 5 of 7 bytes, then end"):
        server.connection(1).read_exactly(7)


def test_handlers_get_the_engines_socket(server: TcpServer, dial: Dial) -> None:
    server.on(open=lambda socket: socket.write(b"hi "))
    server.on(data=lambda socket, data: socket.write(data.upper()))

    client = dial(server, b"hello")

    assert client.makefile("rb").read(8) == b"hi HELLO"
    server.check()


def test_reload_replaces_all_handlers(server: TcpServer, dial: Dial) -> None:
    server.on(open=lambda socket: socket.write(b"hi"), data=lambda _socket, _data: None)

    server.reload(data=lambda socket, data: socket.write(data))
    client = dial(server, b"hello")

    assert client.recv(100) == b"hello"
    server.reload({"data": lambda socket, _data: socket.end(b"two")})
    client.sendall(b"?")
    assert client.recv(100) == b"two"


def test_handlers_are_given_what_came_before_them(server: TcpServer, dial: Dial) -> None:
    client = dial(server, b"early")
    server.wait_for("data")

    server.on(data=lambda socket, data: socket.write(data))

    assert client.recv(100) == b"early"


def test_a_handler_that_raises_fails_the_check(server: TcpServer, dial: Dial) -> None:
    server.on(data=lambda _socket, _data: 1 / 0)

    with pytest.raises(ConnectionResetError):
        dial(server, b"x").recv(100)
    with pytest.raises(ExpectationFailed, match="handler raised ZeroDivisionError"):
        server.check()


def test_an_error_handler_takes_what_another_raised(server: TcpServer, dial: Dial) -> None:
    seen: list[BaseException] = []
    server.on(data=lambda _socket, _data: 1 / 0, error=lambda _socket, error: seen.append(error))

    dial(server, b"x")
    server.wait_for("error")
    server.check()

    assert [type(error) for error in seen] == [ZeroDivisionError]


def test_data_handlers_and_expectations_exclude_each_other(harness: Harness) -> None:
    scripted, handled = harness.tcp_server(), harness.tcp_server()
    scripted.when(b"x").ignore()
    handled.on(data=lambda _socket, _data: None)

    with pytest.raises(UsageError, match="cannot be used beside expect"):
        scripted.on(data=lambda _socket, _data: None)
    with pytest.raises(UsageError, match=re.escape("cannot be used beside on(data=…)")):
        handled.expect(b"x")
    with pytest.raises(UsageError, match=re.escape("look at .received")):
        handled.connection(1).read_exactly(1)


def test_async_handlers_are_refused_by_name(server: TcpServer) -> None:
    async def data(_socket: object, _data: bytes) -> None: ...

    with pytest.raises(UsageError, match=r"'data' is async def.* give a plain function"):
        server.on(data=data)


def test_a_misspelt_handler_gets_a_suggestion(server: TcpServer) -> None:
    misspelt: Any = {"dta": lambda _socket, _data: None}

    with pytest.raises(TypeError, match="unknown handler 'dta'; did you mean 'data'"):
        server.on(**misspelt)
    with pytest.raises(TypeError, match="unknown handler 'dta'; did you mean 'data'"):
        server.reload(**misspelt)


def test_refusing_refuses_and_holds_the_port(server: TcpServer, dial: Dial) -> None:
    server.when(b"x").reply(b"y")

    with server.refusing():
        with pytest.raises(ConnectionRefusedError):
            dial(server)
        with (
            pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)),
            socket.socket() as other,
        ):
            other.bind(server.address)
        assert "refusing" in repr(server)

    assert dial(server, b"x").recv(1) == b"y"


def test_connections_are_numbered_in_the_order_of_accept(server: TcpServer, dial: Dial) -> None:
    future = server.connection(2)
    for data in (b"1", b"2"):
        dial(server, data)
        server.wait_for("data")

    assert [connection.received for connection in server.connections] == [b"1", b"2"]
    assert server.connections[1] is future
    assert future.opened_at is not None
    assert future.closed_at is None
    server.clear()


def test_clear_keeps_rules_and_good_connections(server: TcpServer, dial: Dial) -> None:
    server.when(b"PING").reply(b"PONG")
    good, bad, gone = dial(server, b"PING"), dial(server, b"PI"), dial(server)
    assert good.recv(100) == b"PONG"
    gone.close()
    server.wait_for("close")
    with pytest.raises(ExpectationFailed):
        server.check()

    with pytest.raises(ConnectionResetError):
        bad.recv(100)
    good.sendall(b"PING")
    assert good.recv(100) == b"PONG"
    assert [connection.number for connection in server.connections] == [1]
    server.check()


def test_urls_name_the_server(server: TcpServer) -> None:
    assert server.url_for("/a") == f"http://127.0.0.1:{server.port}/a"
    assert server.url_for("a", scheme="ws") == f"ws://127.0.0.1:{server.port}/a"


def test_repr_shows_state_and_counters(server: TcpServer, dial: Dial) -> None:
    server.connection(1).expect(b"x").ignore()
    server.expect(b"y")
    before = repr(server.connection(1))
    dial(server, b"x")
    server.wait_for("data")

    place = f"127.0.0.1:{server.port}"
    assert repr(server) == f"<TcpServer {place} listening, 1 connection, 1 open, 1 to be claimed>"
    assert before == "<Connection 1 not yet open, 0 B received, 0 B unread>"
    assert repr(server.connection(1)) == "<Connection 1 open, 1 B received, 0 B unread>"


@pytest.mark.parametrize(("number", "error"), [(0, ValueError), ("1", TypeError)])
def test_a_connection_is_named_by_a_number(
    server: TcpServer, number: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match="number: expected"):
        server.connection(number)


def test_a_closed_server_takes_no_expectations(harness: Harness) -> None:
    server = harness.tcp_server()
    harness.close()

    with pytest.raises(ClosedError, match="tcp_server is closed"):
        server.expect(b"x")
    with pytest.raises(ClosedError):
        harness.tcp_server()
    with pytest.raises(ExpectationFailed, match="tcp_server saw no open; it is closed"):
        server.wait_for("open")


def test_names_are_counted_and_cannot_be_used_twice(harness: Harness) -> None:
    harness.tcp_server()
    harness.tcp_server()

    assert "tcp_server2 127.0.0.1" in repr(harness)
    with pytest.raises(ValueError, match="there is a 'tcp_server2' already"):
        harness.tcp_server(name="tcp_server2")


MAKERS = ("tcp_server", "tls_pair", "udp_peer", "multicast_group")


@pytest.mark.parametrize("name", [5, None, b"server", ["server"]])
def test_a_name_is_text(harness: Harness, name: object) -> None:
    for maker in MAKERS:
        with pytest.raises(TypeError, match=re.escape(f"name: expected str, got {name!r}")):
            getattr(harness, maker)(name=name)


@pytest.mark.parametrize("name", [" ", "\t", "two\nlines", "one\n", "\x85"])
def test_a_name_can_be_read_in_a_line(harness: Harness, name: str) -> None:
    for maker in MAKERS:
        with pytest.raises(ValueError, match=re.escape(f"name: expected a line, got {name!r}")):
            getattr(harness, maker)(name=name)


@pytest.mark.parametrize("hostname", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_servers_listen_on_loopback_only(harness: Harness, hostname: str) -> None:
    with pytest.raises(ValueError, match="expected a loopback address"):
        harness.tcp_server(hostname=hostname)


def test_a_harness_works_outside_pytest_and_checks_at_its_end() -> None:
    before = set(threading.enumerate())

    with pytest.raises(ExpectationFailed, match="had no connection"), sockharness.Harness() as h:
        h.tcp_server().expect(b"x")

    assert set(threading.enumerate()) <= before


def test_a_harness_explains_what_its_block_raised() -> None:
    def use() -> None:
        with sockharness.Harness() as h:
            server = h.tcp_server()
            server.expect(b"PING")
            with socket.create_connection(server.address, timeout=5) as client:
                client.sendall(b"PONG")
                client.recv(100)

    with pytest.raises(ExpectationFailed) as failure:
        use()

    assert 'got "PONG", expected "PING"' in str(failure.value)
    assert isinstance(failure.value.__cause__, ConnectionResetError)


def test_deferred_expectations_are_missed_only_at_the_end(harness: Harness) -> None:
    harness.tcp_server().expect(b"QUIT").at_teardown()

    harness.check()
    with pytest.raises(ExpectationFailed, match="had no connection"):
        harness.check(final=True)


def test_a_connection_that_did_not_come_is_named(server: TcpServer, dial: Dial) -> None:
    server.connection(2).expect(b"x").ignore()
    dial(server)
    server.wait_for("open")

    with pytest.raises(ExpectationFailed, match="connection 2 saw no open; 1 connection came"):
        server.connection(2).wait_for("open", timeout=0.01)
    with pytest.raises(
        ExpectationFailed, match="tcp_server had 1 connection; connection 2 did not come"
    ):
        server.check()


@pytest.mark.parametrize("want", [b"", "", match.concat(b"", "")])
def test_an_expectation_of_nothing_is_refused(server: TcpServer, want: bytes) -> None:
    with pytest.raises(ValueError, match="want: expected at least one byte"):
        server.expect(want)


@pytest.mark.parametrize("pattern", [rb"PI.G", "PI.G"])
def test_a_compiled_pattern_is_a_matcher(
    server: TcpServer, dial: Dial, pattern: bytes | str
) -> None:
    server.expect(re.compile(pattern, re.IGNORECASE)).reply(b"PONG")

    assert dial(server, b"pi\ng").recv(4) == b"PONG"


@pytest.mark.parametrize("cuts", [[1, 5], [4]])
def test_cuts_beyond_the_reply_are_refused_where_they_are_stated(
    server: TcpServer, cuts: list[int]
) -> None:
    with pytest.raises(ValueError, match=r"cuts: \[.*\] is more than the 3 bytes of the reply"):
        server.when(b"x").reply(b"abc", cuts=cuts)
    server.when(b"y").reply(b"abc", cuts=[1, 2])


def test_a_connection_is_noticed_however_soon_one_looks(harness: Harness) -> None:
    for _ in range(100):
        server = harness.tcp_server()
        with socket.create_connection(server.address, timeout=5):
            assert not server._service.untouched


def test_bytes_are_noticed_however_soon_one_looks(harness: Harness) -> None:
    for _ in range(100):
        server = harness.tcp_server()
        with socket.create_connection(server.address, timeout=5) as client:
            client.sendall(b"x")
            with pytest.raises(ExpectationFailed, match="nobody expected"):
                harness.check()
