"""Exceptions in handlers and `reload` (UDP-121..130)."""

from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.udp.socket import UDPSocket
from tests.helpers.datagrams import Net, to
from tests.helpers.programs import run_program

HOST = "127.0.0.1"


class Boom(Exception):
    """Raised by a handler."""


def boom(*_args: Any) -> None:
    """Raise."""
    raise Boom


@pytest.mark.shows("UDP-121")
@pytest.mark.parametrize("offload", [True, False])
def test_an_exception_in_data_goes_to_error_and_the_batch_goes_on(net: Net, offload: bool) -> None:
    def fail_at_1(_socket: object, data: bytes, *_rest: Any) -> None:
        if data == b"1":
            raise Boom

    receiver = net.udp(socket=net.handlers("a", data=fail_at_1))

    net.udp(segment_offload=offload).send_many(to(receiver, b"0", b"1", b"2"))

    assert net.settle() == "a.data(0) a.data(1) a.error(Boom) a.data(2)"
    assert not receiver.closed


@pytest.mark.shows("UDP-122", "D17")
def test_without_an_error_handler_the_batch_is_delivered_and_then_it_is_raised(net: Net) -> None:
    receiver = net.udp(socket=net.handlers("a", data=boom, error=None))
    net.udp().send_many(to(receiver, b"0", b"1"))

    with pytest.raises(ExceptionGroup) as raised:
        net.until(lambda: False)

    assert [type(each) for each in raised.value.exceptions] == [Boom, Boom]
    assert net.trace == "a.data(0) a.data(1)"
    assert not receiver.closed


@pytest.mark.shows("UDP-122", "D17")
def test_a_program_ends_with_the_exception_that_nobody_took() -> None:
    done = run_program("""
import sockharness
def data(*_args):
    raise LookupError("nobody took this")
udp = sockharness.udp_socket(hostname="127.0.0.1", socket={"data": data})
udp.send(b"x", udp.port, "127.0.0.1")
try:
    sockharness.run()
finally:
    udp.close()
    sockharness.Reactor.current().close()
""")

    assert done.returncode == 1
    assert "LookupError: nobody took this" in done.stderr
    assert "ResourceWarning" not in done.stderr


@pytest.mark.shows("UDP-122", "D17")
def test_an_interrupt_never_goes_to_error(net: Net) -> None:
    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    receiver = net.udp(socket=net.handlers("a", data=interrupt))
    net.udp().send(b"x", receiver.port, HOST)

    with pytest.raises(KeyboardInterrupt):
        net.until(lambda: False)
    assert net.trace == "a.data(x)"


@pytest.mark.shows("UDP-124", "D25")
@pytest.mark.parametrize("socket", [None, 5, {"dat": print}, {"data": 5}])
def test_reload_takes_the_handlers_themselves_and_checks_them(net: Net, socket: Any) -> None:
    receiver = net.udp("a")

    with pytest.raises(TypeError, match="socket: "):
        receiver.reload(socket)
    with pytest.raises(TypeError):
        receiver.reload()  # type: ignore[call-arg]

    assert receiver.reload({}) is None  # type: ignore[func-returns-value]
    net.udp().send(b"x", receiver.port, HOST)
    assert net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-125")
def test_reload_keeps_the_handlers_that_it_does_not_name(net: Net) -> None:
    a, b = net.udp("a"), net.udp("b")
    a.reload({"data": net.handlers("new")["data"], "error": None})
    b.reload({"data": None})

    a.send(b"x", net.dead_port(), HOST)
    b.send(b"y", a.port, HOST)
    a.send(b"z", b.port, HOST)

    net.settle()
    assert sorted(net.log) == ["a.error(ECONNREFUSED)", "b.data(z)", "new.data(y)"]


