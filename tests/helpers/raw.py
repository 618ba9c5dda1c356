"""Plain sockets, which no reactor serves: the other side of a conversation."""

import socket
import struct


def reset(sock: socket.socket) -> None:
    """Close a socket with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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
