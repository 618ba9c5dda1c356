"""The descriptors passed to a program in a host, and our ends of the pipes among them."""

import io
import os
import subprocess
from contextlib import ExitStack
from typing import IO, Any

Wanted = int | IO[Any] | None


class Pipes:
    """Opens the same pipes as `subprocess.Popen` for these arguments, and one for the status.

    The end of `with` closes the program's descriptors, since it has copies by then. It closes our
    ends, too, unless `keep` was called.

    Attributes:
        theirs: descriptors for stdin, stdout, stderr and the status.
    """

    __slots__ = ("_closing", "_kept", "_ours", "theirs")

    def __init__(self, stdin: Wanted, stdout: Wanted, stderr: Wanted) -> None:
        self.theirs: list[int] = []
        self._ours: list[int | None] = []
        self._closing = ExitStack()
        self._kept = ExitStack()
        try:
            for target, wanted in enumerate((stdin, stdout, stderr)):
                self._add(target, wanted)
            self._add_pipe(writes=False)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Pipes":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._kept.close()

    def keep(self, *, text: bool) -> tuple[int, IO[Any] | None, IO[Any] | None, IO[Any] | None]:
        """Leave our ends open; return the end of the status pipe, and the others as files."""
        self._kept.pop_all()
        *ends, status = self._ours
        assert status is not None
        stdin, stdout, stderr = (
            None if end is None else _file(end, mode, text=text)
            for end, mode in zip(ends, ("wb", "rb", "rb"), strict=True)
        )
        return status, stdin, stdout, stderr

    def _add(self, target: int, wanted: Wanted) -> None:
        if wanted == subprocess.PIPE:
            self._add_pipe(writes=target == 0)
            return
        self._ours.append(None)
        if wanted == subprocess.DEVNULL:
            self.theirs.append(self._close_later(os.open(os.devnull, os.O_RDWR)))
        elif wanted == subprocess.STDOUT:
            self.theirs.append(self.theirs[1])
        elif wanted is None:
            self.theirs.append(target)
        else:
            self.theirs.append(wanted if isinstance(wanted, int) else wanted.fileno())

    def _add_pipe(self, *, writes: bool) -> None:
        reading, writing = os.pipe()
        ours, theirs = (writing, reading) if writes else (reading, writing)
        self._kept.callback(os.close, ours)
        self._ours.append(ours)
        self.theirs.append(self._close_later(theirs))

    def _close_later(self, descriptor: int) -> int:
        self._closing.callback(os.close, descriptor)
        return descriptor


def _file(descriptor: int, mode: str, *, text: bool) -> IO[Any]:
    file: Any = os.fdopen(descriptor, mode)
    return io.TextIOWrapper(file, encoding="utf-8") if text else file
