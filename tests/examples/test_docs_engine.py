"""The example of the page about the engine, as printed there."""

import asyncio

import sockharness


def echo_once():
    """A server that echoes, a client that says hello and hangs up."""
    heard = []

    def on_data(socket, data):
        heard.append(data)
        socket.end()

    def on_close(socket, error):
        listener.stop()

    listener = sockharness.listen(
        socket={"data": lambda socket, data: socket.write(data)},
        hostname="127.0.0.1",
        port=0,
    )
    sockharness.connect(
        socket={
            "open": lambda socket: socket.write(b"hello"),
            "data": on_data,
            "close": on_close,
        },
        hostname="127.0.0.1",
        port=listener.port,
    )
    sockharness.run()  # returns when nothing is left: the listener stopped, the sockets closed
    return heard


def test_the_engine_runs_by_itself():
    assert echo_once() == [b"hello"]


async def converse_in_asyncio(port):
    answer = asyncio.get_running_loop().create_future()
    socket = await sockharness.connect(
        socket={"data": lambda socket, data: answer.set_result(data)},
        hostname="127.0.0.1",
        port=port,
    )
    socket.write(b"PING\r\n")
    with socket:
        return await answer


def test_a_connection_can_be_awaited(tcp_server):
    tcp_server.expect(b"PING\r\n").reply(b"PONG\r\n")

    assert asyncio.run(converse_in_asyncio(tcp_server.port)) == b"PONG\r\n"
