"""The objects that one replay owns: its reactor, timeline, names, driver and capture.

Replaying uses no thread: everything that can make an event has a descriptor in the same reactor,
so the order on the timeline is the order that the loop saw. Closing goes in reverse order.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from select import EPOLLIN, POLLIN, poll
from types import TracebackType
from typing import TYPE_CHECKING

from sockharness.drivers.addresses import Addresses, joins
from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.credentials import Credentials
from sockharness.drivers.driver import Driver, Engines
from sockharness.drivers.engine import RaisedBySpec, Run
from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import Problem, SpecError, code_of
from sockharness.machine.policy import Policy
from sockharness.sockspec.model import Case, Connect, Peer
from sockharness.sockspec.model.bindings import Bindings
from sockharness.story.events import Event
from sockharness.story.timeline import Timeline

if TYPE_CHECKING:
    from sockharness.drivers.network import Hosts
    from sockharness.wire.capture import Capture

SETTLING = 2_000
"""The most turns of the reactor that settling takes. Each turn must bring an event or leave a
descriptor ready."""


class Setup:
    """The objects that one replay owns; a context manager.

    Entering it makes the peers listen and connect, on hosts of their own network if the case has
    `hosts:`.

    Args:
        case: whose peers are set up.
        policy: what they may reach.
        capture: whether frames are captured.
        scale: multiplies the time in which an engine must answer.
        choice: which engine plays which peer; by default ours plays all.
        engines: the engines of the run, for a choice with other engines.
    """

    def __init__(
        self,
        case: Case,
        *,
        policy: Policy,
        capture: bool = False,
        scale: float = 1.0,
        choice: EngineChoice | None = None,
        engines: Engines | None = None,
    ) -> None:
        if case.speaks_tls:
            Credentials(case.certs).prepare()  # before the time begins
        self.case = case
        self.choice = choice or EngineChoice()
        self._alone = self.choice.ours  # no other engine is there to be flushed
        self.reactor = Reactor()
        self.timeline = Timeline()
        self.addresses = Addresses()
        self.names = Bindings(self.addresses.fact)
        self.driver: Driver
        self._policy = policy
        self._scale = scale
        self._engines = engines
        self._hosts: Hosts | None = None
        self.capture: Capture | None = None
        self._captures = capture
        self._stack = ExitStack()

    def __enter__(self) -> "Setup":
        with ExitStack() as stack:
            if self.case.hosts:
                from sockharness.drivers.network import Hosts

                self._hosts = Hosts.open(self.case.hosts)
                stack.callback(self._hosts.close)
            stack.callback(self.reactor.close)
            self.driver = self._make_driver()
            stack.callback(self.driver.close)
            peers = self.case.peers.values()
            self._receive(peers)
            if self._captures:
                self._start_capture(stack)
            for peer in peers:
                if peer.udp is not None and self.case.joins_by_itself(peer.name):
                    self._join(peer)
                connects = isinstance(peer.transport, Connect)
                if connects and self.case.connects_by_itself(peer.name):
                    self.driver.connect(peer)
            self._stack = stack.pop_all()
        return self

    def _receive(self, peers: Iterable[Peer]) -> None:
        """Make listeners and unconnected UDP sockets, then the UDP sockets connected to them."""
        for peer in peers:
            if peer.listens:
                self.driver.listen(peer)
            elif peer.serves:
                self.driver.bind(peer)
        for peer in peers:
            if peer.udp is not None and peer.udp.connected:
                self.driver.bind(peer)

    def _join(self, peer: Peer) -> None:
        """Let a member join its group.

        Raises:
            SpecError: if the operating system refuses.
        """
        for join in joins(peer):
            event = self.driver.act(self.timeline.channel(peer.name), join)
            self.driver.sync()
            if event.error is not None:
                code, text = code_of(event.error), str(event.error)
                message = f"{peer.name} cannot join its group: {code}: {text}"
                raise SpecError([Problem(join.location, message)])

    def _make_driver(self) -> Driver:
        run = Run(
            case=self.case,
            reactor=self.reactor,
            timeline=self.timeline,
            names=self.names,
            addresses=self.addresses,
            scale=self._scale,
            hosts=self._hosts,
        )
        return Driver(run, policy=self._policy, choice=self.choice, engines=self._engines)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start_capture(self, stack: ExitStack) -> None:
        """Capture the ports of the peers that others connect or send to.

        This comes before the first connection, so that its SYN is seen, and before the first join.
        In a network of the case's own every frame is captured.
        """
        from sockharness.wire.capture import Capture

        if self._hosts is not None:
            interface, make_socket = self._hosts.interface, self._hosts.packet_socket
            capture = Capture(interface, ports=None, make_socket=make_socket)
        else:
            of = ("tcp", "udp", *(("groups",) if self.case.has_groups else ()))
            capture = Capture(ports=self.addresses.ports(), protocols=of)
        self.capture = stack.enter_context(capture)
        self.reactor.segment_offload = False  # what crosses the wire is then one frame a datagram
        fd = capture.fileno()
        self.reactor.register(fd, EPOLLIN, lambda _: capture.on_readable())
        stack.callback(self.reactor.unregister, fd)

    def run_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Run the reactor until a condition holds; say whether it did within `timeout` seconds.

        What handlers raise on a spec's behalf goes to the timeline; anything else is a bug of ours
        and passes through.

        Raises:
            EngineFailed: if an engine in another process died.
        """

        holds = condition if self._alone else lambda: self._flushed(condition)
        deadline = self.reactor.now() + timeout
        left = timeout
        while True:
            try:
                return self.reactor.run_until(holds, left)
            except* RaisedBySpec as group:
                for error in _leaves(group):
                    self._raised(error)
            left = max(0.0, deadline - self.reactor.now())

    def _flushed(self, condition: Callable[[], bool]) -> bool:
        """Return whether a condition holds, after the engines got their waiting reports."""
        self.driver.flush()
        return condition()

    def settle(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run the reactor until the kernel has nothing more ready, without waiting.

        Peers may answer each other for ever, so the number of turns has a bound.

        Args:
            is_over: asked before each turn; when it returns true, no further turn follows.
        """
        for _ in range(SETTLING):
            if is_over():
                return
            before = len(self.timeline.entries)
            self.run_until(lambda: False, 0.0)
            self.driver.settle()
            if len(self.timeline.entries) == before and not self._has_more():
                return

    def _has_more(self) -> bool:
        """Return whether a descriptor is ready though no handler was called, as in a handshake."""
        ready = poll()
        ready.register(self.reactor.fileno(), POLLIN)
        return bool(ready.poll(0))

    def _raised(self, error: RaisedBySpec) -> None:
        self.timeline.add(
            Event(
                name="uncaught_exception",
                peer=error.peer,
                connection=error.connection,
                error=error,
            )
        )


def _leaves(group: BaseExceptionGroup[RaisedBySpec]) -> list[RaisedBySpec]:
    found: list[RaisedBySpec] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
