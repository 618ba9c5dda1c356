"""The datagrams that a socket has received, and the unread ones among them.

Unread datagrams are judged one by one, from the first. One that nothing expects stays unread, and
is judged again when something more is expected.
"""

from dataclasses import dataclass

from sockharness.facade.udp.datagram import Datagram

__tracebackhide__ = True


@dataclass(slots=True)
class Unread:
    """An unread datagram; `seen`: the test has looked at it, so it does not fail the test."""

    datagram: Datagram
    seen: bool = False


class Received:
    """A queue of received datagrams. Every method is called with the lock held.

    Attributes:
        everything: all of them, taken or not.
        judged: how many unread ones, from the first, were judged as things stand.
    """

    __slots__ = ("_queue", "everything", "judged")

    def __init__(self) -> None:
        self.everything: list[Datagram] = []
        self.judged = 0
        self._queue: list[Unread] = []

    def add(self, datagram: Datagram) -> None:
        """Append a datagram."""
        self.everything.append(datagram)
        self._queue.append(Unread(datagram))

    def next_to_judge(self) -> Unread | None:
        """Return the first unread datagram that was not judged yet, if there is one."""
        return self._queue[self.judged] if self.judged < len(self._queue) else None

    def remove(self, index: int = 0) -> Datagram:
        """Take an unread datagram; the oldest, unless another index is given."""
        self.judged -= index < self.judged
        return self._queue.pop(index).datagram

    def look(self) -> list[Datagram]:
        """Return all datagrams received, and mark them as seen."""
        for each in self._queue:
            each.seen = True
        return list(self.everything)

    def unread(self, *, unseen: bool = False) -> list[Datagram]:
        """Return the unread datagrams; `unseen`: only datagrams that the test has not looked at."""
        return [each.datagram for each in self._queue if not (unseen and each.seen)]

    def clear(self) -> None:
        """Forget them all."""
        self.everything.clear()
        self._queue.clear()
        self.judged = 0

    def __len__(self) -> int:
        return len(self._queue)
