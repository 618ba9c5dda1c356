"""One listening server: an `Endpoint` that accepts its connections."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sockharness.errors import UsageError
from sockharness.facade.context import HarnessContext
from sockharness.facade.queues import backlog
from sockharness.facade.tcp.endpoint import Endpoint
from sockharness.facade.tcp.listeners import ServerListener, Spares
from sockharness.facade.tcp.stream import Stream

if TYPE_CHECKING:
    from sockharness.engine.tcp.listener import Listener
    from sockharness.engine.tcp.socket import Socket

__tracebackhide__ = True


class Service(Endpoint):
    """A listener and its connections.

    Args:
        context: the harness's.
        name: how failures call it.
        half_open: whether our end stays open when the other side has ended.
        options: the engine's, for `listen`.
        spares: listeners made ahead.

    Attributes:
        key_log: is given the secrets of connections, line by line.
    """

    def __init__(
        self,
        context: HarnessContext,
        name: str,
        *,
        half_open: bool,
        options: Mapping[str, Any],
        spares: Spares | None = None,
    ) -> None:
        super().__init__(context, name, secure="tls" in options, half_open=half_open)
        self.refusing = False
        self.key_log: Callable[[bytes], object] | None = None
        made = spares.take(options) if spares is not None else None
        if made is None:
            made = context.call(ServerListener, context.runner, options)
        self.dispatch = made.dispatch
        self.dispatch.owner = self
        self.listener: Listener = made.listener
        self.host: str = options["hostname"]
        self.port = self.listener.port or 0

    @property
    def untouched(self) -> bool:
        """Whether no connection has come, not even into the kernel's queue."""
        # In this order: what was accepted before the queue was found empty is either counted, or
        # its turn of the loop goes on.
        return (
            backlog(self.listener.fileno()) == 0
            and self.context.runner.reactor.asleep
            and self.context.happened == 0
            and self.ledger.came == 0
        )

    def refuse(self, *, on: bool) -> None:
        """Refuse connections while the port stays held, or accept them again."""
        self.ledger.refuse_closed()
        if self.refusing == on:
            raise UsageError("refusing() is in force already" if on else "it accepts already")
        self.context.call(self.listener.refuse if on else self.listener.accept_again)
        self.refusing = on

    def use_tls(self, tls: Any) -> None:
        """Use other options of TLS from the next accept on."""
        self.ledger.refuse_closed()
        self.context.call(lambda: self.listener.reload(tls=tls))

    def admit(self, socket: "Socket") -> Stream:
        """Loop: return the stream of a connection that was accepted."""
        with self.context.lock:
            self.ledger.came += 1
            return self.stream(self.ledger.came)

    def on_secret(self, line: bytes) -> None:
        """Loop: take a line for a key log."""
        if self.key_log is not None:
            self.key_log(line)

    def _close(self) -> None:
        super()._close()
        self.listener.stop(close_active=True)
