"""Checks of arguments that `listen` and `connect` share.

Every complaint names the option, what was expected and what was got, before anything is opened. A
wrong type is a `TypeError`, a wrong value a `ValueError`; `True` is not the number 1 here. Unlike
in JavaScript nothing is coerced (TCP-120..130).
"""

import errno
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from sockharness.errors import with_code

__tracebackhide__ = True

# The engine strips this prefix from a path, lower case only (TCP-192).
_UNIX_PREFIXES = ("unix://", "file://", "sock://")
UNIX_PATH_LIMIT = 107  # sun_path has 108 bytes, one of them the closing NUL
_SHOWN = 100  # characters of what was got; a whole payload would bury the complaint

T = TypeVar("T")


def complain(option: str, expected: str, got: object) -> str:
    """Return the error text for a wrong argument."""
    text = repr(got)
    return f"{option}: expected {expected}, got {text[:_SHOWN]}{'…' * (len(text) > _SHOWN)}"


def complain_unseen(option: str, expected: str, got: object) -> str:
    """Return the error text for a wrong argument that may be a secret: it shows the type only."""
    return f"{option}: expected {expected}, got {type(got).__name__}"


def utf8(option: str, text: str) -> bytes:
    """Return a text as bytes. If it cannot be encoded, the error shows the wrong character only."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        wrong = error.object[error.start]
        raise ValueError(f"{option}: expected text that can be encoded, got {wrong!r}") from None


def instance(option: str, value: object, kind: type[T]) -> T:
    """Return `value` if it is of a class."""
    if not isinstance(value, kind):
        raise TypeError(complain(option, f"a {kind.__name__}", value))
    return value


def integer(option: str, value: object, lowest: int, highest: int) -> int:
    """Return `value` if it is an integer (not a bool) within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(complain(option, "an integer", value))
    if not lowest <= value <= highest:
        raise ValueError(complain(option, f"{lowest} to {highest}", value))
    return value


def port_number(option: str, value: object) -> int:
    """Return `value` if it is a port number, 0 included."""
    return integer(option, value, 0, 65535)


def flag(option: str, value: object) -> bool:
    """Return `value` if it is a bool (TCP-126)."""
    if not isinstance(value, bool):
        raise TypeError(complain(option, "True or False", value))
    return value


def seconds(option: str, value: object) -> float:
    """Return `value` if it is a finite number of seconds, 0 or more."""
    number = _number_of_seconds(option, value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(complain(option, "a finite number of seconds, 0 or more", value))
    return number


def moment(option: str, value: object) -> float:
    """Return `value` if it is on a scale of seconds: any number but NaN, which has no order."""
    number = _number_of_seconds(option, value)
    if math.isnan(number):
        raise ValueError(complain(option, "a number of seconds", value))
    return number


def _number_of_seconds(option: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(complain(option, "a number of seconds", value))
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf


def optional_seconds(option: str, value: object) -> float | None:
    """Return `value` if it is `None` or a number of seconds above 0."""
    if value is None:
        return None
    if seconds(option, value) == 0:
        raise ValueError(complain(option, "more than 0 seconds, or None", value))
    return seconds(option, value)


def buffer_size(option: str, value: object) -> int | None:
    """Return `value` if it is `None` or a size for a socket buffer in bytes."""
    return None if value is None else integer(option, value, 1, 2**31 - 1)


def name_or_address(option: str, value: object) -> str:
    """Return `value` if it is a name or an IP address (TCP-124)."""
    if not isinstance(value, str):
        raise TypeError(complain(option, "a name or an IP address as str", value))
    if not value or "\0" in value:
        raise ValueError(complain(option, "a non-empty name without NUL", value))
    if not _is_encodable(value):
        raise ValueError(complain(option, "a name with labels of 1 to 63", value))
    return value


@lru_cache(maxsize=64)  # programs listen and connect to the same few names, and this is slow
def _is_encodable(name: str) -> bool:
    """Return whether getaddrinfo(3) accepts a name."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def unix_path(option: str, value: object) -> str:
    """Return the path of a unix socket without its prefix; NUL first means abstract (TCP-193)."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(complain(option, "a path", value))
    path = os.fsdecode(value)
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError(complain(option, "a path that can be encoded", value)) from None
    for prefix in _UNIX_PREFIXES:
        path = path.removeprefix(prefix)
    if not path or "\0" in path[1:]:
        raise ValueError(complain(option, "a non-empty path, NUL at most as first byte", value))
    return path


def target(function: str, *, hostname: object, port: object, unix: object) -> str | None:
    """Demand either `hostname` and `port`, or `unix` (D24); return the path if it is `unix`."""
    if unix is not None:
        for name, value in (("hostname", hostname), ("port", port)):
            if value is not None:
                raise ValueError(f"{function}: expected one target, got unix and {name}")
        return unix_path("unix", unix)
    if hostname is None and port is None:
        raise TypeError(f"{function}: expected hostname and port, or unix, got neither")
    if hostname is None:
        raise TypeError(f"{function}: expected a hostname beside port {port!r}, got none")
    name_or_address("hostname", hostname)
    if port is None:
        raise TypeError(f"{function}: expected a port beside hostname {hostname!r}, got none")
    port_number("port", port)
    return None


def name_error(error: socket.gaierror) -> socket.gaierror:
    """Give a failed look-up its `code`: ENOTFOUND, EAI_AGAIN or the resolver's own name for it."""
    if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
        code = "ENOTFOUND"
    else:
        names = (name for name in dir(socket) if name.startswith("EAI_"))
        code = next((name for name in names if getattr(socket, name) == error.errno), "")
    error.code = code  # type: ignore[attr-defined]
    return error


def described(error: OSError, action: str) -> OSError:
    """Return the same error with its `code`, and with the attempted action in its text."""
    if isinstance(error, socket.gaierror):
        return name_error(socket.gaierror(error.errno, f"{error.strerror}: {action}"))
    return with_code(OSError(error.errno, f"{error.strerror}: {action}"))


@contextmanager
def describing(function: str, *arguments: object) -> Iterator[None]:
    """Give an `OSError` its `code`, and say which call the kernel refused; `None` was absent."""
    try:
        yield
    except OSError as error:
        given = ", ".join(repr(each) for each in arguments if each is not None)
        raise described(error, f"{function}({given})") from None


class UnixAddress:
    """The name under which a unix path can be bound or connected to; a context manager.

    `sun_path` takes 107 bytes. A longer path is reached through its directory, opened without
    rights (O_PATH): `/proc/self/fd/N/name` (TCP-195). Only the last component is limited then.
    """

    __slots__ = ("_directory", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._directory = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= UNIX_PATH_LIMIT:
            return self._path
        directory, base = os.path.split(self._path)
        if self._path[0] == "\0":
            raise OSError(errno.EINVAL, "the abstract name is longer than 107 bytes")
        self._directory = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        prefix, size = f"/proc/self/fd/{self._directory}/", len(os.fsencode(base))
        most = UNIX_PATH_LIMIT - len(prefix)
        if size > most:
            self.__exit__()
            text = f"the path's last component is too long, {size} bytes of at most {most}"
            raise OSError(errno.EINVAL, text)
        return prefix + base

    def __exit__(self, *_exception: object) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1
