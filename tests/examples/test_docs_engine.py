"""The examples of the page about the engine, as printed there."""

import asyncio
import errno
import io

import sockharness
from tests.helpers.datagrams import Faulty, Net


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


def ask_over_udp():
    """A server that answers, a client that asks it."""
    answers = []

    def answer(socket, data, port, address):
        socket.send(data.upper(), port, address)

    def heard(socket, data, port, address, flags):
        answers.append(data)
        socket.close()
        server.close()

    server = sockharness.udp_socket(hostname="127.0.0.1", socket={"data": answer})
    client = sockharness.udp_socket(
        connect={"hostname": "127.0.0.1", "port": server.port}, socket={"data": heard}
    )
    client.send(b"ping")  # the peer is known; without one: send(data, port, address)
    sockharness.run()
    return answers


def test_datagrams_are_answered():
    assert ask_over_udp() == [b"PING"]


def send_all(socket, datagrams):
    """Send a list of (data, port, address), and what there is no room for in `drain`."""

    def pump(socket):
        del datagrams[: socket.send_many(datagrams)]

    socket.reload({"drain": pump})
    pump(socket)


def test_what_there_is_no_room_for_is_sent_in_drain():
    kernel = Faulty(errno.EAGAIN)
    with Net(kernel) as net:
        receiver = net.udp("a")
        datagrams = [(b"%d" % number, receiver.port, "127.0.0.1") for number in range(3)]

        send_all(net.udp(segment_offload=False), datagrams)

        assert len(datagrams) == 3
        assert net.settle() == "a.data(0) a.data(1) a.data(2)"
        assert datagrams == []


def hear_a_group():
    """A member of a group on loopback, and a sender to the group."""
    heard = []
    member = sockharness.udp_socket(socket={"data": lambda socket, data, *_: heard.append(data)})
    member.add_membership("239.1.2.3", "127.0.0.1")

    with member, sockharness.udp_socket() as speaker:
        speaker.set_multicast_interface("127.0.0.1")
        speaker.send(b"here I am", member.port, "239.1.2.3")
        assert sockharness.Reactor.current().run_until(lambda: heard, timeout=5)
    return heard


def test_a_member_hears_its_group():
    assert hear_a_group() == [b"here I am"]


class Upload:
    """Handlers of a client that sends a file and hangs up when the kernel has all of it."""

    def __init__(self, file):
        self.file = file

    def open(self, socket):
        self.drain(socket)

    def drain(self, socket):  # there is room again
        outbox = sockharness.Outbox(socket)
        while not len(outbox) and (chunk := self.file.read(65536)):
            outbox.write(chunk)
        if not len(outbox):
            outbox.end()


def test_a_file_is_read_as_fast_as_the_kernel_takes_it():
    sent = bytes(range(256)) * 65536
    received = bytearray()

    def on_close(socket, error):
        listener.stop()

    listener = sockharness.listen(
        socket={"data": lambda socket, data: received.extend(data), "close": on_close},
        hostname="127.0.0.1",
        port=0,
    )
    sockharness.connect(socket=Upload(io.BytesIO(sent)), hostname="127.0.0.1", port=listener.port)

    sockharness.run()

    assert received == sent
