import re
import threading

import pytest

from sockharness import match
from sockharness.facade.callsite import call_site
from sockharness.facade.messages import differs, judge, takes
from sockharness.facade.script import Exchange, Ruling, Script
from sockharness.match.exact import as_matcher
from sockharness.match.joined import Capture


def exchange(want: object) -> Exchange:
    return Exchange(as_matcher(want), call_site(), threading.RLock(), whole=True)


@pytest.mark.parametrize(
    ("want", "message", "taken"),
    [
        (b"", b"", True),
        (b"", b"x", False),
        (b"PING", b"PING", True),
        (b"PING", b"PIN", False),
        (b"PING", b"PING ", False),
        (match.length(3), b"abc", True),
        (match.length(3), b"abcd", False),
        (match.regex("[0-9]+"), b"123", True),
        (match.regex("[0-9]+"), b"123x", False),
        (match.regex("a|ab"), b"ab", True),
        (match.concat("n=", match.regex("[0-9]+")), b"n=123", True),
        (match.concat(match.regex("[a-z]+"), match.regex("[0-9a]+")), b"bca1", True),
        (match.concat(match.regex("[a-z]+"), "z", match.length(1)), b"azz1", True),
        (match.concat(match.regex("[a-z]+"), "z"), b"za", False),
        (match.concat(match.concat(match.regex("a*"), "b"), "c"), b"aabc", True),
        (match.concat(Capture("n", match.regex("[0-9]+")), "."), b"12.", True),
        (Capture("n", match.regex("[0-9]+")), b"12", True),
    ],
)
def test_a_message_is_taken_as_a_whole_or_not_at_all(
    want: object, message: bytes, taken: bool
) -> None:
    assert takes(as_matcher(want), message) is taken


def test_the_outstanding_expectation_is_asked_before_the_rules() -> None:
    script = Script()
    once, always = exchange(b"PING"), exchange(match.regex("P.*"))
    script.queue.append(once)
    script.rules.append(always)

    assert judge(script, b"PING").exchange is once
    assert judge(script, b"PONG").exchange is always


def test_what_neither_can_have_differs_from_the_expectation() -> None:
    script = Script()
    assert judge(script, b"x").ruling is Ruling.NOBODY
    script.rules.append(exchange(b"PING"))
    assert judge(script, b"x").ruling is Ruling.NOBODY
    script.queue.append(exchange(b"PONG"))
    assert judge(script, b"x").ruling is Ruling.DIFFER


@pytest.mark.parametrize(
    ("want", "message", "said"),
    [
        (b"QUERY", b"QUERI", 'peer got "QUERI", expected "QUERY"'),
        (b"A long question", b"A long answer", "peer datagram differs at byte 7"),
        (b"A long question", b"A long", "peer datagram ends at byte 6 of 15"),
        (b"A long question", b"A long question?!", "peer datagram has 2 bytes too many"),
        (re.compile(b"[0-9]+"), b"abc", 'peer got "abc", expected /[0-9]+/'),
        (re.compile(b"[0-9]+" * 20), b"abc", "peer got a datagram that is no match"),
    ],
)
def test_how_it_differs_is_said_in_a_line_that_stands_alone(
    want: object, message: bytes, said: str
) -> None:
    wanted = match.regex(want) if isinstance(want, re.Pattern) else want

    assert differs("peer", message, exchange(wanted)).headline == said
