from collections.abc import Callable

from sockharness.facade.tcp.outbox import Outbox, Way


class World:
    """A kernel with so much room, and a reader who reads when told."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.taken: list[bytes] = []
        self.unread = False
        self.closed = False
        self.timers: list[Callable[[], None]] = []
        self.log: list[object] = []

    def way(self) -> Way:
        return Way(
            write=self._write,
            all_read=lambda: not self.unread,
            later=lambda _delay, function: self.timers.append(function),
            began=self.log.append,
            ended=self.log.append,
        )

    def _write(self, data: memoryview) -> int:
        if self.closed:
            return -1
        took = min(self.room, len(data))
        self.room -= took
        self.taken.append(bytes(data[:took]))
        self.unread = True
        return took

    def read(self) -> None:
        self.unread = False
        timers, self.timers = self.timers, []
        for timer in timers:
            timer()


def test_everything_waits_until_there_is_a_way() -> None:
    outbox, world = Outbox(), World()
    outbox.add(b"one")
    outbox.pump()

    outbox.open(world.way())
    outbox.pump()

    assert world.taken == [b"one"]


def test_what_the_kernel_does_not_take_is_written_later() -> None:
    outbox, world = Outbox(), World(room=2)
    outbox.open(world.way())
    outbox.add(b"hello")
    outbox.pump()
    world.room = 10

    outbox.pump()

    assert world.taken == [b"he", b"llo"]
    assert world.log == [b"hello", 5]


def test_a_piece_waits_until_all_before_it_was_read() -> None:
    outbox, world = Outbox(), World()
    outbox.open(world.way())
    for piece in (b"a", b"b"):
        outbox.add(piece, after_read=True)

    outbox.pump()
    before = list(world.taken)
    world.read()

    assert before == [b"a"]
    assert world.taken == [b"a", b"b"]


def test_a_deed_waits_for_the_bytes_before_it() -> None:
    outbox, world = Outbox(), World(room=0)
    outbox.open(world.way())
    outbox.add(b"x")
    outbox.then(lambda: world.log.append("end"))
    outbox.pump()
    world.room = 1

    outbox.pump()

    assert world.log == [b"x", 1, "end"]


def test_a_closed_connection_takes_nothing_more() -> None:
    outbox, world = Outbox(), World()
    outbox.open(world.way())
    world.closed = True
    outbox.add(b"x")
    outbox.then(lambda: world.log.append("end"))

    outbox.pump()

    assert len(outbox) == 0
    assert world.log == [b"x", 0]
