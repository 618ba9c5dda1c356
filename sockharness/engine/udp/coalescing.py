"""Several datagrams in one system call: UDP_SEGMENT to send, UDP_GRO to receive; see udp(7).

**Sending.** A message with a UDP_SEGMENT control is cut by the kernel into datagrams of that size.
It works for datagrams of one size to one destination, at most `SEGMENTS` and 65507 bytes.
It is all or nothing; where the kernel, the interface or the path forbids it (EINVAL, EIO, EMSGSIZE:
segments are never fragmented), the caller sends one by one; users see no difference.

**Receiving.** With UDP_GRO a run that was sent so, or that a network card has joined, arrives as
one message, with the size of its parts in a control message; `parts` cuts it again.
"""

import errno
import itertools
import operator
import socket as _socket
import struct
import sys
from collections.abc import Iterator, Sequence, Sized
from contextlib import suppress

_SOL_UDP = 17
_UDP_SEGMENT = 103
_UDP_GRO = 104
SEGMENTS = 128  # UDP_MAX_SEGMENTS
_FORMER_SEGMENTS = 64  # before Linux 6.9
_BYTES = 65507
CONTROL_SPACE = _socket.CMSG_SPACE(4)

# The kernel or the interface cannot do it: it makes no sense to try another run.
_NEVER = frozenset((errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP))

# From, to (exclusive), and the size of the datagrams that go in one call; 0: one by one.
Run = tuple[int, int, int]
Control = list[tuple[int, int, bytes]]


def receive_coalesced(sock: _socket.socket) -> None:
    """Switch UDP_GRO on; a kernel that has none gives single datagrams."""
    with suppress(OSError):
        sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)


def parts(data: bytes, control: Control) -> Iterator[bytes]:
    """Return the datagrams of a received message."""
    size = 0
    for level, kind, value in control:
        if (level, kind) == (_SOL_UDP, _UDP_GRO):
            size = int.from_bytes(value[:4], sys.byteorder)
    if not size:
        return iter((data,))
    return (data[at : at + size] for at in range(0, len(data), size))


def segment(size: int) -> Control:
    """Return the control message that has a message cut into datagrams of this size."""
    return [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", size))]


def after(error: OSError, segments: int, tried: int) -> int:
    """Return the next number of datagrams to try in one message after a refusal; 0: stop."""
    if error.errno == errno.EINVAL and tried > _FORMER_SEGMENTS:
        return _FORMER_SEGMENTS
    return 0 if error.errno in _NEVER else segments


def singles(count: int) -> list[Run]:
    """Return the one run of datagrams that go one by one."""
    return [(0, count, 0)]


def runs(
    ports: Sequence[int],
    targets: Sequence[object],
    payloads: Sequence[Sized],
    segments: int = SEGMENTS,
) -> list[Run]:
    """Divide a batch into runs, in order.

    Args:
        ports: the destinations; empty if all have the same.
        targets: the same.
        payloads: the bytes of each datagram.
        segments: the most datagrams that may go together.
    """
    count = len(payloads)
    if not _has_neighbours(ports):
        return singles(count)
    sizes = list(map(len, payloads))
    if _all_equal(ports) and _all_equal(targets):
        if _all_equal(sizes):
            return list(_cut(0, count, sizes[0], segments))
        return _merged(_cut(*run, segments) for run in _groups(sizes))
    return _merged(
        _cut(*run, segments) for run in _groups(list(zip(sizes, ports, targets, strict=True)))
    )


def _all_equal(values: Sequence[object]) -> bool:
    """Return whether all values are equal; `count` looks at identity first, and in C."""
    if not values:
        return True
    counts = values.count
    return bool(counts(values[0]) == len(values))


def _has_neighbours(values: Sequence[object]) -> bool:
    """Return whether two neighbours are equal, or there are no values: cheap if none are equal."""
    return not values or True in map(operator.eq, values, itertools.islice(values, 1, None))


def _groups(keys: Sequence[object]) -> Iterator[tuple[int, int, int]]:
    """Return start, end and datagram size of each run of equal keys."""
    start = 0
    for key, group in itertools.groupby(keys):
        end = start + len(list(group))
        yield start, end, key if isinstance(key, int) else key[0]  # type: ignore[index]
        start = end


def _cut(start: int, end: int, size: int, segments: int) -> Iterator[Run]:
    """Cut equal datagrams into runs that one call can take."""
    most = min(segments, _BYTES // size) if size else 1
    if most < 2 or end - start < 2:
        yield start, end, 0
        return
    for at in range(start, end, most):
        to = min(at + most, end)
        yield at, to, size if to - at > 1 else 0


def _merged(groups: Iterator[Iterator[Run]]) -> list[Run]:
    """Join neighbours that go one by one."""
    made: list[Run] = []
    for start, end, size in itertools.chain.from_iterable(groups):
        if not size and made and not made[-1][2]:
            made[-1] = (made[-1][0], end, 0)
        else:
            made.append((start, end, size))
    return made
