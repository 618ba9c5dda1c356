"""`udp_socket`, its options, the address it is bound and connected to (UDP-001..026)."""

import errno
import os
import socket as raw
from typing import Any

import pytest

import sockharness
from sockharness.engine.loop.kernel import Kernel
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
from tests.helpers.datagrams import Names, Net, kernel_of, needs_ipv6, to
from tests.helpers.descriptors import descriptors

SOL_IP, SOL_IPV6 = raw.IPPROTO_IP, raw.IPPROTO_IPV6
IP_RECVERR, IPV6_RECVERR = 11, 25


@pytest.mark.shows("UDP-001")
def test_the_socket_is_bound_when_udp_socket_returns(net: Net) -> None:
    socket = net.udp("a")

    with raw.socket(raw.AF_INET, raw.SOCK_DGRAM) as sender:
        sender.sendto(b"at once", socket.address)

    assert net.until_received(1) == [b"at once"]


@pytest.mark.shows("UDP-002")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"port": 65536}, ValueError),
        ({"hostname": "192.0.2.77"}, OSError),
        ({"connect": {"hostname": "255.255.255.255", "port": 9}}, OSError),
    ],
)
def test_what_goes_wrong_is_raised_by_the_call_and_leaves_nothing_open(
    net: Net, options: dict[str, Any], error: type[Exception]
) -> None:
    before = descriptors()

    with pytest.raises(error):
        net.udp(**options)

    assert descriptors() == before
    assert "references=0" in repr(net.reactor)


@pytest.mark.shows("UDP-003")
def test_errors_are_asked_for_and_nothing_else_is_changed(net: Net) -> None:
    with kernel_of(net.udp()) as sock:
        assert sock.getsockopt(SOL_IP, IP_RECVERR) == 1
        assert sock.getsockopt(raw.SOL_SOCKET, raw.SO_REUSEADDR) == 0
        assert sock.getsockopt(raw.SOL_SOCKET, raw.SO_REUSEPORT) == 0
        assert not os.get_inheritable(sock.fileno())
        assert not os.get_blocking(sock.fileno())
        with raw.socket(raw.AF_INET, raw.SOCK_DGRAM) as other:
            for option in (raw.SO_RCVBUF, raw.SO_SNDBUF):
                assert sock.getsockopt(raw.SOL_SOCKET, option) == other.getsockopt(
                    raw.SOL_SOCKET, option
                )


@needs_ipv6
@pytest.mark.shows("UDP-003")
def test_an_ipv6_socket_asks_for_the_errors_of_both_families(net: Net) -> None:
    with kernel_of(net.udp(hostname="::")) as sock:
        assert sock.getsockopt(SOL_IPV6, IPV6_RECVERR) == 1
        assert sock.getsockopt(SOL_IP, IP_RECVERR) == 1
        assert sock.getsockopt(SOL_IPV6, raw.IPV6_V6ONLY) == 0


@pytest.mark.shows("UDP-005")
def test_by_default_it_is_bound_to_all_ipv4_addresses(net: Net) -> None:
    with sockharness.udp_socket(reactor=net.reactor) as socket:
        assert (socket.hostname, socket.address[0], socket.family) == ("0.0.0.0", "0.0.0.0", "IPv4")


@pytest.mark.shows("UDP-005", "D25")
@pytest.mark.parametrize("hostname", [None, 0, False, b"127.0.0.1", ["127.0.0.1"]])
def test_a_hostname_that_is_no_text_is_refused(net: Net, hostname: Any) -> None:
    with pytest.raises(TypeError, match="hostname: expected a name or an IP address as str, got"):
        net.udp(hostname=hostname)


@pytest.mark.shows("UDP-006")
@pytest.mark.parametrize(
    "hostname",
    ["localhost", "LOCALHOST", "127.1", "0x7f000001", "2130706433", "127.000.000.001"],
)
def test_a_name_and_odd_numeric_forms_can_be_bound_to(net: Net, hostname: str) -> None:
    socket = net.udp(hostname=hostname)

    assert socket.hostname == hostname
    assert socket.address[0] in ("127.0.0.1", "::1")


