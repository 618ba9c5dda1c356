"""A matcher has one meaning: a spec and a fixture give the same verdict on the same bytes.

Each row is asked four times: of a spec and of a fixture, on a stream and on a datagram.
"""

import hashlib
import inspect
import socket
import threading
from pathlib import Path

import pytest

from sockharness import TcpServer, UdpPeer, match
from sockharness.facade.callsite import call_site
from sockharness.facade.script import ConnectionScript, Exchange, Ruling, Script
from sockharness.facade.udp import messages
from sockharness.match.exact import as_matcher
from sockharness.match.joined import Capture
from sockharness.match.matcher import Matcher, Verdict
from sockharness.match.sized import Until
from sockharness.sockspec import table
from sockharness.story.events import Event
from sockharness.story.expectations import BytesExpected, State
from sockharness.story.messages import DatagramsExpected
from sockharness.story.timeline import Channel
from tests.helpers.replaying import headlines, replay

MORE, NO = "needs more", "mismatch"
DIGITS, LETTERS = match.regex("[0-9]+"), match.regex("[a-z]+")
A_RUN, LINE = match.regex("a+"), match.regex(r".*\r\n")
NOTHING, ANY = as_matcher(b""), match.any()
ABC = hashlib.sha256(b"abc").hexdigest()

# the matcher, the bytes, how many of them it takes of a stream, whether it takes all as a datagram
ROWS: list[tuple[Matcher | bytes, bytes, int | str, bool]] = [
    (b"PING", b"PING", 4, True),
    (b"PING", b"PIN", MORE, False),
    (b"PING", b"PINGS", 4, False),
    (b"PING", b"PONG", NO, False),
    (b"PING", b"", MORE, False),
    (NOTHING, b"", 0, True),
    (NOTHING, b"x", 0, False),
    (match.length(3), b"abc", 3, True),
    (match.length(3), b"abcd", 3, False),
    (match.length(3), b"ab", MORE, False),
    (match.sha256(ABC, 3), b"abc", 3, True),
    (match.sha256(ABC, 3), b"abcd", 3, False),
    (match.sha256(ABC, 3), b"xyz", NO, False),
    (Until(b";"), b"ab;", 3, True),
    (Until(b";"), b"ab;cd;", 3, False),
    (Until(b";"), b"ab", MORE, False),
    # of a stream a pattern takes the shortest run, of a datagram all
    (DIGITS, b"123", 1, True),
    (DIGITS, b"123x", 1, False),
    (DIGITS, b"x", MORE, False),
    (match.regex("a|ab"), b"ab", 1, True),
    (LINE, b"a\r\nb\r\n", 3, True),
    (match.regex("x*"), b"", MORE, True),
    (match.regex("(a|aa)+$"), b"aaaa", 1, True),
    # a part of a stream keeps the shortest run; in a datagram the parts share the bytes out
    (match.concat(A_RUN, "ab"), b"aaab", NO, True),
    (match.concat(A_RUN, "ab"), b"aab", 3, True),
    (match.concat(A_RUN, "ab"), b"ab", NO, False),
    (match.concat(A_RUN, "ab"), b"aaabc", NO, False),
    (match.concat(match.length(1), DIGITS), b"a12", 2, True),
    (match.concat(match.length(1), DIGITS), b"a12b", 2, False),
    (match.concat("n=", DIGITS), b"n=123", 3, True),
    (match.concat("n=", DIGITS), b"n=", MORE, False),
    (match.concat("n=", DIGITS), b"m=1", NO, False),
    (match.concat(LETTERS, match.regex("[0-9a]+")), b"bca1", MORE, True),
    (match.concat(LETTERS, "z", match.length(1)), b"azz1", 3, True),
    (match.concat(LETTERS, "z"), b"za", NO, False),
    (match.concat(LINE, "."), b"a\r\nb\r\n.", NO, True),
    (match.concat(match.regex("^a*"), match.regex("^b*$")), b"aabb", MORE, True),
    (match.concat(match.length(1), match.regex("(?<!a)b")), b"ab", 2, True),
    (match.concat(match.regex("x*"), "b"), b"b", MORE, True),
    (match.concat(match.sha256(ABC, 3), DIGITS), b"abc12", 4, True),
    (match.concat(Until(b";"), "c"), b"ab;c", 4, True),
    (match.concat(), b"", 0, True),
    (match.concat(), b"x", 0, False),
    (match.concat(""), b"", 0, True),
    (match.concat("", "a", ""), b"a", 1, True),
    (match.concat("", "a", ""), b"ab", 1, False),
    # a concat in a concat
    (match.concat(match.concat(match.regex("a*"), "b"), "c"), b"aabc", NO, True),
    (match.concat(match.concat(A_RUN, A_RUN), "ab"), b"aaab", 4, True),
    (match.concat(match.concat(A_RUN, A_RUN), match.concat("ab", A_RUN)), b"aaaabaa", NO, True),
    (match.concat(match.concat(A_RUN, A_RUN), "ab"), b"aab", NO, False),
    (match.concat(match.concat(), A_RUN, match.concat("")), b"aa", 1, True),
    # under a name
    (Capture("n", DIGITS), b"12", 1, True),
    (match.concat(Capture("n", DIGITS), "."), b"12.", NO, True),
    (match.concat(Capture("n", match.concat(A_RUN, "b")), "b"), b"aabb", NO, True),
]
# these have no end of their own, so they are for datagrams alone
MESSAGES: list[tuple[Matcher | bytes, bytes, bool]] = [
    (ANY, b"", True),
    (ANY, b"abc", True),
    (match.starts_with(b"ab"), b"abc", True),
    (match.starts_with(b"ab"), b"ab", True),
    (match.starts_with(b"ab"), b"a", False),
    (match.starts_with(b"ab"), b"xab", False),
    (match.concat("a", ANY), b"abc", True),
    (match.concat("a", ANY), b"xbc", False),
    (match.concat(ANY, "c"), b"abc", True),
    (match.concat(ANY, "c"), b"abcd", False),
    (match.concat(ANY, "b", ANY, "b"), b"abab", True),
    (match.concat(ANY, "b", ANY, "b"), b"ab", False),
    (match.concat(match.starts_with(b"a"), "c"), b"abc", True),
    (match.concat(ANY, ANY, ANY, "c"), b"abc", True),
    (match.concat(ANY, ANY, ANY, "c"), b"abcd", False),
    (match.concat(ANY, match.starts_with(b"b"), ANY, "c"), b"abc", True),
    (match.concat(ANY, match.starts_with(b"b"), ANY, "c"), b"aac", False),
    (match.concat(match.starts_with(b"ab"), "b"), b"ab", False),
    (Capture("all", ANY), b"abc", True),
]


