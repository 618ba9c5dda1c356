"""Factory fixtures: they make servers, peers and groups for wider scopes.

`with tcp_server_factory(name="db") as server:` judges the server after each test until the block
ends. The factory checks its options when it is called, and reports a forgotten `with`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack

if TYPE_CHECKING:
    from sockharness.facade.options import (
        MulticastGroupOptions,
        ServerOptions,
        TlsPairOptions,
        UdpPeerOptions,
    )
    from sockharness.facade.tcp.server import TcpServer
    from sockharness.facade.tcp.tls_pair import TlsPair
    from sockharness.facade.udp.multicast import MulticastGroup
    from sockharness.facade.udp.peer import UdpPeer
    from sockharness.harness import Harness

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Makes something with a harness of its own, and judges it until it is closed.
Lend = Callable[[Callable[["Harness"], T]], AbstractContextManager[T]]


class TcpServerFactory(Protocol):
    """The value of the fixture `tcp_server_factory`: `with tcp_server_factory() as server:`."""

    def __call__(self, **options: "Unpack[ServerOptions]") -> "AbstractContextManager[TcpServer]":
        """Make one with a harness of its own; see `Harness.tcp_server`."""
        ...


class TlsPairFactory(Protocol):
    """The value of the fixture `tls_pair_factory`: `with tls_pair_factory() as pair:`."""

    def __call__(self, **options: "Unpack[TlsPairOptions]") -> "AbstractContextManager[TlsPair]":
        """Make one with a harness of its own; see `Harness.tls_pair`."""
        ...


class UdpPeerFactory(Protocol):
    """The value of the fixture `udp_peer_factory`: `with udp_peer_factory() as peer:`."""

    def __call__(self, **options: "Unpack[UdpPeerOptions]") -> "AbstractContextManager[UdpPeer]":
        """Make one with a harness of its own; see `Harness.udp_peer`."""
        ...


class MulticastGroupFactory(Protocol):
    """The value of `multicast_group_factory`: `with multicast_group_factory() as group:`."""

    def __call__(
        self, **options: "Unpack[MulticastGroupOptions]"
    ) -> "AbstractContextManager[MulticastGroup]":
        """Make one with a harness of its own; see `Harness.multicast_group`.

        Skips the test with the reason where multicast does not work.
        """
        ...


class Factory(Generic[T]):
    """Calls a method of `Harness`, with a harness of its own.

    Args:
        method: the method's name.
        lend: makes the harness, and judges it.
        make: called with harness and options in place of the method, if there is more to do.
    """

    __slots__ = ("_lend", "_make", "_method")

    def __init__(self, method: str, lend: Lend[T], make: "Callable[..., T] | None" = None) -> None:
        self._method = method
        self._lend = lend
        self._make = make

    @property
    def name(self) -> str:
        """The name of the fixture."""
        return f"{self._method}_factory"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __call__(self, *values: object, **options: Any) -> "Lent[T]":
        """Return a context manager that calls the method with these options when it is entered.

        Raises:
            TypeError: an option without its name, or one that the method does not have.
        """
        __tracebackhide__ = True
        from sockharness.facade.options import known, refuse_unknown
        from sockharness.harness import Harness

        method = getattr(Harness, self._method)
        if values:
            example = f"{known(self._method)[0]}={values[0]!r}"
            raise TypeError(f"{self.name}: expected options by name, such as {example}")
        refuse_unknown(self._method, options, self.name)
        make = self._make or method
        return Lent(self.name, self._lend(lambda harness: make(harness, **options)))


class Lent(AbstractContextManager[T_co]):
    """A context manager: it makes something when its block begins, and closes it when that ends."""

    def __init__(self, factory: str, manager: AbstractContextManager[T_co]) -> None:
        self._factory = factory
        self._manager = manager

    def __enter__(self) -> T_co:
        __tracebackhide__ = True
        return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        __tracebackhide__ = True
        return self._manager.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"what {self._factory}() returns has no {name!r} yet;"
            f" write 'with {self._factory}() as made:' and use made.{name}",
            name=name,
            obj=self,
        )
