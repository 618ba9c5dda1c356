import re
import threading
from collections.abc import Sequence

import pytest

from sockharness.errors import UsageError
from sockharness.facade.callsite import call_site
from sockharness.facade.cuts import Cuts, pieces
from sockharness.facade.script import ConnectionScript, Exchange, Ruling, Script
from sockharness.match.exact import as_matcher
from sockharness.match.matcher import Verdict
from sockharness.match.regex import Regex
from sockharness.match.sized import Until


def exchange(want: object) -> Exchange:
    return Exchange(as_matcher(want), call_site(), threading.RLock())


def regex(pattern: bytes) -> Regex:
    return Regex(re.compile(pattern))


def taken(lane: ConnectionScript, data: bytes) -> list[Exchange]:
    """Return which exchanges take the bytes, if they come one by one."""
    unread, takers = bytearray(), []
    for byte in data:
        unread.append(byte)
        judged = lane.judge(unread)
        if judged.ruling is Ruling.TAKE and judged.exchange is not None:
            takers.append(judged.exchange)
            lane.take(judged.exchange)
            del unread[: judged.size]
    return takers


def test_nothing_stated_means_nobody_wants_the_bytes() -> None:
    assert ConnectionScript(Script()).judge(b"x").ruling is Ruling.NOBODY


def test_a_connection_claims_up_to_what_ends_it() -> None:
    script = Script()
    hello, bye, later = exchange(b"HI"), exchange(b"BYE").close(), exchange(b"HI")
    script.queue += [hello, bye, later]
    first, second = ConnectionScript(script), ConnectionScript(script)

    first.judge(b"H")
    second.judge(b"H")

    assert first.outstanding == [hello, bye]
    assert second.outstanding == [later]


def test_what_a_connection_leaves_unmet_returns_to_the_front() -> None:
    script = Script()
    first, second, third = exchange(b"1"), exchange(b"2").reset(), exchange(b"3")
    script.queue += [first, second, third]
    lane = ConnectionScript(script)
    lane.take(lane.judge(b"1").exchange or third)

    lane.release()

    assert script.queue == [second, third]
    assert lane.outstanding == []


def test_own_exchanges_go_before_those_that_anybody_may_claim() -> None:
    script = Script()
    own, anybodys = exchange(b"A"), exchange(b"A")
    script.queue.append(anybodys)
    lane = ConnectionScript(script)
    lane.own.append(own)

    assert taken(lane, b"AA") == [own, anybodys]


def test_an_outstanding_exchange_goes_before_an_equal_rule() -> None:
    script = Script()
    once, always = exchange(b"PING"), exchange(b"PING")
    script.queue.append(once)
    script.rules.append(always)

    assert taken(ConnectionScript(script), b"PINGPING") == [once, always]


@pytest.mark.parametrize("data", [b"PINGALL", b"PING"])
def test_a_rule_waits_while_the_outstanding_exchange_may_have_the_bytes(data: bytes) -> None:
    script, once = Script(), exchange(b"PINGALL")
    script.queue.append(once)
    script.rules.append(exchange(b"PING"))

    judged = ConnectionScript(script).judge(data)

    assert judged.ruling is (Ruling.TAKE if data == b"PINGALL" else Ruling.WAIT)
    assert judged.exchange is once


def test_a_rule_takes_what_the_outstanding_exchange_cannot_have() -> None:
    script = Script()
    script.queue.append(exchange(b"PINGALL"))
    script.rules.append(exchange(b"PING"))

    judged = ConnectionScript(script).judge(b"PINGx")

    assert (judged.exchange, judged.size) == (script.rules[0], 4)


@pytest.mark.parametrize(
    ("once", "rules"),
    [
        (regex(rb"PING\nX\n"), [b"PING\n", b"X\n"]),
        (b"PING\nX\n", [b"PING\n", b"X\n"]),
        (b"PING\nY\n", [b"PING\n", b"X\n"]),
        (regex(rb"P.*\n"), [b"PING\nX\n", b"PING\n", b"X\n"]),
    ],
)
def test_the_verdict_does_not_depend_on_how_the_bytes_were_cut(
    once: object, rules: Sequence[bytes]
) -> None:
    def lane() -> ConnectionScript:
        script = Script()
        script.queue.append(exchange(once))
        script.rules += [exchange(rule) for rule in rules]
        return ConnectionScript(script)

    data = b"PING\nX\n"
    whole = lane().judge(data)
    by_byte = taken(lane(), data)

    assert whole.exchange is not None
    assert whole.exchange.matcher == by_byte[0].matcher


def test_bytes_that_a_rule_takes_claim_nothing() -> None:
    script = Script()
    script.queue.append(exchange(b"QUERY"))
    script.rules.append(exchange(b"PING"))
    lane = ConnectionScript(script)

    lane.judge(b"PING")

    assert lane.outstanding == []


def test_bytes_that_contradict_the_outstanding_exchange_differ() -> None:
    script = Script()
    script.queue.append(exchange(b"PING"))

    assert ConnectionScript(script).judge(b"PONG").ruling is Ruling.DIFFER


def test_an_answer_is_stated_once() -> None:
    stated = exchange(b"x").reply(b"y")

    with pytest.raises(UsageError, match="an answer already: reply"):
        stated.ignore()


def test_an_answer_that_comes_late_is_given_then() -> None:
    stated, given = exchange(b"x"), []
    stated.late.append(lambda: given.append(stated.answer))

    stated.ignore()

    assert given == [stated.answer]


def test_an_exchange_shows_what_it_is() -> None:
    assert repr(exchange(b"PING\r\n").reply(b"x")) == '<Exchange "PING␍␊" → reply, not met>'


@pytest.mark.parametrize(
    ("cuts", "cut"),
    [
        (None, [b"hello"]),
        ("together", [b"hello"]),
        ("each_byte", [b"h", b"e", b"l", b"l", b"o"]),
        (2, [b"he", b"ll", b"o"]),
        ([1, 2], [b"h", b"el", b"lo"]),
        ([9], [b"hello"]),
    ],
)
def test_a_reply_is_cut_into_pieces(cuts: Cuts, cut: list[bytes]) -> None:
    assert pieces(b"hello", cuts) == cut


@pytest.mark.parametrize(
    ("cuts", "error", "text"),
    [
        ("each_bite", ValueError, "did you mean 'each_byte'"),
        (0, ValueError, "from 1"),
        ([], TypeError, "sizes"),
        ([1, "2"], TypeError, "whole numbers"),
        (True, TypeError, "whole numbers"),
        (1.5, TypeError, "sizes"),
    ],
)
def test_wrong_cuts_are_refused_where_they_are_stated(
    cuts: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        exchange(b"x").reply(b"y", cuts)  # type: ignore[arg-type]


def test_a_reply_that_is_no_data_is_refused_where_it_is_stated() -> None:
    with pytest.raises(TypeError, match="expected bytes or str, got 5"):
        exchange(b"x").reply(5)  # type: ignore[arg-type]


def test_until_takes_the_separator_too() -> None:
    result = Until(b"\r\n").match(b"one\r\ntwo")

    assert (result.verdict, result.size) == (Verdict.MATCH, 5)