def test_specs_and_fixtures_have_the_same_matchers() -> None:
    functions = inspect.getmembers(match, inspect.isfunction)
    fixtures = {name for name, each in functions if each.__module__ == match.__name__}
    specs = {*table.keys("matcher", "message matcher"), "concat"}

    # in a spec bytes stand for themselves; a fixture gives the bytes to a function
    assert specs - fixtures == {"capture"}
    assert fixtures - specs == {"exact"}


@pytest.mark.parametrize(("want", "data", "takes", "_whole"), ROWS)
def test_a_spec_and_a_fixture_take_the_same_of_a_stream(
    want: Matcher | bytes, data: bytes, takes: int | str, _whole: bool
) -> None:
    matcher = as_matcher(want)
    result = matcher.match(data)

    verdicts = {Verdict.MATCH: result.size, Verdict.MORE: MORE, Verdict.MISMATCH: NO}
    assert verdicts[result.verdict] == takes
    assert spec_on_stream(matcher, data) == takes
    assert fixture_on_stream(matcher, data) == takes


@pytest.mark.parametrize(
    ("want", "message", "whole"), [(row[0], row[1], row[3]) for row in ROWS] + MESSAGES
)
def test_a_spec_and_a_fixture_agree_on_a_datagram(
    want: Matcher | bytes, message: bytes, whole: bool
) -> None:
    matcher = as_matcher(want)

    verdict = Verdict.MATCH if whole else Verdict.MISMATCH
    assert matcher.whole(message).verdict is verdict
    assert spec_on_datagram(matcher, message) is whole
    assert fixture_on_datagram(matcher, message) is whole


SAME = [
    ('{concat: [{regex: "a+"}, "ab"]}', match.concat(A_RUN, "ab"), b"aaab"),
    (
        '{concat: [{concat: [{regex: "[a-z]+"}, "z"]}, {length: 1}]}',
        match.concat(match.concat(LETTERS, "z"), match.length(1)),
        b"azz1",
    ),
    ('{regex: "a|ab"}', match.regex("a|ab"), b"ab"),
]


@pytest.mark.parametrize(("written", "want", "message"), SAME)
def test_a_datagram_on_the_wire_is_the_same_for_a_spec_and_a_fixture(
    udp_peer: UdpPeer, tmp_path: Path, written: str, want: Matcher, message: bytes
) -> None:
    udp_peer.expect(want).reply(b"yes")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(message, udp_peer.address)
        assert client.recv(10) == b"yes"

    peers = """\
sockspec: 1
peers:
  server: {udp: {bind: loopback}}
  client: {udp: {connect: server}}
exchange:
"""
    steps = f'''\
  - client: {{send: "{message.decode()}"}}
  - server: {{received: {written}}}
'''
    assert headlines(replay(tmp_path, steps, peers=peers)) == []


def test_a_stream_on_the_wire_is_the_same_for_a_spec_and_a_fixture(
    tcp_server: TcpServer, tmp_path: Path
) -> None:
    tcp_server.expect(match.concat(A_RUN, "ab")).reply(b"yes")

    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"aab")
        assert client.recv(10) == b"yes"

    steps = """\
exchange:
  - client: {write: "aab"}
  - server: {received: {concat: [{regex: "a+"}, "ab"]}}
  - client: {received: "aab"}
"""
    assert headlines(replay(tmp_path, steps)) == []


def spec_on_stream(matcher: Matcher, data: bytes) -> int | str:
    channel = Channel("server", 1)
    channel.add(Event(name="data", peer="server", data=data))
    progress = BytesExpected(channel, matcher).check()
    if progress.state is State.SATISFIED:
        return len(data) - len(channel.unread)
    return MORE if progress.state is State.PENDING else NO


def fixture_on_stream(matcher: Matcher, data: bytes) -> int | str:
    script = ConnectionScript(Script())
    script.own.append(Exchange(matcher, call_site(), threading.RLock()))
    judgement = script.judge(data)
    if judgement.ruling is Ruling.TAKE:
        return judgement.size
    return MORE if judgement.ruling is Ruling.WAIT else NO


def spec_on_datagram(matcher: Matcher, message: bytes) -> bool:
    channel = Channel("server", 0)
    channel.keep_datagrams()
    channel.add(Event(name="data", peer="server", data=message, source="client"))
    return DatagramsExpected(channel, [matcher]).check().state is State.SATISFIED


def fixture_on_datagram(matcher: Matcher, message: bytes) -> bool:
    script = Script()
    script.queue.append(Exchange(matcher, call_site(), threading.RLock(), whole=True))
    return messages.judge(script, message).ruling is Ruling.TAKE
