"""Bytes without an expectation, without an answer, or too few to decide."""

import re
import socket

import pytest

from sockharness import match
from sockharness.errors import ExpectationFailed, UsageError
from sockharness.facade.tcp.server import TcpServer
from sockharness.harness import Harness
from tests.facade.conftest import Dial

QUICK = 0.02
"""A scale: the 5 seconds are 0.1, the quarter of a second is 0.005."""


@pytest.fixture
def hasty(harness: Harness) -> TcpServer:
    """A server whose times are short."""
    harness._context.scale = QUICK
    return harness.tcp_server()


@pytest.mark.parametrize("rule", [False, True], ids=["expect", "when"])
def test_an_exchange_without_an_answer_is_told_once_it_was_met(
    server: TcpServer, dial: Dial, rule: bool
) -> None:
    state = server.when if rule else server.expect
    state(b"PING\r\n")  # this line
    dial(server, b"PING\r\n")

    with pytest.raises(ExpectationFailed) as failure:
        server.check()

    text = str(failure.value)
    assert re.match(r'line \d+: no answer for "PING␍␊"\n', text)
    assert 'no answer for "PING␍␊"; add .reply(…) or .ignore()' in text
    assert "# this line" in text
    server.check()


def test_an_exchange_without_an_answer_is_told_at_the_end_of_the_block() -> None:
    def use() -> None:
        with Harness() as h:
            server = h.tcp_server()
            server.expect(b"PING")
            with socket.create_connection(server.address, timeout=0.02) as client:
                client.sendall(b"PING")
                client.recv(1)

    with pytest.raises(ExpectationFailed, match="no answer for") as failure:
        use()

    assert isinstance(failure.value.__cause__, TimeoutError)


def test_bytes_for_which_nothing_is_stated_reset_after_a_moment(
    server: TcpServer, dial: Dial
) -> None:
    client = dial(server, b"hello")

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ExpectationFailed, match="tcp_server got 5 bytes that nobody expected"):
        server.check()


def test_within_the_moment_an_expectation_can_be_stated(
    harness: Harness, server: TcpServer, dial: Dial
) -> None:
    harness._context.scale = 40  # a moment of ten seconds
    client = dial(server, b"PING")

    server.expect(b"PING").reply(b"PONG")

    assert client.recv(4) == b"PONG"
    server.check()


@pytest.mark.parametrize("look", ["wait_for", "received", "read"])
def test_bytes_are_kept_for_somebody_who_has_looked(
    hasty: TcpServer, dial: Dial, look: str
) -> None:
    connection = hasty.connection(1)
    client = dial(hasty)
    if look == "received":
        assert connection.received == b""
    elif look == "wait_for":
        hasty.wait_for("open", timeout=5 / QUICK)
    else:
        with pytest.raises(ExpectationFailed, match="got nothing"):
            connection.read_exactly(1, timeout=0)
    client.sendall(b"hello")

    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    connection.wait_for("data", timeout=5 / QUICK)
    assert connection.received == b"hello"
    hasty.clear()


@pytest.mark.parametrize("rule", [False, True], ids=["expect", "when"])
def test_a_pattern_that_can_never_match_resets_when_the_time_is_over(
    hasty: TcpServer, dial: Dial, rule: bool
) -> None:
    state = hasty.when if rule else hasty.expect
    state(match.regex(r"PING\r\n")).reply(b"PONG")

    with pytest.raises(ConnectionResetError):
        dial(hasty, b"PUNG\r\n").recv(1)
    with pytest.raises(ExpectationFailed) as failure:
        hasty.check()

    text = str(failure.value)
    assert ("got 6 bytes and no match" in text) is not rule
    assert "50 55 4e 47" in text or "PUNG" in text
    assert rule or "(default, scale 0.02)" in text


def test_a_request_that_goes_on_is_waited_for(server: TcpServer, dial: Dial) -> None:
    server.expect(b"PING").reply(b"PONG")
    client = dial(server, b"PI")

    client.sendall(b"NG")

    assert client.recv(4) == b"PONG"
    server.check()


@pytest.mark.parametrize("cuts", [None, "each_byte"])
def test_a_reply_may_be_the_last_thing_said(server: TcpServer, dial: Dial, cuts: object) -> None:
    server.expect(b"QUIT").reply(b"BYE", cuts=cuts).close()  # type: ignore[arg-type]
    server.expect(b"QUIT").reply(b"OUT", cuts=cuts).reset()  # type: ignore[arg-type]

    first, second = dial(server, b"QUIT"), dial(server)
    assert first.makefile("rb").read() == b"BYE"
    second.sendall(b"QUIT")
    assert b"".join(second.recv(1) for _ in b"OUT") == b"OUT"
    with pytest.raises(ConnectionResetError):
        second.recv(1)
    server.check()


def test_an_end_stated_after_the_reply_was_given_is_still_made(
    server: TcpServer, dial: Dial
) -> None:
    stated = server.expect(b"QUIT").reply(b"BYE")
    client = dial(server, b"QUIT")
    assert client.recv(3) == b"BYE"

    stated.close()

    assert client.recv(1) == b""
    server.check()


def test_a_connection_ends_once(server: TcpServer) -> None:
    with pytest.raises(UsageError, match="an answer already: reply, close"):
        server.when(b"x").reply(b"y").close().reset()
    with pytest.raises(UsageError, match="an answer already: ignore"):
        server.when(b"x").ignore().close()
    server.clear()
