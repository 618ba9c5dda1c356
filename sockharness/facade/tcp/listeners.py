"""Listeners for servers, some of them made ahead.

To wake the harness's thread and wait for it takes longer than everything else that a server costs a
test. So `Spares` keeps a few listeners ready; a few, because the thread may come to run only every
few tests. Nobody knows their ports before they have an owner.
"""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sockharness.address import LOOPBACK
from sockharness.facade.tcp.dispatch import Dispatch

if TYPE_CHECKING:
    from sockharness.engine.loop.runner import ThreadRunner
    from sockharness.engine.tcp.listener import Listener

__tracebackhide__ = True
KEPT = 4
"""The number of listeners that are kept ready."""


class ServerListener:
    """A listener, and the handlers of its connections. Made on the harness's thread.

    Args:
        runner: that thread.
        options: the engine's, for `listen`.
    """

    __slots__ = ("dispatch", "listener")

    def __init__(self, runner: "ThreadRunner", options: Mapping[str, Any]) -> None:
        from sockharness.engine.streams import listen

        self.dispatch = Dispatch()
        self.listener: Listener = listen(
            socket=self.dispatch, port=0, allow_half_open=True, reactor=runner.reactor, **options
        )


class Spares:
    """Keeps some listeners with the ordinary options ready."""

    def __init__(self, runner: "ThreadRunner") -> None:
        self._runner = runner
        self._ready: deque[ServerListener] = deque()

    def take(self, options: Mapping[str, Any]) -> ServerListener | None:
        """Return one that is ready, if its options are these, and have others made in time."""
        if options != _ORDINARY:
            return None
        listener = self._ready.popleft() if self._ready else None
        if len(self._ready) < KEPT // 2:
            self._runner.post(self._make)
        return listener

    def _make(self) -> None:
        """Make some. If the system refuses, the next server makes its own and raises that."""
        while len(self._ready) < KEPT:
            try:
                self._ready.append(ServerListener(self._runner, _ORDINARY))
            except OSError:
                return


_ORDINARY = {"hostname": LOOPBACK}
