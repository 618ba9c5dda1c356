"""The handler group: who is called when something happens.

Handlers belong to a group, not to a socket: a listener and all connections it accepted share one,
a client socket has its own. So `reload` is one assignment and reaches every connection at once,
also when it is called on an accepted socket (TCP-170..172). Functions are looked up when the group
is made; changing the mapping later changes nothing (TCP-004).

A handler that was not given is `None` here. At least one of `data` and `drain` must be given, as in
Bun (TCP-122).
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sockharness.errors import UsageError

if TYPE_CHECKING:
    from sockharness.engine.listener import Listener
    from sockharness.engine.stream import Socket

HANDLER_NAMES = (
    "open",
    "data",
    "drain",
    "end",
    "close",
    "error",
    "timeout",
    "connect_error",
    "handshake",
    "keylog",
    "session",
    "server_name",
    "alpn_callback",
)

Handler = Callable[..., object]

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Handlers:
    """What the user gave, checked: an attribute per handler name, `None` where absent."""

    __slots__ = HANDLER_NAMES

    open: Handler | None
    data: Handler | None
    drain: Handler | None
    end: Handler | None
    close: Handler | None
    error: Handler | None
    timeout: Handler | None
    connect_error: Handler | None
    handshake: Handler | None
    keylog: Handler | None
    session: Handler | None
    server_name: Handler | None
    alpn_callback: Handler | None

    def __init__(self, source: object) -> None:
        """Read a mapping, or an object (instance, class, module) with handlers as attributes.

        Raises:
            TypeError: an unknown name in a mapping, an attribute `on_<handler>`, a handler that
                cannot be called, neither `data` nor `drain`.
            UsageError: an `async def` handler; they need a reactor inside asyncio or trio.
        """
        given = _from_mapping(source) if isinstance(source, Mapping) else _from_object(source)
        for name in HANDLER_NAMES:
            handler = given.get(name)
            _check_handler(name, handler)
            setattr(self, name, handler)
        if self.data is None and self.drain is None:
            raise TypeError("socket: expected at least one of the handlers 'data' and 'drain'")

    def __repr__(self) -> str:
        names = [name for name in HANDLER_NAMES if getattr(self, name) is not None]
        return f"<Handlers {' '.join(names)}>"


class HandlerGroup:
    """The handlers of a listener and its connections, or of one client socket.

    Attributes:
        handlers: replaced as a whole by `reload`.
        listener: whose group it is; `None` for a client.
        connections: the open sockets of the group, oldest first.
    """

    __slots__ = ("connections", "handlers", "listener")

    def __init__(self, handlers: Handlers, listener: "Listener | None" = None) -> None:
        self.handlers = handlers
        self.listener = listener
        self.connections: dict[Socket, None] = {}


def _from_mapping(source: Mapping[Any, Any]) -> dict[str, Any]:
    for name in source:
        if name not in HANDLER_NAMES:
            raise TypeError(f"socket: unknown handler {name!r}{_suggestion(name)}")
    return dict(source)


def _suggestion(name: object) -> str:
    bare = str(name).removeprefix("on_").removeprefix("on").lower()
    close = [bare] if bare in HANDLER_NAMES else difflib.get_close_matches(bare, HANDLER_NAMES, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(HANDLER_NAMES)}"


def _from_object(source: object) -> dict[str, Any]:
    if source is None or isinstance(source, (str, bytes, int, float, list, tuple, set)):
        raise TypeError(f"socket: expected a mapping or an object with handlers, got {source!r}")
    for name in HANDLER_NAMES:
        if getattr(source, f"on_{name}", None) is not None:
            raise TypeError(f"socket: handler 'on_{name}' is called {name!r} here, rename it")
    return {name: getattr(source, name, None) for name in HANDLER_NAMES}


def _check_handler(name: str, handler: object) -> None:
    if handler is None:
        return
    if not callable(handler):
        raise TypeError(f"socket: handler {name!r}: expected a function, got {handler!r}")
    if _is_async(handler):
        raise UsageError(
            f"socket: handler {name!r} is async def, which needs a reactor inside asyncio or trio"
        )


def _is_async(handler: object) -> bool:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return _has_async_code(handler) or _has_async_code(getattr(type(handler), "__call__", None))  # noqa: B004 - its kind, not its existence


def _has_async_code(function: object) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & _ASYNC)
