"""The settings of an open stream socket."""

from typing import Any

from sockharness.engine import options, sockopts
from sockharness.engine.handle import Handle
from sockharness.engine.loop.timers import Timer


class Settable(Handle):
    """The setters of a `Socket`: on a closed one they do nothing and return `False` (TCP-041)."""

    __slots__ = ("_timer",)

    _group: Any
    _timer: Timer | None

    def timeout(self, seconds: float) -> None:
        """Call `timeout` once, `seconds` from now; 0 cancels. It never closes (TCP-112, D2).

        Traffic does not postpone it; another call replaces it. Any number, no default.
        """
        self._reactor.check()
        if self._sock is None:
            return
        delay = options.seconds("seconds", seconds)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay:
            self._timer = self._reactor.call_later(delay, self._on_timeout)
            self._timer.unref()

    def set_no_delay(self, on: bool = True) -> bool:  # noqa: FBT001, FBT002 - Bun's signature
        """Send small segments at once (TCP_NODELAY), as sockets do from the start (TCP-186)."""
        self._reactor.check()
        options.flag("on", on)
        return self._sock is not None and sockopts.no_delay(self._sock, on=on)

    def set_keep_alive(self, on: bool = False, initial_delay: float = 0.0) -> bool:  # noqa: FBT001, FBT002 - Bun's signature
        """Probe an idle connection, first after `initial_delay` seconds (TCP-187).

        A delay below 1 s leaves the system's. Returns whether the system agreed.
        """
        self._reactor.check()
        options.flag("on", on)
        delay = int(options.seconds("initial_delay", initial_delay))
        return self._sock is not None and sockopts.keep_alive(self._sock, on=on, delay=delay)

    def _on_timeout(self) -> None:
        self._timer = None
        timeout = self._group.handlers.timeout
        if timeout is not None:
            self._group.call(timeout, self)
