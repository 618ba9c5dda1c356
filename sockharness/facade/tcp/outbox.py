"""What a connection has still to send, in order.

A piece that is to go out *after what came before it was read* waits until the other program has
read everything (`sockharness.facade.queues`), so each such piece arrives in a read of its own. The
other end cannot announce that it has read, so it is asked: a few times in quick succession, because
a program that waits in `recv` needs some ten microseconds, then ever more seldom.

Free of sockets: it is given functions. It belongs to the harness's thread; only `add` and `then`
may be called from others, which then have `pump` called there.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

QUICK = 20
"""So many questions without a pause."""
PAUSE = 0.001
LONGEST_PAUSE = 0.016


@dataclass(slots=True, kw_only=True)
class Item:
    """Bytes to write, or something to do when all before it was written."""

    data: bytes = b""
    deed: Callable[[], None] | None = None
    after_read: bool = False
    begun: bool = False
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an outbox reaches the world.

    Attributes:
        write: takes bytes, returns how many were taken; -1 when no more ever will be.
        all_read: says whether the other program has read everything.
        later: calls a function after so many seconds; 0: in the next turn of the loop.
        began: is told which bytes are going to be written.
        ended: is told how many of them were.
    """

    write: Callable[[memoryview], int]
    all_read: Callable[[], bool]
    later: Callable[[float, Callable[[], None]], object]
    began: Callable[[bytes], None]
    ended: Callable[[int], None]


class Outbox:
    """A queue of bytes and deeds."""

    __slots__ = ("_asked", "_items", "_pumping", "_waiting", "_way", "_wrote")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._way: Way | None = None
        self._pumping = False
        self._wrote = False
        self._waiting = False
        self._asked = 0

    def add(self, data: bytes, *, after_read: bool = False) -> None:
        """Append bytes."""
        self._items.append(Item(data=data, after_read=after_read))

    def then(self, deed: Callable[[], None]) -> None:
        """Append something to do when everything before it was written."""
        self._items.append(Item(deed=deed))

    def open(self, way: Way) -> None:
        """Say how the world is reached; before that everything waits."""
        self._way = way

    def close(self) -> None:
        """Forget what was not sent; nothing is sent any more."""
        way, self._way = self._way, None
        if way is not None and self._items and self._items[0].begun:
            way.ended(self._items[0].sent)
        self._items.clear()

    def pump(self) -> None:
        """Send what can be sent now."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._items and self._way is not None and self._send(self._items[0], self._way):
                pass
        finally:
            self._pumping = False

    def _send(self, item: Item, way: Way) -> bool:
        """Send an item; say whether to go on with the next."""
        if item.deed is not None:
            self._items.popleft()
            item.deed()
            return True
        if not item.begun:
            if item.after_read and self._wrote and not way.all_read():
                self._ask_later(way)
                return False
            self._asked = 0
            item.begun = True
            way.began(item.data)
        taken = way.write(memoryview(item.data)[item.sent :])
        if taken < 0:
            self.close()
            return False
        self._wrote = True
        item.sent += taken
        if item.sent < len(item.data) or self._way is None:
            return False
        self._items.popleft()
        way.ended(item.sent)
        return True

    def _ask_later(self, way: Way) -> None:
        if self._waiting:
            return
        self._waiting = True
        self._asked += 1
        pause = min(PAUSE * 2 ** max(0, self._asked // QUICK - 1), LONGEST_PAUSE)
        way.later(0.0 if self._asked <= QUICK else pause, self._ask)

    def _ask(self) -> None:
        self._waiting = False
        self.pump()

    def __len__(self) -> int:
        return len(self._items)
