"""The arguments of sendmmsg(2) and recvmmsg(2), in memory: many datagrams in one system call.

An array of `struct mmsghdr` refers to one of `struct iovec`, one of socket addresses, and the
payloads. Their addresses do not change, so a batch only fills in, or reads, the lengths and the
contents, each a column, in C. x86-64 and other machines with pointers of 64 bits have the same
layout (linux/socket.h): 8 words a header, 2 a vector.
"""

import errno
import mmap
import socket as _socket
import struct
import threading
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

MOST = 256  # messages; a call that takes longer keeps others waiting
POOL = 1 << 20  # bytes; copying more costs more than the calls that are saved
RECEIVE_BUFFER_SIZE = 512 * 1024
AVAILABLE = struct.calcsize("P") == 8
FORBIDDEN = frozenset((errno.ENOSYS, errno.EPERM))  # by a container's filter of system calls
NAME_SIZES: Mapping[int, int] = {_socket.AF_INET: 16, _socket.AF_INET6: 28}

_WORD = 8
_HEADER = 8  # words
# Which word of a header is what; the last three are also written by the kernel.
_NAME, _NAME_SIZE, _VECTOR, _VECTORS, _CONTROL, _CONTROL_SIZE, _FLAGS, _LENGTH = range(_HEADER)
_LOW = 0xFFFFFFFF  # of a word in which the kernel writes an int

_SLOT = 65536  # more than any datagram
_CONTROL_SPACE = 24
_CONTROL_HEAD = struct.Struct("=QII")  # cmsghdr: length, level, type
_SOURCES_LIMIT = 4096
_NO_CONTROL: list[tuple[int, int, bytes]] = []

# What recvmsg(2) returns: payload, control messages, flags, source.
Message = tuple[bytes, list[tuple[int, int, bytes]], int, Any]


class Vectors:
    """Room for `MOST` messages to addresses of a size, 0 on a connected socket.

    Attributes:
        headers: the address of the headers, for the system call.
    """

    __slots__ = ("_headers", "_name_view", "_names", "_pool", "_vectors", "headers")

    def __init__(self, name_size: int) -> None:
        self._headers = array("Q", bytes(_HEADER * _WORD * MOST))
        self._vectors = array("Q", bytes(2 * _WORD * MOST))
        self._names = array("B", bytes(max(1, name_size * MOST)))
        self._name_view = memoryview(self._names)
        self._pool = b""
        self.headers = self._headers.buffer_info()[0]
        if name_size:
            first = self._names.buffer_info()[0]
            self._column(_NAME, range(first, first + name_size * MOST, name_size))
            self._column(_NAME_SIZE, [name_size] * MOST)
        first = self._vectors.buffer_info()[0]
        self._column(_VECTOR, range(first, first + 2 * _WORD * MOST, 2 * _WORD))
        self._column(_VECTORS, [1] * MOST)

    def fill(self, payloads: Sequence[bytes | memoryview], names: Sequence[bytes]) -> bool:
        """Take in at most `MOST` datagrams; return whether there was room for their bytes.

        The payloads are kept until the next call.
        """
        sizes = list(map(len, payloads))
        total = sum(sizes)
        if total > POOL:
            return False
        self._pool = b"".join(payloads)
        begin = _address(self._pool)
        end = 2 * len(sizes)
        if sizes[0] and sizes.count(sizes[0]) == len(sizes):
            places = array("Q", range(begin, begin + total, sizes[0]))
        else:
            places = array("Q", list(accumulate(sizes, initial=begin))[:-1])
        self._vectors[0:end:2] = places
        self._vectors[1:end:2] = array("Q", sizes)
        if names:
            packed = b"".join(names)
            self._name_view[: len(packed)] = packed
        return True

    def _column(self, word: int, values: Sequence[int]) -> None:
        self._headers[word::_HEADER] = array("Q", values)


def _address(data: bytes | mmap.mmap) -> int:
    """Return the address of the bytes."""
    import ctypes

    if isinstance(data, mmap.mmap):
        return ctypes.addressof(ctypes.c_char.from_buffer(data))
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


_current = threading.local()


