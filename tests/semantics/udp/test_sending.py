"""`send` (UDP-037..056)."""

import errno
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import ClosedError, UsageError
from tests.helpers.datagrams import Faulty, Net, needs_ipv6

HOST = "127.0.0.1"


@pytest.mark.shows("UDP-037", "D25")
def test_an_unconnected_socket_wants_data_port_and_address(net: Net) -> None:
    socket = net.udp()
    anything: Any = socket

    for arguments in ((), (b"x",), (b"x", 9), (b"x", None, None), (b"x", 9, HOST, "more")):
        with pytest.raises(TypeError):
            anything.send(*arguments)


@pytest.mark.shows("UDP-056", "UDP-116", "D25")
def test_a_connected_socket_wants_data_alone(net: Net) -> None:
    a, b = net.pair()
    anything: Any = a

    assert a.send(b"x") is True
    for arguments in ((), (b"x", b.port), (b"x", b.port, HOST)):
        with pytest.raises(TypeError, match=r"expected data alone|missing 1 required"):
            anything.send(*arguments)
    assert net.settle() == "b.data(x)"


@pytest.mark.shows("UDP-038")
def test_send_is_one_system_call_and_true_says_that_the_kernel_took_it() -> None:
    with Net(Faulty()) as net:
        receiver, sender = net.udp("a"), net.udp()
        buffer = bytearray(b"before")

        assert sender.send(buffer, receiver.port, HOST) is True
        assert sender.send(b"again", receiver.port, HOST) is True
        buffer[:] = b"behind"

        assert isinstance(net.reactor.kernel, Faulty)
        assert net.reactor.kernel.calls == [("sendto", 6), ("sendto", 5)]
        assert net.settle() == "a.data(before) a.data(again)"
        assert sender.send(b"to nobody", net.dead_port(), HOST) is True


@pytest.mark.shows("UDP-039")
@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view")[1:3], b"ie"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (array("H", [1, 2]), b"\x01\x00\x02\x00"),
        ("é€😀\0", "é€😀\0".encode()),
    ],
    ids=["bytes", "bytearray", "memoryview", "strided", "wide array", "str"],
)
def test_anything_bytes_like_and_text_can_be_sent(net: Net, data: Any, sent: bytes) -> None:
    a, b = net.pair()
    sender = net.udp()

    assert a.send(data)
    assert a.send_many([data])
    assert sender.send(data, b.port, HOST)
    assert sender.send_many([data, b.port, HOST]) == 1

    assert net.until_received(4) == [sent] * 4


@pytest.mark.shows("UDP-039", "D26")
def test_a_lone_surrogate_is_refused(net: Net) -> None:
    a, b = net.pair()

    with pytest.raises(ValueError, match="surrogates"):
        a.send("\ud800")
    with pytest.raises(ValueError, match=r"datagrams\[1\]"):
        a.send_many(["fine", "\ud800"])
    assert net.settle() == ""
    assert not b.closed


@pytest.mark.shows("UDP-040", "UDP-116")
@pytest.mark.parametrize("data", [None, 5, 1.5, True, {}, [b"x"], print])
def test_other_data_is_a_type_error_and_nothing_is_sent(net: Net, data: Any) -> None:
    a, b = net.pair()
    sender = net.udp()

    for send in (a.send, lambda data: sender.send(data, b.port, HOST)):
        with pytest.raises(TypeError, match="data: expected bytes-like or str, got"):
            send(data)

    assert net.settle() == ""


@pytest.mark.shows("UDP-041", "UDP-086")
@pytest.mark.parametrize("data", [b"", "", bytearray(), memoryview(b"")])
def test_an_empty_datagram_is_sent_and_received(net: Net, data: Any) -> None:
    a, b = net.pair()

    assert a.send(data) is True
    assert net.udp().send(data, b.port, HOST) is True
    assert a.send_many([data, data]) == 2

    assert net.until_received(4) == [b""] * 4


@pytest.mark.shows("UDP-042", "UDP-083")
def test_ipv4_takes_65507_bytes_and_no_more(net: Net) -> None:
    a, b = net.pair()
    sender = net.udp()

    assert a.send(bytes(65507))
    for send in (a.send, lambda data: sender.send(data, b.port, HOST)):
        for data in (bytes(65508), "é" * 32754):
            with pytest.raises(OSError, match="Message too long") as raised:
                send(data)
            assert raised.value.errno == errno.EMSGSIZE
            assert raised.value.code == "EMSGSIZE"  # type: ignore[attr-defined]

    assert list(map(len, net.until_received(1))) == [65507]
    assert not net.received[0][3].truncated


