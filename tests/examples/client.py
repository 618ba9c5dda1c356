"""The program under test of the examples: a client that connects again when it was reset."""

import socket


class Client:
    """Sends PING and reads a line."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def ping(self) -> str:
        """Return the answer."""
        try:
            return self._ask(b"PING\r\n")
        except ConnectionResetError:
            return self._ask(b"PING\r\n")

    def give_up(self) -> None:
        """Connect, and reset the connection."""
        with socket.create_connection(self._address, timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def _ask(self, question: bytes) -> str:
        with socket.create_connection(self._address, timeout=5) as connection:
            connection.sendall(question)
            return connection.makefile("r", newline="\n").readline().rstrip()
