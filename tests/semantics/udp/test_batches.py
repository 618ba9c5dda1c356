"""`send_many` (UDP-057..069)."""

import errno
from typing import Any

import pytest

from sockharness.engine.udp.socket import UDPSocket
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
from tests.helpers.datagrams import Faulty, Net, needs_ipv6, to

HOST = "127.0.0.1"


def numbered(count: int) -> list[bytes]:
    """Return datagrams of equal size that contain their place."""
    return [b"%06d" % number for number in range(count)]


@pytest.mark.shows("UDP-057")
def test_a_flat_list_or_one_of_tuples_goes_to_their_destinations_in_order(net: Net) -> None:
    a, b, sender = net.udp("a"), net.udp("b"), net.udp()

    assert sender.send_many(["1", a.port, HOST, b"2", b.port, HOST]) == 2
    assert sender.send_many([("3", a.port, HOST), (b"4", b.port, HOST)]) == 2
    assert sender.send_many(("5", a.port, HOST)) == 1

    net.until_received(5)
    assert sorted(net.log) == ["a.data(1)", "a.data(3)", "a.data(5)", "b.data(2)", "b.data(4)"]


@pytest.mark.shows("UDP-058", "UDP-116")
def test_on_a_connected_socket_everything_in_the_list_is_a_payload(net: Net) -> None:
    a, _ = net.pair()
    anything: Any = a

    assert a.send_many(["a", "5", "127.0.0.1"]) == 3
    with pytest.raises(TypeError, match=r"datagrams\[1\]: data: expected bytes-like or str, got 5"):
        anything.send_many(["a", 5, "127.0.0.1"])
    with pytest.raises(TypeError, match=r"datagrams\[0\]: data: expected bytes-like or str"):
        anything.send_many([("a", 5, "127.0.0.1")])

    assert net.settle() == "b.data(a) b.data(5) b.data(127.0.0.1)"


@pytest.mark.shows("UDP-059")
def test_an_empty_batch_is_0_without_a_system_call() -> None:
    kernel = Faulty(*[errno.EAGAIN] * 2)
    with Net(kernel) as net:
        a, _ = net.pair()

        assert a.send_many([]) == a.send_many(()) == net.udp().send_many([]) == 0
        assert len(kernel.errors) == 2
        assert net.settle() == ""


@pytest.mark.shows("UDP-060", "D25")
@pytest.mark.parametrize("datagrams", [None, "abc", b"abc", {1, 2, 3}, {"length": 3}, iter(())])
def test_a_batch_is_a_list_or_a_tuple(net: Net, datagrams: Any) -> None:
    a, _ = net.pair()

    for socket in (a, net.udp()):
        with pytest.raises(TypeError, match="datagrams: expected a list or tuple, got"):
            socket.send_many(datagrams)


@pytest.mark.shows("UDP-060")
@pytest.mark.one_golden_file
def test_a_batch_of_the_wrong_length_is_refused(net: Net, gallery: Gallery) -> None:
    rows: list[tuple[Any, type[Exception]]] = [
        (["x"], ValueError),
        (["x", 9, HOST, "y"], ValueError),
        ([("x", 9)], ValueError),
        ([("x", 9, HOST), ("y",)], ValueError),
        ([("x", 9, HOST), "y"], TypeError),
    ]

    gallery.check(table(rows, lambda wrong: net.udp().send_many(wrong)))


@pytest.mark.shows("UDP-060")
def test_a_subclass_of_list_is_a_list(net: Net) -> None:
    class Mine(list[Any]):
        """A list."""

    receiver = net.udp("a")

    assert net.udp().send_many(Mine(to(receiver, b"x"))) == 1


@pytest.mark.shows("UDP-061")
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.one_golden_file
def test_one_bad_entry_and_nothing_is_sent(net: Net, known: bool, gallery: Gallery) -> None:
    rows: list[tuple[Any, type[Exception]]] = [
        ((None, 9, HOST), TypeError),
        (("x", 0, HOST), ValueError),
        (("x", "9", HOST), TypeError),
        (("x", True, HOST), TypeError),
        (("x", 9, "localhost"), ValueError),
        (("x", 9, None), TypeError),
        (("x", 9, [HOST]), TypeError),
        ((None, 0, "nowhere"), ValueError),
        ((None, 9, "nowhere"), ValueError),
    ]

    receiver, sender = net.udp("a"), net.udp()
    if known:
        sender.send(b"", receiver.port, HOST)
        net.settle()
        net.log.clear()

    def send_with(entry: tuple[Any, ...]) -> None:
        sender.send_many([*to(receiver, b"1", b"2"), *entry, *to(receiver, b"3")])

    gallery.check(table(rows, send_with))
    assert net.settle() == ""


@needs_ipv6
@pytest.mark.shows("UDP-062")
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ((bytes(65508), 9, HOST), "EMSGSIZE"),
        ((b"x", 9, "::1"), "EAFNOSUPPORT"),
        ((b"x", 9, "255.255.255.255"), "EACCES"),
    ],
)
def test_an_error_of_the_first_datagram_is_raised(
    net: Net, entry: tuple[Any, ...], code: str
) -> None:
    receiver = net.udp("a")

    with pytest.raises(OSError, match=r"^\[Errno") as raised:
        net.udp("s").send_many([*entry, *to(receiver, b"x")])

    assert raised.value.code == code  # type: ignore[attr-defined]
    assert net.settle() == ""