@needs_ipv6
@pytest.mark.shows("UDP-006")
@pytest.mark.parametrize(
    ("hostname", "host"), [("::1%1", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("*", "::")]
)
def test_forms_of_ipv6_can_be_bound_to(net: Net, hostname: str, host: str) -> None:
    socket = net.udp(hostname=hostname)

    assert (socket.hostname, socket.address[0]) == (hostname, host)


@needs_ipv6
@pytest.mark.shows("UDP-007", "D15")
@pytest.mark.parametrize("order", [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]])
def test_of_a_names_addresses_the_first_is_bound_to(order: list[str]) -> None:
    with Net(Names(dual=order)) as net:
        assert net.udp(hostname="dual").address[0] == order[0]


@pytest.mark.shows("UDP-007", "D15")
def test_of_a_names_addresses_the_first_that_can_be_bound_is_taken() -> None:
    with Net(Names(two=["192.0.2.77", "127.0.0.1"])) as net:
        assert net.udp(hostname="two").address[0] == "127.0.0.1"


class Unresolved(Kernel):
    """A resolver that fails."""

    def __init__(self, number: int) -> None:
        self.number = number

    def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[Any]:
        raise raw.gaierror(self.number, "injected")


@pytest.mark.shows("UDP-008", "UDP-024", "D15")
@pytest.mark.parametrize("option", ["hostname", "connect"])
@pytest.mark.parametrize(
    ("number", "code"), [(raw.EAI_NONAME, "ENOTFOUND"), (raw.EAI_AGAIN, "EAI_AGAIN")]
)
def test_a_name_that_cannot_be_looked_up_says_so(number: int, code: str, option: str) -> None:
    class Half(Unresolved):
        def addresses(self, hostname: str, port: int, *, flags: int = 0) -> list[Any]:
            if hostname == "nowhere.test":
                return super().addresses(hostname, port, flags=flags)
            return Kernel.addresses(self, hostname, port, flags=flags)

    given: dict[str, Any] = {"hostname": "nowhere.test"}
    if option == "connect":
        given = {"connect": {"hostname": "nowhere.test", "port": 9}}
    with Net(Half(number)) as net, pytest.raises(raw.gaierror, match=r"nowhere\.test") as raised:
        net.udp(**given)

    assert raised.value.code == code  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-008", "D15")
@pytest.mark.parametrize("hostname", ["", "a\0b", "foo..bar"])
def test_a_name_that_cannot_be_one_is_a_value_error(net: Net, hostname: str) -> None:
    with pytest.raises(ValueError, match="hostname: expected"):
        net.udp(hostname=hostname)


@pytest.mark.shows("UDP-009")
def test_port_0_lets_the_system_choose_and_a_number_is_taken(net: Net) -> None:
    chosen = net.udp().port
    assert chosen > 0

    free = net.dead_port()
    assert net.udp(port=free).port == free


@pytest.mark.shows("UDP-009", "D25")
@pytest.mark.parametrize(
    ("port", "error"),
    [
        *((port, ValueError) for port in (-1, 65536)),
        *((port, TypeError) for port in ("41999", True, 1.0, None, [1])),
    ],
)
def test_a_port_that_cannot_be_is_refused(net: Net, port: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="port: expected"):
        net.udp(port=port)


class Exploding:
    """Handlers whose attribute cannot be read."""

    @property
    def data(self) -> object:
        raise LookupError("mine")


@pytest.mark.shows("UDP-010")
def test_an_exception_of_the_options_own_comes_out_unchanged(net: Net) -> None:
    with pytest.raises(LookupError, match="mine"):
        net.udp(socket=Exploding())


@pytest.mark.shows("UDP-011")
@pytest.mark.parametrize(
    ("hostname", "code"), [("192.0.2.77", "EADDRNOTAVAIL"), ("127.0.0.1", "EADDRINUSE")]
)
def test_a_bind_that_fails_has_its_errno_and_says_where(net: Net, hostname: str, code: str) -> None:
    taken = net.udp().port

    with pytest.raises(OSError, match=f"bind to {hostname} port {taken}") as raised:
        net.udp(hostname=hostname, port=taken)

    assert raised.value.errno == getattr(errno, code)
    assert raised.value.code == code  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-011")
def test_a_link_local_group_without_zone_cannot_be_bound_to(net: Net) -> None:
    with pytest.raises(OSError, match=r"bind to ff02::1") as raised:
        net.udp(hostname="ff02::1")

    assert raised.value.errno == errno.EINVAL


@pytest.mark.shows("UDP-011")
def test_a_process_out_of_descriptors_gets_an_error() -> None:
    class Exhausted(Kernel):
        def socket(self, family: int, kind: int = raw.SOCK_STREAM) -> raw.socket:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with Net(Exhausted()) as net, pytest.raises(OSError, match="bind to") as raised:
        net.udp()

    assert raised.value.code == "EMFILE"  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-012", "UDP-014", "D23")
