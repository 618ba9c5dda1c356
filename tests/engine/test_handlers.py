import functools
import re
import typing
from types import SimpleNamespace
from typing import Any

import pytest

import sockharness
from sockharness.engine.handlers import HANDLER_NAMES, CheckedHandlers
from sockharness.engine.udp.handlers import DatagramHandlers
from sockharness.errors import UsageError
from sockharness.handlers import DATAGRAM_HANDLERS, STREAM_HANDLERS
from tests.gallery.complaints import table
from tests.gallery.plugin import Gallery


def on_data(*_args: Any) -> None:
    """Stand in for a handler."""


class Methods:
    def data(self, *args: Any) -> None:
        """Stand in for a handler."""

    close = None
    unrelated = 5


class Namespace:
    made = 0

    def __init__(self) -> None:
        Namespace.made += 1

    def data(self, data: bytes) -> None:
        """Stand in for a handler; `self` is the socket."""


class Inherits(Methods):
    pass


def test_a_mapping_is_read_by_name() -> None:
    handlers = CheckedHandlers({"data": on_data, "close": None})

    assert handlers.data is on_data
    assert [name for name in HANDLER_NAMES if getattr(handlers, name)] == ["data"]
    assert repr(handlers) == "<Handlers data>"


@pytest.mark.shows("TCP-004")
def test_of_an_object_only_handler_names_are_read() -> None:
    """TCP-004: also inherited ones."""
    instance = Inherits()

    handlers = CheckedHandlers(instance)

    assert handlers.data == instance.data
    assert handlers.close is None


def test_a_class_is_a_namespace_and_never_instantiated() -> None:
    handlers = CheckedHandlers(Namespace)

    assert handlers.data is Namespace.data
    assert Namespace.made == 0


def test_a_module_like_object_works() -> None:
    assert CheckedHandlers(SimpleNamespace(drain=on_data)).drain is on_data


@pytest.mark.shows("D25")
@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("on_data", "did you mean 'data'"),
        ("onData", "did you mean 'data'"),
        ("connectError", "did you mean 'connect_error'"),
        ("dataa", "did you mean 'data'"),
        ("xyzzy", "known are open, data"),
        (5, "known are open, data"),
    ],
)
def test_an_unknown_name_in_a_mapping_is_refused_with_a_suggestion(
    name: Any, suggestion: str
) -> None:
    with pytest.raises(TypeError, match=f"unknown handler {name!r}.*{suggestion}"):
        CheckedHandlers({"data": on_data, name: on_data})


def test_an_attribute_with_on_is_refused_with_the_right_name() -> None:
    with pytest.raises(TypeError, match="'on_data' is called 'data' here"):
        CheckedHandlers(SimpleNamespace(on_data=on_data, drain=on_data))


@pytest.mark.shows("D25")
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("opne", "open"),
        ("drian", "drain"),
        ("dtaa", "data"),
        ("conect_error", "connect_error"),
        ("errror", "error"),
        ("connectError", "connect_error"),
        ("servername", "server_name"),
        ("time_out", "timeout"),
        ("open_", "open"),
        ("onClose", "close"),
    ],
)
def test_a_method_one_slip_from_a_handler_that_is_not_there_is_refused(
    name: str, meant: str
) -> None:
    class Handling:
        pass

    setattr(Handling, name, on_data)
    setattr(Handling, "data" if meant == "drain" else "drain", on_data)

    with pytest.raises(TypeError, match=f"unknown handler '{name}'; did you mean '{meant}'"):
        CheckedHandlers(Handling())


ORDINARY = """
send dates date ended_at update metadata closed closes close_all opened opener reopen errors
drained train rain lend sessions session_id timeouts handshakes server_names connect_errors ends
ended sender clone lose connect server log names Data Error en _opne
"""


def test_ordinary_names_beside_handlers_are_the_object_s_own() -> None:
    handling = SimpleNamespace(data=on_data, **dict.fromkeys(ORDINARY.split(), on_data))

    assert repr(CheckedHandlers(handling)) == "<Handlers data>"


@pytest.mark.parametrize(
    "others",
    [{"opne": on_data, "open": on_data}, {"opne": on_data, "open": None}, {"opne": 5}],
    ids=["the handler is there", "it is said to be absent", "not callable"],
)
def test_what_is_no_slip_is_let_alone(others: dict[str, Any]) -> None:
    CheckedHandlers(SimpleNamespace(data=on_data, **others))


