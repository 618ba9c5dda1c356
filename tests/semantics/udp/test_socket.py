"""The socket object and its properties (UDP-027..036)."""

from typing import Any

import pytest

from tests.helpers.datagrams import Net, needs_ipv6, peer


@pytest.mark.shows("UDP-027")
def test_the_user_may_keep_something_at_the_socket(net: Net) -> None:
    socket = net.udp()
    assert socket.data is None

    socket.data = {"mine": 1}

    assert socket.data == {"mine": 1}
    with pytest.raises(AttributeError):
        socket.other = 1  # type: ignore[attr-defined]


@pytest.mark.shows("UDP-027")
def test_its_repr_shows_state_and_addresses(net: Net) -> None:
    a, b = net.pair()
    local, remote = (f"127.0.0.1:{each.port}" for each in (a, b))

    assert repr(b) == f"<UDPSocket open local={remote}>"
    a.close()
    assert repr(a) == f"<UDPSocket closed local={local} remote={remote}>"


@pytest.mark.shows("UDP-028")
@pytest.mark.parametrize(
    "name", ["port", "hostname", "closed", "address", "remote_address", "family"]
)
def test_properties_cannot_be_assigned(net: Net, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(net.udp(), name, None)


@pytest.mark.shows("UDP-029", "UDP-138")
def test_hostname_is_what_was_given_before_and_after_close(net: Net) -> None:
    sockets = [net.udp(hostname=name) for name in ("localhost", "127.1", "0.0.0.0")]
    connected = net.udp(hostname="0.0.0.0", connect=peer(sockets[0]))

    for socket in (*sockets, connected):
        socket.close()

    names = [socket.hostname for socket in (*sockets, connected)]
    assert names == ["localhost", "127.1", "0.0.0.0", "0.0.0.0"]


@pytest.mark.shows("UDP-030", "UDP-031", "UDP-032", "UDP-138", "D12")
def test_addresses_can_be_read_after_close_though_nobody_read_them_before(net: Net) -> None:
    a, b = net.pair()
    with pytest.raises(OSError, match="in use"):
        net.udp(port=(port := b.port))
    for socket in (a, b):
        socket.close()

    assert b.address == ("127.0.0.1", port)
    assert a.remote_address == ("127.0.0.1", port)
    assert a.port > 0


@pytest.mark.shows("UDP-031")
def test_address_is_host_and_port_as_the_kernel_chose_them(net: Net) -> None:
    b = net.udp()
    a = net.udp(hostname="0.0.0.0", connect=peer(b))

    assert a.address == ("127.0.0.1", a.port)
    assert (b.address, b.family) == (("127.0.0.1", b.port), "IPv4")


@pytest.mark.shows("UDP-032")
def test_only_a_connected_socket_has_a_remote_address(net: Net) -> None:
    a, b = net.pair()

    assert a.remote_address == b.address
    assert b.remote_address is None


@needs_ipv6
@pytest.mark.shows("UDP-031", "UDP-032", "UDP-118")
def test_ipv4_on_an_ipv6_socket_has_mapped_addresses_on_both_sides(net: Net) -> None:
    b = net.udp("b")
    a = net.udp("a", hostname="::", connect=peer(b))

    assert a.address == ("::ffff:127.0.0.1", a.port)
    assert a.remote_address == ("::ffff:127.0.0.1", b.port)
    assert a.family == "IPv6"
    a.send(b"x")
    b.send(b"y", a.port, "127.0.0.1")
    assert net.settle() == "b.data(x) a.data(y)"
    assert net.received[0][1:3] == (a.port, "127.0.0.1")
    assert net.received[1][1:3] == (b.port, "::ffff:127.0.0.1")
    assert net.received[1][3].ipv6


@pytest.mark.shows("UDP-033", "UDP-035", "UDP-138")
def test_closed_and_the_descriptor_change_inside_close(net: Net) -> None:
    socket = net.udp()
    before = (socket.closed, socket.fileno() > 0)

    socket.close()

    assert before == (False, True)
    assert (socket.closed, socket.fileno()) == (True, -1)


@pytest.mark.shows("UDP-036")
def test_there_is_nothing_else_than_the_interface_says(net: Net) -> None:
    names = {name for name in dir(net.udp()) if not name.startswith("_")}

    assert names == {
        "abandon", "add_membership", "add_source_specific_membership", "address", "close", "closed",
        "data", "drop_membership", "drop_source_specific_membership", "family", "fileno",
        "hostname", "port", "ref", "reload", "remote_address", "send", "send_many",
        "set_broadcast", "set_multicast_interface", "set_multicast_loopback", "set_multicast_ttl",
        "set_ttl", "unref",
    }  # fmt: skip


def test_a_reactor_that_is_closed_closes_it(net: Net) -> None:
    socket = net.udp()

    net.reactor.close()

    assert socket.closed


def test_when_the_poller_refuses_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with Net() as net:

        def refuse(*_args: Any) -> None:
            raise OSError(12, "injected")

        monkeypatch.setattr(type(net.reactor), "register", refuse)
        with pytest.raises(OSError, match="injected"):
            net.udp()

        assert "references=0" in repr(net.reactor)
