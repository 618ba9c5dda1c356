"""Count how far a byte travels: calls, files and returns of five journeys through the package.

    python -m benchmarks.journeys                     the table
    python -m benchmarks.journeys --calls fixture     each call of one journey, too

A journey is followed by a profile hook on the thread that runs it. Three numbers say how much a
reader has to keep in mind:

- **calls**: functions of the package that were entered;
- **files**: files of the package that were visited;
- **returns**: calls that led back into a file which the journey had left before.

Functions outside the package (the standard library, a test's own handlers) do not count. A journey
is repeated until two in a row are the same, so nothing that happens only once is counted.
"""

import argparse
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import sockharness

PACKAGE = os.path.dirname(os.path.abspath(sockharness.__file__)) + os.sep
WARM_UPS = 3
"""Journeys made before the one that is counted."""
REPETITIONS = 20
SECONDS = 5.0
Condition = Callable[[FrameType, str, Any], bool]

ECHO = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "PING\\r\\n"
  - server -> client: "PING\\r\\n"
"""


def always(_frame: FrameType, _event: str, _argument: Any) -> bool:
    """Begin at once."""
    return True


def never(_frame: FrameType, _event: str, _argument: Any) -> bool:
    """Follow the journey until its function has returned."""
    return False


def entering(function: Callable[..., object]) -> Condition:
    """Return a condition: this function is entered."""
    code = getattr(function, "__code__", None)
    return lambda frame, event, _argument: event == "call" and frame.f_code is code


def polling(_frame: FrameType, event: str, argument: Any) -> bool:
    """Follow the journey until the reactor waits for the kernel."""
    return event == "c_call" and getattr(argument, "__name__", "") == "poll"


def polled(_frame: FrameType, event: str, argument: Any) -> bool:
    """Begin when the kernel has something for the reactor."""
    return event == "c_return" and getattr(argument, "__name__", "") == "poll"


@dataclass(slots=True)
class Journey:
    """The calls of one journey, in order. Given to `sys.setprofile`.

    Args:
        end: asked at each event of the profiler; true once the journey has arrived.
        begin: likewise; until it is true, nothing counts.
    """

    end: Condition
    begin: Condition = always
    calls: list[tuple[str, str]] = field(default_factory=list)
    under_way: bool = False
    arrival: threading.Event = field(default_factory=threading.Event)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.arrival.is_set():
            return
        if not self.under_way:
            self.under_way = self.begin(frame, event, argument)
        elif self.end(frame, event, argument):
            self.arrival.set()
        elif event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            file = frame.f_code.co_filename.removeprefix(PACKAGE)
            self.calls.append((file, frame.f_code.co_name))

    @property
    def files(self) -> int:
        """Return the number of files visited."""
        return len({file for file, _ in self.calls})

    @property
    def returns(self) -> int:
        """Return the number of calls back into a file left before."""
        visited: set[str] = set()
        count, current = 0, ""
        for file, _ in self.calls:
            count += file != current and file in visited
            visited.add(file)
            current = file
        return count


def counted(end: Condition, travel: Callable[[], object]) -> Journey:
    """Return the journey that `travel` makes on this thread."""
    journey = Journey(end)
    sys.setprofile(journey)
    try:
        travel()
    finally:
        sys.setprofile(None)
    return journey


def plain_byte() -> Journey:
    """From `run_once` to the `data` handler."""
    return _byte(None, None)


def tls_byte() -> Journey:
    """The same through a TLS session."""
    with sockharness.Authority() as authority:
        pem = authority.issue("localhost").pem
        client = {"ca": authority.ca_pem, "server_name": "localhost"}
        return _byte({"cert": pem, "key": pem}, client)


def _byte(server_tls: Any, client_tls: Any) -> Journey:
    got: list[bytes] = []

    def data(_socket: sockharness.Socket, data: bytes) -> None:
        got.append(data)

    with sockharness.Reactor() as reactor:
        listener = sockharness.listen(
            hostname="127.0.0.1", port=0, socket={"data": data}, tls=server_tls, reactor=reactor
        )
        client = sockharness.connect(
            hostname="127.0.0.1",
            port=listener.port,
            socket={"data": lambda _socket, _data: None},
            tls=client_tls,
            reactor=reactor,
        ).result(SECONDS)
        for _ in range(WARM_UPS):
            reactor.run_until(lambda: client.write(b"w") == 1, SECONDS)
            reactor.run_until(lambda: bool(got), SECONDS)
            got.clear()
        client.write(b"x")
        return counted(entering(data), lambda: reactor.run_once(SECONDS))


def send_many() -> Journey:
    """`send_many` of 100 datagrams to one receiver."""
    batch: list[Any] = []
    with sockharness.Reactor() as reactor:
        receiver = sockharness.udp_socket(hostname="127.0.0.1", socket={}, reactor=reactor)
        sender = sockharness.udp_socket(hostname="127.0.0.1", socket={}, reactor=reactor)
        for _ in range(100):
            batch += [b"x" * 64, receiver.port, "127.0.0.1"]
        for _ in range(WARM_UPS):
            sender.send_many(batch)
            reactor.run_once(0)
        return counted(never, lambda: sender.send_many(batch))


def fixture() -> Journey:
    """PING to PONG with `tcp_server`, on the harness's thread, until it waits again."""
    following: list[Journey] = []

    def hook(frame: FrameType, event: str, argument: Any) -> None:
        for journey in following:
            journey(frame, event, argument)

    threading.setprofile(hook)
    try:
        with sockharness.Harness() as harness:
            server = harness.tcp_server()
            return _settled(lambda: _ping(server, following))
    finally:
        threading.setprofile(None)


