"""A network of its own for a test: two interfaces, `va` and `vb`, that are the ends of one cable.

A network namespace belongs to a thread. So the test runs in a thread that leaves the machine's
network for a new one, which ends with the thread and the descriptors that were opened in it. That
needs root (CAP_SYS_ADMIN) and the program `ip`; a test without them is skipped, and says so.

    @in_a_network
    def test_something() -> None: ...
"""

import ctypes
import fcntl
import functools
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import pytest

P = ParamSpec("P")

HERE = "10.77.0.1"  # of va
THERE = "10.77.0.2"  # of vb
LINK_LOCAL_HERE = "fe80::a"
LINK_LOCAL_THERE = "fe80::b"
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3

_LINKS = """\
link set lo up
link add va type veth peer name vb
link set va addrgenmode none
link set vb addrgenmode none
link set va up
link set vb up
"""
_ADDRESSES = f"""\
addr add {HERE}/24 dev va
addr add {THERE}/24 dev vb
addr add {LINK_LOCAL_HERE}/64 dev va nodad
addr add {LINK_LOCAL_THERE}/64 dev vb nodad
"""
_IFF_RUNNING = 0x40
_SIOCGIFFLAGS = 0x8913


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


def watching(name: str) -> socket.socket:
    """Return a socket that sees the frames of an interface."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # of no interface yet
    sock.bind((name, _ETH_P_ALL))
    sock.settimeout(30.0)
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
    for line in _LINKS.splitlines():
        ip(*line.split())
    _wait_until(lambda: _is_running("va") and _is_running("vb"))
    for line in _ADDRESSES.splitlines():
        ip(*line.split())
    # A worker of the kernel adds the routes to IPv6 addresses some time after these were given.
    _wait_until(lambda: _has_route_to(LINK_LOCAL_HERE) and _has_route_to(LINK_LOCAL_THERE))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, "the link does not come up"
        os.sched_yield()


def _has_route_to(address: str) -> bool:
    """Say whether an IPv6 address is this network's own by now; so it is where there is no IPv6."""
    routes = Path("/proc/thread-self/net/ipv6_route")
    wanted = f"{socket.inet_pton(socket.AF_INET6, address).hex()} 80 "
    return not routes.exists() or wanted in routes.read_text()


def _is_running(name: str) -> bool:
    request = struct.pack("16sH14x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
    return bool(struct.unpack_from("H", answer, 16)[0] & _IFF_RUNNING)
