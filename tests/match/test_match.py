"""The matchers that tests in Python use."""

import hashlib
import re
import socket

import pytest

from sockharness import TcpServer, UdpPeer, match
from sockharness.match.matcher import Matcher


@pytest.mark.parametrize(
    "want",
    [
        match.exact(b"user anna\r\n"),
        match.length(11),
        match.regex(r"user [a-z]+\r\n"),
        match.regex(re.compile("USER [a-z]+\r\n", re.IGNORECASE)),
        match.sha256(hashlib.sha256(b"user anna\r\n").hexdigest(), 11),
        match.concat("user ", match.regex(rb"[a-z]{4}"), b"\r\n"),
    ],
    ids=["exact", "length", "regex", "compiled", "sha256", "concat"],
)
def test_a_server_may_expect_what_is_only_described(tcp_server: TcpServer, want: Matcher) -> None:
    tcp_server.expect(want).reply(b"hello")

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"user anna\r\n")
        assert client.recv(5) == b"hello"


@pytest.mark.parametrize(
    "want",
    [
        match.any(),
        match.starts_with(b"user "),
        match.starts_with("user anna"),
        match.concat(match.any(), "anna"),
        match.concat("user ", match.any()),
    ],
    ids=["any", "bytes", "text", "any first", "any last"],
)
def test_a_peer_may_expect_a_datagram_of_which_it_knows_a_part(
    udp_peer: UdpPeer, want: Matcher
) -> None:
    udp_peer.expect(want).reply(b"hello")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"user anna", udp_peer.address)
        assert client.recv(5) == b"hello"


@pytest.mark.parametrize(
    ("want", "words"),
    [
        (match.any(), "any bytes"),
        (match.starts_with("GET "), '"GET " and more'),
        (match.concat("GET ", match.any()), '"GET " then any bytes'),
    ],
)
def test_a_stream_refuses_what_has_no_end(tcp_server: TcpServer, want: Matcher, words: str) -> None:
    said = f"want: expected bytes with an end, got {words}; a stream has no messages: use bytes, "
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        tcp_server.expect(want)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        tcp_server.when(want)


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="size: expected 1 or more, got 0"):
        match.length(0)


def test_a_size_is_a_whole_number() -> None:
    with pytest.raises(TypeError, match="size: expected a whole number, got '3'"):
        match.length("3")  # type: ignore[arg-type]


def test_a_digest_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="digest: expected 64 hexadecimal digits, got 'abc'"):
        match.sha256("abc", 3)


@pytest.mark.parametrize("pattern", ["[a", rb"[a"])
def test_a_pattern_that_is_none_is_refused_by_name(pattern: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"pattern: .*\[a.*unterminated character set"):
        match.regex(pattern)


@pytest.mark.parametrize("pattern", [5, None])
def test_a_pattern_is_bytes_or_text(pattern: bytes) -> None:
    with pytest.raises(TypeError, match="pattern: expected bytes, str or a compiled pattern, got"):
        match.regex(pattern)
