import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest

import sockharness
from sockharness.errors import Unavailable, UsageError
from sockharness.machine import probes
from sockharness.machine.leases import FIRST_PORT, Group, Leases, ports_outside_the_kernels_range
from sockharness.netns import Host, Network

ROOT = str(Path(sockharness.__file__).parent.parent)
OURS = range(3000, FIRST_PORT)
"""Ports that no other test leases: what was given back is not another one's at once."""
KINDS = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)]
KINDS6 = [(socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM)]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """A seed of this test and process: it begins where no other test does."""
    return f"{request.node.nodeid} {os.getpid()}"


def _is_readable(sock: socket.socket, timeout: float = 0) -> bool:
    return bool(select.select([sock], [], [], timeout)[0])


def test_a_leased_port_can_be_bound_by_a_program_that_sets_no_option(seed: str) -> None:
    with Leases(seed).port() as port:
        for family, kind in KINDS if probes.ipv6() else KINDS + KINDS6:
            for host in ("", "127.0.0.1" if family == socket.AF_INET else "::1"):
                with socket.socket(family, kind) as sock:
                    if family == socket.AF_INET6:
                        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sock.bind((host, port))


def test_a_leased_port_is_none_that_the_kernel_chooses(seed: str) -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())

    with Leases(seed).port() as port:
        assert not low <= port <= high
    assert all(not low <= port <= high for port in ports_outside_the_kernels_range())


def test_a_port_is_leased_once_and_free_afterwards(seed: str) -> None:
    with Leases(seed, ports=OURS).port() as first, Leases(seed, ports=OURS).port() as second:
        assert first != second
    with Leases(seed, ports=OURS).port() as again:
        assert again == first


def test_a_number_is_not_handed_out_again_soon(seed: str) -> None:
    leases = Leases(seed)
    ports = []

    for _ in range(100):
        with leases.port() as port:
            ports.append(port)

    assert len(set(ports)) == 100


@pytest.mark.parametrize(("family", "kind"), KINDS + KINDS6)
@pytest.mark.parametrize("reuse", [False, True])
def test_a_port_that_a_stranger_has_is_passed_over(
    seed: str, family: socket.AddressFamily, kind: socket.SocketKind, reuse: bool
) -> None:
    if family == socket.AF_INET6 and (reason := probes.ipv6()):
        pytest.skip(reason)
    with Leases(seed, ports=OURS).port() as port:
        pass

    with socket.socket(family, kind) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        stranger.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        with Leases(seed, ports=OURS).port() as other:
            assert other != port


def test_a_port_in_time_wait_is_passed_over(seed: str) -> None:
    with (
        Leases(seed, ports=OURS).port() as port,
        socket.create_server(("127.0.0.1", port)) as listener,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        accepted, _ = listener.accept()
        accepted.close()  # whoever closes first has the TIME_WAIT
        assert client.recv(1) == b""

    with Leases(seed, ports=OURS).port() as other:
        assert other != port


def test_when_all_are_taken_that_is_said(seed: str) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(Leases(seed, ports=OURS).port())

        with pytest.raises(Unavailable) as caught:
            stack.enter_context(Leases(seed, ports=[port]).port())

    reason = "leasing a port needs one of 1, and all are taken: see `ss -anptu`"
    assert str(caught.value) == reason


def test_threads_share_leases(seed: str) -> None:
    leases = Leases(seed)
    start, done = threading.Barrier(8), threading.Barrier(8)

    def lease(_: int) -> int:
        start.wait(10)
        with leases.port() as port:
            done.wait(10)
            return port

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lease, range(8)))) == 8


def test_a_repr_tells_seed_and_choice() -> None:
    assert repr(Leases("s", ports=[20000])) == "<Leases seed='s' ports=1>"


def test_without_a_seed_each_process_has_its_own() -> None:
    assert repr(Leases()).split()[-2] == f"{os.getpid()}'"


