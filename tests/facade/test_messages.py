import re
import threading

import pytest

from sockharness import match
from sockharness.facade.callsite import call_site
from sockharness.facade.messages import differs, judge
from sockharness.facade.script import Exchange, Ruling, Script
from sockharness.match.exact import as_matcher


def exchange(want: object) -> Exchange:
    return Exchange(as_matcher(want), call_site(), threading.RLock(), whole=True)


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
