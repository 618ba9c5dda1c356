"""The packets to and from the servers of a test.

A frame waits in the kernel's queue before its sender's system call returns, so nothing has to run
beside the test: the frames are fetched when the test looks at them, and at the end of the capture.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, overload

from sockharness.errors import ExpectationFailed
from sockharness.printable import count
from sockharness.wire.capture import Capture
from sockharness.wire.filter import PROTOCOLS
from sockharness.wire.ring import LOOPBACK_INTERFACE, make_packet_socket

if TYPE_CHECKING:
    from sockharness.netns import Host

__tracebackhide__ = True


class HasPort(Protocol):
    """A handle such as `TcpServer`."""

    @property
    def port(self) -> int:
        """The port whose frames are captured."""
        ...


class Packets(Sequence[Any]):
    """The captured frames as scapy packets, in the order in which they were sent.

    Each frame is there once, though loopback shows it twice. scapy dissects a frame when a test
    first looks at it. While the capture runs, each look fetches the frames that have come since.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    @property
    def drops(self) -> int:
        """The number of frames that the kernel has dropped."""
        return self._capture.drops

    def __len__(self) -> int:
        self._capture.poll()
        return len(self._capture.frames)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        self._capture.poll()
        if isinstance(index, slice):
            return [frame.packet for frame in self._capture.frames[index]]
        return self._capture.frames[index].packet

    def __repr__(self) -> str:
        return f"<Packets {len(self)}, {self.drops} lost>"


class Wire:
    """The value of the `wire` fixture."""

    def capture(
        self, *servers: HasPort, interface: str | None = None, inside: "Host | None" = None
    ) -> AbstractContextManager[Packets]:
        """Capture the frames of servers while the `with` block runs; gives `Packets`.

        The packets stay readable after the block.

        Args:
            servers: handles with a `port`; frames to and from these ports are captured. If a handle
                has a `protocol`, TCP or UDP, only of that: a port number of the other protocol may
                belong to another program.
            interface: the name of an interface; `"lo"` if absent.
            inside: capture on this host of a network; on its first link, if no interface is named.

        Raises:
            ExpectationFailed: at the end of the block, if the kernel dropped a frame: then the
                packets are incomplete, and the test is inconclusive.
            Unavailable: if this process may not capture.
            TypeError: something has no port.
        """
        if not servers:
            raise TypeError("servers: expected a server such as tcp_server, got none")
        for server in servers:
            if not isinstance(getattr(server, "port", None), int):
                raise TypeError(f"servers: expected a server such as tcp_server, got {server!r}")
        protocols = {getattr(server, "protocol", "") for server in servers}
        known = PROTOCOLS if "" in protocols else protocols
        return _capturing(servers, known, interface, inside)


@contextmanager
def _capturing(
    servers: Sequence[HasPort],
    protocols: Iterable[str],
    interface: str | None,
    inside: "Host | None",
) -> Iterator[Packets]:
    make_socket = make_packet_socket
    if inside is not None:
        make_socket = partial(inside.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
        interface = interface or next((end.name for end in inside.interfaces), None)
    capture = Capture(
        interface or LOOPBACK_INTERFACE,
        ports=[server.port for server in servers],
        protocols=protocols,
        make_socket=make_socket,
    )
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(getattr(server, "captured", nullcontext)())
        stack.enter_context(capture)
        yield Packets(capture)
    if not capture.whole:
        lost = capture.drops + capture.unkept
        raise ExpectationFailed(f"inconclusive: {count(lost, 'frame')} lost by the capture")
