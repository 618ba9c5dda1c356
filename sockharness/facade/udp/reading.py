"""Waits for a datagram, or for a time without one."""

from sockharness.errors import ExpectationFailed, UsageError
from sockharness.facade.callsite import call_site
from sockharness.facade.udp.datagram import Datagram
from sockharness.facade.udp.endpoint import UdpEndpoint
from sockharness.facade.udp.messages import unexpected
from sockharness.story.expectations import Mismatch

__tracebackhide__ = True


class DatagramWait:
    """Waits for the next unread datagram that no expectation takes.

    Attributes:
        reads: the socket.

    Raises:
        UsageError: a user's handler takes the datagrams.
    """

    __slots__ = ("_ledger", "_site", "reads")

    def __init__(self, endpoint: UdpEndpoint) -> None:
        if "data" in endpoint.ledger.handlers:
            raise UsageError("the datagrams go to on(data=…); look at .received instead")
        self.reads = endpoint
        self._ledger = endpoint.ledger
        self._site = call_site()

    def ready(self) -> bool:
        """Return whether the datagram is there, or cannot come any more."""
        return self._ledger.failed or self._ledger.closed or self._there

    def take(self) -> Datagram:
        """Take it."""
        if self._ledger.failed or not self._there:
            raise self._failure(None)
        return self.reads.fetch()

    def give_up(self, lasted: float, limit: float) -> ExpectationFailed:
        """Return a failure: none came."""
        return self._failure((lasted, limit))

    @property
    def _there(self) -> bool:
        return not self._ledger.script.queue and len(self.reads.received) > 0

    def _failure(self, wait: tuple[float, float] | None) -> ExpectationFailed:
        because = "; it is closed" if self._ledger.closed else ""
        said = f"{self._ledger.title} got no datagram{because}"
        first = "what was expected comes first, and is outstanding"
        hint = first if self._ledger.script.queue else self.reads.hint
        mismatch = Mismatch(
            headline=said,
            note=said,
            waiting_for="a datagram",
            details=(f"hint: {hint}",) if hint else (),
        )
        return self._ledger.waited_in_vain(mismatch, self._site, wait)


class SilenceWait:
    """Waits for a datagram that must not come: if it comes, `take` raises.

    At the end of the time all is well: `give_up` returns `Silence`.
    """

    __slots__ = ("_endpoint", "_site")

    def __init__(self, endpoint: UdpEndpoint) -> None:
        self._endpoint = endpoint
        self._site = call_site()

    def ready(self) -> bool:
        """Return whether there is a datagram that the test has not seen."""
        return bool(self._endpoint.received.unread(unseen=True))

    def take(self) -> None:
        """Raise: it came."""
        ledger = self._endpoint.ledger
        came = self._endpoint.received.unread(unseen=True)
        mismatch = unexpected(ledger.title, came, expecting=True)
        raise ledger.waited_in_vain(mismatch, self._site, None)

    def give_up(self, lasted: float, limit: float) -> "Silence":
        """Return a failure: none came."""
        return Silence(f"nothing in {lasted:.2f} of {limit:.2f} s")


class Silence(Exception):
    """Nothing came, as the test wished."""
