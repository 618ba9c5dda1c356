import pickle
from collections.abc import Callable

import pytest

from sockharness.wire.frame import Frame

Build = Callable[..., bytes]


def test_repr_tells_time_way_flags_and_size(ipv4: Build, tcp: Build) -> None:
    frame = Frame(ipv4(6, tcp(1000, 2000, 0x18, b"hello")), 1.5, "lo")

    assert repr(frame) == "<Frame lo at 1.500000 tcp 127.0.0.1:1000 > 127.0.0.2:2000 PA 5 bytes>"


def test_repr_of_an_unreadable_frame_shows_none_of_its_bytes() -> None:
    assert repr(Frame(b"\x1b[2J", 1.5, "lo")) == "<Frame lo at 1.500000 4 bytes>"


def test_headers_are_read_once(ipv4: Build, tcp: Build) -> None:
    frame = Frame(ipv4(6, tcp(1000, 2000)), 1.5, "lo")

    assert frame.headers is not None
    assert frame.headers is frame.headers


@pytest.mark.slow  # imports scapy
def test_a_frame_is_dissected_once(ipv4: Build, tcp: Build) -> None:
    frame = Frame(ipv4(6, tcp(1000, 2000)), 1.5, "lo")

    assert frame.packet["TCP"].dport == 2000
    assert frame.packet is frame.packet


def test_a_frame_cannot_be_changed() -> None:
    frame = Frame(b"", 1.5, "lo")

    with pytest.raises(AttributeError):
        frame.at = 2.0  # type: ignore[misc]


def test_a_frame_crosses_processes(ipv4: Build, tcp: Build) -> None:
    frame = Frame(ipv4(6, tcp(1000, 2000)), 1.5, "lo")

    copy = pickle.loads(pickle.dumps(frame))

    assert copy == frame
    assert copy.headers == frame.headers
