import sockharness


def echo(socket, data):
    sockharness.Outbox(socket).write(data)  # all of it, in order, as the kernel takes it


def stop(socket, error):
    listener.stop()


listener = sockharness.listen(
    hostname="127.0.0.1",
    port=0,
    socket={"data": echo, "close": stop},  # held once, for all connections
)


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
