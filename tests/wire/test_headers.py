import random
from collections.abc import Callable

import pytest

from sockharness.address import Address
from sockharness.wire.headers import Headers, read_headers

TCP, UDP, ICMP = 6, 17, 1

Build = Callable[..., bytes]


def test_a_tcp_segment_is_read(ipv4: Build, tcp: Build) -> None:
    frame = ipv4(TCP, tcp(1000, 2000, 0x18, b"hello"))

    assert read_headers(frame) == Headers(
        protocol="tcp",
        source=Address("127.0.0.1", 1000),
        destination=Address("127.0.0.2", 2000),
        flags="PA",
        seq=100,
        ack=200,
        payload=b"hello",
        payload_offset=54,
    )


def test_a_datagram_over_ipv6_is_read(ipv6: Build, udp: Build) -> None:
    frame = ipv6(UDP, udp(1000, 2000, b"hello"))

    assert read_headers(frame) == Headers(
        protocol="udp",
        source=Address("::1", 1000),
        destination=Address("::2", 2000),
        payload=b"hello",
        payload_offset=62,
    )


@pytest.mark.parametrize(
    ("bits", "text"),
    [(0x02, "S"), (0x12, "SA"), (0x14, "RA"), (0x11, "FA"), (0, ""), (0x1FF, "FSRPAUECN")],
)
def test_flags_have_the_letters_and_the_order_of_scapy(
    bits: int, text: str, ipv4: Build, tcp: Build
) -> None:
    headers = read_headers(ipv4(TCP, tcp(1, 2, bits)))

    assert headers is not None
    assert headers.flags == text


def test_padding_of_a_short_frame_is_no_payload(ipv4: Build, udp: Build) -> None:
    headers = read_headers(ipv4(UDP, udp(1, 2, b"x")) + bytes(17))

    assert headers is not None
    assert headers.payload == b"x"


def test_a_first_fragment_says_that_more_follow(ipv4: Build, udp: Build) -> None:
    whole = udp(1, 2, b"0123456789abcdef")

    headers = read_headers(ipv4(UDP, whole[:16], fragment=0x2000))

    assert headers is not None
    assert (headers.payload, headers.more_fragments) == (b"01234567", True)


def test_what_is_something_else_has_no_headers(ipv4: Build, udp: Build) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)

    assert read_headers(b"") is None
    assert read_headers(arp) is None
    assert read_headers(ipv4(ICMP, udp(1, 2))) is None
    assert read_headers(ipv4(UDP, udp(1, 2), fragment=0x0010)) is None


def test_a_frame_that_is_cut_anywhere_has_no_headers(ipv4: Build, ipv6: Build, tcp: Build) -> None:
    body = tcp(1000, 2000, 0x18, b"hello")

    for frame in (ipv4(TCP, body, options=bytes(4)), ipv6(TCP, body)):
        assert read_headers(frame) is not None
        assert [read_headers(frame[:end]) for end in range(len(frame))] == [None] * len(frame)


def test_lengths_that_contradict_each_other_give_none(ipv4: Build, tcp: Build, udp: Build) -> None:
    short_header = ipv4(UDP, udp(1, 2)).replace(b"\x08\x00\x45", b"\x08\x00\x44")
    wrong_version = ipv4(UDP, udp(1, 2)).replace(b"\x08\x00\x45", b"\x08\x00\x65")
    long_offset = ipv4(TCP, tcp(1, 2).replace(b"\x50\x12", b"\x60\x12"))
    short_offset = ipv4(TCP, tcp(1, 2).replace(b"\x50\x12", b"\x40\x12"))
    short_datagram = ipv4(UDP, udp(1, 2).replace(b"\x00\x08\x00\x00", b"\x00\x07\x00\x00"))

    for frame in (short_header, wrong_version, long_offset, short_offset, short_datagram):
        assert read_headers(frame) is None


def test_garbage_never_raises(ipv4: Build, ipv6: Build, tcp: Build, udp: Build) -> None:
    chance = random.Random(20)
    seeds = [ipv4(TCP, tcp(1, 2)), ipv4(UDP, udp(1, 2, b"x")), ipv6(TCP, tcp(1, 2))]

    for _ in range(3000):
        frame = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            frame[chance.randrange(12, len(frame))] = chance.randrange(256)
        read_headers(bytes(frame))
