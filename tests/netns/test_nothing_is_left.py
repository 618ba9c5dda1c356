"""A network leaves nothing behind, even if its maker was killed."""

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import sockharness
from sockharness.errors import ClosedError
from sockharness.machine import probes
from sockharness.netns import Network
from tests.helpers.descriptors import descriptors

ROOT = str(Path(sockharness.__file__).parent.parent)

# A program that leaves a child behind which holds its output open: the end of that output is the
# end of both.
LEAVES_A_CHILD = ["sh", "-c", "sleep 600 & echo started"]

MAKER = """
import marshal, os, select, signal, subprocess, sys
from sockharness.netns import Network
network = Network.open()
a, b = network.pair()
print(*(os.fstat(host.fileno()).st_ino for host in (a, b)), flush=True)
program = a.run(
    ["sh", "-c", "sleep 600 & echo started; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
program.stdout.readline()
{then}
print("ready", flush=True)
sys.stdin.read()
"""

WAITS = ""
FORKS = """
if os.fork() == 0:  # it has a copy of every descriptor, and outlives its parent
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 2)
"""
LEAVES_AN_ANSWER_UNREAD = """
network._owner._control.send(marshal.dumps(("namespace",)))
select.select([network._owner._control], [], [])
"""


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if reason := probes.netns():
        pytest.skip(reason)


def _processes_inside(namespaces: set[int]) -> set[int]:
    """Return the processes whose network namespace is one of these."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or somebody else's
            if (process / "ns" / "net").stat().st_ino in namespaces:
                found.add(int(process.name))
    return found


def _held_by(process: int, namespaces: set[int]) -> bool:
    """Return whether a process has a descriptor of one of these namespaces."""
    links = {os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir() if link.exists()}
    return bool(links & {f"net:[{number}]" for number in namespaces})


def _kept(stack: ExitStack, namespaces: Iterable[int]) -> list[int]:
    """Keep descriptors of namespaces for a while: else new ones, elsewhere, get their numbers."""
    kept = list(namespaces)
    for fd in kept:
        stack.callback(os.close, fd)
    return kept


@contextmanager
def _ends(processes: set[int]) -> Iterator[None]:
    """Wait, afterwards, for the end of these processes."""
    with ExitStack() as stack:
        ends = [os.pidfd_open(process) for process in processes]
        for end in ends:
            stack.callback(os.close, end)
        yield
        for end in ends:
            assert select.select([end], [], [], 10)[0], "a process inside still runs"


def test_a_closed_network_leaves_no_descriptor_no_process_and_no_namespace() -> None:
    before = descriptors()

    with ExitStack() as stack:
        with Network.open() as network:
            hosts = network.pair()
            namespaces = {os.fstat(host.fileno()).st_ino for host in hosts}
            kept = _kept(stack, (os.dup(host.fileno()) for host in hosts))
            assert _processes_inside(namespaces)
            assert _held_by(os.getpid(), namespaces)
            with hosts[0].run(LEAVES_A_CHILD, stdout=subprocess.PIPE) as program:
                assert program.stdout is not None
                assert program.stdout.readline() == b"started\n"
                assert program.wait(10) == 0

        assert not _processes_inside(namespaces)
        assert descriptors() == before | {str(fd) for fd in kept}
    assert not _held_by(os.getpid(), namespaces)


def test_what_programs_started_ends_with_the_network() -> None:
    with Network.open() as network:
        program = network.host("a").run(LEAVES_A_CHILD, stdout=subprocess.PIPE)
        assert program.stdout is not None
        assert program.stdout.readline() == b"started\n"
    with program:
        assert program.stdout.read() == b""


def test_a_program_that_still_runs_is_killed_and_its_end_is_told() -> None:
    with Network.open() as network:
        program = network.host("a").run(["cat"], stdin=subprocess.PIPE)

    with program:
        assert program.wait(10) == -signal.SIGKILL


def test_a_forgotten_program_is_a_warning_and_leaves_no_descriptor() -> None:
    with Network.open() as network:
        host = network.host("a")
        before = descriptors()

        with pytest.warns(ResourceWarning) as warnings:
            host.run(["true"])
        assert any("unclosed" in str(warning.message) for warning in warnings)
        assert descriptors() == before


def test_a_socket_outlives_its_network() -> None:
    with Network.open() as network:
        sock = network.host("a").socket()

    with sock:
        sock.bind(("127.0.0.1", 0))
        assert sock.getsockname()[0] == "127.0.0.1"


def test_a_failed_start_of_a_program_leaves_no_descriptor() -> None:
    with Network.open() as network:
        host = network.host("a")
        before = descriptors()

        for command in (["/no/such/program"], ["no-such-program"]):
            with pytest.raises(FileNotFoundError):
                host.run(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

        assert descriptors() == before


@contextmanager
def _maker(then: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that makes a network with programs inside, in a process group of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKER.format(then=then)],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read_to_the_end(process: "subprocess.Popen[bytes]") -> bytes:
    """Read the rest of its outputs; they end when no process holds them any more."""
    rest = b""
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        while True:
            assert select.select([pipe], [], [], 10)[0], "somebody still holds the output"
            chunk = os.read(pipe.fileno(), 1 << 16)
            if not chunk:
                break
            rest += chunk
    return rest


@pytest.mark.slow  # starts an interpreter
@pytest.mark.parametrize(
    "then", [WAITS, FORKS, LEAVES_AN_ANSWER_UNREAD], ids=["", "forked", "unread"]
)
def test_the_kill_of_its_maker_leaves_nothing(then: str) -> None:
    with _maker(then) as maker, ExitStack() as stack:
        assert maker.stdout is not None
        made = {int(number) for number in maker.stdout.readline().split()}
        assert maker.stdout.readline() == b"ready\n"
        inside = _processes_inside(made)
        assert len(inside) >= 3  # the owner, the program, its child
        kept = _kept(stack, (os.open(f"/proc/{each}/ns/net", os.O_RDONLY) for each in inside))
        namespaces = {os.fstat(fd).st_ino for fd in kept}

        with _ends(inside):
            maker.kill()

        assert _read_to_the_end(maker) == b""
        assert not _processes_inside(namespaces)


@pytest.mark.slow  # starts an interpreter
def test_an_interrupt_from_the_terminal_leaves_the_network_to_its_maker() -> None:
    then = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.killpg(0, signal.SIGINT)
b.socket().close()
network.close()
"""
    with _maker(then) as maker:
        assert maker.stdout is not None
        assert len(maker.stdout.readline().split()) == 2
        assert maker.stdout.readline() == b"ready\n"


