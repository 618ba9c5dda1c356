"""The cast of a replay: which engine speaks for which peer, and where they may go.

Here addresses are judged by the policy and targets are found, so engines get IP literals only.
`Engines` is what a run has: engines that live longer than a replay, such as a child process.
"""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from sockharness.address import Address
from sockharness.drivers.base import Engine, Run
from sockharness.drivers.bun import BunEngine
from sockharness.drivers.bun_program import BunProgram
from sockharness.drivers.casting import OURS, ROLES, Casting
from sockharness.drivers.inprocess import InProcess
from sockharness.errors import Problem, SpecError, code_of
from sockharness.events import Event
from sockharness.policy import Policy
from sockharness.spec import model
from sockharness.spec.bindings import Value
from sockharness.timeline import Channel


class Engines:
    """The engines of a run; a context manager, or `close()` it.

    Args:
        bun: the Bun program, if not the one on PATH.
    """

    def __init__(self, *, bun: str = "") -> None:
        self.bun = BunProgram(bun)
        self._makers: dict[str, Callable[[Run], Engine]] = {
            OURS: InProcess,
            "bun": lambda run: BunEngine(run, self.bun),
        }

    def cannot(self, casting: Casting, case: model.Case) -> str:
        """Return why a case is not replayed so, whatever this machine has; empty if it can be."""
        if casting.parts and len(casting.engines(case)) == 1:
            known = {*case.peers, *ROLES}
            if unknown := next((name for name in casting.parts if name not in known), ""):
                return f"no peer '{unknown}' here; there are {', '.join(case.peers)}"
            return f"nothing is mixed here: every peer would run on {casting.engines(case)[0]}"
        theirs = [peer for peer in case.peers.values() if casting.engine(peer) == "bun"]
        return BunEngine.cannot(case, theirs)

    def make(self, name: str, run: Run) -> Engine:
        """Return an engine for a replay."""
        return self._makers[name](run)

    def close(self) -> None:
        """End what runs in processes of its own. Idempotent."""
        self.bun.close()

    def __enter__(self) -> "Engines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Cast:
    """Drives the peers of a case, each with its engine; see `Driver`."""

    def __init__(
        self, run: Run, *, policy: Policy, casting: Casting, engines: Engines | None
    ) -> None:
        assert engines is not None or casting.ours, "another engine is somebody's to close"
        self._policy = policy
        self._addresses: dict[str, Address] = {}
        self._engines: dict[str, Engine] = {}
        self._of: dict[str, Engine] = {}
        for peer in run.case.peers.values():
            name = casting.engine(peer)
            if name not in self._engines:
                engine = InProcess(run) if engines is None else engines.make(name, run)
                self._engines[name] = engine
            self._of[peer.name] = self._engines[name]

    def listen(self, peer: model.Peer) -> None:
        """Judge the address and listen; see `Driver.listen`."""
        transport = peer.transport
        assert isinstance(transport, model.Listen)
        address = Address(transport.host, transport.port)
        self._policy.judge(address, transport.location)
        try:
            self._addresses[peer.name] = self._turn(peer.name).listen(peer, address)
        except OSError as error:
            message = f"{peer.name} cannot listen on {address}: {code_of(error)}"
            hint = "leave 'port' out: the system chooses one" if transport.port else ""
            raise SpecError([Problem(peer.location, message, hint)]) from None

    def connect(self, peer: model.Peer) -> None:
        """Find the address, judge it and connect; see `Driver.connect`."""
        transport = peer.transport
        assert isinstance(transport, model.Connect)
        target = self._addresses.get(transport.peer)
        address = target or Address(transport.host, transport.port)
        self._policy.judge(address, transport.location)
        self._turn(peer.name).connect(peer, address)

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do what a step says; see `Driver.act`."""
        return self._turn(channel.peer).act(channel, action)

    def pending(self, event: Event) -> bool:
        """Say whether the call of an action has not returned yet."""
        return self._of[event.peer].pending(event)

    def flush(self) -> None:
        """Hand over what was told."""
        for engine in self._engines.values():
            engine.flush()

    def sync(self) -> None:
        """Wait until all that was told is done."""
        for engine in self._engines.values():
            engine.sync()

    def settle(self) -> None:
        """Let everything happen that is under way in other processes."""
        for engine in self._engines.values():
            engine.settle()

    def remarks(self) -> list[str]:
        """Return what else there is to tell."""
        return [line for engine in self._engines.values() for line in engine.remarks()]

    def fact(self, peer: str, name: str) -> Value | None:
        """Return a listener's `host` or `port`."""
        address = self._addresses.get(peer)
        if address is None:
            return None
        facts: dict[str, Value] = {"host": address.host, "port": address.port}
        return facts.get(name)

    def ports(self) -> list[int]:
        """Return the ports of the listeners."""
        return [address.port for address in self._addresses.values()]

    def close(self) -> None:
        """Close every socket of every engine, also if one of them fails."""
        with ExitStack() as stack:
            for engine in self._engines.values():
                stack.callback(engine.close)

    def _turn(self, peer: str) -> Engine:
        """Return a peer's engine, when the others have done what they were told."""
        mine = self._of[peer]
        for engine in self._engines.values():
            if engine is not mine:
                engine.sync()
        return mine
