"""Handlers, checked, and the group of sockets that shares them.

Handlers belong to a group, not to a socket: a listener and all connections it accepted share one,
a client socket has its own. So `reload` is one assignment and reaches every connection at once,
also when it is called on an accepted socket (TCP-170..172). Functions are looked up when the group
is made; changing the mapping later changes nothing (TCP-004). An exception in one of them goes to
the group's `error`, and never out of the call that ran the handler.

An `async def` handler is wrapped: to call it is to leave its coroutine to the outer loop that
drives the reactor, so there must be one. `alpn_callback` has to answer at once and cannot be one.

A handler that was not given is `None` here. At least one of `data` and `drain` must be given, as in
Bun (TCP-122).

**Misspelt names** are refused; Bun ignores them (D25). In a mapping every unknown name is one. An
object has names of its own, so of it only what can hardly be meant otherwise is refused: a public
callable one slip away from a handler that the object does not have. A slip is a letter that is
missing, doubled or swapped with the next one, behind the first letter (`opne`, `conect_error`), or
another spelling (`connectError`, `onData`). A name with another letter is left alone, because
such words exist: `send`, `closed`, `dates`, `sessions`.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sockharness.engine.loop.outer import Call, OuterLoop
from sockharness.errors import UsageError
from sockharness.handlers import STREAM_HANDLERS
from sockharness.nearest import nearest

if TYPE_CHECKING:
    from sockharness.engine.loop.reactor import Reactor
    from sockharness.engine.tls.plan import Plan

__tracebackhide__ = True  # for pytest: a wrong handler is shown where it was given

HANDLER_NAMES = tuple(STREAM_HANDLERS)

Handler = Callable[..., object]

_ANSWERS_AT_ONCE = "alpn_callback"
_SHORTEST_SLIP = 3  # letters: `en` and `ed` are not `end`
_PLAIN = (types.FunctionType, types.MethodType)
_ANY_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class CheckedHandlers:
    """The user's handlers, checked: an attribute for each name, `None` if absent."""

    __slots__ = HANDLER_NAMES

    open: Handler | None
    data: Handler | None
    drain: Handler | None
    end: Handler | None
    close: Handler | None
    error: Handler | None
    connect_error: Handler | None
    timeout: Handler | None
    handshake: Handler | None
    keylog: Handler | None
    session: Handler | None
    server_name: Handler | None
    alpn_callback: Handler | None

    def __init__(self, source: object, outer: OuterLoop | None = None) -> None:
        """Read a mapping, or an object (instance, class, module) with handlers as attributes.

        Args:
            source: the mapping or object with the handlers.
            outer: the outer loop, which runs `async def` handlers: that of the reactor.

        Raises:
            TypeError: an unknown name in a mapping; a misspelt one or `on_<handler>` in an object;
                a handler that cannot be called with its arguments or is an asynchronous
                generator; no `data` and no `drain`.
            UsageError: an `async def` handler without an outer loop, or where the answer is
                needed at once.
        """
        given = functions_of(source, HANDLER_NAMES)
        for name, arguments in STREAM_HANDLERS.items():
            setattr(self, name, checked(name, given.get(name), outer, arguments))
        if self.data is None and self.drain is None:
            got = ", ".join(repr(name) for name in HANDLER_NAMES if getattr(self, name) is not None)
            raise TypeError(
                "socket: expected at least one of the handlers 'data' and 'drain',"
                f" got {got or 'none'}{_near(source)}"
            )

    def __repr__(self) -> str:
        names = [name for name in HANDLER_NAMES if getattr(self, name) is not None]
        return f"<Handlers {' '.join(names)}>"


