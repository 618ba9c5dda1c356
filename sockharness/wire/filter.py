"""Assemble classic BPF: the kernel keeps only the frames of the ports that a test uses.

A capture without a filter shares its buffer with every other flow of the interface, and a neighbour
that floods pushes the test's own frames out. So the choice is made in the kernel, before a frame is
queued.

The instructions are those of the kernel's page *Linux Socket Filtering*
(Documentation/networking/filter.rst): an accumulator A, an index X, and forward jumps of at most
255. The program needs no long jump, because each test has its own `ret`; the number of ports is
bounded by the kernel alone (4,096 instructions, four for each port). A load beyond a frame's end
rejects the frame, so short frames need no test.

Ports are found in TCP and UDP on IPv4 (options are stepped over; only a first fragment has ports)
and on IPv6 without extension headers. Frames of other kinds, and later fragments, are rejected.

Reports of group memberships have no ports: IGMP, and MLD, which is ICMPv6 behind a hop-by-hop
header (RFC 3810 section 5). `GROUPS` among the protocols accepts all of them.
"""

import struct
from collections.abc import Iterable, Sequence
from socket import IPPROTO_HOPOPTS, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP, PACKET_OUTGOING

PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
GROUPS = "groups"
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
MAX_PORTS = 1000

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

_LOAD_WORD = 0x20  # A = the 32 bits at k
_LOAD_HALF = 0x28  # A = the 16 bits at k
_LOAD_BYTE = 0x30  # A = the byte at k
_LOAD_HALF_INDEXED = 0x48  # A = the 16 bits at X + k
_LOAD_INDEX = 0x01  # X = k
_LOAD_INDEX_IPV4_LENGTH = 0xB1  # X = 4 * (the byte at k & 0xf)
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_JUMP_SET = 0x45
_RETURN = 0x06

_WHOLE_FRAME = (
    0xFFFFFFFF  # a smaller number would cut frames without a sign; recvmsg's MSG_TRUNC gives one
)
_PACKET_TYPE = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE: not bytes of the frame but skb->pkt_type

_ACCEPT: _Instruction = (_RETURN, 0, 0, _WHOLE_FRAME)
_REJECT: _Instruction = (_RETURN, 0, 0, 0)

_ETHERNET_LENGTH = 14
_IPV6_LENGTH = 40


def port_filter(
    ports: Iterable[int] | None,
    *,
    outgoing_only: bool,
    protocols: Iterable[str] = ("tcp", "udp"),
) -> bytes:
    """Return the program that accepts the frames whose source or destination port is in `ports`.

    Args:
        ports: 1 to 65535, at most `MAX_PORTS`; none accepts nothing, `None` accepts every frame of
            any kind.
        outgoing_only: reject frames that do not leave (of two copies on loopback, keep the
            sender's).
        protocols: of `PROTOCOLS`, and `GROUPS`.
    """
    program = _only_outgoing() if outgoing_only else []
    if ports is None:
        return _packed([*program, _ACCEPT])
    protocols = set(protocols)
    groups = GROUPS in protocols
    find = _find_ports(_protocol_numbers(protocols - {GROUPS}), groups=groups)
    return _packed([*program, *find, *_match_ports(_checked_ports(ports))])


def _only_outgoing() -> list[_Instruction]:
    return [(_LOAD_WORD, 0, 0, _PACKET_TYPE), *_one_of([PACKET_OUTGOING])]


def _find_ports(protocols: Sequence[int], *, groups: bool) -> list[_Instruction]:
    """Leave the length of the IP header in X, so that the ports are at X + 14 and X + 16.

    Frames about groups are accepted at once, if the protocol `groups` is asked for.
    """
    ipv4 = [
        *_one_of([ETHERTYPE_IPV4]),
        (_LOAD_BYTE, 0, 0, _ETHERNET_LENGTH + 9),
        *(_accept(IPPROTO_IGMP) if groups else []),
        *_one_of(protocols),
        (_LOAD_HALF, 0, 0, _ETHERNET_LENGTH + 6),
        (_JUMP_SET, 0, 1, 0x1FFF),  # fragment offset
        _REJECT,
        (_LOAD_INDEX_IPV4_LENGTH, 0, 0, _ETHERNET_LENGTH),
    ]
    ipv6 = [
        (_LOAD_BYTE, 0, 0, _ETHERNET_LENGTH + 6),
        *(_accept(IPPROTO_HOPOPTS) if groups else []),
        *_one_of(protocols),
        (_LOAD_INDEX, 0, 0, _IPV6_LENGTH),
        (_JUMP, 0, 0, len(ipv4)),
    ]
    return [(_LOAD_HALF, 0, 0, 12), (_JUMP_EQUAL, 0, len(ipv6), ETHERTYPE_IPV6), *ipv6, *ipv4]


def _match_ports(ports: Sequence[int]) -> list[_Instruction]:
    program: list[_Instruction] = []
    for offset in (_ETHERNET_LENGTH, _ETHERNET_LENGTH + 2):
        program.append((_LOAD_HALF_INDEXED, 0, 0, offset))
        for port in ports:
            program += [(_JUMP_EQUAL, 0, 1, port), _ACCEPT]
    return [*program, _REJECT]


def _accept(value: int) -> list[_Instruction]:
    """Accept the frame if A is `value`, else go on."""
    return [(_JUMP_EQUAL, 0, 1, value), _ACCEPT]


def _one_of(values: Sequence[int]) -> list[_Instruction]:
    """Go on if A is one of `values`, else reject."""
    tests = [(_JUMP_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [*tests, _REJECT]


def _protocol_numbers(names: Iterable[str]) -> list[int]:
    names = list(names)
    wrong = [name for name in names if name not in PROTOCOLS]
    if wrong:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {wrong[0]!r}")
    return [PROTOCOLS[name] for name in names]


def _checked_ports(ports: Iterable[int]) -> list[int]:
    chosen = sorted(set(ports))
    wrong = [port for port in chosen if not 1 <= port <= 0xFFFF]
    if wrong:
        raise ValueError(f"port: expected 1 to 65535, got {wrong[0]!r}")
    if len(chosen) > MAX_PORTS:
        raise ValueError(f"ports: expected at most {MAX_PORTS}, got {len(chosen)}")
    return chosen


def _packed(program: Iterable[_Instruction]) -> bytes:
    """Return an array of `struct sock_filter`."""
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)
