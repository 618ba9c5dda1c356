"""Send to ports as fast as possible, and print datagrams per second: MODE SECONDS SIZE PORT...

Modes: `sendto`, a bare loop over a socket of the standard library; `send` and `many`, the engine.
"""

import socket
import sys
import time
from collections.abc import Callable

import sockharness

HOST = "127.0.0.1"
ROUND = 1000
mode, seconds, size, *texts = sys.argv[1:]
ports = [int(text) for text in texts]
data = bytes(int(size))


def sendto() -> Callable[[], int]:
    """Return a round of a bare loop."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    sock.settimeout(0)
    port = ports[0]

    def round_() -> int:
        for _ in range(ROUND):
            sock.sendto(data, (HOST, port))
        return ROUND

    return round_


def send() -> Callable[[], int]:
    """Return a round of `send`."""
    udp = sockharness.udp_socket(hostname=HOST)
    port = ports[0]

    def round_() -> int:
        for _ in range(ROUND):
            udp.send(data, port, HOST)
        return ROUND

    return round_


def many() -> Callable[[], int]:
    """Return a round of `send_many`."""
    udp = sockharness.udp_socket(hostname=HOST)
    batch = [each for number in range(ROUND) for each in (data, ports[number % len(ports)], HOST)]
    return lambda: udp.send_many(batch)


run = {"sendto": sendto, "send": send, "many": many}[mode]()
count = 0
begin = time.perf_counter()
end = begin + float(seconds)
while time.perf_counter() < end:
    count += run()
print(count / (time.perf_counter() - begin))
