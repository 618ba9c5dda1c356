"""The engine inside an asyncio loop. With the argument `sink` it reads and drops."""

import asyncio
import sys

import sockharness

sink = sys.argv[1:] == ["sink"]


async def main() -> None:
    """Serve."""
    data = (lambda socket, data: None) if sink else (lambda socket, data: socket.write(data))
    listener = sockharness.listen(socket={"data": data}, hostname="127.0.0.1", port=0, backlog=4096)
    print(listener.port, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