@pytest.mark.shows("UDP-093")
@pytest.mark.parametrize("offload", [True, False])
def test_a_reload_in_data_is_for_what_comes_behind_the_eight_of_a_batch(
    net: Net, offload: bool
) -> None:
    receiver, sender = net.udp("a"), net.udp(segment_offload=offload)
    receiver.reload({"data": lambda *_: receiver.reload(net.handlers("new"))})

    sender.send_many(to(receiver, *[b"x"] * 40))
    net.settle()

    assert net.log == ["new.data(x)"] * 32


@pytest.mark.shows("UDP-093")
@pytest.mark.parametrize("offload", [True, False])
def test_a_reload_between_turns_is_for_all_that_is_left(net: Net, offload: bool) -> None:
    receiver, sender = net.udp("a"), net.udp(segment_offload=offload)
    sender.send_many(to(receiver, *[b"x"] * 100))
    net.reactor.run_once(1)

    receiver.reload(net.handlers("new"))
    net.settle()

    assert net.log == ["a.data(x)"] * 32 + ["new.data(x)"] * 68


@pytest.mark.shows("UDP-126")
def test_a_reload_that_is_refused_changes_nothing(net: Net) -> None:
    receiver = net.udp("a")

    with pytest.raises(TypeError, match="handler 'error': expected a function, got 5"):
        receiver.reload({"data": net.handlers("new")["data"], "error": 5})

    net.udp().send(b"x", receiver.port, HOST)
    assert net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-128", "D12")
def test_reload_changes_no_address_and_no_descriptor(net: Net) -> None:
    socket = net.udp("a", hostname="127.1")
    port, descriptor = socket.port, socket.fileno()

    socket.reload(net.handlers("b"))

    assert (socket.port, socket.fileno(), socket.hostname) == (port, descriptor, "127.1")


@pytest.mark.shows("UDP-129")
def test_reload_of_a_closed_socket_checks_and_does_nothing(net: Net) -> None:
    socket = net.udp()
    socket.close()

    socket.reload({})
    with pytest.raises(TypeError, match="unknown handler"):
        socket.reload({"open": print})


METHODS: dict[str, Callable[[UDPSocket], object]] = {
    "send": lambda socket: socket.send(b"s", socket.port, HOST),
    "send_many": lambda socket: socket.send_many(to(socket, b"m", b"n")),
    "close": lambda socket: socket.close(),
    "ref": lambda socket: socket.ref(),
    "unref": lambda socket: socket.unref(),
    "set_ttl": lambda socket: socket.set_ttl(5),
    "add_membership": lambda socket: socket.add_membership("239.1.1.1", HOST),
    "oversize": lambda socket: oversize(socket),
}
SEEN = {
    "send": "a.data(s)",
    "send_many": "a.data(m) a.data(n)",
}


def oversize(socket: UDPSocket) -> str:
    """Return the code with which the send of too much fails."""
    with pytest.raises(OSError, match="too long") as raised:
        socket.send(bytes(70000), socket.port, HOST)
    return str(raised.value.code)  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-094", "UDP-109", "D7")
@pytest.mark.parametrize("event", ["data", "error"])
@pytest.mark.parametrize("method", METHODS)
def test_a_call_in_a_handler_does_what_it_does_elsewhere(event: str, method: str) -> None:
    returned: list[object] = []

    def act(socket: UDPSocket, *_args: Any) -> None:
        if not returned:
            returned.append(METHODS[method](socket))

    with Net(reactor=Reactor()) as net:
        a = net.udp(socket=net.handlers("a", **{event: act}))
        sender = net.udp()
        if event == "error":
            a.send(b"x", net.dead_port(), HOST)
        sender.send_many(to(a, b"1", b"2"))
        net.settle()

    before = "a.error(ECONNREFUSED) " if event == "error" else ""
    expected = f"{before}a.data(1) a.data(2) {SEEN.get(method, '')}".strip()
    if method == "close":
        expected = before.strip() or "a.data(1)"
    wanted = {"send": True, "send_many": 2, "set_ttl": 5, "add_membership": True}
    assert net.trace == expected
    assert returned == [wanted.get(method, "EMSGSIZE" if method == "oversize" else None)]
