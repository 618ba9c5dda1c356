"""A child process that receives and sends JSON lines."""

import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from sockharness.drivers.bun.jsonl import JsonlChild, Message
from sockharness.drivers.engine import EngineFailed
from sockharness.engine.loop.reactor import Reactor

ECHO = """
import sys
for line in sys.stdin:
    print(line, end="", flush=True)
"""
Start = Callable[[str], JsonlChild]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[JsonlChild] = []

    def start(program: str) -> JsonlChild:
        child = JsonlChild("parrot", [sys.executable, "-c", program], env=os.environ)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.close()


def test_what_it_tells_comes_through_the_reactor(start: Start) -> None:
    child, told = start(ECHO), list[Message]()
    with Reactor() as reactor:
        child.attach(reactor, told.append)
        child.send({"say": "hello"}, timeout=30)

        assert reactor.run_until(lambda: told, 30)
        child.detach()

    assert told == [{"say": "hello"}]


def test_what_it_tells_can_be_waited_for_without_a_reactor(start: Start) -> None:
    child, told = start(ECHO), list[Message]()
    child.on_message = told.append

    child.send({"n": 1}, timeout=30)
    child.send({"n": 2}, timeout=30)
    child.wait(lambda: len(told) == 2, timeout=30)

    assert told == [{"n": 1}, {"n": 2}]


def test_a_message_larger_than_both_pipes_blocks_nobody(start: Start) -> None:
    child, told = start(ECHO), list[Message]()
    child.on_message = told.append
    big = "x" * 8_000_000

    child.send({"a": big}, timeout=20)
    child.send({"b": big}, timeout=20)
    child.wait(lambda: len(told) == 2, timeout=20)

    assert told == [{"a": big}, {"b": big}]


def test_a_death_is_told_with_what_it_wrote_on_stderr(start: Start) -> None:
    child = start("import sys; sys.stderr.write('I am\\nnot well\\n'); sys.exit(3)")

    with pytest.raises(EngineFailed) as caught:
        child.wait(lambda: False, timeout=30)

    assert str(caught.value).splitlines() == [
        "parrot died: status 3",
        "parrot wrote on stderr:",
        "  I am",
        "  not well",
    ]
    assert not child.alive


def test_a_death_is_found_out_by_the_reactor_too(start: Start) -> None:
    child = start(ECHO)
    with Reactor() as reactor:
        child.attach(reactor, list[Message]().append)
        os.kill(child.pid, signal.SIGKILL)

        assert reactor.run_until(lambda: child.failed, 30)

    with pytest.raises(EngineFailed, match="parrot died: SIGKILL"):
        child.check()


def test_telling_a_dead_child_says_how_it_died(start: Start) -> None:
    child = start(ECHO)
    os.kill(child.pid, signal.SIGTERM)

    with pytest.raises(EngineFailed, match="parrot died: SIGTERM"):
        child.wait(lambda: False, timeout=30)
    with pytest.raises(EngineFailed, match="parrot died: SIGTERM"):
        child.send({}, timeout=30)


def test_a_child_that_does_not_answer_is_given_up(start: Start) -> None:
    child = start("import sys; sys.stdin.read()")

    with pytest.raises(EngineFailed, match=r"parrot did not answer within 0\.\d+ s"):
        child.wait(lambda: False, timeout=0.05)
    assert not child.alive


def test_what_is_no_json_is_told(start: Start) -> None:
    child = start("print('Hello, World!', flush=True); input()")

    with pytest.raises(EngineFailed, match="parrot sent no JSON: Hello, World!"):
        child.wait(lambda: False, timeout=30)


def test_only_what_it_wrote_since_the_mark_is_told(start: Start) -> None:
    child, told = start(ECHO), list[Message]()
    child.on_message = told.append
    with open(f"/proc/{child.pid}/fd/2", "ab", buffering=0) as stderr:
        stderr.write(b"old\n")
        child.mark()
        assert child.remarks() == []
        stderr.write(b"new \x1b[31m\n")

    assert child.remarks() == ["parrot wrote on stderr:", "  new ␛[31m"]


def test_closing_lets_it_end_by_itself(start: Start) -> None:
    child = start(ECHO)

    child.close()
    child.close()

    assert not child.alive
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
