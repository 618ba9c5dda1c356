"""A program that runs in a host of a network: the counterpart of `subprocess.Popen`.

It is the owner's child, not ours, so we cannot wait for it. Its exit status comes through a pipe.
Signals go through its pidfd, which cannot mean another process. Its PID is the one that this
process sees; the program knows itself by another one, since it is in a PID namespace.
"""

import io
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

_CHUNK = 1 << 16


class Program:
    """A program started by `Host.run`, with the members of `subprocess.Popen` that tests use.

    Attributes:
        args: the program's arguments, the first its name.
        pid: its number in this process's eyes.
        stdin, stdout, stderr: ends of pipes, `None` where none was asked for; closed by `with` and
            `communicate`.
        returncode: `None` until it is known to have ended; negative: the signal that ended it.

    Like a `Popen`, it should be used by one thread at a time.
    """

    __slots__ = ("_pidfd", "_status", "args", "pid", "returncode", "stderr", "stdin", "stdout")

    def __init__(
        self,
        args: Sequence[str],
        pidfd: int,
        status: int,
        stdin: IO[Any] | None,
        stdout: IO[Any] | None,
        stderr: IO[Any] | None,
    ) -> None:
        self.args = tuple(args)
        self.pid = _pid_of(pidfd)
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        # As files, which warn if they are forgotten, and are closed then.
        self._pidfd = io.FileIO(pidfd)
        self._status = io.FileIO(status)

    def __repr__(self) -> str:
        state = "runs" if self.returncode is None else f"returncode={self.returncode}"
        return f"<Program {self.args[0]} pid={self.pid} {state}>"

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pipes and wait, as `Popen` does; first `kill` a program that does not end."""
        for pipe in (self.stdout, self.stderr, self.stdin):
            if pipe is not None:
                pipe.close()
        self.wait()

    def poll(self) -> int | None:
        """Return its exit status, or `None` while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        if self._look(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def communicate(
        self, input: str | bytes | None = None, timeout: float | None = None
    ) -> tuple[Any, Any]:
        """Write `input`, read all output, wait for its end; return (stdout, stderr).

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds; has its output so far.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        said: dict[IO[Any], bytearray] = {
            pipe: bytearray() for pipe in (self.stdout, self.stderr) if pipe is not None
        }
        done = _exchange(self.stdin, _encoded(input), said, deadline)
        output, errors = (_decoded(pipe, said) for pipe in (self.stdout, self.stderr))
        if not done or self._look(_left(deadline)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0, output, errors)
        return output, errors

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended just now; the next look reads its status
                signal.pidfd_send_signal(self._pidfd.fileno(), number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when it ends; -1 once that is known."""
        return -1 if self._status.closed else self._status.fileno()

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if poll.poll(None if timeout is None else max(timeout, 0) * 1000):
                self._ended(self._status.read(32))
        return self.returncode

    def _ended(self, status: bytes) -> None:
        # An empty status: the owner is gone, and the kernel has killed all in its PID namespace.
        ended_by = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL
        self.returncode = ended_by
        self._status.close()
        self._pidfd.close()


def _exchange(
    stdin: IO[Any] | None, data: bytes, said: dict[IO[Any], bytearray], deadline: float | None
) -> bool:
    """Write and read at once, so that no side waits for the other; return whether all is done."""
    rest = memoryview(data)
    with selectors.DefaultSelector() as selector:
        for output in said:
            selector.register(output, selectors.EVENT_READ)
        if stdin is not None and rest:
            os.set_blocking(stdin.fileno(), False)
            selector.register(stdin, selectors.EVENT_WRITE)
        elif stdin is not None:
            stdin.close()
        while selector.get_map():
            ready = selector.select(_left(deadline))
            if not ready:
                return False
            for key, _ in ready:
                pipe: Any = key.fileobj
                if pipe is stdin:
                    rest = _written(key.fd, rest)
                    finished = not rest
                else:
                    chunk = os.read(key.fd, _CHUNK)
                    said[pipe] += chunk
                    finished = not chunk
                if finished:
                    selector.unregister(pipe)
                    pipe.close()
    return True


def _written(descriptor: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        return rest[:0]  # it reads no more, which is its right


def _encoded(text: str | bytes | None) -> bytes:
    return text.encode() if isinstance(text, str) else text or b""


def _decoded(pipe: IO[Any] | None, said: dict[IO[Any], bytearray]) -> str | bytes | None:
    if pipe is None:
        return None
    data = bytes(said[pipe])
    return data.decode() if isinstance(pipe, io.TextIOWrapper) else data


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0)


def _pid_of(pidfd: int) -> int:
    """Return the number of a pidfd's process in the eyes of this one (proc(5), fdinfo)."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == "Pid":
                return int(value)
    return -1
