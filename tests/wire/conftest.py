import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sockharness.machine import probes
from sockharness.wire.capture import Capture
from tests.helpers.ports import free_port, leased_port

__all__ = ["free_port"]


@pytest.fixture
def capture() -> Iterator[Callable[..., Capture]]:
    """Start captures of ports, stopped at the end; skip where that is impossible."""
    reason = probes.capture()
    if reason:
        pytest.skip(reason)
    with ExitStack() as stack:

        def start(*ports: int, **options: Any) -> Capture:
            return stack.enter_context(Capture(ports=ports, **options))

        yield start


@pytest.fixture
def udp_pair() -> Iterator[Callable[..., tuple[socket.socket, socket.socket, int]]]:
    """Make a sender connected to a receiver, and the receiver's port.

    The port is leased: a capture of it would see a connection of another test that has its number.
    """
    with ExitStack() as stack:

        def make(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket, int]:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            receiver = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            receiver.bind((host, stack.enter_context(leased_port())))
            receiver.settimeout(5)
            sender = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            sender.connect(receiver.getsockname())
            return sender, receiver, receiver.getsockname()[1]

        yield make


@pytest.fixture
def listener(free_port: int) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", free_port)) as sock:
        sock.settimeout(5)
        yield sock


@pytest.fixture
def ipv4() -> Callable[..., bytes]:
    """Build an Ethernet frame with an IPv4 packet from 127.0.0.1 to 127.0.0.2."""

    def build(protocol: int, body: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
        words = 5 + len(options) // 4
        total = words * 4 + len(body)
        head = struct.pack("!BBHHHBBH", 0x40 | words, 0, total, 7, fragment, 64, protocol, 0)
        addresses = bytes([127, 0, 0, 1, 127, 0, 0, 2])
        return bytes(12) + b"\x08\x00" + head + addresses + options + body

    return build


@pytest.fixture
def ipv6() -> Callable[..., bytes]:
    """Build an Ethernet frame with an IPv6 packet from ::1 to ::2."""

    def build(protocol: int, body: bytes) -> bytes:
        head = struct.pack("!IHBB", 0x60000000, len(body), protocol, 64)
        return bytes(12) + b"\x86\xdd" + head + bytes(15) + b"\1" + bytes(15) + b"\2" + body

    return build


@pytest.fixture
def tcp() -> Callable[..., bytes]:
    def build(source: int, destination: int, flags: int = 0x12, payload: bytes = b"") -> bytes:
        head = struct.pack("!HHIIHHHH", source, destination, 100, 200, 5 << 12 | flags, 512, 0, 0)
        return head + payload

    return build


@pytest.fixture
def udp() -> Callable[..., bytes]:
    def build(source: int, destination: int, payload: bytes = b"") -> bytes:
        return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload

    return build