def test_the_thread_that_made_a_network_may_end() -> None:
    made: list[Network] = []
    thread = threading.Thread(target=lambda: made.append(Network.open()))
    thread.start()
    thread.join(10)

    with made[0] as network:
        assert network.host("a").run(["true"]).wait(10) == 0


def test_an_owner_killed_by_somebody_else_is_told() -> None:
    with Network.open() as network:
        host = network.host("a")
        with host.run(["cat"], stdin=subprocess.PIPE) as program:
            os.kill(network._owner.pid, signal.SIGKILL)

            assert program.wait(10) == -signal.SIGKILL
            with pytest.raises(ClosedError, match="was ended by somebody else"):
                host.socket()


FORBIDS = """
import sys
from sockharness.errors import Unavailable
from sockharness.netns import Network
for name in sys.argv[1:]:
    with open(f"/proc/sys/user/{name}", "w") as file:
        file.write("0")
try:
    with Network.open() as network:
        a, b = network.pair()
        print("made with", a.addresses[0])
except Unavailable as error:
    print(error)
"""


def _nested(*forbidden: str) -> str:
    """Try to make a network inside a host, whose root may forbid itself a thing."""
    with Network.open() as network:
        host = network.host("a")
        command = [sys.executable, "-c", FORBIDS, *forbidden]
        environment = {**os.environ, "PYTHONPATH": ROOT}
        with host.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        ) as program:
            text: str = program.communicate(timeout=120)[0]
    if "Read-only file system" in text or "PermissionError" in text:
        pytest.skip("/proc/sys/user cannot be written here")
    return text


@pytest.mark.slow  # starts an interpreter
def test_a_network_can_be_made_inside_another() -> None:
    assert _nested() == "made with 10.0.1.1\n"


@pytest.mark.slow  # starts an interpreter
def test_root_needs_no_user_namespace() -> None:
    assert _nested("max_user_namespaces") == "made with 10.0.1.1\n"


@pytest.mark.slow  # starts an interpreter
def test_where_it_is_impossible_the_reason_and_the_remedies_are_told() -> None:
    reason = _nested("max_user_namespaces", "max_net_namespaces")

    assert reason.startswith(
        "network namespaces need a user namespace, of which there are too many"
    )
    assert "user.max_user_namespaces" in reason
    assert "nor may this root" in reason
    assert reason.count("\n") == 1


def _interpreter_of_everybody() -> str | None:
    """Return a Python that any user may run, with what the networks need."""
    for path in (sys.executable, shutil.which("python3", path="/usr/bin:/bin")):
        if path is not None:
            check = "import sys, ctypes; assert sys.version_info >= (3, 11)"
            command = [path, "-c", check]
            try:
                subprocess.run(command, user=65534, group=65534, check=True, timeout=10)
            except (OSError, subprocess.CalledProcessError):
                continue
            return path
    return None


@pytest.mark.slow  # starts an interpreter
def test_an_ordinary_user_needs_no_password() -> None:
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user, so every other test has shown it")
    interpreter = _interpreter_of_everybody()
    if interpreter is None:
        pytest.skip("no Python 3.11 here that another user may run")
    program = """
import socket
from sockharness.netns import Network
with Network.open() as network:
    a, b = network.pair()
    with b.socket() as listener, a.socket() as client:
        listener.bind((b.addresses[0], 80))
        listener.listen()
        client.connect(listener.getsockname())
    a.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    print(a.run(["true"]).wait(10))
"""

    done = subprocess.run(
        [interpreter, "-c", program],
        user=65534,
        group=65534,
        extra_groups=[],
        env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    if "sockharness.errors.Unavailable" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.starts_xdist
@pytest.mark.slow
def test_parallel_workers_have_networks_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket
        import pytest
        from sockharness.netns import Network

        @pytest.mark.parametrize("number", range(8))
        def test_it(number):
            with Network.open() as network:
                a, b = network.pair()
                with b.socket(type=socket.SOCK_DGRAM) as receiver:
                    receiver.bind((b.addresses[0], 4000))
                    receiver.settimeout(5)
                    with a.socket(type=socket.SOCK_DGRAM) as sender:
                        sender.sendto(bytes([number]), (b.addresses[0], 4000))
                    assert receiver.recv(100) == bytes([number])
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "-p", "xdist", "-p", "no:randomly")

    result.assert_outcomes(passed=8)
