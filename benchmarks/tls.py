"""TLS beside asyncio's and uvloop's: bulk on one stream, and handshakes.

Client and server use the same engine in one process, so the load is never the bottleneck, and CPU
time covers both ends. All speak TLS 1.3 with the same cipher; asyncio and
uvloop use the OpenSSL of Python, the engine that of `cryptography`. Rounds are interleaved.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import trustme

from benchmarks.engine import Figures
from benchmarks.measure import progress

PAIR = "benchmarks.servers.tls_pair"


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load, and the unit of its figures."""

    title: str
    kind: str
    unit: str
    per: int = 1


LOADS = (
    Load("TLS 1.3, one stream, 64 KiB writes, both ends in one process", "bulk", "MiB", 2**20),
    Load(
        "TLS 1.3 handshakes one after another, both ends in one process", "handshakes", "handshake"
    ),
)


def engines() -> list[str]:
    """Return the engines that can run here."""
    return ["sockharness", "asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


def measure(folder: Path, *, rounds: int, seconds: float) -> dict[str, object]:
    """Return for each load the figures of each engine: rate and CPU µs a unit, and the cipher."""
    _make_certificates(folder)
    results: dict[str, object] = {}
    for load in LOADS:
        figures: dict[str, Figures] = {name: {"rate": [], "cpu": []} for name in engines()}
        ciphers = set()
        for number in range(rounds):
            for name in _turned(engines(), number):
                progress(f"TLS, {load.kind}: round {number + 1} of {rounds}, {name}")
                amount, cpu, cipher = _run(folder, name, load.kind, seconds)
                figures[name]["rate"].append(amount / load.per / seconds)
                figures[name]["cpu"].append(cpu / (amount / load.per) * 1e6)
                ciphers.add(cipher)
        if len(ciphers) != 1:
            raise SystemExit(f"expected the same cipher for all, got {', '.join(sorted(ciphers))}")
        results[load.kind] = {"cipher": ciphers.pop(), "figures": figures}
    progress("")
    return results


def _turned(names: Sequence[str], number: int) -> list[str]:
    first = number % len(names)
    return [*names[first:], *names[:first]]


def _run(folder: Path, engine: str, kind: str, seconds: float) -> tuple[float, float, str]:
    command = [sys.executable, "-W", "ignore", "-m", PAIR, str(folder), engine, kind, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    amount, cpu, cipher = done.stdout.split()
    return float(amount), float(cpu), cipher


def _make_certificates(folder: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