@contextmanager
def _holders(program: str, count: int, *args: str) -> Iterator[list["subprocess.Popen[str]"]]:
    """Run programs at once; each goes on when its stdin is written to, and ends when it is shut."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, *args],
                    env={**os.environ, "PYTHONPATH": ROOT},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(count)
        ]


def _line(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def _go(processes: Sequence["subprocess.Popen[str]"]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


LEASES_PORTS = """
import sys
from contextlib import ExitStack
from sockharness.machine.leases import Leases
leases = Leases(sys.argv[1], ports=range(*map(int, sys.argv[2:])))
print("ready", flush=True)
sys.stdin.readline()
with ExitStack() as stack:
    print(*(stack.enter_context(leases.port()) for _ in range(50)), flush=True)
    sys.stdin.readline()
"""


_BOUNDS = (str(OURS.start), str(OURS.stop))


@pytest.mark.slow  # starts interpreters
def test_competing_processes_never_have_the_same_port(seed: str) -> None:
    with _holders(LEASES_PORTS, 4, seed, *_BOUNDS) as processes:
        assert [_line(process) for process in processes] == [["ready"]] * 4
        _go(processes)
        ports = [port for process in processes for port in _line(process)]
        _go(processes)

    assert len(ports) == len(set(ports)) == 200


@pytest.mark.slow  # starts an interpreter
def test_the_lease_of_a_killed_process_is_free_at_once(seed: str) -> None:
    with _holders(LEASES_PORTS, 1, seed, *_BOUNDS) as (process,):
        _line(process)
        _go([process])
        held = [int(port) for port in _line(process)]
        with Leases(seed, ports=OURS).port() as other:
            assert other not in held
        process.kill()
        process.wait(10)
    with Leases(seed, ports=OURS).port() as again:
        assert again == held[0]


def test_groups_are_of_the_blocks_for_such_a_use(seed: str) -> None:
    leases = Leases(seed)

    for _ in range(50):
        with leases.group() as group, leases.group(socket.AF_INET6) as group6:
            assert IPv4Address(group.address) in ip_network("239.255.0.0/16")
            assert IPv4Address(group.address) not in ip_network("239.255.255.0/24")
            assert group6.address.startswith("ff15::")
            assert int(IPv6Address(group6.address)) & 0xFFFFFFFF >= 1 << 31
            assert group.port != group6.port


def test_groups_of_one_source_are_of_the_block_for_them(seed: str) -> None:
    leases = Leases(seed)

    for _ in range(50):
        with leases.group(source_specific=True) as group:
            assert IPv4Address(group.address) in ip_network("232.0.0.0/8")
            assert IPv4Address(group.address) not in ip_network("232.0.0.0/24")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_two_leased_groups_differ_in_group_and_port(
    seed: str, family: socket.AddressFamily
) -> None:
    with Leases(seed).group(family) as one, Leases(seed).group(family) as other:
        assert one.address != other.address
        assert one.port != other.port


def _join(sock: socket.socket, group: Group, interface: str = "127.0.0.1") -> None:
    request = socket.inet_aton(group.address) + socket.inet_aton(interface)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


@contextmanager
def _sender(group: Group, interface: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        group.limit(sock)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        yield sock


def test_members_hear_and_a_socket_that_did_not_join_does_not(seed: str) -> None:
    with Leases(seed).group() as group, ExitStack() as stack:
        first, second, outsider = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)
        )
        for sock in (first, second, outsider):
            group.bind(sock)
            sock.settimeout(5)
        _join(first, group)
        _join(second, group)

        stack.enter_context(_sender(group)).sendto(b"here", (group.address, group.port))

        assert (first.recv(10), second.recv(10)) == (b"here", b"here")
        assert not _is_readable(outsider)


@pytest.fixture
def host() -> Iterator[Host]:
    if reason := probes.netns():
        pytest.skip(reason)
    with Network.open() as network:
        yield network.host("a")


def test_an_ipv6_group_is_bound_and_heard_likewise(host: Host, seed: str) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    with Leases(seed).group(socket.AF_INET6) as group, ExitStack() as stack:
        member, outsider, sender = (
            stack.enter_context(host.socket(socket.AF_INET6, socket.SOCK_DGRAM)) for _ in range(3)
        )
        group.bind(member)
        group.bind(outsider)
        request = socket.inet_pton(socket.AF_INET6, group.address) + struct.pack("@I", 1)
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        member.settimeout(5)
        group.limit(sender)

        sender.sendto(b"here", (group.address, group.port))

        assert member.recv(10) == b"here"
        assert not _is_readable(outsider)


def test_datagrams_stay_on_the_host_or_its_links(seed: str) -> None:
    with (
        Leases(seed).group() as group,
        Leases(seed).group(socket.AF_INET6) as group6,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock6,
    ):
        for hops in (0, 1):
            group.limit(sock, hops=hops)
            group6.limit(sock6, hops=hops)
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == hops
            assert sock6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS) == hops
        for hops in (-1, 2):
            with pytest.raises(UsageError, match=f"expected 0 .* or 1 .*, got {hops}"):
                group.limit(sock, hops=hops)


SPEAKS_IN_A_GROUP = """
import socket, sys
from sockharness.machine.leases import Leases
with Leases(sys.argv[1]).group() as group, socket.socket(type=socket.SOCK_DGRAM) as member:
    group.bind(member)
    loopback = socket.inet_aton("127.0.0.1")
    join = socket.inet_aton(group.address) + loopback
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
    member.settimeout(5)
    print("joined", group.address, flush=True)
    sys.stdin.readline()
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        group.limit(sender)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        for _ in range(50):
            sender.sendto(group.address.encode(), (group.address, group.port))
    print("sent", flush=True)
    sys.stdin.readline()
    heard = [member.recv(100).decode() for _ in range(50)]
    member.settimeout(0)
    try:
        heard.append(member.recv(100).decode())
    except BlockingIOError:
        pass
    print(group.address, len(heard), *set(heard), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow  # starts interpreters
def test_parallel_workers_hear_themselves_and_never_each_other(seed: str) -> None:
    with _holders(SPEAKS_IN_A_GROUP, 4, seed) as processes:
        for word in ("joined", "sent"):
            assert [_line(process)[0] for process in processes] == [word] * 4
            _go(processes)
        reports = [_line(process) for process in processes]
        _go(processes)

    groups = [report[0] for report in reports]
    assert len(set(groups)) == 4
    assert reports == [[group, "50", group] for group in groups]


CHOOSES = """
import sys
from contextlib import ExitStack
from pathlib import Path
from sockharness.errors import Unavailable
from sockharness.machine.leases import Leases
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(sys.argv[1])
with ExitStack() as stack:
    try:
        leases = Leases("a")
        for _ in range(100):
            print(stack.enter_context(leases.port()))
    except Unavailable as error:
        print(error)
"""


def _lease_where_the_kernel_chooses_from(host: Host, ports: str) -> list[str]:
    with host.run(
        [sys.executable, "-c", CHOOSES, ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": ROOT},
        text=True,
    ) as program:
        lines: list[str] = program.communicate(timeout=120)[0].splitlines()
    if "Read-only file system" in lines[-1] or "PermissionError" in lines[-1]:
        pytest.skip("/proc/sys/net cannot be written here")
    return lines


@pytest.mark.slow  # starts an interpreter
def test_only_what_the_kernel_leaves_is_leased(host: Host) -> None:
    *ports, reason = _lease_where_the_kernel_chooses_from(host, "10081 65525")

    assert sorted(ports) == [str(port) for port in range(65526, 65536)]
    assert reason == "leasing a port needs one of 10, and all are taken: see `ss -anptu`"


@pytest.mark.slow  # starts an interpreter
def test_where_the_kernel_may_choose_any_port_the_remedy_is_told(host: Host) -> None:
    (reason,) = _lease_where_the_kernel_chooses_from(host, "1024 65535")

    assert reason == (
        "leasing a port needs ports that the kernel does not choose from, and it chooses from "
        "1024 to 65535: narrow net.ipv4.ip_local_port_range (its default: 32768 60999)"
    )