@needs_ipv6
@pytest.mark.shows("UDP-042", "UDP-083")
def test_ipv6_takes_65527_bytes_and_no_more(net: Net) -> None:
    a, _ = net.pair(hostname="::1")

    assert a.send(bytes(65527))
    with pytest.raises(OSError, match="Message too long"):
        a.send(bytes(65528))

    assert list(map(len, net.until_received(1))) == [65527]
    assert not net.received[0][3].truncated


@pytest.mark.shows("UDP-043", "D7")
@pytest.mark.parametrize("connected", [True, False])
def test_an_oversize_datagram_is_reported_once(net: Net, connected: bool) -> None:
    b = net.udp("b")
    a = net.udp("a", connect={"hostname": HOST, "port": b.port}) if connected else net.udp("a")
    where = () if connected else (b.port, HOST)

    for _ in range(3):
        with pytest.raises(OSError, match="too long"):
            a.send(bytes(70000), *where)

    assert net.settle() == ""
    assert a.send(b"fine", *where)
    assert net.settle() == "b.data(fine)"


@pytest.mark.shows("UDP-044", "D25")
@pytest.mark.parametrize(
    ("port", "error"),
    [
        *((port, ValueError) for port in (0, -1, 65536)),
        *((port, TypeError) for port in ("9", True, 9.0, None, [9])),
    ],
)
def test_a_port_is_1_to_65535(net: Net, port: Any, error: type[Exception]) -> None:
    socket = net.udp()
    socket.send(b"x", net.udp().port, HOST)  # the address is known from now on

    with pytest.raises(error, match="port: expected"):
        socket.send(b"x", port, HOST)
    with pytest.raises(error, match=r"datagrams\[0\]: port: expected"):
        socket.send_many([b"x", port, HOST])


@pytest.mark.shows("UDP-045", "D25")
@pytest.mark.parametrize(
    ("address", "error"),
    [
        *((name, ValueError) for name in ("localhost", "example.com", "", "[::1]", "256.0.0.1")),
        *((name, ValueError) for name in (" 127.0.0.1", "127.0.0.1 ", "127.0.0.1\0", "1.2.3.4/8")),
        *((name, ValueError) for name in ("127.0.0.1 x", "::1 ", "::1\0%lo", "::g", "127.0.0.1\t")),
        (None, TypeError),
        (5, TypeError),
        ({}, TypeError),
        (["127.0.0.1"], TypeError),
        (b"127.0.0.1", TypeError),
    ],
)
def test_an_address_is_a_literal_and_no_name_is_looked_up(
    net: Net, address: Any, error: type[Exception]
) -> None:
    socket = net.udp()

    with pytest.raises(error, match="address: expected an IP address"):
        socket.send(b"x", 9, address)
    with pytest.raises(error, match=r"datagrams\[0\]: address: expected an IP address"):
        socket.send_many([b"x", 9, address])


@pytest.mark.shows("UDP-046")
@pytest.mark.parametrize(
    "address", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.01", "0x7f000001"]
)
def test_an_ipv4_address_is_what_inet_aton_takes(net: Net, address: str) -> None:
    receiver = net.udp("a")
    sender = net.udp()

    assert sender.send(b"1", receiver.port, address)
    assert sender.send(b"2", receiver.port, address)

    assert net.settle() == "a.data(1) a.data(2)"


@pytest.mark.shows("UDP-046")
@pytest.mark.parametrize("address", ["127.0.0.08", "127.0.0.1.", "1.2.3.4.5", "1.2.3.256"])
def test_what_inet_aton_refuses_is_no_address(net: Net, address: str) -> None:
    with pytest.raises(ValueError, match="expected an IP address"):
        net.udp().send(b"x", 9, address)


@needs_ipv6
@pytest.mark.shows("UDP-047")
@pytest.mark.parametrize("address", ["::1", "::1%lo", "::1%1", "0:0:0:0:0:0:0:1"])
def test_an_ipv6_address_may_have_a_zone(net: Net, address: str) -> None:
    receiver = net.udp("a", hostname="::1")
    sender = net.udp(hostname="::1")

    assert sender.send(b"1", receiver.port, address)
    assert sender.send_many([b"2", receiver.port, address]) == 1

    assert net.settle() == "a.data(1) a.data(2)"


@needs_ipv6
@pytest.mark.shows("UDP-047", "UDP-192", "D15")
@pytest.mark.parametrize("zone", ["nosuch", "", "4000000000", "-1", "99999999999999999999"])
def test_a_zone_that_is_no_interface_is_refused(net: Net, zone: str) -> None:
    with pytest.raises(ValueError, match="address: expected an interface of this host"):
        net.udp(hostname="::1").send(b"x", 9, f"fe80::1%{zone}")


@needs_ipv6
@pytest.mark.shows("UDP-048")
def test_ipv6_cannot_be_reached_from_an_ipv4_socket(net: Net) -> None:
    socket = net.udp()

    for address in ("::1", "::ffff:127.0.0.1"):
        for _ in range(2):
            with pytest.raises(OSError, match="not supported") as raised:
                socket.send(b"x", 9, address)
            assert raised.value.errno == errno.EAFNOSUPPORT
            assert raised.value.code == "EAFNOSUPPORT"  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-048")