class HandlerGroup:
    """The handlers of a listener and its connections, or of one client socket.

    Attributes:
        handlers: replaced as a whole by `reload`.
        listener: the owner of the group; `None` for a client.
        connections: the open sockets of the group, oldest first.
        tls: how new connections are secured; `None`: they are not.
        hostname: the name or address to which a client connected.
    """

    __slots__ = ("_reactor", "connections", "handlers", "hostname", "listener", "tls")

    def __init__(
        self,
        handlers: CheckedHandlers,
        reactor: "Reactor",
        listener: Any = None,
        tls: "Plan | None" = None,
        hostname: str | None = None,
    ) -> None:
        self.handlers = handlers
        self.tls = tls
        self.hostname = hostname
        self.listener = listener
        self.connections: dict[Any, None] = {}  # of sockets, which know this module
        self._reactor = reactor

    def call(self, handler: Handler, socket: object, *args: Any) -> Call | None:
        """Call one of the handlers; return the call that it left to the outer loop, if it did."""
        try:
            result = handler(socket, *args)
        except BaseException as error:  # noqa: BLE001 - reported, see `failed`
            self.failed(error, socket)
            return None
        return result if isinstance(result, Call) else None

    def failed(self, error: BaseException, socket: object) -> None:
        """Give a handler's exception to `error`, or raise it out of `run` (TCP-101, D17)."""
        report(error, self.handlers.error, socket, self._reactor)

    def reload(self, source: object) -> None:
        """Replace all handlers; if it raises, nothing has changed."""
        self.handlers = CheckedHandlers(source, self._reactor.outer_loop)


def report(
    error: BaseException, handler: Handler | None, socket: object, reactor: "Reactor"
) -> None:
    """Give an exception to an `error` handler; without one, or if that raises, report it."""
    if handler is None or not isinstance(error, Exception):
        reactor.report(error, socket)
        return
    try:
        handler(socket, error)
    except BaseException as second:  # noqa: BLE001 - reported (TCP-107)
        reactor.report(second, socket)


def functions_of(source: object, names: Sequence[str]) -> dict[str, Any]:
    """Return the values of a mapping or an object under these names, unchecked.

    Raises:
        TypeError: it is not a mapping and not an object with handlers, a mapping has an unknown
            name, or an object has a misspelt one.
    """
    if isinstance(source, Mapping):
        return _from_mapping(source, names)
    return _from_object(source, names)