@pytest.mark.shows("TCP-123")
@pytest.mark.parametrize("value", [5, "text", object(), False, True])
def test_what_cannot_be_called_is_refused_by_name(value: Any) -> None:
    """TCP-123: `False` is not absent."""
    with pytest.raises(TypeError, match="handler 'open': expected a function, got"):
        CheckedHandlers({"data": on_data, "open": value})


@pytest.mark.shows("TCP-122")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "got none"),
        ({"open": on_data, "end": on_data, "close": None}, "got 'open', 'end'"),
        ({"data": None}, "got none"),
        (SimpleNamespace(), "got none"),
        (SimpleNamespace(open=on_data), "got 'open'"),
        (SimpleNamespace(datum=on_data), "got none; did you mean 'data' by 'datum'?"),
    ],
)
def test_one_of_data_and_drain_is_required(given: Any, told: str) -> None:
    """TCP-122."""
    expected = "socket: expected at least one of the handlers 'data' and 'drain', "
    with pytest.raises(TypeError, match=rf"^{re.escape(expected + told)}$"):
        CheckedHandlers(given)


@pytest.mark.shows("TCP-121")
@pytest.mark.parametrize("given", [None, 5, "x", b"x", [], ()])
def test_what_holds_no_handlers_is_refused(given: Any) -> None:
    """TCP-121."""
    with pytest.raises(TypeError, match="expected a mapping or an object with handlers, got"):
        CheckedHandlers(given)


async def async_handler(*_args: Any) -> None:
    """Stand in for a handler."""


class AsyncCallable:
    async def __call__(self, *args: Any) -> None:
        """Stand in for a handler."""


@pytest.mark.parametrize(
    "handler", [async_handler, functools.partial(async_handler, 1), AsyncCallable()]
)
def test_an_async_handler_is_refused_by_name(handler: Any) -> None:
    with pytest.raises(UsageError, match="handler 'end' is async def"):
        CheckedHandlers({"data": on_data, "end": handler})


class Server:
    def data(self, socket: Any, data: bytes) -> None:
        """Stand in for a handler."""

    def drain(self) -> None:
        """Stand in for a handler that forgot the socket."""


def with_keyword(socket: Any, data: bytes, *, wanted: int) -> None:
    """Stand in for a handler."""


async def without_data(socket: Any) -> None:
    """Stand in for a handler."""


@pytest.mark.shows("D25")
def test_a_handler_that_cannot_be_called_with_its_arguments_is_refused(gallery: Gallery) -> None:
    rows: list[tuple[Any, type[Exception]]] = [
        ({"data": lambda data: None}, TypeError),
        ({"data": lambda data: None}, TypeError),
        ({"data": on_data, "end": lambda: None}, TypeError),
        ({"drain": lambda socket, data: None}, TypeError),
        ({"data": with_keyword}, TypeError),
        ({"data": without_data}, TypeError),
        ({"data": on_data, "close": lambda socket: None}, TypeError),
        ({"drain": Server().drain}, TypeError),
        (Server, TypeError),
    ]

    gallery.check(table(rows, CheckedHandlers))


@pytest.mark.parametrize(
    "handler",
    [
        lambda socket, data: None,
        lambda socket, data, more=None: None,
        lambda socket, *args: None,
        lambda socket, data, *, key=None, **more: None,
        functools.partial(lambda kept, socket, data: None, 1),
        Server().data,
        print,
        bytearray.extend,
    ],
)
def test_a_handler_that_takes_its_arguments_in_its_own_way_is_taken(handler: Any) -> None:
    assert CheckedHandlers({"data": handler}).data is handler


def test_the_types_of_handlers_have_the_names_of_the_table() -> None:
    assert list(sockharness.Handlers.__annotations__) == list(STREAM_HANDLERS)
    assert list(CheckedHandlers.__annotations__) == list(STREAM_HANDLERS)
    assert {*DatagramHandlers.__annotations__} == {*DATAGRAM_HANDLERS}


def test_a_type_of_a_handler_takes_as_many_arguments_as_it_is_called_with() -> None:
    types = typing.get_type_hints(sockharness.Handlers)

    counts = {name: len(typing.get_args(each)[0]) for name, each in types.items()}

    assert counts == {name: len(arguments) for name, arguments in STREAM_HANDLERS.items()}


def test_a_typed_mapping_is_taken() -> None:
    handlers: sockharness.Handlers = {"data": lambda socket, data: socket.write(data)}

    assert CheckedHandlers(handlers).data is handlers["data"]