def test_ipv4_can_be_reached_from_all_ipv6_addresses_but_not_from_one(net: Net) -> None:
    receiver = net.udp("a")

    assert net.udp(hostname="::").send(b"mapped", receiver.port, HOST)

    assert net.settle() == "a.data(mapped)"
    one = net.udp(hostname="::1")
    for _ in range(2):
        with pytest.raises(OSError, match="unreachable") as raised:
            one.send(b"x", receiver.port, HOST)
        assert raised.value.errno == errno.ENETUNREACH


@pytest.mark.shows("UDP-049")
def test_the_destination_0_0_0_0_is_loopback(net: Net) -> None:
    receiver = net.udp("a")

    assert net.udp().send(b"x", receiver.port, "0.0.0.0")

    assert net.settle() == "a.data(x)"


@needs_ipv6
@pytest.mark.shows("UDP-049")
def test_the_destination_of_all_zeros_is_loopback_in_ipv6_too(net: Net) -> None:
    receiver = net.udp("a", hostname="::1")

    assert net.udp(hostname="::1").send(b"x", receiver.port, "::")

    assert net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-050")
def test_port_then_address_then_data_are_looked_at(net: Net) -> None:
    socket: Any = net.udp()

    with pytest.raises(TypeError, match="port"):
        socket.send(None, "9", "nowhere")
    with pytest.raises(ValueError, match="address"):
        socket.send(None, 9, "nowhere")
    with pytest.raises(TypeError, match="data"):
        socket.send(None, 9, HOST)
    socket.close()
    with pytest.raises(ClosedError):
        socket.send(None, "9", "nowhere")


@pytest.mark.shows("UDP-039", "UDP-040", "UDP-044", "UDP-045")
def test_the_last_destination_is_looked_at_again_where_it_is_not_the_very_same(net: Net) -> None:
    a, b = net.udp("a"), net.udp("b")
    port, other = a.port, b.port
    sender: Any = net.udp()
    for _ in range(2):
        sender.send(b"x", port, HOST)

    for wrong in (float(port), str(port), True, None):
        with pytest.raises(TypeError, match="port: "):
            sender.send(b"wrong", wrong, HOST)
    with pytest.raises(ValueError, match="address: "):
        sender.send(b"wrong", port, "localhost")
    with pytest.raises(TypeError):
        sender.send(None, port, HOST)
    sender.send(bytearray(b"y"), port, HOST)
    sender.send(b"z", other, HOST)
    sender.send(b"z", port, "127.1")
    sender.send("é", port, HOST)

    assert sorted(net.settle().split()) == ["a.data(x)"] * 2 + [
        "a.data(y)",
        "a.data(z)",
        "a.data(Ã©)",
        "b.data(z)",
    ]
    sender.close()
    with pytest.raises(ClosedError):
        sender.send(b"x", port, HOST)


@needs_ipv6
@pytest.mark.shows("UDP-048")
def test_the_last_destination_of_an_ipv6_socket_may_be_of_either_family(net: Net) -> None:
    six, four = net.udp("six", hostname="::1"), net.udp("four")
    ports = six.port, four.port
    sender = net.udp(hostname="::")

    for _ in range(3):
        sender.send(b"x", ports[0], "::1")
    for _ in range(3):
        sender.send(b"x", ports[1], HOST)

    assert sorted(net.settle().split()) == ["four.data(x)"] * 3 + ["six.data(x)"] * 3


@pytest.mark.shows("UDP-051", "UDP-138")
def test_a_closed_socket_raises_closed_error_whatever_the_arguments(net: Net) -> None:
    a, _ = net.pair()
    b: Any = net.udp()
    b.send(b"x", a.port, HOST)
    connected: Any = a
    for socket in (a, b):
        socket.close()

    for arguments in ((b"x",), (b"x", 9, HOST), (None, "9", 5), (None,)):
        for socket in (connected, b):
            with pytest.raises(ClosedError, match="send: the socket is closed"):
                socket.send(*arguments)
            with pytest.raises(ClosedError, match="send_many: the socket is closed"):
                socket.send_many(arguments)


