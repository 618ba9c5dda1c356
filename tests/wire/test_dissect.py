import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.wire import dissect
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery

Build = Callable[..., bytes]


@pytest.fixture(scope="module", autouse=True)
def _import_scapy() -> None:
    dissect.check_field_name("TCP.flags")


@pytest.fixture
def segment(ipv4: Build, tcp: Build) -> dissect.Packet:
    return dissect.packet(ipv4(6, tcp(1000, 2000, 0x18, b"hello"), fragment=0x4000))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TCP.flags", "PA"),
        ("TCP.sport", 1000),
        ("TCP.options", []),
        ("IP.src", "127.0.0.1"),
        ("IP.flags", "DF"),
        ("Ether.dst", "00:00:00:00:00:00"),
        ("Raw.load", b"hello"),
        ("UDP.sport", None),
    ],
)
def test_a_field_is_a_plain_value(segment: dissect.Packet, name: str, value: Any) -> None:
    assert dissect.field(segment, name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TCP.flags", "PA"),
        ("TCP.flags", "AP"),
        ("TCP.flags", "0x18"),
        ("TCP.flags", "24"),
        ("IP.flags", "DF"),
        ("TCP.sport", "1000"),
        ("TCP.dport", "0x7d0"),
        ("TCP.dport", "0X7D0"),
        ("IP.proto", "tcp"),
        ("IP.src", "127.0.0.1"),
        ("Ether.dst", "00:00:00:00:00:00"),
        ("Raw.load", "hello"),
        ("TCP.options", "[]"),
    ],
)
def test_a_field_equals_what_the_author_wrote(
    segment: dissect.Packet, name: str, text: str
) -> None:
    assert dissect.equals(segment, name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TCP.flags", "P"),
        ("TCP.flags", "PAA"),
        ("TCP.flags", ""),
        ("TCP.flags", "0x2"),
        ("IP.flags", "MF+DF"),
        ("TCP.sport", "1001"),
        ("TCP.sport", ""),
        ("TCP.sport", "1_000"),
        ("TCP.sport", "0x"),
        ("TCP.sport", "²"),
        ("IP.proto", "udp"),
        ("IP.src", "127.0.0.2"),
        ("IP.src", "localhost"),
        ("Raw.load", "hell"),
        ("UDP.sport", "1000"),
    ],
)
def test_a_field_differs_from_something_else(segment: dissect.Packet, name: str, text: str) -> None:
    assert not dissect.equals(segment, name, text)


def test_addresses_are_compared_as_addresses(ipv6: Build, udp: Build) -> None:
    packet = dissect.packet(ipv6(17, udp(1, 2)))

    assert dissect.equals(packet, "IPv6.src", "0:0:0:0:0:0:0:1")
    assert dissect.equals(packet, "IPv6.dst", "::2")
    assert not dissect.equals(packet, "IPv6.dst", "::1")


def test_a_wrong_name_is_told_with_a_suggestion(gallery: Gallery) -> None:
    rows: list[tuple[str, type[Exception]]] = [
        ("TCP.flgas", ValueError),
        ("TPC.flags", ValueError),
        ("ip.ttl", ValueError),
        ("Raw", ValueError),
        ("", ValueError),
        ("TLS.type", ValueError),
    ]

    gallery.check(table(rows, dissect.check_field_name))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TCP.flags", "SA"),
        ("TCP.flags", "AS"),
        ("TCP.flags", "0x1ff"),
        ("IP.flags", "MF+DF"),
        ("IP.flags", "7"),
        ("TCP.dport", "65535"),
        ("TCP.dport", "0xFFFF"),
        ("TCP.window", "0"),
        ("IP.frag", "8191"),
        ("IP.proto", "tcp"),
        ("IP.ttl", "255"),
        ("ICMP.type", "dest-unreach"),
        ("ICMP.code", "port-unreachable"),
        ("UDPerror.dport", "54"),
        ("IGMPv3gr.rtype", "Change To Include Mode"),
        ("IGMPv3gr.srcaddrs", "127.0.0.5, 127.0.0.6"),
        ("IGMPv3gr.srcaddrs", "['127.0.0.5']"),
        ("ICMPv6MLDMultAddrRec.sources", "fd00::9"),
        ("IP.src", "127.0.0.1"),
        ("IPv6.dst", "FF02::16"),
        ("Ether.dst", "FF:ff:ff:ff:ff:ff"),
        ("Ether.type", "IPv4"),
        ("Ether.type", "0x86dd"),
        ("ARP.psrc", "10.0.0.1"),
        ("ARP.psrc", "::1"),
        ("ARP.hwsrc", "00:00:00:00:00:01"),
        ("ARP.op", "who-has"),
        ("Raw.load", "anything"),
        ("TCP.options", "[]"),
    ],
)
def test_what_a_field_can_have_is_a_value(name: str, text: str) -> None:
    assert dissect.misfit(name, text) is None


def test_what_a_field_can_never_have_is_told_with_what_it_holds(gallery: Gallery) -> None:
    rows: list[tuple[str, str]] = [
        ("TCP.flags", "reset"),
        ("TCP.flags", "SS"),
        ("TCP.flags", "512"),
        ("IP.flags", "MF DF"),
        ("TCP.window", "65536"),
        ("TCP.window", "-1"),
        ("IP.frag", "8192"),
        ("IP.ttl", "0x100"),
        ("IP.proto", "TCP"),
        ("ICMP.code", "port-unreachble"),
        ("IGMPv3gr.rtype", "join"),
        ("IP.dst", "foo"),
        ("IP.dst", "::1"),
        ("IGMPv3gr.srcaddrs", "127.0.0.5, foo"),
        ("IPv6.dst", "127.0.0.1"),
        ("IPv6.dst", "fe80::1%lo"),
        ("ICMPv6MLDMultAddrRec.sources", "fd00::x"),
        ("Ether.dst", "ff-ff-ff-ff-ff-ff"),
        ("ARP.psrc", "foo"),
    ]

    gallery.check(
        "\n".join(f"{name} = {text}: {dissect.misfit(name, text)}" for name, text in rows)
    )


