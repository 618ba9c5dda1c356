"""The Bun program: where it is, whether it is new enough, and its one child process."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType

from sockharness.clock import MonotonicClock
from sockharness.drivers.bun.jsonl import JsonlChild, Message
from sockharness.drivers.engine import EngineFailed
from sockharness.errors import Unavailable
from sockharness.printable import show

HOST = Path(__file__).with_name("host.ts")
OLDEST = (1, 3)
START = 10.0
"""Seconds in which it must have started."""
ANSWER = 5.0
"""Seconds in which it must answer."""
QUESTIONS = 20
"""The number of comparisons of its clock with ours."""
INHERITED = ("PATH", "LANG", "TMPDIR")
"""The variables of our environment that it gets."""


class BunProgram:
    """The Bun of a run, with at most one child. A context manager, or `close()` it.

    Args:
        path: the program; without it `SOCKHARNESS_BUN` or the one on PATH.
    """

    def __init__(self, path: str = "") -> None:
        named = path or os.environ.get("SOCKHARNESS_BUN", "")
        found = shutil.which(named or "bun") or named
        self.path = os.path.abspath(found) if found else ""
        self._child: JsonlChild | None = None
        self._failed: EngineFailed | None = None
        self._offset = 0.0

    def missing(self) -> str:
        """Return why it cannot be used, with remedies; empty if it can."""
        if not self.path:
            return "no 'bun' on PATH; name it with --sock-bun=PATH or SOCKHARNESS_BUN"
        version, why_not = _version(self.path)
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None:
            return f"no Bun at {self.path}: {why_not}"
        if (int(found[1]), int(found[2])) < OLDEST:
            return f"Bun {version} at {self.path} is too old: 1.3 or newer is needed"
        return ""

    @property
    def version(self) -> str:
        """Its version, such as `1.4.5`; empty if it cannot be used."""
        return "" if self.missing() else _version(self.path)[0]

    @property
    def offset(self) -> float:
        """The seconds to add to the child's time to get the time of `time.monotonic()`."""
        return self._offset

    def child(self) -> JsonlChild:
        """Return the child; it is started if there is none, or none that lives.

        Raises:
            Unavailable: if this machine has no such program.
            EngineFailed: if it does not start. It is not tried again, so a Bun that hangs costs
                its time-out once, not for every spec.
        """
        if self._failed is not None:
            raise EngineFailed(self._failed.headline, self._failed.details)
        if self._child is None or not self._child.alive:
            self.close()
            if reason := self.missing():
                raise Unavailable(reason)
            self._child = self._start()
        self._child.mark()
        return self._child

    def close(self) -> None:
        """End the child. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> JsonlChild:
        command = [self.path, "run", "--no-install", "--silent", str(HOST)]
        env = {name: os.environ[name] for name in INHERITED if name in os.environ}
        env |= {"DO_NOT_TRACK": "1", "BUN_RUNTIME_TRANSPILER_CACHE_PATH": "0"}
        try:
            child = JsonlChild("bun", command, env=env)
        except OSError as error:
            raise self._did_not_start(error.strerror or str(error), []) from None
        try:
            self._greet(child)
        except BaseException as error:
            child.kill()
            child.close()
            if isinstance(error, EngineFailed):
                what = error.headline.removeprefix("bun ")
                raise self._did_not_start(f"it {what}", error.details) from None
            raise
        return child

    def _did_not_start(self, why: str, details: Sequence[str]) -> EngineFailed:
        """Return and keep the failure of a Bun that does not start."""
        self._failed = EngineFailed(
            f"Bun {self.version} did not start: {why}",
            (
                f"bun: {self.path}",
                *details,
                f"try '{self.path} --version', or name another with --sock-bun=PATH",
            ),
        )
        return self._failed

    def _greet(self, child: JsonlChild) -> None:
        """Wait until it is up, and compare the clocks.

        Each answer lies between two times of ours; the quickest one says most. The first ones are
        slow, because what they run has not been compiled yet.
        """
        messages: list[Message] = []
        child.on_message = messages.append
        child.wait(lambda: bool(messages), timeout=START)
        self._offset = min(_compare_clocks(child, messages) for _ in range(QUESTIONS))[1]

    def __enter__(self) -> "BunProgram":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _compare_clocks(child: JsonlChild, messages: list[Message]) -> tuple[float, float]:
    """Ask for its time; return how long that took, and how far our clock is ahead."""
    clock, known = MonotonicClock(), len(messages)
    began = clock.now()
    child.send({"ack": 0, "do": []}, timeout=ANSWER)
    child.wait(lambda: len(messages) > known, timeout=ANSWER)
    ended = clock.now()
    return ended - began, (began + ended) / 2 - messages[known]["at"]


@cache
def _version(path: str) -> tuple[str, str]:
    """Ask a program for its version; return its answer, and the error text if it is none."""
    asked = f"'{path} --version'"
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        return "", f"{asked} does not end within {START:g} s"
    except OSError as error:
        return "", error.strerror or str(error)
    said = done.stdout.strip()
    if not done.returncode:
        return said, f"{asked} says {_quoted(said)}"
    if done.returncode < 0:
        return "", f"{asked} dies by {signal.Signals(-done.returncode).name}"
    complaint = done.stderr.strip() or said
    and_says = f" and says {_quoted(complaint)}" if complaint else ""
    return "", f"{asked} ends with status {done.returncode}{and_says}"


def _quoted(text: str) -> str:
    """Quote the last line of what a program said."""
    return f"'{show(text.rpartition(chr(10))[2], limit=80)}'"
