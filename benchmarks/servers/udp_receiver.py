"""Receive datagrams and count them; answer "?" with the count since the last "?".

With the argument `asyncio` it uses asyncio's datagram protocol, otherwise the engine.
"""

import asyncio
import sys

import sockharness


class Counting(asyncio.DatagramProtocol):
    """Count datagrams."""

    __slots__ = ("count", "transport")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]
        self.count = 0

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Count, or report the count."""
        if len(data) == 1:
            self.transport.sendto(b"%d" % self.count, address)
            self.count = 0
        else:
            self.count += 1


async def in_asyncio() -> None:
    """Serve."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Counting, local_addr=("127.0.0.1", 0))
    print(transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


def inline() -> None:
    """Serve."""
    count = 0

    def data(
        socket: sockharness.UDPSocket, payload: bytes, port: int, address: str, _flags: object
    ) -> None:
        nonlocal count
        if len(payload) == 1:
            socket.send(b"%d" % count, port, address)
            count = 0
        else:
            count += 1

    socket = sockharness.udp_socket(hostname="127.0.0.1", socket={"data": data})
    print(socket.port, flush=True)
    sockharness.run()


if sys.argv[1:] == ["asyncio"]:
    asyncio.run(in_asyncio())
else:
    inline()