@needs_ipv6
@pytest.mark.shows("UDP-063")
@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize(
    "entry", [(bytes(65508), 9, HOST), (b"x", 9, "::1"), (b"x", 9, "255.255.255.255")]
)
def test_an_error_of_a_later_datagram_is_a_short_count_and_one_drain(
    net: Net, entry: tuple[Any, ...], place: int
) -> None:
    receiver, sender = net.udp("a"), net.udp("s")
    batch = to(receiver, b"0", b"1", b"2", b"3")
    batch[3 * place : 3 * place + 3] = entry

    assert sender.send_many(batch) == place

    log = net.settle().split()
    assert log.count("s.drain") == 1
    assert [each for each in log if each != "s.drain"] == [f"a.data({n})" for n in range(place)]
    with pytest.raises(OSError, match=r"too long|not supported|denied"):
        sender.send_many(batch[3 * place :])


@pytest.mark.shows("UDP-064", "UDP-065", "UDP-067", "D6")
@pytest.mark.parametrize("place", [203, 204, 205, 408])
def test_a_failing_datagram_brings_a_drain_at_whatever_place(net: Net, place: int) -> None:
    receiver, sender = net.udp("a"), net.udp("s")
    batch = to(receiver, *numbered(600))
    batch[3 * place] = bytes(65508)

    assert sender.send_many(batch) == place

    net.settle()
    assert net.log.count("s.drain") == 1
    assert [each[0] for each in net.received] == numbered(600)[: len(net.received)]


@pytest.mark.shows("UDP-066", "UDP-067", "UDP-088")
@pytest.mark.parametrize("offload", [True, False])
def test_the_full_count_is_returned_though_the_receiver_loses_the_newest(
    net: Net, offload: bool
) -> None:
    receiver, sender = net.udp("a"), net.udp("s", segment_offload=offload)

    assert sender.send_many(to(receiver, *numbered(100_000))) == 100_000

    net.settle()
    received = [each[0] for each in net.received]
    assert 0 < len(received) < 100_000
    assert received == numbered(100_000)[: len(received)]
    assert sender.send_many(to(receiver, b"again")) == 1
    assert net.settle().endswith("a.data(again)")
    assert "error" not in net.trace


@pytest.mark.shows("UDP-067")
def test_order_is_kept_across_calls(net: Net) -> None:
    receiver, sender = net.udp("a"), net.udp()

    sender.send_many(to(receiver, *numbered(50)))
    sender.send(b"between", receiver.port, HOST)
    sender.send_many(to(receiver, b"then", *numbered(50)))

    expected = [*numbered(50), b"between", b"then", *numbered(50)]
    assert net.until_received(102) == expected


@pytest.mark.shows("UDP-068", "D6")
@pytest.mark.parametrize("code", ["EAGAIN", "ENOBUFS", "ENOMEM"])
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_batch_that_meets_a_full_kernel_is_a_partial_count_and_one_drain(
    code: str, connected: bool, taken: int
) -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        b = net.udp("b")
        peer = {"connect": {"hostname": HOST, "port": b.port}} if connected else {}
        a = net.udp("a", segment_offload=False, **peer)
        payloads = [b"0", b"1", b"2", b"3"]
        kernel.errors = [0] * taken + [getattr(errno, code)] * 2

        assert a.send_many(payloads if connected else to(b, *payloads)) == taken
        assert a.send_many(payloads if connected else to(b, *payloads)) == 0

        log = net.settle().split()
        assert log.count("a.drain") == 1
        assert [each for each in log if each != "a.drain"] == [f"b.data({n})" for n in range(taken)]


@pytest.mark.shows("UDP-069", "D8")
def test_a_dead_destination_in_the_middle_costs_no_other_datagram(net: Net) -> None:
    live, sender = net.udp("a"), net.udp("s")
    dead = [b"x", net.dead_port(), HOST]

    assert sender.send_many([*to(live, b"0"), *dead, *to(live, b"1", b"2"), *dead]) == 5

    net.until(lambda: net.log.count("s.error(ECONNREFUSED)") == 2)
    net.settle()
    assert [each for each in net.log if "data" in each] == ["a.data(0)", "a.data(1)", "a.data(2)"]
    assert "s.drain" not in net.log


@pytest.mark.shows("UDP-068")
def test_a_batch_that_is_pumped_arrives_whole() -> None:
    kernel = Faulty()
    with Net(kernel) as net:
        receiver = net.udp("a")
        left = numbered(300)

        def pump(socket: UDPSocket) -> None:
            sent = socket.send_many(to(receiver, *left))
            del left[:sent]

        sender = net.udp(segment_offload=False, socket={"drain": pump})
        kernel.errors = [0] * 50 + [errno.EAGAIN] + [0] * 100 + [errno.ENOBUFS]
        pump(sender)

        net.until(lambda: not left)
        net.until_received(250)
        received = [each[0] for each in net.received]
        assert received == numbered(300)[: len(received)]
