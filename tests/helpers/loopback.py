"""Waits until all data sent over loopback has arrived.

As a rule the kernel delivers data inside the system call that sends it. But its time there is
limited, and is over at once on a virtual machine that was stopped for a while. The kernel then
leaves the rest to a thread of its own (ksoftirqd), which keeps the order. So a process sends itself
a datagram: when this has arrived, all earlier data has arrived, too.
"""

import atexit
import socket


def _to_itself() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    atexit.register(sock.close)
    sock.bind(("127.0.0.1", 0))
    sock.connect(sock.getsockname())
    sock.settimeout(30)
    return sock


_PROBE = _to_itself()  # from the beginning: there are tests that count descriptors


def wait_for_delivery() -> None:
    """Return when all that this thread has sent over loopback is where it should go."""
    _PROBE.send(b"")
    _PROBE.recv(1)