def _ping(server: sockharness.TcpServer, following: list[Journey]) -> Journey:
    """Let a client say PING on a connection of its own, and return the server's journey."""
    number = len(server.connections) + 1
    server.expect(b"PING\r\n").reply(b"PONG\r\n")
    with socket.create_connection(server.address, SECONDS) as client:
        server.connection(number).wait_for("open")
        journey = Journey(polling, begin=polled)
        following[:] = [journey]
        client.sendall(b"PING\r\n")
        if client.recv(6, socket.MSG_WAITALL) != b"PONG\r\n":
            raise SystemExit("the server did not answer PONG")
        journey.arrival.wait(SECONDS)
    server.connection(number).wait_for("close")
    return journey


def replay() -> Journey:
    """A spec of two steps: set up, replayed and closed."""
    from sockharness.machine.policy import Policy
    from sockharness.replay.replayer import Replayer
    from sockharness.replay.setup import Setup
    from sockharness.sockspec import loader

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "echo.yaml")
        path.write_text(ECHO)
        [case] = loader.load(path).cases

    def travel() -> None:
        with Setup(case, policy=Policy()) as setup:
            if Replayer(setup, 1.0).run().failures:
                raise SystemExit("the spec failed")

    return _settled(lambda: counted(never, travel))


def _settled(travel: Callable[[], Journey]) -> Journey:
    """Repeat a journey until two in a row are equal, and return the last one."""
    journey = travel()
    for _ in range(REPETITIONS):
        before, journey = journey, travel()
        if journey.calls == before.calls:
            return journey
    raise SystemExit(f"{REPETITIONS} journeys, and no two in a row were the same")


JOURNEYS: dict[str, tuple[str, Callable[[], Journey]]] = {
    "byte": ("plain byte, `run_once` to handler", plain_byte),
    "tls": ("TLS byte, `run_once` to handler", tls_byte),
    "batch": ("`send_many`, 100 datagrams", send_many),
    "fixture": ("fixture: PING in, PONG out", fixture),
    "replay": ("replay of a spec of two steps", replay),
}


def main() -> None:
    """Print the table, and the calls of one journey if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.journeys", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--calls", choices=JOURNEYS, help="list the calls of this journey, too")
    chosen = parser.parse_args().calls
    print("| journey | calls | files | returns |\n|---|---|---|---|")
    for name, (title, travel) in JOURNEYS.items():
        journey = travel()
        print(f"| {title} | {len(journey.calls)} | {journey.files} | {journey.returns} |")
        if name == chosen:
            print("\n".join(f"    {file} {function}" for file, function in journey.calls))


if __name__ == "__main__":
    main()
