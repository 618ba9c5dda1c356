"""The datagrams that wait to be sent, because the kernel had no room for them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sockharness.facade.ledger import Ledger
from sockharness.facade.script import Exchange
from sockharness.facade.udp.datagram import Address

if TYPE_CHECKING:
    from sockharness.engine.udp.socket import UDPSocket

__tracebackhide__ = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send, and the exchange that it answers, if it answers one."""

    data: bytes
    address: Address
    answers: Exchange | None = None


class Sending:
    """A queue of datagrams to send. Belongs to the harness's thread.

    Args:
        socket: the engine's.
        ledger: its ledger.
        failed: called with what the system raised for a datagram that answers an exchange.
    """

    __slots__ = ("_failed", "_ledger", "_queue", "_socket")

    def __init__(
        self,
        socket: "UDPSocket",
        ledger: Ledger,
        failed: Callable[[BaseException, Exchange | None], None],
    ) -> None:
        self._socket = socket
        self._ledger = ledger
        self._failed = failed
        self._queue: deque[Outgoing] = deque()

    def send(self, outgoing: Outgoing, note: str = "") -> None:
        """Send now, or behind the waiting datagrams; raises what the system refuses at once."""
        if self._queue or not self._give(outgoing, note):
            self._queue.append(outgoing)

    def answer(self, outgoing: Outgoing) -> None:
        """Send an answer behind the waiting datagrams; if the system refuses it, the test fails."""
        self._queue.append(outgoing)
        self.go_on()

    def go_on(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        while self._queue and not self._ledger.closed:
            outgoing = self._queue[0]
            try:
                if not self._give(outgoing):
                    return
            except (OSError, ValueError) as error:  # too long, no way there
                self._failed(error, outgoing.answers)
            self._queue.popleft()

    def _give(self, outgoing: Outgoing, note: str = "") -> bool:
        """Give a datagram to the kernel; say whether it was taken."""
        address, port = outgoing.address
        if not self._socket.send(outgoing.data, port, address):
            return False
        size = len(outgoing.data)
        self._ledger.record_action("send", outgoing.data, result=size, note=note)
        return True