@pytest.mark.parametrize(
    ("name", "number"), [("reuse_addr", raw.SO_REUSEADDR), ("reuse_port", raw.SO_REUSEPORT)]
)
def test_a_port_can_be_shared_by_those_who_say_so(net: Net, name: str, number: int) -> None:
    share: dict[str, Any] = {name: True}
    first = net.udp(**share)
    second = net.udp(port=first.port, **share)

    assert second.port == first.port
    with kernel_of(second) as sock:
        assert sock.getsockopt(raw.SOL_SOCKET, number) == 1
    with pytest.raises(OSError, match="in use"):
        net.udp(port=first.port)


@needs_ipv6
@pytest.mark.shows("UDP-012", "UDP-013", "D23")
def test_ipv6_only_leaves_ipv4_to_others(net: Net) -> None:
    six = net.udp(hostname="::", port=net.dead_port(), ipv6_only=True)
    four = net.udp(port=six.port)

    assert four.port == six.port
    with pytest.raises(OSError, match="unreachable") as raised:
        six.send(b"x", four.port, "127.0.0.1")
    assert raised.value.errno == errno.ENETUNREACH


@pytest.mark.shows("UDP-012", "UDP-014", "D23", "D25")
@pytest.mark.parametrize("name", ["reuse_addr", "reuse_port", "ipv6_only", "segment_offload"])
def test_a_switch_is_true_or_false(net: Net, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: expected True or False, got 1"):
        net.udp("", **{name: 1})


@pytest.mark.shows("UDP-014", "D25")
@pytest.mark.parametrize("name", ["exclusive", "data", "flags", "binary_type"])
def test_an_unknown_option_is_refused(net: Net, name: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        net.udp("", **{name: None})


@needs_ipv6
@pytest.mark.shows("UDP-013")
def test_all_ipv6_addresses_are_all_ipv4_addresses_too(net: Net) -> None:
    both = net.udp("a", hostname="::")
    with raw.socket(raw.AF_INET, raw.SOCK_DGRAM) as sender:
        sender.sendto(b"four", ("127.0.0.1", both.port))
    net.until_received(1)

    assert net.received[0][2] == "::ffff:127.0.0.1"
    with pytest.raises(OSError, match="in use"):
        net.udp(port=both.port)


@pytest.mark.shows("UDP-015")
def test_an_address_belongs_to_one_socket(net: Net) -> None:
    port = net.udp().port

    for hostname in ("127.0.0.1", "0.0.0.0", *(["::"] if raw.has_ipv6 else [])):
        with pytest.raises(OSError, match="in use"):
            net.udp(hostname=hostname, port=port)
    assert net.udp(hostname="127.0.0.2", port=port).port == port


@pytest.mark.shows("UDP-016")
def test_a_closed_sockets_port_is_free_at_once(net: Net) -> None:
    first = net.udp(port=net.dead_port())
    first.close()
    assert net.udp(port=first.port).port == first.port


class Methods:
    """Handlers as methods, and what is none."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def data(self, _socket: object, data: bytes, _port: int, _address: str) -> None:
        self.seen.append(data)

    def open(self) -> None:
        raise AssertionError


@pytest.mark.shows("UDP-017")
def test_handlers_come_in_a_mapping_or_an_object_or_not_at_all(net: Net) -> None:
    methods = Methods()
    sockets = [net.udp(), net.udp(socket={}), net.udp(socket=methods)]

    for socket in sockets:
        assert socket.send(b"x", socket.port, "127.0.0.1")

    net.until(lambda: methods.seen == [b"x"])


@pytest.mark.shows("UDP-017", "UDP-018", "D25")
@pytest.mark.one_golden_file
def test_handlers_that_cannot_be_are_refused(net: Net, gallery: Gallery) -> None:
    rows: list[tuple[Any, type[Exception]]] = [
        (1, TypeError),
        ("x", TypeError),
        ({"dat": print}, TypeError),
        ({"open": print}, TypeError),
        ({"on_data": print}, TypeError),
        ({"data": 1}, TypeError),
        ({"drain": "x"}, TypeError),
        ({"error": []}, TypeError),
        ({"data": lambda socket: None}, TypeError),
        ({"drain": lambda: None}, TypeError),
        ({"error": lambda error: None}, TypeError),
    ]

    gallery.check(table(rows, lambda wrong: net.udp(socket=wrong)))


@pytest.mark.shows("UDP-018")
def test_none_is_no_handler_and_a_class_can_be_one(net: Net) -> None:
    class Datagram:
        def __init__(self, *args: Any) -> None:
            made.append(args[1])

    made: list[bytes] = []
    socket = net.udp(socket={"data": Datagram, "drain": None, "error": None})

    assert socket.send(b"x", socket.port, "127.0.0.1")
    net.until(lambda: made == [b"x"])


@pytest.mark.shows("UDP-018")
def test_an_async_handler_needs_a_loop_that_runs_it(net: Net) -> None:
    async def data(*_args: Any) -> None: ...

    with pytest.raises(sockharness.UsageError, match="'data' is async def"):
        net.udp(socket={"data": data})


@pytest.mark.shows("UDP-019")
def test_handlers_are_read_once(net: Net) -> None:
    handlers = net.handlers("a")
    socket = net.udp(socket=handlers)
    handlers["data"] = net.handlers("later")["data"]

    socket.send(b"x", socket.port, "127.0.0.1")

    assert net.settle() == "a.data(x)"


@pytest.mark.shows("UDP-022", "D25")
@pytest.mark.one_golden_file
def test_a_peer_that_cannot_be_is_refused(net: Net, gallery: Gallery) -> None:
    rows: list[tuple[Any, type[Exception]]] = [
        (1, TypeError),
        ("x", TypeError),
        ({"port": 1}, TypeError),
        ({"address": "127.0.0.1", "port": 1}, TypeError),
        ({"hostname": 5, "port": 0}, TypeError),
        ({"hostname": "", "port": 1}, ValueError),
        ({"hostname": "127.0.0.1"}, TypeError),
        ({"hostname": "127.0.0.1", "port": 0}, ValueError),
        ({"hostname": "127.0.0.1", "port": 65536}, ValueError),
        ({"hostname": "127.0.0.1", "port": "1"}, TypeError),
    ]

    gallery.check(table(rows, lambda wrong: net.udp(connect=wrong)))


@needs_ipv6
@pytest.mark.shows("UDP-023")
def test_each_address_of_the_peers_name_is_tried() -> None:
    with Net(Names(dual=["::1", "127.0.0.1"])) as net:
        receiver = net.udp("b")
        socket = net.udp(connect={"hostname": "dual", "port": receiver.port})

        assert socket.remote_address == receiver.address
        assert socket.send(b"x")
        assert net.settle() == "b.data(x)"


@pytest.mark.shows("UDP-023")
@pytest.mark.parametrize(
    ("hostname", "code"), [("255.255.255.255", "EACCES"), ("127.255.255.255", "EACCES")]
)
def test_a_connect_that_fails_has_its_errno(net: Net, hostname: str, code: str) -> None:
    with pytest.raises(OSError, match=f"connect to {hostname} port 9") as raised:
        net.udp(connect={"hostname": hostname, "port": 9})

    assert raised.value.code == code  # type: ignore[attr-defined]


@needs_ipv6
@pytest.mark.shows("UDP-023")
def test_an_ipv4_socket_cannot_be_connected_to_ipv6(net: Net) -> None:
    with pytest.raises(OSError, match="connect to ::1 port 9") as raised:
        net.udp(connect={"hostname": "::1", "port": 9})

    assert raised.value.errno == errno.EAFNOSUPPORT


@pytest.mark.shows("UDP-025")
def test_the_peer_0_0_0_0_is_loopback(net: Net) -> None:
    socket = net.udp(hostname="0.0.0.0", connect={"hostname": "0.0.0.0", "port": 9})

    assert socket.remote_address == ("127.0.0.1", 9)
    assert socket.address[0] == "127.0.0.1"


@pytest.mark.shows("UDP-025", "UDP-120")
def test_a_group_can_be_the_peer_and_answers_are_filtered_out(net: Net) -> None:
    socket = net.udp("a", connect={"hostname": "239.1.2.3", "port": 9})
    assert socket.remote_address == ("239.1.2.3", 9)

    other = net.udp()
    other.send_many(to(socket, b"an answer"))

    assert net.settle() == ""


@needs_ipv6
def test_a_peer_of_the_other_family_says_what_to_bind_to(net: Net) -> None:
    with pytest.raises(OSError, match=r"connect to ::1 port 9; .*IPv4.*give hostname='::'"):
        net.udp(hostname="0.0.0.0", connect={"hostname": "::1", "port": 9})
