"""Waits until what was sent over loopback is there.

As a rule the kernel delivers it inside the system call that sends it. But when its time there is
over, as it is at once on a virtual machine that was stopped for a while, it leaves the rest to a
thread of its own (ksoftirqd), in the order in which it was sent. So whoever sends himself a
datagram, and has it, has all that was sent before.
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
