"""One datagram socket of a test: what came, what is expected of it, what goes out.

It is a `udp_peer`, a member of a multicast group, or the socket that a group sends from. Datagrams
are judged when they come, one by one and whole (`sockharness.facade.udp.messages`). A datagram that
nothing expects stays unread, and fails the test if the test does not receive it or look at it.
After a mismatch nothing more is judged, because later datagrams are out of step.

There is no connection to reset, so a client that waits without a time-out goes on waiting.

**Loss.** The kernel drops datagrams while the receive buffer is full, and counts them. A loss makes
the verdict inconclusive: it may be the cause of everything else that is wrong.

Methods marked *loop* run on the harness's thread, the others anywhere; for the lock see
`sockharness.facade.context`. Our handlers call a user's, after they have recorded the event.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sockharness.facade.context import HarnessContext, refuse_async
from sockharness.facade.ledger import Handler, Ledger
from sockharness.facade.queues import datagrams, make_room
from sockharness.facade.script import Answer, Exchange, Ruling, as_bytes
from sockharness.facade.udp import messages
from sockharness.facade.udp.datagram import Address, Datagram
from sockharness.facade.udp.received import Received
from sockharness.facade.udp.sending import Outgoing, Sending
from sockharness.story.expectations import Mismatch
from sockharness.story.messages import differs
from sockharness.story.outcome import Failure

if TYPE_CHECKING:
    from sockharness.engine.udp.handlers import DatagramFlags, DatagramHandlers
    from sockharness.engine.udp.socket import UDPSocket

__tracebackhide__ = True
MakeSocket = Callable[[Mapping[str, Handler]], Any]
"""Makes the engine's socket, given its handlers; called on the harness's thread."""


class UdpEndpoint:
    """A datagram socket, its ledger and what it has received.

    Args:
        context: the harness's.
        name: how failures call it.
        make: makes the engine's socket.
        number: which of the sockets of this name, from 1.
        belongs_to: the participant to which it belongs, if that has another name.
        recv_buffer: size of the kernel's buffer in bytes; `None`: for long bursts.

    Attributes:
        hint: why nothing may have come, for the failure's text.
        source: names the sender of a datagram by its address, for the ladder.
    """

    def __init__(
        self,
        context: HarnessContext,
        name: str,
        make: MakeSocket,
        *,
        number: int = 1,
        belongs_to: str = "",
        recv_buffer: int | None = None,
    ) -> None:
        self.context = context
        title = name if number < 2 else f"{name}@{number}"
        self.ledger = Ledger(
            context, name, self, number=number, title=title, participant=belongs_to
        )
        self.hint = ""
        self.source: Callable[[Address], str] = lambda _address: ""
        self.received = Received()
        self._handlers: DatagramHandlers | None = None
        self._lost = 0  # when last read
        self._forgiven = 0  # how many of these were reported, or belong to a test before
        self.udp: UDPSocket
        self.sending: Sending
        context.call(self._open, make, recv_buffer)
        self.host, self.port = self.udp.address

    # For the handles

    def expect(self, want: object, *, rule: bool) -> Exchange:
        """Add an expectation or a rule."""
        return self.ledger.expect(want, rule=rule, whole=True)

    def handle(self, handlers: Mapping[str, Handler], *, merge: bool) -> None:
        """Put a user's handlers in charge, beside those there are (`merge`) or in their place."""
        from sockharness.engine.udp.handlers import DatagramHandlers

        refuse_async(handlers)
        with self.context.lock:
            chosen = self.ledger.with_handlers(handlers, merge=merge)
            self._handlers = DatagramHandlers(self.context.runner.reactor, chosen)
            self.ledger.handlers = chosen
            if "data" in chosen and len(self.received):
                self.context.runner.post(self._hand_over)

    def send(self, data: bytes, address: Address, *, note: str = "") -> None:
        """Send a datagram behind the waiting ones; raises what the system refuses at once."""
        self.ledger.refuse_closed()
        self.context.call(self.sending.send, Outgoing(data, address), note)

    def fetch(self) -> Datagram:
        """Take the oldest unread datagram; lock held."""
        datagram = self._remove(0)
        if len(self.received) and self.ledger.script.rules:
            self.context.runner.post(self.advance)
        return datagram

    # Judging

    @property
    def untouched(self) -> bool:
        """Whether no datagram has come, not even into the kernel's queue."""
        # In this order, as for connections: what was read before the queue was found empty is
        # either counted, or its turn of the loop goes on.
        return (
            not self.ledger.closed
            and datagrams(self.udp.fileno()) == (0, 0)
            and self.context.runner.reactor.asleep
            and self.context.happened == 0
        )

    def clear(self) -> None:
        """Forget events and expectations; rules and handlers stay."""
        with self.context.lock:
            self.ledger.clear()
            self.received.clear()
            self._forgiven = self._dropped()

    def close(self) -> None:
        """Close the socket; what came stays readable. Idempotent."""
        if not self.ledger.closed:
            self.context.call(self._close)

    # What the ledger asks; lock held

    def outstanding(self) -> Iterable[Exchange]:
        """Return the expectations that are not met."""
        return self.ledger.script.queue

    def unmet(self, exchange: Exchange) -> Mismatch:
        """Describe why an expectation is not met."""
        came = len(self.received.everything)
        return messages.unmet(self.ledger.title, exchange, came=came, hint=self.hint)

    def unread(self, *, final: bool) -> list[Failure]:
        """Return a failure for lost datagrams, and one for unexpected datagrams."""
        ledger, found = self.ledger, []
        lost = self._dropped() - self._forgiven
        if lost > 0:
            found.append(Failure(mismatch=messages.lost(ledger.title, lost), inconclusive=True))
        unseen = self.received.unread(unseen=True)
        if unseen and not ledger.failed and not ledger.script.queue:
            mismatch = messages.unexpected(ledger.title, unseen, expecting=ledger.script.in_use)
            found.append(Failure(mismatch=mismatch))
        return found

    def look_again(self) -> None:
        """Judge anew what is unread, soon."""
        self.received.judged = 0
        if len(self.received):
            self.context.runner.post(self.advance)

    # The engine's handlers; all of these: loop

    def on_data(
        self, socket: "UDPSocket", data: bytes, port: int, address: str, flags: "DatagramFlags"
    ) -> None:
        sender = (address, port)
        with self.context.lock:
            event = self.ledger.record("data", data=data, source=self.source(sender))
            datagram = Datagram(
                data, address=sender, ttl=flags.ttl, at=event.at, truncated=flags.truncated
            )
            self.received.add(datagram)
        if "data" in self.ledger.handlers:
            self._hand_over()
        else:
            self.advance()

    def on_drain(self, socket: "UDPSocket") -> None:
        self.ledger.record("drain")
        self.sending.go_on()
        self._call_handler("drain", socket)

    def on_error(self, socket: "UDPSocket", exception: BaseException) -> None:
        """Take an error of the network about a datagram sent, or what our own handler raised."""
        if not isinstance(exception, OSError):
            self._raised(exception)
            return
        self.ledger.record("error", error=exception)
        self._call_handler("error", socket, exception)

    # What follows; all of these: loop

    def advance(self) -> None:
        """Judge what is unread, and answer."""
        while (step := self._next()) is not None:
            step()
        with self.context.lock:
            self.context.waiters.notify()

    def _next(self) -> Callable[[], None] | None:
        """Return the next step for the unread datagrams, if there is one."""
        ledger, script, received = self.ledger, self.ledger.script, self.received
        with self.context.lock:
            if ledger.failed or not (script.queue or script.rules):
                return None
            if not script.queue and self.context.waiters.is_read(self):
                return None
            while (unread := received.next_to_judge()) is not None:
                judged = messages.judge(script, unread.datagram)
                if judged.ruling is Ruling.TAKE and judged.exchange is not None:
                    self._remove(received.judged)
                    if not judged.exchange.rule:
                        received.judged = 0  # the next one may want what was only looked at
                    script.take(judged.exchange)
                    return partial(self._answer, judged.exchange, unread.datagram)
                if judged.ruling is Ruling.DIFFER and not unread.seen:
                    assert judged.exchange is not None, "it differs from something"
                    script.queue.clear()
                    mismatch = differs(ledger.title, unread.datagram, judged.exchange.matcher)
                    ledger.fail(mismatch, judged.exchange)
                    return None
                received.judged += 1
        return None

    def _answer(self, exchange: Exchange, datagram: Datagram) -> None:
        with self.context.lock:
            if exchange.answer is None:
                self.ledger.answer_later(exchange, partial(self._answer, exchange, datagram))
        if exchange.answer is Answer.REPLY:
            data = exchange.data
            try:
                reply = data if isinstance(data, bytes) else as_bytes(data(datagram))
            except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
                self._raised(error, exchange)
            else:
                self.sending.answer(Outgoing(reply, datagram.address, exchange))

    def _hand_over(self) -> None:
        """Give what is unread to the user's handler."""
        from sockharness.engine.udp.handlers import DatagramFlags

        while True:
            with self.context.lock:
                if not len(self.received) or "data" not in self.ledger.handlers:
                    return
                came = self._remove(0)
            address, port = came.address
            flags = DatagramFlags(came.truncated, ":" in address, came.ttl)
            self._call_handler("data", self.udp, bytes(came), port, address, flags)

    def _call_handler(self, name: str, *args: object) -> None:
        """Call a user's handler; what it raises goes to his `error`, or fails the test."""
        handler = getattr(self._handlers, name, None)
        if handler is None:
            return
        try:
            handler(*args)
        except Exception as error:  # noqa: BLE001 - a user's function; it fails the test
            if name == "error" or self.ledger.handlers.get("error") is None:
                self._raised(error)
            else:
                self._call_handler("error", self.udp, error)

    def _raised(self, exception: BaseException, exchange: Exchange | None = None) -> None:
        """Record what a user's function or the system raised; nothing more is judged."""
        with self.context.lock:
            self.ledger.script.queue.clear()
            self.ledger.raised(exception, exchange)

    def _remove(self, index: int) -> Datagram:
        """Take an unread datagram; the channel's bytes are those of the unread ones. Lock held."""
        datagram = self.received.remove(index)
        unread = self.ledger.channel.unread
        if index == 0:
            del unread[: len(datagram)]
        else:
            unread[:] = b"".join(self.received.unread())
        return datagram

    def _dropped(self) -> int:
        """Return the number of datagrams that the kernel has dropped in all; lock held."""
        if not self.ledger.closed:
            self._lost = datagrams(self.udp.fileno()).dropped
        return self._lost

    # Life

    def _open(self, make: MakeSocket, recv_buffer: int | None) -> None:
        udp = make({"data": self.on_data, "drain": self.on_drain, "error": self.on_error})
        try:
            make_room(udp.fileno(), recv_buffer)
        except BaseException:
            udp.close()
            raise
        self.udp = udp
        self.sending = Sending(udp, self.ledger, self._raised)

    def _close(self) -> None:
        with self.context.lock:
            if self.ledger.closed:
                return
            self._dropped()
            self.ledger.closed = True
            self.ledger.handlers, self._handlers = (
                {},
                None,
            )  # they do not see the close
            self.context.waiters.notify()
        self.udp.close()
