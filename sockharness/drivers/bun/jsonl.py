"""A child process that reads commands and writes reports as JSON lines.

A reactor watches its stdout, so its reports come in order with all other events. While an engine
waits for an answer, it reads the same lines by polling. Sending reads, too: otherwise a child that
is writing could block both sides. Its stderr goes to a file without a name, which needs no reader;
a failure's report quotes the end of it.

The child ends when its stdin does, so it does not outlive this process.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sockharness.clock import Clock, MonotonicClock
from sockharness.drivers.engine import EngineFailed
from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import UsageError
from sockharness.printable import show

Message = dict[str, Any]

ENDING = 2.0
"""Seconds that a child gets to end by itself."""
PIPE = 1 << 20
"""The size of the pipes, and what is read at once: as much as an unprivileged process may ask."""
TAIL = 1 << 16
"""The most bytes of stderr that are looked at."""
SHOWN = 10
"""The most lines of stderr that a report shows."""


class JsonlChild:
    """A running child. `close()` it.

    Args:
        name: how messages call it.
        command: the program and its arguments.
        env: its environment.

    Attributes:
        on_message: gets every message.
        failed: why it is of no more use; `None` while it works.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.on_message: Callable[[Message], None] = _drop
        self.failed: EngineFailed | None = None
        self._clock = clock or MonotonicClock()
        self._stderr = tempfile.TemporaryFile(prefix="sockharness-")  # noqa: SIM115 - ours
        self._mark = 0
        self._reactor: Reactor | None = None
        self._unread: list[bytes] = []  # pieces of a line: joined once, because lines can be long
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=dict(env),
                cwd="/",
                bufsize=0,
                process_group=0,  # an interrupt from the terminal is ours: it ends when we do
            )
        except OSError:
            self._stderr.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for fd in (self._in, self._out):
            os.set_blocking(fd, False)
            with contextlib.suppress(OSError):
                _set_pipe_size(fd)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs and takes commands."""
        return self.failed is None and self._process.poll() is None

    def attach(self, reactor: Reactor, on_message: Callable[[Message], None]) -> None:
        """Let a reactor read its messages; `on_message` gets them.

        Raises:
            UsageError: if another reactor reads it.
        """
        if self._reactor is not None:
            raise UsageError(f"this {self.name} is in use; close the other engine before")
        self.on_message = on_message
        self._reactor = reactor
        reactor.register(self._out, select.EPOLLIN, lambda _: self._read())

    def detach(self) -> None:
        """Take it from its reactor. Idempotent."""
        self.on_message = _drop
        if self._reactor is not None:
            self._reactor.unregister(self._out)
            self._reactor = None

    def send(self, message: Message, *, timeout: float) -> None:
        """Send a message; read its messages meanwhile.

        Raises:
            EngineFailed: if it is dead, or does not take the message for `timeout` seconds.
        """
        rest = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        deadline = self._clock.now() + timeout
        while rest:
            self.check()
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                self._poll(deadline, timeout, writing=True)
            except BrokenPipeError:
                self._read_all()
                self._ended()

    def wait(self, done: Callable[[], bool], *, timeout: float) -> None:
        """Read its messages until `done()`.

        Raises:
            EngineFailed: if it is dead, or `done()` does not come true for `timeout` seconds.
        """
        deadline = self._clock.now() + timeout
        while not done():
            self.check()
            self._poll(deadline, timeout)

    def check(self) -> None:
        """Raise `EngineFailed` if it is of no more use."""
        if self.failed is not None:
            raise self.failed

    def fail(self, headline: str) -> None:
        """Note why it is of no more use."""
        if self.failed is None:
            self.failed = EngineFailed(headline, self.remarks())

    def mark(self) -> None:
        """Let `remarks` begin with what it writes on stderr from now on."""
        self._mark = os.fstat(self._stderr.fileno()).st_size

    def remarks(self) -> list[str]:
        """Return the last lines that it wrote on stderr since the mark, below a title."""
        size = os.fstat(self._stderr.fileno()).st_size
        start = max(self._mark, size - TAIL)
        written = os.pread(self._stderr.fileno(), size - start, start)
        lines = written.decode(errors="replace").rstrip().splitlines()
        shown = [f"  {show(line, limit=120)}" for line in lines[-SHOWN:]]
        return [f"{self.name} wrote on stderr:", *shown] if shown else []

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Let it end, and kill it if it does not. Idempotent."""
        self.detach()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()
        self.failed = self.failed or EngineFailed(f"{self.name} is closed")

    def _poll(self, deadline: float, timeout: float, *, writing: bool = False) -> None:
        """Read what has come; sleep until something comes or can be written.

        Args:
            deadline: when to give up.
            timeout: the seconds that it had until then, for the text.
            writing: whether to wait for room to write, too.
        """
        left = deadline - self._clock.now()
        if left <= 0:
            self.fail(f"{self.name} did not answer within {timeout:g} s")
            self.kill()
            return
        poller = select.poll()
        poller.register(self._out, select.POLLIN)
        if writing:
            poller.register(self._in, select.POLLOUT)
        ready = dict(poller.poll(left * 1000))
        if self._out in ready:
            self._read()

    def _read(self) -> None:
        """Read once and pass on the whole lines; end of file is the end of the child."""
        try:
            data = os.read(self._out, PIPE)
        except BlockingIOError:
            return
        if not data:
            self._ended()
            return
        self._unread.append(data)
        if b"\n" not in data:
            return
        *lines, rest = b"".join(self._unread).split(b"\n")
        self._unread = [rest]
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.fail(f"{self.name} sent no JSON: {show(line, limit=60)}")
            return
        self.on_message(message)

    def _read_all(self) -> None:
        """Read what a dead child has left in the pipe."""
        while self.failed is None:
            self._read()

    def _ended(self) -> None:
        """Note how it ended, and stop to watch its descriptor, which stays readable."""
        on_message = self.on_message
        self.detach()
        self.on_message = on_message
        try:
            status = self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.fail(f"{self.name} closed its stdout")
            return
        died = signal.Signals(-status).name if status < 0 else f"status {status}"
        self.fail(f"{self.name} died: {died}")


def _drop(message: Message) -> None:
    """Drop a message."""


def _set_pipe_size(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)
