"""Options of a connected socket. Setters return `False` if refused (TCP-186, TCP-187)."""

import socket as _socket

_LINGER_ZERO = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds
_PROBE_INTERVAL = 1  # seconds between probes, and their number, as in Bun
_PROBES = 10
_LARGEST = 2**31 - 1  # what setsockopt(2) can be asked for; the system refuses less than that


def no_delay(sock: _socket.socket, *, on: bool) -> bool:
    """Switch TCP_NODELAY; a unix socket has nothing to switch and agrees."""
    return _is_unix(sock) or _set(sock, _socket.IPPROTO_TCP, _socket.TCP_NODELAY, int(on))


def keep_alive(sock: _socket.socket, *, on: bool, delay: int) -> bool:
    """Switch SO_KEEPALIVE; with a delay of 1 s or more, set when the probes come too."""
    if not _set(sock, _socket.SOL_SOCKET, _socket.SO_KEEPALIVE, int(on)):
        return False
    if not on or delay < 1:
        return True
    return (
        not _is_unix(sock)
        and _set(sock, _socket.IPPROTO_TCP, _socket.TCP_KEEPIDLE, min(delay, _LARGEST))
        and _set(sock, _socket.IPPROTO_TCP, _socket.TCP_KEEPINTVL, _PROBE_INTERVAL)
        and _set(sock, _socket.IPPROTO_TCP, _socket.TCP_KEEPCNT, _PROBES)
    )


def reset_on_close(sock: _socket.socket) -> None:
    """Let close(2) send RST and drop what was not sent (SO_LINGER, 0 seconds)."""
    sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _LINGER_ZERO)


def take_error(sock: _socket.socket) -> int:
    """Return the pending errno (0: none), which is not pending any more then (SO_ERROR)."""
    return sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)


def _is_unix(sock: _socket.socket) -> bool:
    return bool(sock.family == _socket.AF_UNIX)


def _set(sock: _socket.socket, level: int, option: int, value: int) -> bool:
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True
