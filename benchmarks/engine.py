"""The engine beside asyncio, uvloop and, where `bun` is on PATH, Bun.

The load is a small C program in a process of its own; server and load have a core each. Rounds are
interleaved: each server is measured once a round, in changing order, and medians are compared.
CPU time is what the kernel accounted to the server's process.
"""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import progress

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Figures:
    """What one server did, a value a round."""

    rate: list[float] = field(default_factory=list)
    user: list[float] = field(default_factory=list)
    system: list[float] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Return the median of a figure."""
        values: list[float] = getattr(self, name)
        return statistics.median(values)


def peers() -> dict[str, list[str]]:
    """Return the commands of the servers that can run here."""
    python = sys.executable
    servers = {
        "sockharness": [python, "-m", "benchmarks.servers.sockharness_inline"],
        "asyncio": [python, "-m", "benchmarks.servers.asyncio_protocol"],
    }
    try:
        import uvloop  # noqa: F401
    except ImportError:
        print("uvloop is not installed: left out")
    else:
        servers["uvloop"] = [*servers["asyncio"], "uvloop"]
    bun = os.environ.get("SOCKHARNESS_BUN") or shutil.which("bun")
    if bun:
        servers["bun"] = [bun, "run", str(HERE / "servers" / "bun_echo.ts")]
    else:
        print("bun is not on PATH: left out")
    return servers


@contextmanager
def serving(command: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Run a server; gives its process id and port."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.pid, int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def build_load(folder: Path) -> str:
    """Compile the load; needs a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("a C compiler (cc) is needed for the load")
    program = folder / "load"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "load.c"], check=True)
    return str(program)


def compare(
    load: str, mode: str, *, connections: int, size: int, seconds: float, rounds: int
) -> dict[str, Figures]:
    """Measure every server under one kind of load."""
    servers = peers()
    figures = {name: Figures() for name in servers}
    extra = ["sink"] if mode == "bulk" else []
    for number in range(rounds):
        names = list(servers)
        names = names[number % len(names) :] + names[: number % len(names)]
        for name in names:
            progress(f"{mode}: round {number + 1} of {rounds}, {name}")
            with serving([*servers[name], *extra]) as (pid, port):
                _one(
                    figures[name],
                    [load, mode, str(port), str(connections), str(seconds), str(size)],
                    pid,
                )
    progress("")
    return figures


def _one(figures: Figures, command: list[str], pid: int) -> None:
    before = _cpu(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    user, system = (after - earlier for after, earlier in zip(_cpu(pid), before, strict=True))
    amount, seconds = int(done.stdout), float(command[4])
    figures.rate.append(amount / seconds)
    figures.user.append(user / amount * 1e6)
    figures.system.append(system / amount * 1e6)


def _cpu(pid: int) -> tuple[float, float]:
    """Return user and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def memory(load: str, *, connections: int) -> dict[str, float]:
    """Return the resident KiB of each server for an idle accepted connection."""
    result = {}
    for name, command in peers().items():
        with serving(command) as (pid, port):
            _idle(load, port, 10)
            before = _resident(pid)
            with subprocess.Popen(
                [load, "idle", str(port), str(connections), "0", "0"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as idle:
                assert idle.stdout is not None
                idle.stdout.readline()
                _settled(pid, connections)
                result[name] = (_resident(pid) - before) / connections / 1024
    return result


def _idle(load: str, port: int, connections: int) -> None:
    """Open some connections and close them, so that what is made once is made."""
    command = [load, "idle", str(port), str(connections), "0", "0"]
    subprocess.run(command, input="", text=True, check=True, capture_output=True)


def _settled(pid: int, connections: int) -> None:
    """Wait until the server has accepted all of them, by its descriptors."""
    folder = Path(f"/proc/{pid}/fd")
    for _ in range(1_000_000):
        if sum(1 for _ in folder.iterdir()) >= connections:
            return
    raise SystemExit("the server did not accept all connections")


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


KINDS = (
    ("echo of 64 bytes on 64 connections", "echo", 64, 64, "messages/s"),
    ("one-way bulk, 64 KiB writes", "bulk", 1, 65536, "bytes/s"),
    ("connect, echo, close", "churn", 16, 64, "connections/s"),
)


def measure(folder: Path, *, rounds: int, seconds: float) -> tuple[list[str], dict[str, object]]:
    """Return the lines of the result, and the same as data."""
    load = build_load(folder)
    lines: list[str] = []
    data: dict[str, object] = {}
    for title, mode, connections, size, unit in KINDS:
        figures = compare(
            load, mode, connections=connections, size=size, seconds=seconds, rounds=rounds
        )
        ours = figures["sockharness"]
        lines.append(f"{title}, {rounds} rounds of {seconds:g} s")
        for name, each in figures.items():
            rate, user, system = each.median("rate"), each.median("user"), each.median("system")
            ratio, cpu = ours.median("rate") / rate, ours.median("user") / user if user else 0.0
            lines.append(
                f"  {name:12} {rate:14,.0f} {unit:14} user {user:7.3f} µs  system {system:7.3f} µs"
                f"  sockharness is {ratio:.2f} of it, user CPU {cpu:.2f}"
            )
            data[f"{mode} {name}"] = {"rate": each.rate, "user": each.user, "system": each.system}
    sizes = memory(load, connections=1000)
    lines.append("memory of an idle accepted connection, 1000 of them")
    lines += [f"  {name:12} {size:6.2f} KiB" for name, size in sizes.items()]
    data["memory"] = sizes
    return lines, data
