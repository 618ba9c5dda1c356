"""One client and one server with TLS in one process.

    python -m benchmarks.servers.tls_pair FOLDER ENGINE KIND SECONDS

ENGINE is sockharness, asyncio or uvloop. KIND is `bulk`: the client writes 64 KiB at a time, until
the engine refuses more, and the server counts; or `handshakes`: the client connects, waits for the
end of the handshake, and closes. FOLDER has `key.pem`, `cert.pem` and `ca.pem`. It prints the
amount, the CPU seconds used, and the cipher.
"""

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import sockharness
from sockharness.engine.loop.reactor import Reactor

CHUNK = bytes(64 * 1024)
NAME = "localhost"


_began = 0.0


def begin() -> None:
    """Begin to count CPU time."""
    global _began
    _began = time.process_time()


def busy() -> float:
    """Return the CPU seconds since `begin`."""
    return time.process_time() - _began


def main(folder: Path, engine: str, kind: str, seconds: float) -> None:
    """Run one pair and print its figures."""
    if engine == "sockharness":
        amount, cipher = {"bulk": our_bulk, "handshakes": our_handshakes}[kind](folder, seconds)
    else:
        pair = {"bulk": their_bulk, "handshakes": their_handshakes}[kind](folder, seconds)
        if engine == "uvloop":
            import uvloop

            amount, cipher = uvloop.run(pair)
        else:
            amount, cipher = asyncio.run(pair)
    print(amount, busy(), cipher)


# sockharness


def our_options(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of both sides."""
    return {"key": folder / "key.pem", "cert": folder / "cert.pem"}, {"ca": folder / "ca.pem"}


def our_bulk(folder: Path, seconds: float) -> tuple[int, str]:
    """Return bytes received, and the cipher."""
    server_tls, client_tls = our_options(folder)
    received = 0

    def count(_socket: Any, data: bytes) -> None:
        nonlocal received
        received += len(data)

    def fill(socket: Any, *_: object) -> None:
        while socket.write(CHUNK) == len(CHUNK):
            pass

    with Reactor() as reactor:
        listener = sockharness.listen(
            socket={"data": count}, hostname="127.0.0.1", port=0, tls=server_tls, reactor=reactor
        )
        connecting = sockharness.connect(
            socket={"drain": fill},
            hostname=NAME,
            port=listener.port,
            tls=client_tls,
            reactor=reactor,
        )
        socket = connecting.secured().result(10)
        reactor.run_until(lambda: False, 0.2)  # warm
        received = 0
        begin()
        fill(socket)
        reactor.run_until(lambda: False, seconds)
        return received, str(socket.cipher["name"])


def our_handshakes(folder: Path, seconds: float) -> tuple[int, str]:
    """Return handshakes done, and the cipher."""
    server_tls, client_tls = our_options(folder)
    done, cipher = 0, ""

    def handshaken(socket: Any, _success: bool, _error: object) -> None:  # noqa: FBT001
        nonlocal done, cipher
        done += 1
        cipher = cipher or str(socket.cipher["name"])
        socket.close()

    def again(*_: object) -> None:
        sockharness.connect(
            socket={"data": print, "handshake": handshaken, "close": again},
            hostname=NAME,
            port=listener.port,
            tls=options,
            reactor=reactor,
        )

    options = sockharness.TLSOptions(**client_tls)
    with Reactor() as reactor:
        listener = sockharness.listen(
            socket={"data": print, "handshake": lambda *_: None},
            hostname="127.0.0.1",
            port=0,
            tls=server_tls,
            reactor=reactor,
        )
        again()
        reactor.run_until(lambda: False, 0.2)  # warm
        done = 0
        begin()
        reactor.run_until(lambda: False, seconds)
        return done, cipher


# asyncio and uvloop


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of both sides."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(folder / "ca.pem")
    return server, client


class Counter(asyncio.Protocol):
    """Count the bytes received."""

    received = 0

    def data_received(self, data: bytes) -> None:
        """Count."""
        Counter.received += len(data)


class Filler(asyncio.Protocol):
    """Write until the transport pauses."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.paused = False

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def pause_writing(self) -> None:
        """Stop."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        self.fill()

    def fill(self) -> None:
        """Write until the transport pauses."""
        while not self.paused:
            self.transport.write(CHUNK)


async def their_bulk(folder: Path, seconds: float) -> tuple[int, str]:
    """Return bytes received, and the cipher."""
    server_tls, client_tls = contexts(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Counter, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    transport, filler = await loop.create_connection(
        Filler, NAME, port, ssl=client_tls, server_hostname=NAME
    )
    await asyncio.sleep(0.2)
    Counter.received = 0
    begin()
    filler.fill()
    await asyncio.sleep(seconds)
    received = Counter.received
    cipher = transport.get_extra_info("cipher")[0]
    filler.paused = True
    transport.abort()
    server.close()
    return received, cipher


async def their_handshakes(folder: Path, seconds: float) -> tuple[int, str]:
    """Return handshakes done, and the cipher."""
    server_tls, client_tls = contexts(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    cipher, done, end = "", 0, time.monotonic() + seconds
    begin()
    while time.monotonic() < end:
        transport, _ = await loop.create_connection(
            asyncio.Protocol, NAME, port, ssl=client_tls, server_hostname=NAME
        )
        cipher = cipher or transport.get_extra_info("cipher")[0]
        transport.close()
        done += 1
    server.close()
    return done, cipher


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
