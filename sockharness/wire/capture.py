"""A capture: the frames of a test's ports on one interface, and how many were lost.

Start it before the traffic begins: each frame sent after `start` returns is in `frames`, or counted
in `drops` or `unkept`. A capture never waits. An event loop registers `fileno()` for reading and
calls `on_readable()`; other callers use `poll()`. On loopback a frame is queued here inside the
system call that sends it: when the test has received data, `poll()` finds the frames that had it.

Use it in one thread at a time. An exception of `on_frame` leaves `poll`; the frames are kept.
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
        interface: the name of the interface.
        frames: the frames in their order on the interface; do not change this list.
        on_frame: called with each frame after it is in `frames`.
        unkept: how many frames came when `frames` was full; `on_frame` got them too.
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
        """Make a capture; `start` begins to capture.

        Args:
            interface: the name of the interface.
            ports: source or destination ports. Without any, nothing is captured until `add_ports`;
                `None` captures every frame of every kind.
            clock: the clock of `Frame.at`, in seconds.
            on_frame: called with each frame.
            protocols: `"tcp"`, `"udp"` or both; `"groups"` adds all IGMP and MLD.
            buffer_size: bytes of kernel memory for frames that are not read yet.
            max_frames: the most frames to keep.
            max_bytes: the most bytes to keep.
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
        """The captured ports; `None` for all."""
        return None if self._ports is None else frozenset(self._ports)

    @property
    def running(self) -> bool:
        """True while frames are captured: after `start`, before `stop`."""
        return self._socket is not None and not self._socket.closed

    @property
    def drops(self) -> int:
        """The number of frames lost since `start` because the buffer was full."""
        return 0 if self._socket is None else self._socket.drops

    @property
    def whole(self) -> bool:
        """Whether `frames` has every frame: the kernel dropped none, and all were kept."""
        return not self.drops and not self.unkept

    def start(self) -> None:
        """Capture each frame that is sent from now on.

        Raises:
            Unavailable: the process has no right to, or the interface does not exist or has no
                Ethernet headers; the text names remedies.
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
        """Add ports whose frames are captured from now on; also before `start`."""
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
            ClosedError: the capture is not running.
        """
        return self._running_socket().fileno()

    def on_readable(self) -> None:
        """Take a batch of frames; if more are left, the descriptor stays readable."""
        self._take(self._running_socket())

    def poll(self) -> int:
        """Take all queued frames without waiting; return how many. After `stop`, return 0."""
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
        """Take all queued frames and stop; `frames` and `drops` stay. It may be called again."""
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
