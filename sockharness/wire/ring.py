"""A packet socket that counts the frames it loses.

Five facts of the kernel (packet(7)) decide how it is made:

1. A packet socket receives from the moment it has a protocol. So it is made with protocol 0, which
   receives nothing; it gets its filter, buffer and timestamps; and `bind` then names interface and
   protocol at once. No foreign frame is ever queued, and none of ours is missed after `open`
   returns.
2. Loopback shows each frame twice, to the sender's side (`PACKET_OUTGOING`) and to the receiver's
   (`PACKET_HOST`). The first is kept: it is queued inside the sender's system call, before the
   receiver can see the data, so when a test has read a message its frame is already here. The
   filter drops the other.
3. The kernel drops a frame that does not fit into the buffer, and counts it in
   `PACKET_STATISTICS`. Reading the counter resets it, so this module adds the readings up.
4. Timestamps are taken on the wall clock when the frame passes. They are moved to the scale of the
   caller's monotonic clock. Both clocks are slewed alike, so their offset changes only by steps (or
   sleep); it is taken at `open`, and again when a read finds that it is off by more than a
   millisecond. A worker switches timestamps on a moment after `open` (net_enable_timestamp in
   net/core/dev.c); a frame that passes before then is given the time at which it is read. So
   the time of a frame is never later than that of the next frame, nor later than now.
5. A memory-mapped ring (`TPACKET_V3`) retires a block when it is full or after a timeout of
   milliseconds: an expectation would wait for a frame that is already there. `recvmsg` costs a
   system call for each frame, and a test has few.

On loopback TCP frames may be up to 64 KiB long, since segmentation is left to a device that never
does it, and checksums of the transport are not filled in.
"""

import errno
import os
import socket
import struct
import time
from array import array
from collections.abc import Callable

from sockharness.errors import ClosedError, Unavailable, with_code

LOOPBACK_INTERFACE = "lo"
BUFFER_SIZE = 8 << 20
MAX_FRAME = 256 << 10  # a frame is at most 64 KiB, unless an administrator has raised gso_max_size
BATCH = 1024

REMEDIES = (
    "run as root, or `setcap cap_net_raw+ep` on the interpreter, or run inside a user and network "
    "namespace (`unshare -Urn`), or skip the wire checks with --sock-capture=off"
)

# asm-generic/socket.h and linux/if_packet.h; the socket module has no names for them
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_ETH_P_ALL = 3
_ARPHRD_ETHER = 1
_ARPHRD_LOOPBACK = 772

_STEP = 1_000_000  # ns; clock readings around a preemption differ by less
_TIMESPEC = struct.Struct("@ll")
_STATISTICS = struct.Struct("@II")


def make_packet_socket() -> socket.socket:
    """Return a new packet socket that receives nothing yet."""
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)


