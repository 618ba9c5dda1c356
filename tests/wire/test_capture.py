import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest

from sockharness.errors import ClosedError, UsageError
from sockharness.machine import probes
from sockharness.wire.capture import Capture
from sockharness.wire.frame import Frame

StartCapture = Callable[..., Capture]
UDPPair = Callable[..., tuple[socket.socket, socket.socket, int]]


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def payloads(capture: Capture) -> list[bytes]:
    capture.poll()
    return [frame.headers.payload for frame in capture.frames if frame.headers is not None]


def flags(capture: Capture) -> list[str]:
    capture.poll()
    return [frame.headers.flags for frame in capture.frames if frame.headers is not None]


def test_each_frame_is_seen_once(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, receiver, port = udp_pair()
    seen = capture(port)

    for number in range(10):
        sender.send(b"%d" % number)
        receiver.recv(16)

    assert payloads(seen) == [b"%d" % number for number in range(10)]


def test_what_was_received_has_its_frames_here(
    capture: StartCapture, listener: socket.socket
) -> None:
    seen = capture(port_of(listener))

    with socket.create_connection(listener.getsockname(), 5) as client:
        server, _ = listener.accept()
        with server:
            client.sendall(b"ping")
            server.recv(16)

            assert payloads(seen).count(b"ping") == 1


def test_the_first_segment_of_a_connection_is_captured(
    capture: StartCapture, listener: socket.socket
) -> None:
    seen = capture(port_of(listener))

    with socket.create_connection(listener.getsockname(), 5) as client:
        first, second = (seen.poll(), seen.frames[:2])[1]

        assert first.headers is not None
        assert second.headers is not None
        assert (first.headers.flags, second.headers.flags) == ("S", "SA")
        assert first.headers.source.port == port_of(client)
        assert first.headers.destination.port == port_of(listener)
        assert second.headers.ack == (first.headers.seq + 1) % 2**32
        assert first.at <= second.at


def test_a_close_that_aborts_is_seen_as_reset(
    capture: StartCapture, listener: socket.socket
) -> None:
    seen = capture(port_of(listener))
    with socket.create_connection(listener.getsockname(), 5) as client:
        abort = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)

    assert flags(seen)[-1] in ("R", "RA")


def test_ipv6_is_captured(capture: StartCapture, udp_pair: UDPPair) -> None:
    reason = probes.ipv6()
    if reason:
        pytest.skip(reason)
    sender, _, port = udp_pair("::1")
    seen = capture(port)

    sender.send(b"hello")

    assert payloads(seen) == [b"hello"]
    assert seen.frames[0].headers is not None
    assert seen.frames[0].headers.destination.host == "::1"


def test_only_the_named_ports_are_seen_while_another_flow_floods(
    capture: StartCapture, udp_pair: UDPPair
) -> None:
    sender, _, port = udp_pair()
    flooder, _, _ = udp_pair()
    room_for_few = 64 << 10
    seen = capture(port, buffer_size=room_for_few)

    for number in range(1000):
        flooder.send(bytes(100))
        if number % 50 == 0:
            sender.send(b"mine")

    assert payloads(seen) == [b"mine"] * 20
    assert seen.drops == 0


