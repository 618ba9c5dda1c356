import sockharness


class Echo:  # held once, for all connections; a dict of functions does as well
    def open(self, socket):
        socket.data = bytearray()  # yours; here: what the kernel has not taken yet

    def data(self, socket, data):
        socket.data += data
        self.drain(socket)

    def drain(self, socket):  # there is room again
        taken = socket.write(socket.data)  # less than all: the rest next time; -1: nothing any more
        del socket.data[: max(0, taken)]

    def close(self, socket, error):
        listener.stop()


listener = sockharness.listen(hostname="127.0.0.1", port=0, socket=Echo())


def show(socket, data):
    print("the server said", data.decode())
    socket.end()


sockharness.connect(
    hostname="127.0.0.1",
    port=listener.port,
    socket={
        "open": lambda socket: socket.write("hello"),
        "data": show,
        "connect_error": lambda socket, error: print("no server:", error),
    },
)
sockharness.run()  # until nothing is left: the listener stopped, the sockets closed
