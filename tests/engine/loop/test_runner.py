import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.loop.runner import ThreadRunner
from sockharness.engine.streams import connect, listen
from sockharness.errors import ClosedError, UsageError

DEADLINE = 30.0


@pytest.fixture
def runner() -> Iterator[ThreadRunner]:
    with ThreadRunner() as runner:
        yield runner


def test_call_runs_on_the_thread_and_returns_the_result(runner: ThreadRunner) -> None:
    here = threading.get_ident()

    assert runner.call(threading.get_ident) != here
    assert runner.call(divmod, 7, 3) == (2, 1)


def test_call_raises_what_the_function_raises(runner: ThreadRunner) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        runner.call(int, "x")

    assert runner.call(int, "5") == 5


def test_call_on_the_thread_itself_is_direct(runner: ThreadRunner) -> None:
    assert runner.call(lambda: runner.call(int, "5")) == 5


def test_the_reactor_is_current_on_the_thread(runner: ThreadRunner) -> None:
    assert runner.call(Reactor.current) is runner.reactor


def test_a_call_that_takes_too_long_times_out_and_the_runner_goes_on(
    runner: ThreadRunner,
) -> None:
    go_on = threading.Event()

    def wait() -> None:
        go_on.wait(DEADLINE)

    with pytest.raises(TimeoutError, match=r"expected .*wait to be done within 0.001 s"):
        runner.call(wait, timeout=0.001)
    go_on.set()

    assert runner.call(int, "5") == 5


def test_a_call_that_timed_out_before_it_began_is_not_made(runner: ThreadRunner) -> None:
    go_on = threading.Event()
    called: list[int] = []
    runner.post(go_on.wait, DEADLINE)

    with pytest.raises(TimeoutError):
        runner.call(called.append, 1, timeout=0.001)
    go_on.set()
    runner.call(int)

    assert called == []


def test_an_exception_after_the_timeout_is_not_lost(
    runner: ThreadRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    taken: list[BaseException] = []
    runner.on_exception = taken.append
    post = ThreadRunner._post

    def post_and_wait(self: ThreadRunner, *call: Any) -> None:
        """Wait until it has begun: what has not when the time is over is not made."""
        post(self, *call)
        assert begun.wait(DEADLINE)

    monkeypatch.setattr(ThreadRunner, "_post", post_and_wait)

    def fail_late() -> None:
        begun.set()
        go_on.wait(DEADLINE)
        raise KeyError("late")

    with pytest.raises(TimeoutError):
        runner.call(fail_late, timeout=0.001)
    go_on.set()
    runner.call(int)

    assert [str(each) for each in taken] == ["'late'"]


def test_post_keeps_order(runner: ThreadRunner) -> None:
    called: list[int] = []
    for number in range(100):
        runner.post(called.append, number)
    runner.call(int)

    assert called == list(range(100))


def test_exceptions_of_handlers_go_to_on_exception_and_the_thread_lives(
    runner: ThreadRunner,
) -> None:
    """D17."""
    taken: list[BaseException] = []
    told = threading.Event()

    def take(error: BaseException) -> None:
        taken.append(error)
        told.set()

    def fail(*_args: Any) -> None:
        raise KeyError("handler")

    runner.on_exception = take
    listener = runner.call(lambda: listen(socket={"data": fail}, hostname="127.0.0.1", port=0))
    client = runner.call(
        lambda: connect(socket={"data": print}, hostname="127.0.0.1", port=listener.port)
    ).result(DEADLINE)
    runner.call(client.write, "x")

    assert told.wait(DEADLINE)
    assert [str(each) for each in taken] == ["'handler'"]
    assert runner.call(int, "5") == 5


def test_without_a_hook_exceptions_go_to_the_hook_of_threading(
    runner: ThreadRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: taken.append(args.exc_value))

    runner.post(int, "x")
    runner.call(int)
    runner.call(int)

    assert [type(each) for each in taken] == [ValueError]


def test_an_unclaimed_failure_is_reported_when_the_runner_closes() -> None:
    """TCP-139, D17."""
    taken: list[BaseException] = []
    with ThreadRunner(on_exception=taken.append) as runner:
        runner.call(lambda: connect(socket={"data": print}, unix="/nowhere/s"))

    assert [type(each) for each in taken] == [FileNotFoundError]


def test_close_makes_the_calls_made_before_and_refuses_later_ones() -> None:
    runner = ThreadRunner()
    called: list[int] = []
    for number in range(10):
        runner.post(called.append, number)

    runner.close()
    runner.close()

    assert called == list(range(10))
    assert runner.reactor.closed
    with pytest.raises(ClosedError, match="the runner is closed"):
        runner.call(int)
    with pytest.raises(ClosedError, match="the runner is closed"):
        runner.post(int)
    assert repr(runner).startswith("<ThreadRunner closed")


def test_close_on_the_thread_itself_is_a_usage_error(runner: ThreadRunner) -> None:
    with pytest.raises(UsageError, match="called on the runner's own thread"):
        runner.call(runner.close)


def test_close_says_when_the_thread_is_blocked() -> None:
    runner = ThreadRunner()
    go_on = threading.Event()
    runner.post(go_on.wait, DEADLINE)

    with pytest.raises(TimeoutError, match=r"expected the thread to end within 0\.001 s"):
        runner.close(timeout=0.001)

    go_on.set()
    runner.close()


def test_a_given_reactor_is_given_back() -> None:
    with Reactor() as reactor:
        with ThreadRunner(reactor) as runner:
            assert runner.reactor is reactor
            with pytest.raises(UsageError, match="belongs to another thread"):
                reactor.run_once(0)

        reactor.run_once(0)


def test_threads_may_call_at_the_same_time(runner: ThreadRunner) -> None:
    results: list[int] = []

    def work(base: int) -> None:
        results.extend(runner.call(int, str(base + number)) for number in range(50))

    threads = [threading.Thread(target=work, args=(base,)) for base in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == sorted([*range(50), *range(100, 150), *range(200, 250)])
