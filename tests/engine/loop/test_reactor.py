import gc
import os
import select
import signal
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import listen
from sockharness.errors import ClosedError, UsageError

DEADLINE = 30.0
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def test_an_iteration_runs_timers_then_posts_then_io(reactor: Reactor, pair: Pair) -> None:
    first, second = pair
    order: list[str] = []
    reactor.register(first.fileno(), select.EPOLLIN, lambda mask: order.append("io"))
    second.send(b"x")
    reactor.call_soon(order.append, "posted")
    reactor.call_later(0, order.append, "timer")

    reactor.run_once()

    assert order == ["timer", "posted", "io"]
    reactor.unregister(first.fileno())


def test_timers_fire_by_time_and_equal_times_in_order(reactor: Reactor) -> None:
    order: list[int] = []
    now = reactor.now()
    for number, when in enumerate((now, now - 1, now, now - 2)):
        reactor.call_at(when, order.append, number)

    reactor.run_once(0)

    assert order == [3, 1, 0, 2]


def test_what_a_posted_call_posts_waits_for_the_next_iteration(reactor: Reactor) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")
        reactor.call_soon(order.append, "second")

    reactor.call_soon(first)
    reactor.run_once(0)
    assert order == ["first"]

    reactor.run_once(0)

    assert order == ["first", "second"]


def test_a_timer_that_a_timer_makes_waits_for_the_next_iteration(reactor: Reactor) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")
        reactor.call_at(0, order.append, "second")

    reactor.call_later(0, first)
    reactor.run_once(0)
    assert order == ["first"]

    reactor.run_once(0)

    assert order == ["first", "second"]


def test_a_timer_is_not_early(reactor: Reactor) -> None:
    fired: list[float] = []
    begun = reactor.now()
    reactor.call_later(0.0105, lambda: fired.append(reactor.now()))

    reactor.run_until(lambda: fired, DEADLINE)

    assert fired[0] - begun >= 0.0105


def test_a_cancelled_timer_does_not_fire_even_when_it_is_due(reactor: Reactor) -> None:
    fired: list[str] = []
    now = reactor.now()
    reactor.call_at(now - 1, lambda: second.cancel())
    second = reactor.call_at(now, fired.append, "second")

    reactor.run_once(0)

    assert (fired, second.pending) == ([], False)
    second.cancel()
    assert reactor.poll_timeout() is None


def test_arming_and_cancelling_for_ever_does_not_grow(reactor: Reactor) -> None:
    kept = reactor.call_later(1000, print)
    for _ in range(1000):
        reactor.call_later(1000, print).cancel()

    assert len(reactor._timers.heap) < 200
    assert len(reactor._timers) == 1
    kept.cancel()
    reactor.run()


def test_events_of_a_descriptor_closed_in_the_same_batch_are_dropped(reactor: Reactor) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def close_both(number: int) -> Callable[[int], None]:
        def callback(_mask: int) -> None:
            called.append(number)
            for first, _ in pairs:
                reactor.unregister(first.fileno())
                first.close()

        return callback

    for number, (first, second) in enumerate(pairs):
        reactor.register(first.fileno(), select.EPOLLIN, close_both(number))
        second.send(b"x")

    reactor.run_once(1)

    assert called == [0]
    for _, second in pairs:
        second.close()


def test_events_of_a_descriptor_registered_in_the_same_batch_are_dropped(
    reactor: Reactor,
) -> None:
    """The number may have been another descriptor's when the batch was fetched."""
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[str] = []
    replacements: list[socket.socket] = []

    def replace(_mask: int) -> None:
        called.append("first")
        number = pairs[1][0].fileno()
        reactor.unregister(pairs[0][0].fileno())
        reactor.unregister(number)
        pairs[1][0].close()
        new = socket.socketpair()
        replacements.extend(new)
        assert new[0].fileno() == number
        reactor.register(number, select.EPOLLIN, lambda mask: called.append("replacement"))

    reactor.register(pairs[0][0].fileno(), select.EPOLLIN, replace)
    reactor.register(pairs[1][0].fileno(), select.EPOLLIN, lambda mask: called.append("old"))
    for _, second in pairs:
        second.send(b"x")

    reactor.run_once(1)
    reactor.run_once(0)

    assert called == ["first"]
    reactor.unregister(replacements[0].fileno())
    for sock in [*replacements, *(sock for each in pairs for sock in each)]:
        sock.close()


def test_modify_changes_what_is_waited_for(reactor: Reactor, pair: Pair) -> None:
    masks: list[int] = []
    fd = pair[0].fileno()
    reactor.register(fd, 0, masks.append)
    reactor.run_once(0)
    assert masks == []

    reactor.modify(fd, select.EPOLLOUT)
    reactor.run_once(0)

    assert masks == [select.EPOLLOUT]
    reactor.unregister(fd)


