"""Handlers get the number of hops that a datagram had left, on request."""

import pytest

import sockharness
from sockharness import DatagramFlags, Reactor, UDPSocket
from sockharness.machine import probes

HOSTS = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(bool(probes.ipv6()), reason=probes.ipv6())),
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("asked", "told"), [(True, 9), (False, None)])
def test_the_ttl_is_reported_where_it_is_asked_for(
    host: str, asked: bool, told: int | None
) -> None:
    flags: list[DatagramFlags] = []

    def data(_udp: UDPSocket, _data: bytes, _port: int, _host: str, got: DatagramFlags) -> None:
        flags.append(got)

    with Reactor() as reactor:
        receiver = sockharness.udp_socket(
            hostname=host, socket={"data": data}, receive_ttl=asked, reactor=reactor
        )
        sender = sockharness.udp_socket(hostname=host, reactor=reactor)
        sender.set_ttl(9)

        sender.send(b"one", receiver.port, host)
        sender.send_many([(b"two", receiver.port, host)] * 3)  # may come joined

        assert reactor.run_until(lambda: len(flags) == 4, 5)
    assert {each.ttl for each in flags} == {told}