def test_a_burst_is_complete(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()
    seen = capture(port)

    for number in range(2000):
        sender.send(b"%d" % number)

    assert seen.poll() == 2000
    assert payloads(seen) == [b"%d" % number for number in range(2000)]
    assert seen.drops == 0
    assert seen.whole


def test_what_does_not_fit_into_the_buffer_is_counted(
    capture: StartCapture, udp_pair: UDPPair
) -> None:
    sender, _, port = udp_pair()
    seen = capture(port, buffer_size=1)

    for _ in range(200):
        sender.send(b"hello")
    seen.stop()

    assert seen.drops > 0
    assert len(seen.frames) + seen.drops == 200
    assert not seen.whole


def test_drops_add_up_over_readings(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()
    seen = capture(port, buffer_size=1)

    for _ in range(2):
        for _ in range(100):
            sender.send(b"hello")
        seen.poll()
        assert len(seen.frames) + seen.drops in (100, 200)

    assert len(seen.frames) + seen.drops == 200


def test_a_port_that_is_added_later_is_seen(capture: StartCapture, udp_pair: UDPPair) -> None:
    first, _, first_port = udp_pair()
    second, _, second_port = udp_pair()
    seen = capture(first_port)

    second.send(b"too early")
    first.send(b"one")
    seen.add_ports(second_port)
    second.send(b"two")
    first.send(b"three")

    assert payloads(seen) == [b"one", b"two", b"three"]
    assert seen.ports == frozenset({first_port, second_port})


def test_a_wrong_port_changes_nothing(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()
    seen = capture(port)

    with pytest.raises(ValueError, match="expected 1 to 65535, got 0"):
        seen.add_ports(0)
    sender.send(b"hello")

    assert seen.ports == frozenset({port})
    assert payloads(seen) == [b"hello"]


def test_one_protocol_can_be_left_out(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()
    seen = capture(port, protocols=["tcp"])

    sender.send(b"hello")

    assert seen.poll() == 0


def test_a_loop_is_woken_and_each_frame_is_announced(
    capture: StartCapture, udp_pair: UDPPair
) -> None:
    sender, _, port = udp_pair()
    announced: list[Frame] = []
    seen = capture(port, on_frame=announced.append)

    assert select.select([seen], [], [], 0)[0] == []
    sender.send(b"hello")
    assert select.select([seen], [], [], 5)[0] == [seen]
    seen.on_readable()

    assert announced == seen.frames
    assert select.select([seen], [], [], 0)[0] == []


def test_a_faulty_callback_loses_no_frame(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()

    def fail(frame: Frame) -> None:
        raise LookupError("faulty")

    seen = capture(port, on_frame=fail)
    sender.send(b"one")
    sender.send(b"two")

    with pytest.raises(LookupError):
        seen.poll()

    assert payloads(seen) == [b"one", b"two"]


def test_what_is_not_kept_is_counted_and_announced(
    capture: StartCapture, udp_pair: UDPPair
) -> None:
    sender, _, port = udp_pair()
    announced: list[Frame] = []
    seen = capture(port, on_frame=announced.append, max_frames=3)

    for _ in range(5):
        sender.send(b"hello")
    seen.poll()

    assert (len(seen.frames), seen.unkept, len(announced)) == (3, 2, 5)
    assert not seen.whole


def test_what_was_sent_before_stop_is_kept(capture: StartCapture, udp_pair: UDPPair) -> None:
    sender, _, port = udp_pair()
    seen = capture(port)

    sender.send(b"before")
    seen.stop()
    sender.send(b"after")
    seen.stop()

    assert payloads(seen) == [b"before"]
    assert repr(seen) == (f"<Capture lo stopped ports [{port}]: 1 frame, 0 dropped, 0 not kept>")


def test_a_capture_that_does_not_run_says_so(capture: StartCapture) -> None:
    new = Capture(ports=[80])
    stopped = capture(80)
    stopped.stop()

    assert repr(new) == "<Capture lo new ports [80]: 0 frames, 0 dropped, 0 not kept>"
    for idle in (new, stopped):
        assert not idle.running
        assert idle.poll() == 0
        with pytest.raises(ClosedError, match="not running"):
            idle.fileno()
        with pytest.raises(ClosedError, match="not running"):
            idle.on_readable()


def test_a_capture_starts_once(capture: StartCapture) -> None:
    seen = capture(80)

    with pytest.raises(UsageError, match="starts once"):
        seen.start()


def test_stopping_what_never_started_is_harmless() -> None:
    idle = Capture(ports=[80])

    idle.stop()

    assert idle.frames == []


UNPRIVILEGED = """
import os
from sockharness.errors import Unavailable
from sockharness.wire.capture import Capture

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
before = os.listdir("/proc/self/fd")
try:
    Capture(ports=[80]).start()
except Unavailable as error:
    print(error)
assert os.listdir("/proc/self/fd") == before
"""


@pytest.mark.slow  # starts an interpreter
def test_without_the_right_the_reason_names_the_remedies() -> None:
    if os.getuid() != 0 and not probes.capture():
        pytest.skip("this user may capture, and only root can become somebody else")

    run = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    [reason] = run.stdout.splitlines()
    assert reason.startswith("capturing on lo needs CAP_NET_RAW: run as root, ")
    for remedy in ("setcap cap_net_raw+ep", "unshare -Urn", "--sock-capture=off"):
        assert remedy in reason


LAZY = """
import socket, sys
from sockharness.wire.capture import Capture

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", 0))
    with Capture(ports=[sock.getsockname()[1]]) as capture:
        sock.sendto(b"hello", sock.getsockname())
[frame] = capture.frames
print(frame.headers.payload, repr(frame) != "", "scapy" in sys.modules)
print(frame.packet["Raw"].load, "scapy" in sys.modules, "scapy.all" in sys.modules)
"""


@pytest.mark.slow  # starts an interpreter and imports scapy
def test_scapy_is_imported_at_the_first_packet_and_not_before() -> None:
    reason = probes.capture()
    if reason:
        pytest.skip(reason)

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", LAZY],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert run.stdout.splitlines() == ["b'hello' True False", "b'hello' True False"]
    assert run.stderr == ""


IN_A_NAMESPACE = """
import fcntl, socket, struct, sys
from sockharness.errors import Unavailable
from sockharness.wire.capture import Capture

try:
    Capture().start()
except Unavailable as error:
    print(error)

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    sock.bind(("127.0.0.1", 0))
    with Capture(ports=[sock.getsockname()[1]]) as capture:
        sock.sendto(b"hello", sock.getsockname())
print(len(capture.frames), capture.drops)
"""


@pytest.mark.slow  # starts two programs
def test_in_a_namespace_the_reason_is_that_lo_is_down_and_then_it_works() -> None:
    if not can_unshare():
        pytest.skip("a user and network namespace needs unshare(1) and the kernel's leave")

    run = subprocess.run(
        ["unshare", "-Urn", sys.executable, "-c", IN_A_NAMESPACE],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert run.stdout.splitlines() == [
        "capturing on lo needs it up: `ip link set lo up`",
        "1 0",
    ]


def can_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-Urn", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
