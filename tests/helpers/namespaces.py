"""A network of its own for a test: two interfaces, `va` and `vb`, that are the ends of one cable.

A network namespace belongs to a thread. So the test runs in a thread that leaves the machine's
network for a new one, which ends with the thread and the descriptors that were opened in it. That
needs root (CAP_SYS_ADMIN) and the program `ip`; a test without them is skipped, and says so.

    @in_a_network
    def test_something() -> None: ...
"""

import ctypes
import functools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import pytest

P = ParamSpec("P")

HERE = "10.77.0.1"  # of va
THERE = "10.77.0.2"  # of vb
_CLONE_NEWNET = 0x40000000

_SET_UP = f"""\
link set lo up
link add va type veth peer name vb
addr add {HERE}/24 dev va
addr add {THERE}/24 dev vb
link set va up
link set vb up
"""


def in_a_network(function: Callable[P, None]) -> Callable[P, None]:
    """Run a test in a network of its own."""

    @functools.wraps(function)
    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                _leave()
                function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
                failures.append(error)

        if shutil.which("ip") is None or os.geteuid() != 0:
            pytest.skip("a network of its own needs root and the program ip")
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        for failure in failures:
            raise failure

    return test


def ip(*arguments: str) -> None:
    """Run `ip` in this thread's network."""
    run("ip", *arguments)


def run(*command: str) -> None:
    """Run a program in this thread's network; it has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def write_setting(name: str, value: str) -> None:
    """Set something under /proc/sys/net, which is this thread's network."""
    Path(f"/proc/sys/net/{name}").write_text(value)


def link_local(name: str) -> str:
    """Return an interface's own IPv6 address, without zone."""
    text = Path("/proc/thread-self/net/if_inet6").read_text()
    (address,) = [line.split()[0] for line in text.splitlines() if line.split()[5] == name]
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))


def watching(name: str) -> socket.socket:
    """Return a socket that sees the frames of an interface."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((name, 0))
    sock.settimeout(5.0)
    return sock


def payload_of(link: socket.socket, port: int) -> bytes:
    """Return the payload of the next IPv4 datagram to a port."""
    while True:
        frame = link.recv(65536)
        is_udp = frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP
        if is_udp and int.from_bytes(frame[36:38], "big") == port:
            return frame[42:]


def _leave() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    # Link-local addresses can be used at once: nobody else is on this link.
    for name in ("all", "default"):
        write_setting(f"ipv6/conf/{name}/accept_dad", "0")
    for line in _SET_UP.splitlines():
        ip(*line.split())
