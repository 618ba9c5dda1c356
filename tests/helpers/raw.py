"""Plain sockets, which no reactor serves: the other side of a conversation."""

import socket
import struct


def reset(sock: socket.socket) -> None:
    """Close a socket with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


_TCP_INFO = struct.Struct("=24xI")  # linux/tcp.h: tcpi_unacked


def is_acknowledged(descriptor: int) -> bool:
    """Return whether the peer has acknowledged all data sent to it.

    A unix socket or a closed one (-1) has nothing to acknowledge.

    Until then a send buffer that is full is not full for good: the peer's kernel may acknowledge
    the last bytes 40 ms later (RFC 9293 section 3.8.6.3), and what they took becomes free.
    """
    if descriptor < 0:
        return True
    sock = socket.socket(fileno=descriptor)
    try:
        if sock.family == socket.AF_UNIX:
            return True
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    finally:
        sock.detach()
    return _TCP_INFO.unpack(info) == (0,)


def drain(sock: socket.socket) -> bytes:
    """Receive all that is there now, without waiting."""
    sock.setblocking(False)
    received = bytearray()
    while True:
        try:
            chunk = sock.recv(1 << 20)
        except BlockingIOError:
            return bytes(received)
        if not chunk:
            return bytes(received)
        received += chunk
