"""The engine beside asyncio, uvloop and, where `bun` is on PATH, Bun.

A small C program in its own process is the load. Server and load have one core each, and the
benchmark also measures how busy each of them was: a figure is about the server only if the server
was the busier one. Rounds are interleaved: a round measures each server once, in changing order,
and the medians are compared. CPU time is the kernel's account of the server's process while the
load ran, without the opening of the connections.

**Scaling.** The same echo on 1 to 10,000 connections. If a message costs the same CPU on each of
them, the cost grows linearly. Client and server need a descriptor for each connection, so the soft
limit is raised to the hard one, and counts beyond the hard limit are left out. All connections
come from 127.0.0.1, which has 28,000 ports to connect from.
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import progress

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SCALE = (1, 10, 100, 1000, 10000)
IDLE = 1000
SPARE_DESCRIPTORS = 64  # descriptors of a process besides its connections

# One figure of a server, a value a round: rate (units a second), user and system (CPU µs a unit),
# busy and load (CPU seconds a second, of the server and of the load).
Figures = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load, and the unit of its figures."""

    title: str
    mode: str
    connections: int
    size: int
    unit: str
    per: int = 1  # how many messages, bytes or connections make one unit


LOADS = (
    Load("echo of 64 bytes on 64 connections", "echo", 64, 64, "message"),
    Load("one-way bulk, 64 KiB writes", "bulk", 1, 2**16, "MiB", 2**20),
    Load("connect, echo, close", "churn", 16, 64, "connection"),
)
ECHO = LOADS[0]


def peers() -> dict[str, list[str]]:
    """Return the commands of the servers that can run here."""
    python = sys.executable
    servers = {
        "sockharness": [python, "-m", "benchmarks.servers.sockharness_inline"],
        "sockharness in asyncio": [python, "-m", "benchmarks.servers.sockharness_in_asyncio"],
        "asyncio": [python, "-m", "benchmarks.servers.asyncio_protocol"],
    }
    if find_spec("uvloop"):
        servers["uvloop"] = [*servers["asyncio"], "uvloop"]
    else:
        print("uvloop is not installed: left out")
    if bun := _bun():
        servers["Bun"] = [bun, "run", str(HERE / "servers" / "bun_echo.ts")]
    else:
        print("bun is not on PATH: left out")
    return servers


def versions() -> dict[str, str]:
    """Return the versions of the servers that do not come with Python."""
    found = {}
    with suppress(PackageNotFoundError):
        found["uvloop"] = version("uvloop")
    if bun := _bun():
        done = subprocess.run([bun, "--version"], capture_output=True, text=True, check=True)
        found["Bun"] = done.stdout.strip()
    return found


def _bun() -> str | None:
    return os.environ.get("SOCKHARNESS_BUN") or shutil.which("bun")


def build_load(folder: Path) -> str:
    """Compile the load; needs a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("a C compiler (cc) is needed for the load")
    program = folder / "load"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "load.c"], check=True)
    return str(program)


def measure(
    program: str, servers: dict[str, list[str]], *, rounds: int, seconds: float
) -> dict[str, object]:
    """Measure every server under every kind of load, and the memory of a connection."""
    loads: dict[str, object] = {
        load.mode: compare(program, servers, load, rounds=rounds, seconds=seconds) for load in LOADS
    }
    return {**loads, "memory": memory(program, servers)}


def measure_scaling(
    program: str, servers: dict[str, list[str]], *, rounds: int, seconds: float
) -> dict[str, object]:
    """Measure every server with echo on a growing number of connections."""
    possible = _raised_descriptor_limit() - SPARE_DESCRIPTORS
    counts = [count for count in SCALE if count <= possible]
    if len(counts) < len(SCALE):
        print(f"the hard limit of descriptors allows {possible} connections: more are left out")
    return {
        str(count): compare(
            program, servers, replace(ECHO, connections=count), rounds=rounds, seconds=seconds
        )
        for count in counts
    }


def compare(
    program: str, servers: dict[str, list[str]], load: Load, *, rounds: int, seconds: float
) -> dict[str, Figures]:
    """Measure every server under one kind of load."""
    figures: dict[str, Figures] = {name: {} for name in servers}
    extra = ["sink"] if load.mode == "bulk" else []
    for number in range(rounds):
        for name in _in_turn(list(servers), number):
            where = f"{load.mode} on {load.connections}: round {number + 1} of {rounds}, {name}"
            progress(where)
            with _serving([*servers[name], *extra]) as (pid, port):
                for figure, value in _one(program, pid, port, load, seconds).items():
                    figures[name].setdefault(figure, []).append(value)
    progress("")
    return figures


def memory(program: str, servers: dict[str, list[str]]) -> dict[str, float]:
    """Return the resident KiB of each server for an idle accepted connection."""
    result = {}
    for name, command in servers.items():
        with _serving(command) as (pid, port):
            with _loading(program, port, Load("", "idle", 10, 0, "")):
                pass  # a warm-up: objects that are created only once
            before = _resident(pid)
            with _loading(program, port, Load("", "idle", IDLE, 0, "")):
                _wait_until_accepted(pid, IDLE)
                result[name] = (_resident(pid) - before) / IDLE / 1024
    return result


def _in_turn(names: list[str], number: int) -> list[str]:
    first = number % len(names)
    return names[first:] + names[:first]


def _one(program: str, pid: int, port: int, load: Load, seconds: float) -> dict[str, float]:
    with _loading(program, port, load, seconds) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = _cpu(pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        line = process.stdout.readline()
        user, system = (after - earlier for after, earlier in zip(_cpu(pid), before, strict=True))
    if not line:
        raise SystemExit(f"the load failed: {load.title}, {load.connections} connections")
    counted, lasted, used = map(float, line.split())
    amount = counted / load.per
    return {
        "rate": amount / lasted,
        "user": user / amount * 1e6,
        "system": system / amount * 1e6,
        "busy": (user + system) / lasted,
        "load": used / lasted,
    }


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Run a server; yields its process id and port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.pid, int(server.stdout.readline())
        finally:
            server.kill()


@contextmanager
def _loading(
    program: str, port: int, load: Load, seconds: float = 0
) -> "Iterator[subprocess.Popen[str]]":
    """Run the load; yields the process when its connections are open."""
    words = [program, load.mode, *map(str, (port, load.connections, seconds, load.size))]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{' '.join(words)} could not open its connections")
        yield process


def _cpu(pid: int) -> tuple[float, float]:
    """Return user and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def _wait_until_accepted(pid: int, connections: int) -> None:
    """Wait until the server's descriptors show that it has accepted all connections."""
    folder = Path(f"/proc/{pid}/fd")
    for _ in range(1_000_000):
        if sum(1 for _ in folder.iterdir()) >= connections:
            return
    raise SystemExit("the server did not accept all connections")


def _raised_descriptor_limit() -> int:
    """Raise the soft limit of descriptors, which the children inherit, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
