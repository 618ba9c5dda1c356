"""The engine inside a host of a network."""

import errno
import os
import re
import socket as raw
from typing import Any

import pytest

import sockharness
from sockharness.engine.loop.kernel import Kernel
from sockharness.engine.loop.reactor import Reactor
from sockharness.machine import probes
from sockharness.machine.inside import InsideKernel
from sockharness.netns import Host
from tests.helpers.networks import network, pair

__all__ = ["network", "pair"]

DEADLINE = 5.0


def _namespace(sock: Any) -> int:
    """Return the cookie of a socket's network namespace (SO_NETNS_COOKIE)."""
    with raw.socket(fileno=raw.dup(sock.fileno())) as same:
        return int.from_bytes(same.getsockopt(raw.SOL_SOCKET, 71, 8), "little")


def test_both_ends_of_a_connection_are_in_the_namespaces_of_their_hosts(
    pair: tuple[Host, Host],
) -> None:
    here, there = pair
    got: list[bytes] = []
    with Reactor() as reactor:
        listener = sockharness.listen(
            socket={"data": lambda socket, data: socket.end(data.upper())},
            hostname=here.addresses[0],
            port=80,
            reactor=reactor,
            kernel=InsideKernel(here),
        )
        connecting = sockharness.connect(
            socket={"data": lambda socket, data: got.append(data)},
            hostname=here.addresses[0],
            port=80,
            local_address=there.addresses[0],
            reactor=reactor,
            kernel=InsideKernel(there),
        )
        client = connecting.result(DEADLINE)
        cookies = {_namespace(listener), _namespace(client)}
        client.write(b"hello")

        assert reactor.run_until(lambda: got == [b"HELLO"], DEADLINE)

    with here.socket() as one, there.socket() as other:
        assert cookies == {_namespace(one), _namespace(other)}
        assert len(cookies) == 2


def test_a_zone_is_an_interface_of_the_host(pair: tuple[Host, Host]) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    here, there = pair
    got: list[tuple[Any, ...]] = []
    with Reactor() as reactor:
        receiver = sockharness.udp_socket(
            hostname=f"{here.interfaces[0].link_local}%eth0",
            socket={"data": lambda socket, *rest: got.append(rest)},
            reactor=reactor,
            kernel=InsideKernel(here),
        )
        sender = sockharness.udp_socket(
            hostname=f"{there.interfaces[0].link_local}%{there.interfaces[0].index}",
            reactor=reactor,
            kernel=InsideKernel(there),
        )
        sender.send(b"hello", receiver.port, f"{receiver.address[0]}%eth0")

        assert reactor.run_until(lambda: bool(got), DEADLINE)
    data, port, address, _ = got[0]
    assert (data, port) == (b"hello", sender.port)
    assert address == f"{there.interfaces[0].link_local}%eth0"


def test_an_interface_of_this_machine_is_none_of_the_host(pair: tuple[Host, Host]) -> None:
    kernel = InsideKernel(pair[0])
    names = {name for _, name in raw.if_nameindex()} - {"lo", "eth0"}

    assert kernel.interface_number("lo") == kernel.interface_number("1") == 1
    assert kernel.interface_name(pair[0].interfaces[0].index) == "eth0"
    for wrong in (*names, "nosuch", "77777"):
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENODEV))):
            kernel.interface_number(wrong)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENXIO))):
        kernel.interface_name(77777)


def test_a_zone_that_the_host_does_not_have_is_refused(pair: tuple[Host, Host]) -> None:
    with Reactor() as reactor:
        kernel = InsideKernel(pair[0])
        with pytest.raises(raw.gaierror, match="no interface 'eth7' on a"):
            sockharness.udp_socket(hostname="fe80::1%eth7", reactor=reactor, kernel=kernel)
        sock = sockharness.udp_socket(hostname="::", reactor=reactor, kernel=kernel)
        with pytest.raises(ValueError, match="expected an interface of this host, not 'eth7'"):
            sock.add_membership("ff02::77", "::%eth7")


@pytest.mark.parametrize("make", ["udp_socket", "listen", "connect"])
def test_a_kernel_that_is_none_is_refused(make: str) -> None:
    options: dict[str, Any] = {"socket": {"data": print}, "hostname": "127.0.0.1", "port": 1}
    with Reactor() as reactor, pytest.raises(TypeError, match="kernel: expected a Kernel"):
        getattr(sockharness, make)(**options, reactor=reactor, kernel="linux")


def test_the_ordinary_kernel_may_be_given() -> None:
    with Reactor() as reactor:
        sock = sockharness.udp_socket(hostname="127.0.0.1", reactor=reactor, kernel=Kernel())
        assert sock.port
