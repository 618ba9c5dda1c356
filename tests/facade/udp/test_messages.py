import threading

from sockharness import match
from sockharness.facade.callsite import call_site
from sockharness.facade.script import Exchange, Ruling, Script
from sockharness.facade.udp.messages import judge
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