def receive_buffer() -> mmap.mmap:
    """Return the one buffer that all sockets of the calling thread receive into, made on first use.

    Anonymous memory: unlike a bytearray it costs nothing until the kernel fills a page.
    """
    buffer: mmap.mmap | None = getattr(_current, "buffer", None)
    if buffer is None:
        buffer = _current.buffer = mmap.mmap(-1, RECEIVE_BUFFER_SIZE)
    return buffer


class Slots:
    """Room for the messages that one system call receives, in a buffer that others use too.

    Attributes:
        headers: the address of the headers, for the system call.
        buffer: whose contents mean something from the system call until `taken`.
    """

    __slots__ = (
        "_controls",
        "_fresh",
        "_headers",
        "_name_size",
        "_names",
        "_sources",
        "_vectors",
        "buffer",
        "headers",
    )

    def __init__(self, buffer: mmap.mmap, family: int) -> None:
        count = len(buffer) // _SLOT
        self.buffer = buffer
        self._name_size = size = NAME_SIZES[family]
        self._sources: dict[bytes, Any] = {}
        self._names = array("B", bytes(size * count))
        self._controls = array("B", bytes(_CONTROL_SPACE * count))
        self._vectors = array("Q", bytes(2 * _WORD * count))
        self._vectors[0::2] = _places(_address(buffer), _SLOT, count)
        self._vectors[1::2] = array("Q", [_SLOT] * count)
        self._fresh = fresh = array("Q", bytes(_HEADER * _WORD * count))
        fresh[_NAME::_HEADER] = _places(self._names.buffer_info()[0], size, count)
        fresh[_NAME_SIZE::_HEADER] = array("Q", [size] * count)
        fresh[_VECTOR::_HEADER] = _places(self._vectors.buffer_info()[0], 2 * _WORD, count)
        fresh[_VECTORS::_HEADER] = array("Q", [1] * count)
        fresh[_CONTROL::_HEADER] = _places(self._controls.buffer_info()[0], _CONTROL_SPACE, count)
        fresh[_CONTROL_SIZE::_HEADER] = array("Q", [_CONTROL_SPACE] * count)
        self._headers = array("Q", fresh)
        self.headers = self._headers.buffer_info()[0]

    def clear(self) -> None:
        """Make room, before a system call."""
        self._headers[:] = self._fresh

    def taken(self, count: int) -> list[Message]:
        """Return the messages that a system call received, copied out of the buffer."""
        words = self._headers[: _HEADER * count].tolist()
        names, size, sources = self._names.tobytes(), self._name_size, self._sources
        buffer, messages = self.buffer, []
        columns = words[_LENGTH::_HEADER], words[_FLAGS::_HEADER], words[_CONTROL_SIZE::_HEADER]
        for slot, (length, flags, controls) in enumerate(zip(*columns, strict=True)):
            start = _SLOT * slot
            name = names[size * slot : size * (slot + 1)]
            source = sources.get(name) or self._source(name)
            data = buffer[start : start + (length & _LOW)]
            control = self._control(slot) if controls else _NO_CONTROL
            messages.append((data, control, flags & _LOW, source))
        return messages

    def _source(self, name: bytes) -> Any:
        """Return a socket address as Python writes it."""
        if len(self._sources) >= _SOURCES_LIMIT:
            self._sources.clear()
        port = int.from_bytes(name[2:4], "big")
        made: Any
        if self._name_size == NAME_SIZES[_socket.AF_INET]:
            made = _socket.inet_ntoa(name[4:8]), port
        else:
            flow = int.from_bytes(name[4:8], "big")
            (zone,) = struct.unpack_from("=I", name, 24)
            made = _socket.inet_ntop(_socket.AF_INET6, name[8:24]), port, flow, zone
        self._sources[name] = made
        return made

    def _control(self, slot: int) -> list[tuple[int, int, bytes]]:
        data = self._controls[_CONTROL_SPACE * slot : _CONTROL_SPACE * (slot + 1)].tobytes()
        length, level, kind = _CONTROL_HEAD.unpack_from(data)
        return [(level, kind, data[_CONTROL_HEAD.size : length])]


def _places(first: int, size: int, count: int) -> "array[int]":
    return array("Q", range(first, first + size * count, size))
