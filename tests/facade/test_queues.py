import socket
from contextlib import suppress

import pytest

from sockharness.address import LOOPBACK, LOOPBACK6
from sockharness.facade import queues as kernel_queues
from sockharness.facade.queues import PeerQueues, datagrams, make_room
from sockharness.machine.probes import ipv6


@pytest.mark.parametrize("host", [LOOPBACK, LOOPBACK6])
def test_all_is_read_only_when_the_program_has_read_it(host: str) -> None:
    if host == LOOPBACK6 and ipv6():
        pytest.skip(ipv6())
    queues = PeerQueues()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as listening,
        socket.create_connection(listening.getsockname()[:2], timeout=5) as client,
        listening.accept()[0] as server,
    ):

        def all_read() -> bool:
            return queues.all_read(
                server.fileno(), server.getsockname()[:2], server.getpeername()[:2]
            )

        states = [all_read()]
        server.sendall(b"hello")
        states.append(all_read())
        client.recv(2)
        states.append(all_read())
        client.recv(3)
        states.append(all_read())
    queues.close()

    assert states == [True, False, False, True]


def test_what_waits_and_what_was_dropped_is_known_of_a_datagram_socket() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        make_room(receiver.fileno(), 1)
        assert datagrams(receiver.fileno()) == (0, 0)

        for _ in range(100):
            sender.sendto(bytes(500), receiver.getsockname())

        waiting, dropped = datagrams(receiver.fileno())
        came = 0
        with suppress(BlockingIOError):
            while receiver.recv(1000):
                came += 1
        assert waiting > 0
        assert came + dropped == 100


def test_a_kernel_that_cannot_say_is_taken_to_have_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel_queues, "SO_MEMINFO", 9999)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert datagrams(sock.fileno()) == (1, 0)
