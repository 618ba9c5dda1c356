"""A capture: the frames of a test's ports on one interface, and how many were lost.

Open it before the traffic begins; everything that is sent after `start` returns is either in
`frames` or counted in `drops` or `unkept`. It never waits: the owner of an event loop registers
`fileno()` for reading and calls `on_readable()`, anybody else calls `poll()`. On loopback a frame
is queued here inside the system call that sends it, so after the test has received something,
`poll()` finds the frames that carried it.

One thread at a time. A faulty `on_frame` leaves `poll` by its exception; the frames are kept.
"""

import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from sockharness.errors import ClosedError, UsageError
from sockharness.printable import count
from sockharness.wire.filter import port_filter
from sockharness.wire.frame import Frame
from sockharness.wire.ring import (
    BATCH,
    BUFFER_SIZE,
    LOOPBACK_INTERFACE,
    PacketSocket,
    make_packet_socket,
)

MAX_FRAMES = 100_000
MAX_BYTES = 64 << 20

# More frames than the kernel's buffer holds: each takes at least 768 bytes of twice `BUFFER_SIZE`.
# A neighbour that never stops sending cannot keep `poll` for ever.
_MOST_BATCHES = 32


class Capture:
    """The frames of some ports on an interface; a context manager.

    Attributes:
        interface: its name.
        frames: in the order of the interface; to be read only.
        on_frame: called with each frame after it was put into `frames`.
        unkept: frames that came when `frames` was full; they were still given to `on_frame`.
    """

    def __init__(
        self,
        interface: str = LOOPBACK_INTERFACE,
        *,
        ports: Iterable[int] | None = (),
        clock: Callable[[], float] = time.monotonic,
        on_frame: Callable[[Frame], None] | None = None,
        protocols: Iterable[str] = ("tcp", "udp"),
        buffer_size: int = BUFFER_SIZE,
        max_frames: int = MAX_FRAMES,
        max_bytes: int = MAX_BYTES,
        make_socket: Callable[[], socket.socket] = make_packet_socket,
    ) -> None:
        """Store what to capture; `start` opens.

        Args:
            interface: its name.
            ports: source or destination; none at first captures nothing until `add_ports`; `None`
                captures every frame of every kind.
            clock: gives the scale of `Frame.at`, in seconds; the timeline's.
            on_frame: called with each frame.
            protocols: `"tcp"`, `"udp"` or both; `"groups"` besides: all IGMP and MLD.
            buffer_size: bytes of kernel memory for frames that were not read yet.
            max_frames: keep no more than this.
            max_bytes: keep no more than this.
            make_socket: makes the packet socket, perhaps in another network namespace.
        """
        self.interface = interface
        self.frames: list[Frame] = []
        self.on_frame = on_frame
        self.unkept = 0
        self._ports = None if ports is None else set(ports)
        self._clock = clock
        self._protocols = tuple(protocols)
        self._buffer_size = buffer_size
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._make_socket = make_socket
        self._bytes = 0
        self._socket: PacketSocket | None = None

    def __repr__(self) -> str:
        state = "new" if self._socket is None else "stopped" if self._socket.closed else "running"
        ports = "all ports" if self._ports is None else f"ports {sorted(self._ports)}"
        lost = f"{self.drops} dropped, {self.unkept} not kept"
        kept = count(len(self.frames), "frame")
        return f"<Capture {self.interface} {state} {ports}: {kept}, {lost}>"

    def __enter__(self) -> "Capture":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def ports(self) -> frozenset[int] | None:
        """Return the ports that are captured; `None` for all."""
        return None if self._ports is None else frozenset(self._ports)

    @property
    def running(self) -> bool:
        """Say whether frames are being captured: after `start`, before `stop`."""
        return self._socket is not None and not self._socket.closed

    @property
    def drops(self) -> int:
        """Return how many frames were lost since `start`, for want of buffer; not 0 is a hole."""
        return 0 if self._socket is None else self._socket.drops

    @property
    def whole(self) -> bool:
        """Say whether nothing was lost: neither dropped by the kernel nor left out of `frames`."""
        return not self.drops and not self.unkept

    def start(self) -> None:
        """Capture everything that is sent from now on.

        Raises:
            Unavailable: this process may not, or the interface cannot; the text names the remedies.
            UsageError: it was started before; make another.
        """
        if self._socket is not None:
            raise UsageError("a capture starts once; make another")
        self._socket = PacketSocket.open(
            self.interface,
            self._filter(),
            clock=self._clock,
            buffer_size=self._buffer_size,
            make_socket=self._make_socket,
        )

    def add_ports(self, *ports: int) -> None:
        """Capture the frames of these ports too, from now on; before `start` and after."""
        if self._ports is None or self._ports.issuperset(ports):
            return
        before, self._ports = self._ports, self._ports.union(ports)
        try:
            program = self._filter()
            if self._socket is not None and not self._socket.closed:
                self._socket.set_filter(program)
        except BaseException:
            self._ports = before
            raise

    def fileno(self) -> int:
        """Return the descriptor to watch for reading.

        Raises:
            ClosedError: it does not run.
        """
        return self._running_socket().fileno()

    def on_readable(self) -> None:
        """Take a batch of frames; what is left keeps the descriptor readable."""
        self._take(self._running_socket())

    def poll(self) -> int:
        """Take all the frames that are there, without waiting; return how many. After `stop`, 0."""
        sock = self._socket
        if sock is None or sock.closed:
            return 0
        taken = 0
        for _ in range(_MOST_BATCHES):
            batch = self._take(sock)
            taken += batch
            if batch < BATCH:
                break
        return taken

    def stop(self) -> None:
        """Take what is there and stop; `frames` and `drops` stay. A second call does nothing."""
        sock = self._socket
        if sock is None or sock.closed:
            return
        try:
            self.poll()
        finally:
            sock.close()

    close = stop

    def _take(self, sock: PacketSocket) -> int:
        batch = [
            Frame(data, at, self.interface, kind == socket.PACKET_OUTGOING)
            for data, at, kind in sock.read()
        ]
        for frame in batch:
            self._keep(frame)
        if self.on_frame is not None:
            for frame in batch:
                self.on_frame(frame)
        return len(batch)

    def _keep(self, frame: Frame) -> None:
        size = len(frame.data)
        if len(self.frames) >= self._max_frames or self._bytes + size > self._max_bytes:
            self.unkept += 1
            return
        self._bytes += size
        self.frames.append(frame)

    def _filter(self) -> bytes:
        outgoing_only = self.interface == LOOPBACK_INTERFACE
        return port_filter(self._ports, outgoing_only=outgoing_only, protocols=self._protocols)

    def _running_socket(self) -> PacketSocket:
        if self._socket is None or self._socket.closed:
            raise ClosedError("this capture is not running; start it first")
        return self._socket
