"""The engine, inline. With the argument `sink` it reads and drops."""

import sys

import sockharness

sink = sys.argv[1:] == ["sink"]
data = (lambda socket, data: None) if sink else (lambda socket, data: socket.write(data))
listener = sockharness.listen(socket={"data": data}, hostname="127.0.0.1", port=0, backlog=4096)
print(listener.port, flush=True)
sockharness.run()
