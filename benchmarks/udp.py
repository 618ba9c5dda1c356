"""UDP: the engine beside a bare `sendto` loop, asyncio and, where `bun` is on PATH, Bun.

64-byte datagrams on loopback. A measured sender sends to sinks; a measured receiver receives from a
load. Sinks and load are a small C program on the other core. Rounds are interleaved, in changing
order, and the medians are compared. Senders count the datagrams that the kernel took, receivers
those that arrived.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import progress

HERE = Path(__file__).parent
SIZE = 64
DESTINATIONS = 50
SEGMENTS = 64

# Each comparison: the title, ours, the other.
COMPARISONS = (
    ("send", "sockharness send", "bare sendto"),
    ("send_many to one", "sockharness send_many, one", "bun sendMany, one"),
    ("send_many to many", "sockharness send_many, many", "bun sendMany, many"),
    ("receive singles", "sockharness receives singles", "asyncio receives singles"),
    ("receive singles", "sockharness receives singles", "bun receives singles"),
    ("receive coalesced", "sockharness receives coalesced", "bun receives coalesced"),
)

Rates = dict[str, list[float]]


def build(folder: Path) -> str:
    """Compile load and sink; needs a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("a C compiler (cc) is needed for the load")
    program = folder / "udp_load"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "udp_load.c"], check=True)
    return str(program)


def bun(script: str) -> list[str]:
    """Return the command that runs a script in Bun; empty without Bun."""
    program = os.environ.get("SOCKHARNESS_BUN") or shutil.which("bun")
    return [program, "run", str(HERE / "servers" / script)] if program else []


def python(module: str) -> list[str]:
    """Return the command that runs a module of `servers`."""
    return [sys.executable, "-m", f"benchmarks.servers.{module}"]


def senders(one: Sequence[str], many: Sequence[str], seconds: float) -> dict[str, list[str]]:
    """Return the commands that send and print their rate."""
    length = [str(seconds), str(SIZE)]
    ours, theirs = python("udp_sender"), bun("bun_udp_sender.ts")
    commands = {
        "bare sendto": [*ours, "sendto", *length, *one],
        "sockharness send": [*ours, "send", *length, *one],
        "sockharness send_many, one": [*ours, "many", *length, *one],
        "sockharness send_many, many": [*ours, "many", *length, *many],
    }
    if theirs:
        commands["bun send"] = [*theirs, "send", *length, *one]
        commands["bun sendMany, one"] = [*theirs, "many", *length, *one]
        commands["bun sendMany, many"] = [*theirs, "many", *length, *many]
    return commands


def receivers() -> dict[str, list[str]]:
    """Return the commands that print a port and receive there."""
    commands = {
        "sockharness": python("udp_receiver"),
        "asyncio": [*python("udp_receiver"), "asyncio"],
    }
    if theirs := bun("bun_udp_receiver.ts"):
        commands["bun"] = theirs
    return commands


@contextmanager
def printing(command: Sequence[str], lines: int) -> Iterator[list[str]]:
    """Run a program; yields its first lines, then ends it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield [process.stdout.readline().strip() for _ in range(lines)]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def output(command: Sequence[str]) -> float:
    """Run a program and return the number that it prints."""
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def turned(commands: Mapping[str, list[str]], number: int) -> list[tuple[str, list[str]]]:
    """Return the commands in another order each round."""
    items = list(commands.items())
    return items[number % len(items) :] + items[: number % len(items)]


def measure_sending(load: str, *, rounds: int, seconds: float) -> Rates:
    """Measure the rates of all senders."""
    with (
        printing([load, "sink", "1"], 1) as one,
        printing([load, "sink", str(DESTINATIONS)], DESTINATIONS) as many,
    ):
        commands = senders(one, many, seconds)
        rates: Rates = {name: [] for name in commands}
        for number in range(rounds):
            for name, command in turned(commands, number):
                progress(f"udp: round {number + 1} of {rounds}, {name}")
                rates[name].append(output(command))
    return rates


def measure_receiving(load: str, *, rounds: int, seconds: float) -> Rates:
    """Measure the rates of all receivers, for both kinds of load."""
    kinds = {"singles": 1, "coalesced": SEGMENTS}
    commands = receivers()
    rates: Rates = {f"{name} receives {kind}": [] for kind in kinds for name in commands}
    for number in range(rounds):
        for kind, segments in kinds.items():
            for name, command in turned(commands, number):
                progress(f"udp: round {number + 1} of {rounds}, {name} receives {kind}")
                with printing(command, 1) as (port,):
                    flood = [load, "flood", port, str(seconds), str(SIZE), str(segments)]
                    rates[f"{name} receives {kind}"].append(output(flood) / seconds)
    return rates


def measure(folder: Path, *, rounds: int, seconds: float) -> dict[str, object]:
    """Return the datagrams a second of every sender and receiver, a value a round."""
    load = build(folder)
    if not bun(""):
        print("bun is not on PATH: left out")
    rates = measure_sending(load, rounds=rounds, seconds=seconds)
    rates |= measure_receiving(load, rounds=rounds, seconds=seconds)
    progress("")
    return {"rates": rates}
