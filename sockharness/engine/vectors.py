"""The arguments of sendmmsg(2), in memory: many datagrams in one system call, to wherever.

An array of `struct mmsghdr` refers to one of `struct iovec`, one of socket addresses, and the
payloads, which are joined. Where things are does not change, so a batch only fills in the lengths,
the places of the payloads and the addresses, each a column, in C. x86-64 and other machines with
pointers of 64 bits have the same layout (linux/socket.h): 8 words a header, 2 a vector.
"""

import struct
from array import array
from collections.abc import Sequence
from itertools import accumulate

MOST = 256  # messages; a call that takes longer keeps others waiting
POOL = 1 << 20  # bytes; copying more costs more than the calls that are saved
AVAILABLE = struct.calcsize("P") == 8

_WORD = 8
_NAME, _NAME_SIZE, _VECTOR, _VECTORS = range(4)  # words of a header that are not 0


class Vectors:
    """Room for `MOST` messages to addresses of a size, 0 on a connected socket.

    Attributes:
        headers: the address of the headers, for the system call.
    """

    __slots__ = ("_headers", "_name_view", "_names", "_pool", "_vectors", "headers")

    def __init__(self, name_size: int) -> None:
        self._headers = array("Q", bytes(8 * _WORD * MOST))
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
        self._headers[word::8] = array("Q", values)


def _address(data: bytes) -> int:
    """Return where the bytes are."""
    import ctypes

    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