def _from_mapping(source: Mapping[Any, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in source:
        if name not in names:
            raise TypeError(f"socket: unknown handler {name!r}{_suggestion(name, names)}")
    return dict(source)


def _suggestion(name: object, names: Sequence[str]) -> str:
    close = _closest(str(name), names)
    return f"; did you mean {close!r}?" if close else f"; known are {', '.join(names)}"


def _near(source: object) -> str:
    """Return a suggestion if an object has a public name that looks like `data` or `drain`."""
    if isinstance(source, Mapping):  # its names are known to be handlers
        return ""
    for name in _public_names(source):
        close = _closest(name, ("data", "drain")) if name not in HANDLER_NAMES else ""
        if close:
            return f"; did you mean {close!r} by {name!r}?"
    return ""


def _public_names(source: object) -> list[str]:
    return [name for name in dir(source) if not name.startswith("_")]


def _closest(name: str, known: Sequence[str]) -> str:
    bare = name.removeprefix("on_").removeprefix("on").lower()
    return bare if bare in known else nearest(bare, known)


def _from_object(source: object, names: Sequence[str]) -> dict[str, Any]:
    if source is None or isinstance(source, (str, bytes, int, float, list, tuple, set)):
        raise TypeError(f"socket: expected a mapping or an object with handlers, got {source!r}")
    for name in names:
        if getattr(source, f"on_{name}", None) is not None:
            raise TypeError(f"socket: handler 'on_{name}' is called {name!r} here, rename it")
    _refuse_slips(source, tuple(names))
    return {name: getattr(source, name, None) for name in names}


def _refuse_slips(source: object, names: tuple[str, ...]) -> None:
    slips = _slips(names)
    for name in _public_names(source):
        meant = slips.get(_folded(name)) if name not in names and name[0].islower() else None
        if meant and not hasattr(source, meant) and callable(getattr(source, name, None)):
            raise TypeError(
                f"socket: unknown handler {name!r}; did you mean {meant!r}?"
                f" If not, write `{meant} = None` beside it"
            )


@functools.cache
def _slips(names: tuple[str, ...]) -> dict[str, str]:
    """Return the misspellings of the names by one slip, folded, with the right name for each."""
    return {slip: name for name in names for slip in _slips_of(_folded(name))}


def _slips_of(name: str) -> Iterator[str]:
    yield name
    yield f"on{name}"
    for at in range(1, len(name)):
        head, letter, tail = name[:at], name[at], name[at + 1 :]
        if len(name) > _SHORTEST_SLIP:
            yield head + tail
        yield head + letter + letter + tail
        yield head + tail[:1] + letter + tail[1:]


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def checked(
    name: str, handler: object, outer: OuterLoop | None, arguments: Sequence[str] = ()
) -> Handler | None:
    """Return a handler that can be called: an `async def` one is wrapped for the outer loop.

    With `arguments`, a function or method in Python must take that many. Raises as
    `CheckedHandlers`.
    """
    if handler is None:
        return None
    if _is_plain(handler, len(arguments)):
        return cast(Handler, handler)  # nearly all of them
    if arguments and not _takes(handler, len(arguments)):
        raise TypeError(_unfit(name, handler, arguments))
    if type(handler) in _PLAIN and not _is_code_of(handler, _ANY_ASYNC):
        return cast(Handler, handler)
    if not callable(handler) or _has_code(handler, inspect.CO_ASYNC_GENERATOR):
        raise TypeError(f"socket: handler {name!r}: expected a function, got {handler!r}")
    if not is_async(handler):
        return handler
    if name == _ANSWERS_AT_ONCE:
        raise UsageError(f"socket: handler {name!r} is async def, but must answer at once")
    if outer is None:
        raise UsageError(
            f"socket: handler {name!r} is async def, which needs a reactor inside asyncio or trio"
        )
    return _spawning(handler, outer)


def is_async(handler: object) -> bool:
    """Return whether a handler is `async def`."""
    return _has_code(handler, inspect.CO_COROUTINE)


def _is_plain(handler: object, count: int) -> bool:
    function, count = _in_python(handler, count)
    if function is None:
        return False
    code = function.__code__
    return (
        code.co_argcount == count and not code.co_kwonlyargcount and not code.co_flags & _ANY_ASYNC
    )


def _takes(handler: object, count: int) -> bool:
    function, count = _in_python(handler, count)
    if function is None:
        return True
    code = function.__code__
    most = count if code.co_flags & inspect.CO_VARARGS else code.co_argcount
    least = code.co_argcount - len(function.__defaults__ or ())
    return least <= count <= most and code.co_kwonlyargcount == len(function.__kwdefaults__ or ())


def _in_python(handler: object, count: int) -> tuple[types.FunctionType | None, int]:
    """Return the function behind a handler, if there is one in Python, and how many arguments that
    has to take: those of the handler, and a method's own object."""
    if type(handler) is types.MethodType:
        handler, count = handler.__func__, count + 1
    return handler if type(handler) is types.FunctionType else None, count


def _unfit(name: str, handler: object, arguments: Sequence[str]) -> str:
    signature = inspect.signature(cast(Handler, handler))
    of_a_class = type(handler) is types.FunctionType and "self" in signature.parameters
    return (
        f"socket: handler {name!r}: expected one that takes ({', '.join(arguments)}),"
        f" got {handler!r} with {signature}"
        f"{'; is it a class in place of an instance?' if of_a_class else ''}"
    )


def _spawning(handler: Handler, outer: OuterLoop) -> Handler:
    def spawn(socket: object, *args: Any) -> Call:
        coroutine: Any = handler(socket, *args)
        return outer.spawn(Call(coroutine, socket))

    return spawn


def _has_code(handler: object, kind: int) -> bool:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return _is_code_of(handler, kind) or _is_code_of(getattr(type(handler), "__call__", None), kind)  # noqa: B004 - its kind, not its existence


def _is_code_of(function: object, kind: int) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & kind)