class PacketSocket:
    """A packet socket, bound to one interface behind a filter; made by `open`.

    Not for several threads at once.
    """

    __slots__ = ("_buffer", "_clock", "_drops", "_offset", "_socket", "interface")

    def __init__(self, sock: socket.socket, *, interface: str, clock: Callable[[], float]) -> None:
        self.interface = interface
        self._socket = sock
        self._clock = clock
        self._offset = _offset_of_wall_clock(clock)
        self._buffer = bytearray(MAX_FRAME)
        self._drops = 0

    @classmethod
    def open(
        cls,
        interface: str,
        program: bytes,
        *,
        clock: Callable[[], float] = time.monotonic,
        buffer_size: int = BUFFER_SIZE,
        make_socket: Callable[[], socket.socket] = make_packet_socket,
    ) -> "PacketSocket":
        """Start to receive the frames of `interface` that `program` accepts.

        Args:
            interface: the name of the interface, such as `"lo"`.
            program: a filter, from `filter.port_filter`.
            clock: the clock of the frames' times, in seconds.
            buffer_size: bytes of kernel memory to ask for; without CAP_NET_ADMIN net.core.rmem_max
                limits them.
            make_socket: makes the packet socket with protocol 0, perhaps in another network
                namespace.

        Raises:
            Unavailable: the process has no right to, or the interface does not exist or has no
                Ethernet headers; the text names remedies.
        """
        try:
            sock = make_socket()
        except OSError as error:
            raise _unavailable(interface, error) from error
        try:
            _prepare(sock, program, buffer_size)
            _bind(sock, interface)
            return cls(sock, interface=interface, clock=clock)
        except BaseException:
            sock.close()
            raise

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd={self._socket.fileno()}"
        return f"<PacketSocket {self.interface} {state} drops={self._drops}>"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._socket.fileno() < 0

    @property
    def drops(self) -> int:
        """The number of accepted frames lost from `open` until now or `close`."""
        if not self.closed:
            self._drops += self._new_drops()
        return self._drops

    def fileno(self) -> int:
        """Return the descriptor, readable when a frame is queued; -1 when closed."""
        return self._socket.fileno()

    def set_filter(self, program: bytes) -> None:
        """Replace the filter; frames already queued stay."""
        self._open_socket()
        attach_filter(self._socket, program)

    def read(self, limit: int = BATCH) -> list[tuple[bytes, float, int]]:
        """Return at most `limit` queued frames as (data, seconds on the clock, packet type).

        Packet types are `socket.PACKET_OUTGOING`, `PACKET_HOST` and so on.
        """
        sock = self._open_socket()
        self._follow_wall_clock()
        frames: list[tuple[bytes, float, int]] = []
        view = memoryview(self._buffer)
        while len(frames) < limit:
            try:
                size, ancillary, flags, address = sock.recvmsg_into([view], 64)
            except BlockingIOError:
                break
            except OSError as error:
                with_code(error)
                raise
            if flags & socket.MSG_TRUNC:
                self._drops += 1  # half a frame would be wrong
                continue
            frames.append((bytes(view[:size]), self._time_of(ancillary), address[2]))
        return _in_order(frames, self._clock())

    def close(self) -> None:
        """Stop receiving; frames that were not read are lost."""
        if not self.closed:
            self._drops += self._new_drops()
            self._socket.close()

    def _open_socket(self) -> socket.socket:
        if self.closed:
            raise ClosedError("this packet socket is closed")
        return self._socket

    def _new_drops(self) -> int:
        option = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        _, drops = _STATISTICS.unpack(option)
        return int(drops)

    def _follow_wall_clock(self) -> None:
        near = time.clock_gettime_ns(time.CLOCK_REALTIME) - _nanoseconds(self._clock())
        if abs(near - self._offset) > _STEP:
            self._offset = _offset_of_wall_clock(self._clock)

    def _time_of(self, ancillary: list[tuple[int, int, bytes]]) -> float:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(data)
                return float((seconds * 1_000_000_000 + nanoseconds - self._offset) / 1e9)
        return self._clock()


def _prepare(sock: socket.socket, program: bytes, buffer_size: int) -> None:
    sock.settimeout(0)
    attach_filter(sock, program)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Attach a filter to a socket; the kernel copies its instructions during the call."""
    memory = array("B", program)
    address, size = memory.buffer_info()
    instruction_size = 8
    fprog = struct.pack("@HP", size // instruction_size, address)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def _bind(sock: socket.socket, interface: str) -> None:
    try:
        sock.bind((interface, _ETH_P_ALL))
    except OSError as error:
        raise _unavailable(interface, error) from error
    # A packet socket may be bound to an interface that is down; it says so by a pending error only.
    pending = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if pending:
        raise _unavailable(interface, OSError(pending, os.strerror(pending)))
    hardware = sock.getsockname()[3]
    if hardware not in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK):
        raise Unavailable(
            f"capturing on {interface} needs Ethernet headers, which it does not have"
        )


def _unavailable(interface: str, error: OSError) -> Unavailable:
    name = errno.errorcode.get(error.errno or 0, "")
    reasons = {
        "EPERM": f"needs CAP_NET_RAW: {REMEDIES}",
        "EACCES": f"needs CAP_NET_RAW: {REMEDIES}",
        "ENODEV": "needs an interface of that name: see `ip link`",
        "ENETDOWN": f"needs it up: `ip link set {interface} up`",
        "EAFNOSUPPORT": "needs packet sockets in the kernel: skip with --sock-capture=off",
    }
    reason = reasons.get(name, f"failed: {error}")
    return Unavailable(f"capturing on {interface} {reason}")


def _in_order(frames: list[tuple[bytes, float, int]], now: float) -> list[tuple[bytes, float, int]]:
    """Return the frames with no time after that of a later one, or after `now`."""
    latest = now
    for index in range(len(frames) - 1, -1, -1):
        data, at, kind = frames[index]
        if at > latest:
            frames[index] = (data, latest, kind)
        latest = min(at, latest)
    return frames


def _offset_of_wall_clock(clock: Callable[[], float]) -> int:
    """Return wall clock minus `clock` in ns: of three readings, the one least disturbed."""
    readings = []
    for _ in range(3):
        before = _nanoseconds(clock())
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = _nanoseconds(clock())
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
