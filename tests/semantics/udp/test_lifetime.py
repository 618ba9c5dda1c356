"""`ref`, `unref`, `close`, and what keeps `run()` going (UDP-131..139)."""

import errno
from typing import Any

import pytest

from tests.helpers.datagrams import Net
from tests.helpers.programs import run_program

HOST = "127.0.0.1"
PROGRAM = """\
import gc, sockharness
reactor = sockharness.Reactor.current()
make = lambda **options: sockharness.udp_socket(hostname="127.0.0.1", **options)
%s
timer = reactor.call_later(0.05, lambda: (print("held"), reactor.call_soon(reactor_end)))
timer.unref()
def reactor_end():
    raise SystemExit(0)
sockharness.run()
print("done")
reactor.close()
"""


@pytest.mark.shows("UDP-131", "UDP-132", "UDP-134")
@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("udp = make(socket={'data': print})", "held"),
        ("udp = make()", "held"),
        ("make(); gc.collect()", "held"),
        ("udp = make(); udp.unref()", "done"),
        ("udp = make(); udp.ref(); udp.ref(); udp.unref()", "done"),
        ("udp = make(); udp.unref(); udp.ref()", "held"),
        ("udp = make(); udp.close()", "done"),
        ("udp = make(); udp.close(); udp.ref()", "done"),
        ("udp = make(); udp.unref(); udp.close(); udp.close()", "done"),
    ],
)
def test_what_keeps_run_going(code: str, printed: str) -> None:
    done = run_program(PROGRAM % code)

    assert (done.stdout.split(), done.stderr) == ([printed], "")


@pytest.mark.shows("UDP-133")
def test_an_unreferenced_socket_does_not_keep_run_going_for_what_is_on_its_way(net: Net) -> None:
    a = net.udp("a")
    a.unref()
    a.send(b"x", a.port, HOST)

    net.reactor.run()

    assert net.log == []


@pytest.mark.shows("UDP-132")
def test_ref_and_unref_return_nothing(net: Net) -> None:
    a = net.udp()

    assert a.unref() is a.ref() is None  # type: ignore[func-returns-value]


@pytest.mark.shows("UDP-135")
def test_close_is_at_once_calls_nothing_and_may_come_twice(net: Net) -> None:
    a = net.udp("a")

    assert a.close() is None  # type: ignore[func-returns-value]

    assert (a.closed, a.fileno()) == (True, -1)
    assert "descriptors=0" in repr(net.reactor)
    a.close()
    assert net.settle() == ""


@pytest.mark.shows("UDP-135", "UDP-136")
def test_what_was_sent_before_close_arrives_and_what_was_not_read_is_lost(net: Net) -> None:
    a, b = net.udp("a"), net.udp("b")
    a.send(b"sent", b.port, HOST)
    b.send(b"unread", a.port, HOST)

    a.close()

    assert net.settle() == "b.data(sent)"


@pytest.mark.shows("UDP-036", "UDP-137")
def test_leaving_a_with_block_closes(net: Net) -> None:
    with net.udp() as a:
        assert not a.closed

    assert a.closed


CALLS: dict[str, tuple[Any, ...]] = {
    "set_broadcast": (None,),
    "set_ttl": (-1,),
    "set_multicast_ttl": (-1,),
    "set_multicast_loopback": (None,),
    "set_multicast_interface": ("nowhere",),
    "add_membership": ("nowhere",),
    "drop_membership": ("nowhere",),
    "add_source_specific_membership": ("nowhere", "nowhere"),
    "drop_source_specific_membership": ("nowhere", "nowhere"),
}


@pytest.mark.shows("UDP-138")
@pytest.mark.parametrize("name", CALLS)
def test_options_of_a_closed_socket_are_ebadf_before_arguments_are_looked_at(
    net: Net, name: str
) -> None:
    a = net.udp()
    a.close()

    with pytest.raises(OSError, match="Bad file descriptor") as raised:
        getattr(a, name)(*CALLS[name])

    assert raised.value.errno == errno.EBADF
    assert raised.value.code == "EBADF"  # type: ignore[attr-defined]