def test_run_until_returns_whether_the_condition_held(reactor: Reactor) -> None:
    assert reactor.run_until(lambda: True, 0) is True
    assert reactor.run_until(lambda: False, 0) is False
    assert reactor.run_until(lambda: False, 0.001) is False


def test_run_until_looks_at_the_condition_before_it_sleeps(reactor: Reactor) -> None:
    """A posted call or a timer may have made it true."""
    done: list[int] = []
    reactor.call_soon(done.append, 1)
    assert reactor.run_until(lambda: done, None)

    done.clear()
    reactor.call_later(0, done.append, 1)
    assert reactor.run_until(lambda: done, None)


def test_run_returns_when_no_reference_is_left(reactor: Reactor) -> None:
    """TCP-166."""
    order: list[str] = []
    reactor.ref()
    reactor.call_later(0.001, order.append, "timer")
    reactor.call_later(0.002, reactor.unref)
    reactor.call_later(1000, print).unref()

    reactor.run()

    assert order == ["timer"]


@pytest.mark.shows("TCP-166")
def test_a_listener_holds_run_until_it_is_unrefed(reactor: Reactor) -> None:
    """TCP-166: references are not counted per handle."""
    listener = listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor)
    listener.unref()
    listener.unref()
    listener.ref()
    reactor.call_later(0.001, listener.unref)

    reactor.run()

    assert listener.fileno() >= 0


def test_run_once_in_a_callback_is_a_usage_error(reactor: Reactor) -> None:
    reactor.call_soon(reactor.run_once)

    with pytest.raises(UsageError, match="running already"):
        reactor.run_once(0)


def test_close_in_a_callback_is_a_usage_error(reactor: Reactor) -> None:
    reactor.call_soon(reactor.close)

    with pytest.raises(UsageError, match="return from the callback first"):
        reactor.run_once(0)


def test_an_exception_waits_until_all_callbacks_are_done(reactor: Reactor) -> None:
    """D17."""
    order: list[str] = []

    def fail() -> None:
        raise KeyError("first")

    reactor.call_later(0, fail)
    reactor.call_soon(order.append, "posted")

    with pytest.raises(KeyError):
        reactor.run_once(0)

    assert order == ["posted"]
    reactor.run_once(0)


def test_on_exception_takes_what_run_once_would_raise(reactor: Reactor) -> None:
    taken: list[BaseException] = []
    reactor.on_exception = taken.append
    reactor.report(KeyError("one"))
    reactor.report(KeyError("two"))

    reactor.run_once(0)

    assert [str(each) for each in taken] == ["'one'", "'two'"]


def test_embedding_needs_fileno_and_poll_timeout(reactor: Reactor, pair: Pair) -> None:
    called: list[Any] = []
    assert reactor.poll_timeout() is None
    reactor.register(pair[0].fileno(), select.EPOLLIN, lambda mask: called.append(pair[0].recv(9)))
    timer = reactor.call_later(1000, print)
    assert 0 < (reactor.poll_timeout() or 0) <= 1000
    timer.cancel()
    pair[1].send(b"x")

    ready, _, _ = select.select([reactor.fileno()], [], [], DEADLINE)
    reactor.run_once(0)

    assert ready
    assert called == [b"x"]
    reactor.call_soon(print)
    assert reactor.poll_timeout() == 0
    reactor.run_once(0)
    reactor.unregister(pair[0].fileno())


def test_a_thread_can_post_and_wakes_the_loop(reactor: Reactor) -> None:
    called: list[int] = []
    thread = threading.Thread(target=lambda: reactor.call_soon_threadsafe(called.append, 1))
    reactor.call_later(0, thread.start)

    assert reactor.run_until(lambda: called, DEADLINE)

    thread.join()


def test_posts_of_threads_keep_their_order_and_none_is_lost(reactor: Reactor) -> None:
    called: list[tuple[int, int]] = []

    def post(thread: int) -> None:
        for number in range(200):
            reactor.call_soon_threadsafe(called.append, (thread, number))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()

    assert reactor.run_until(lambda: len(called) == 600, DEADLINE)

    for index, thread in enumerate(threads):
        thread.join()
        assert [number for who, number in called if who == index] == list(range(200))


def test_the_eventfd_exists_from_the_first_post_of_a_thread_on() -> None:
    made: list[int] = []

    class Counting(Kernel):
        def wakeup(self) -> int:
            made.append(super().wakeup())
            return made[-1]

    with Reactor(Counting()) as reactor:
        reactor.call_soon(int)
        reactor.run_once(0)
        assert made == []
        reactor.call_soon_threadsafe(int)
        reactor.call_soon_threadsafe(int)
        assert len(made) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