@pytest.mark.parametrize("layer", ["Ether.type", "ICMP.type", "IPv6.hlim", "UDP.len", "Raw.load"])
def test_the_usual_layers_are_known(layer: str) -> None:
    dissect.check_field_name(layer)


def test_a_frame_that_scapy_cannot_read_is_named() -> None:
    with pytest.raises(
        dissect.DissectionError, match="a frame of 2 bytes, 1b 5b: error:"
    ) as caught:
        dissect.packet(b"\x1b[")

    assert caught.value.__cause__ is not None


def test_flags_are_compared_without_regard_to_order_or_case_of_hexadecimal(
    ipv4: Build, tcp: Build
) -> None:
    packet = dissect.packet(ipv4(6, tcp(1, 2, 0x12)))

    assert dissect.equals(packet, "TCP.flags", "AS")
    assert not dissect.equals(packet, "TCP.flags", "as")


IMPORT = """
import logging, os, sys, warnings
filters = list(warnings.filters)
environment = dict(os.environ)
from sockharness.wire import dissect
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery
dissect.check_field_name("TCP.flags")
assert warnings.filters == filters
assert dict(os.environ) == environment
assert "scapy.all" not in sys.modules
"""


@pytest.mark.slow  # starts an interpreter and imports scapy
def test_importing_scapy_warns_nobody_and_leaves_no_traces(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")},
    )

    assert (run.stdout, run.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_dissecting_changes_no_warning_filter(ipv4: Build, tcp: Build) -> None:
    before = list(warnings.filters)

    dissect.packet(ipv4(6, tcp(1, 2)))

    assert list(warnings.filters) == before


def report(*records: bytes) -> dissect.Packet:
    """Return an IGMPv3 report (RFC 3376 section 4.2)."""
    igmp = b"\x22\0\0\0\0\0" + len(records).to_bytes(2, "big") + b"".join(records)
    head = b"\x46\xc0" + (24 + len(igmp)).to_bytes(2, "big") + b"\0\0\x40\0\1\2\0\0"
    addresses = bytes(4) + bytes([224, 0, 0, 22]) + b"\x94\4\0\0"
    return dissect.packet(bytes(12) + b"\x08\0" + head + addresses + igmp)


def record(kind: int, last: int, *sources: bytes) -> bytes:
    head = bytes([kind, 0]) + len(sources).to_bytes(2, "big")
    return head + bytes([239, 255, 0, last]) + b"".join(sources)


def test_a_record_of_a_report_fits_if_one_of_them_does() -> None:
    packet = report(record(4, 1), record(5, 2, bytes([127, 0, 0, 5])))

    assert dissect.fits(packet, [("IGMPv3gr.maddr", "239.255.0.1"), ("IGMPv3gr.rtype", "4")])
    assert dissect.fits(
        packet,
        [
            ("IP.dst", "224.0.0.22"),
            ("IGMPv3gr.maddr", "239.255.0.2"),
            ("IGMPv3gr.rtype", "Allow New Sources"),
            ("IGMPv3gr.srcaddrs", "127.0.0.5"),
        ],
    )


def test_the_fields_of_a_record_must_be_of_the_same_one() -> None:
    packet = report(record(4, 1), record(5, 2))

    assert not dissect.fits(packet, [("IGMPv3gr.maddr", "239.255.0.1"), ("IGMPv3gr.rtype", "5")])
    assert not dissect.fits(packet, [("IGMPv3gr.maddr", "239.255.0.3")])


def test_each_record_of_a_report_of_ipv6_is_found() -> None:
    groups = [bytes.fromhex("ff02" + "00" * 13) + bytes([last]) for last in (1, 2, 3)]
    source = bytes.fromhex("fd" + "00" * 14 + "09")
    records = b"".join(
        bytes([kind, 0, 0, len(sources) // 16]) + group + sources
        for kind, group, sources in zip((4, 3, 5), groups, (b"", b"", source), strict=True)
    )
    mld = b"\x8f\0\0\0\0\0\0\3" + records  # RFC 3810 section 5.2
    hop_by_hop = b"\x3a\0\5\2\0\0\1\0"
    size = (len(hop_by_hop) + len(mld)).to_bytes(2, "big")
    head = b"\x60\0\0\0" + size + b"\0\1" + bytes(16) + bytes.fromhex("ff02" + "00" * 13 + "16")
    packet = dissect.packet(bytes(12) + b"\x86\xdd" + head + hop_by_hop + mld)

    for kind, last in ((4, 1), (3, 2), (5, 3)):
        of = [("ICMPv6MLDMultAddrRec.dst", f"ff02::{last}")]
        assert dissect.fits(packet, [*of, ("ICMPv6MLDMultAddrRec.rtype", str(kind))])
        assert not dissect.fits(packet, [*of, ("ICMPv6MLDMultAddrRec.rtype", "6")])
    assert dissect.fits(
        packet, [("IPv6.dst", "ff02::16"), ("ICMPv6MLDMultAddrRec.sources", "fd00::9")]
    )
