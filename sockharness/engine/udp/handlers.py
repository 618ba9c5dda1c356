"""The handlers of a UDP socket: `data`, `drain`, `error`, all optional (UDP-017, UDP-018).

Unlike those of TCP they merge: `reload` replaces the handlers that it names, and there is no
way to take one away (UDP-125). `data` is always called with five arguments; around a function that
takes four there is a wrapper without the flags.
"""

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from sockharness.engine.handlers import Handler, checked, functions_of, report
from sockharness.handlers import DATAGRAM_HANDLERS

if TYPE_CHECKING:
    from sockharness.engine.loop.reactor import Reactor

__tracebackhide__ = True  # for pytest: a wrong handler is shown where it was given

# `data` has a check of its own: it may take four or five.
_ARGUMENTS: dict[str, tuple[str, ...]] = {**DATAGRAM_HANDLERS, "data": ()}


class DatagramFlags(NamedTuple):
    """The fifth argument of `data`.

    Attributes:
        truncated: the datagram was longer than what could be received of it.
        ipv6: the address is written as IPv6; also for an IPv4 sender on a socket of `::` (UDP-082).
        ttl: the TTL with which it arrived; `None` on a socket without `receive_ttl`. Not in Bun.
    """

    truncated: bool
    ipv6: bool
    ttl: int | None = None


class DatagramHandlers:
    """The user's handlers, checked: an attribute for each name, `None` if absent."""

    __slots__ = ("_reactor", *DATAGRAM_HANDLERS)

    data: Handler | None
    drain: Handler | None
    error: Handler | None

    def __init__(self, reactor: "Reactor", source: object = None) -> None:
        """Read a mapping or an object with handlers; `None` is none. Raises as `merge`."""
        self._reactor = reactor
        self.data = self.drain = self.error = None
        if source is not None:
            self.merge(source)

    def merge(self, source: object) -> None:
        """Replace the handlers that are given; if it raises, nothing has changed (UDP-126).

        Raises:
            TypeError: an unknown name in a mapping, an attribute `on_<handler>`, a handler that
                cannot be called or not with its arguments, of which `data` takes four or five.
            UsageError: an `async def` handler without an outer loop that would run it.
        """
        given = functions_of(source, tuple(DATAGRAM_HANDLERS))
        outer = self._reactor.outer_loop
        made = {
            name: checked(name, given.get(name), outer, _ARGUMENTS[name]) for name in _ARGUMENTS
        }
        if made["data"] is not None and not _takes_flags(given["data"]):
            made["data"] = _without_flags(made["data"])
        for name, handler in made.items():
            if handler is not None:
                setattr(self, name, handler)

    def call(self, handler: Handler, socket: object, *args: Any) -> None:
        """Call one of the handlers; what it raises goes to `error` (UDP-077, UDP-121)."""
        try:
            handler(socket, *args)
        except BaseException as error:  # noqa: BLE001 - reported
            self.failed(error, socket)

    def failed(self, error: BaseException, socket: object) -> None:
        """Give a handler's exception to `error`, or raise it out of the reactor's `run` (D17)."""
        report(error, self.error, socket, self._reactor)


def _takes_flags(handler: Any) -> bool:
    """Return whether `data` takes five arguments; one that cannot be inspected is given five."""
    try:
        signature = inspect.signature(handler)
    except ValueError:
        return True
    for count in (5, 4):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count == 5
    raise TypeError(
        "socket: handler 'data': expected one that takes (socket, data, port, address[, flags]),"
        f" got {handler!r} with {signature}"
    )


def _without_flags(handler: Handler) -> Handler:
    def four(socket: object, data: bytes, port: int, address: str, _flags: object) -> object:
        return handler(socket, data, port, address)

    return four