def test_another_thread_gets_a_usage_error(reactor: Reactor) -> None:
    failures: list[Exception] = []

    def misuse() -> None:
        calls: list[Callable[[], object]] = [
            lambda: reactor.run_once(0),
            lambda: reactor.call_later(1, print),
            lambda: reactor.call_soon(print),
            lambda: reactor.register(0, 0, print),
            reactor.close,
        ]
        for call in calls:
            with pytest.raises(UsageError, match="belongs to another thread") as caught:
                call()
            failures.append(caught.value)

    thread = threading.Thread(target=misuse)
    thread.start()
    thread.join()

    assert len(failures) == 5


def test_each_thread_has_a_current_reactor() -> None:
    reactors = [Reactor.current(), Reactor.current()]
    thread = threading.Thread(target=lambda: reactors.append(Reactor.current()))
    thread.start()
    thread.join()

    assert reactors[0] is reactors[1] is not reactors[2]
    reactors[0].close()
    fresh = Reactor.current()
    assert fresh is not reactors[0]
    fresh.close()


def test_closing_abandons_handles_and_calls_no_handler() -> None:
    called: list[Any] = []
    with Reactor() as reactor:
        handlers = {"data": print, "close": lambda *args: called.append(args)}
        listener = listen(socket=handlers, hostname="127.0.0.1", port=0, reactor=reactor)
        with socket.create_connection(("127.0.0.1", listener.port or 0)):
            assert reactor.run_until(lambda: listener.connections, DEADLINE)
            accepted = listener.connections[0]

            reactor.close()
            reactor.close()

    assert (accepted.ready_state, accepted.fileno(), listener.fileno()) == (-1, -1, -1)
    assert called == []


@pytest.mark.parametrize(
    "call",
    [
        lambda reactor: reactor.run_once(0),
        lambda reactor: reactor.register(0, 0, print),
        lambda reactor: reactor.call_soon_threadsafe(print),
        lambda reactor: reactor.fileno(),
        lambda reactor: listen(socket={"data": print}, unix="\0closed", reactor=reactor),
    ],
)
def test_a_closed_reactor_says_so(call: Callable[[Reactor], object]) -> None:
    reactor = Reactor()
    reactor.close()

    with pytest.raises(ClosedError, match="the reactor is closed"):
        call(reactor)


def test_a_reactor_with_sockets_is_garbage_when_it_was_closed() -> None:
    reactor = Reactor()
    listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor)
    reactor.close()
    reference = weakref.ref(reactor)

    del reactor
    gc.collect()

    assert reference() is None


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_may_not_use_its_parents_reactor(reactor: Reactor) -> None:
    listener = listen(socket={"data": print}, hostname="127.0.0.1", port=0, reactor=reactor)
    reactor.call_soon_threadsafe(int)
    calls: list[Callable[[], object]] = [
        lambda: reactor.run_once(0),
        lambda: reactor.call_soon_threadsafe(print),
        lambda: reactor.modify(listener.fileno(), 0),
        listener.stop,
        reactor.close,
    ]
    child = os.fork()
    if child == 0:
        os._exit(0 if all(_raises_usage_error(call) for call in calls) else 1)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    with socket.create_connection(("127.0.0.1", listener.port or 0)):
        assert reactor.run_until(lambda: listener.connections, DEADLINE)


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_current_reactor_of_its_own() -> None:
    parent = Reactor.current()
    child = os.fork()
    if child == 0:
        try:
            Reactor.current().run_once(0)
        except BaseException:  # noqa: BLE001 - the child must not return into the test
            os._exit(1)
        os._exit(0 if Reactor.current() is not parent else 2)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    parent.close()


def _raises_usage_error(call: Callable[[], object]) -> bool:
    try:
        call()
    except UsageError:
        return True
    return False


def test_a_signal_handler_that_raises_interrupts_the_sleep(reactor: Reactor) -> None:
    """As Ctrl-C does; the reactor can be used again."""

    class Interrupted(BaseException):
        pass

    def interrupt(*_args: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        reactor.call_soon(signal.setitimer, signal.ITIMER_REAL, 0.005)
        with pytest.raises(Interrupted):
            reactor.run_until(lambda: False, DEADLINE)
    finally:
        signal.signal(signal.SIGALRM, before)

    reactor.run_once(0)


def test_repr_shows_state_and_counters(reactor: Reactor) -> None:
    reactor.call_soon(int)
    reactor.call_later(1000, print)

    assert repr(reactor) == "<Reactor idle descriptors=0 timers=1 posted=1 references=1>"


def test_a_time_limit_below_zero_means_zero(reactor: Reactor) -> None:
    assert not reactor.run_until(lambda: False, -1)