class Closes:
    """Bytes-like; closes a socket when its bytes are wanted."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def __buffer__(self, _flags: int) -> memoryview:
        self.socket.close()
        return memoryview(b"x")


@pytest.mark.skipif(
    not hasattr(bytes, "__buffer__"), reason="__buffer__ can be written in Python from 3.12 on"
)
@pytest.mark.shows("UDP-052")
@pytest.mark.parametrize("many", [False, True])
def test_data_that_closes_the_socket_when_it_is_read(net: Net, many: bool) -> None:
    a, b = net.pair()
    sender = net.udp()

    with pytest.raises(ClosedError):
        sender.send_many([Closes(sender), b.port, HOST]) if many else sender.send(
            Closes(sender),  # type: ignore[arg-type]
            b.port,
            HOST,
        )
    with pytest.raises(ClosedError):
        a.send_many([Closes(a)]) if many else a.send(Closes(a))  # type: ignore[arg-type]

    assert net.settle() == ""


@pytest.mark.shows("UDP-052")
def test_a_socket_that_was_closed_inside_the_system_call_raises_closed_error() -> None:
    class Closing(Faulty):
        def attempt(self, name: str, call: Callable[[], int]) -> int:
            socket.close()
            raise OSError(errno.EBADF, "injected")

    with Net(Closing()) as net:
        socket = net.udp()
        with pytest.raises(ClosedError, match="closed meanwhile"):
            socket.send(b"x", 9, HOST)


@pytest.mark.shows("UDP-055")
@pytest.mark.parametrize("address", ["255.255.255.255", "127.255.255.255"])
def test_broadcast_needs_leave(net: Net, address: str) -> None:
    for _ in range(2):
        with pytest.raises(PermissionError) as raised:
            net.udp(hostname="0.0.0.0").send(b"x", 9, address)
        assert raised.value.code == "EACCES"  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-038", "UDP-054", "D6")
@pytest.mark.parametrize("code", ["EAGAIN", "ENOBUFS", "ENOMEM"])
@pytest.mark.parametrize("connected", [True, False])
def test_a_kernel_without_room_is_back_pressure(code: str, connected: bool) -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        b = net.udp("b")
        a = net.udp("a", connect={"hostname": HOST, "port": b.port}) if connected else net.udp("a")
        where = () if connected else (b.port, HOST)
        kernel.errors = [getattr(errno, code)] * 2

        assert a.send(b"lost", *where) is False
        assert a.send(b"lost", *where) is False
        assert net.log == []

        assert net.settle() == "a.drain"
        assert a.send(b"taken", *where) is True
        assert net.settle() == "a.drain b.data(taken)"


def test_an_interrupted_send_is_made_again() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        a, _ = net.pair()
        kernel.errors = [errno.EINTR]

        assert a.send(b"x") is True
        assert net.settle() == "b.data(x)"


def test_an_error_that_stays_ends_in_a_bounded_number_of_calls() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        a = net.udp("a")
        kernel.errors = [errno.EHOSTUNREACH] * 100

        with pytest.raises(OSError, match="injected"):
            a.send(b"x", 9, HOST)
        assert len(kernel.errors) > 80


def test_what_another_thread_sends_is_refused_in_debug_mode() -> None:
    with Net(reactor=Reactor(debug=True)) as net:
        a, _ = net.pair()
        raised: list[BaseException] = []

        def send() -> None:
            with pytest.raises(UsageError) as info:
                a.send(b"x")
            raised.append(info.value)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join()
        assert "another thread" in str(raised[0])


@pytest.mark.parametrize(
    ("size", "host", "told"),
    [
        (65508, HOST, rf"Message too long: send 65508 bytes to {HOST} port \d+; .*at most 65507"),
        (1, "::1", r"send 1 byte to ::1 port \d+; the socket is of IPv4, bound to 127\.0\.0\.1"),
        (
            1,
            "127.255.255.255",
            r"send 1 byte to 127\.255\.255\.255 port \d+; set_broadcast\(True\)",
        ),
        (1, "192.0.2.1", r"send 1 byte to 192\.0\.2\.1 port \d+; .* bound to 127\.0\.0\.1"),
    ],
)
def test_what_the_kernel_refuses_says_what_was_sent_where_and_what_helps(
    net: Net, size: int, host: str, told: str
) -> None:
    sender, port = net.udp(), net.dead_port()

    for _ in range(2):  # the first goes another way than an address that was seen before
        with pytest.raises(OSError, match=told) as refused:
            sender.send(bytes(size), port, host)
        assert refused.value.__context__ is None or refused.value.__suppress_context__
    with pytest.raises(OSError, match=told):
        sender.send_many([bytes(size), port, host])


def test_of_a_connected_socket_as_well(net: Net) -> None:
    a, b = net.pair()

    with pytest.raises(OSError, match=rf"send 65508 bytes to {HOST} port {b.port}; .*65507"):
        a.send(bytes(65508))
    with pytest.raises(OSError, match=rf"send 65508 bytes to {HOST} port {b.port}; .*65507"):
        a.send_many([bytes(65508)])


def test_a_wrong_argument_is_reported_without_our_look_up(net: Net) -> None:
    with pytest.raises(ValueError, match="expected an IP address, not a name") as refused:
        net.udp().send(b"x", 9, "localhost")

    assert not isinstance(refused.value.__context__, KeyError)
