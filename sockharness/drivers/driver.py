"""The driver of a replay: it executes the peers of a case, each with its engine.

The driver judges addresses by the policy and finds targets, so engines get IP literals only.
`Engines` belongs to a whole run of pytest, for an engine such as a child process outlives a replay.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from sockharness.address import LOOPBACK, LOOPBACK6, Address
from sockharness.drivers.choice import OURS, ROLES, EngineChoice
from sockharness.drivers.engine import Engine, Owed, Run
from sockharness.drivers.inprocess.engine import InProcess
from sockharness.errors import Problem, SpecError, TLSError, code_of
from sockharness.location import Location
from sockharness.machine.policy import Policy
from sockharness.sockspec import model
from sockharness.story.events import Event
from sockharness.story.timeline import Channel

if TYPE_CHECKING:
    from sockharness.drivers.bun.program import BunProgram
    from sockharness.machine.leases import Leases


class Engines:
    """The engines of a run; a context manager, or `close()` it.

    Args:
        bun: the Bun program, if not the one on PATH.
    """

    def __init__(self, *, bun: str = "") -> None:
        self._named_bun = bun
        self._makers: dict[str, Callable[[Run], Engine]] = {OURS: InProcess, "bun": self._bun}

    def cannot(self, choice: EngineChoice, case: model.Case) -> str:
        """Return why a case cannot be replayed with these engines on any machine, or nothing."""
        if choice.parts and len(choice.engines(case)) == 1:
            known = {*case.peers, *ROLES}
            if unknown := next((name for name in choice.parts if name not in known), ""):
                return f"no peer '{unknown}' here; there are {', '.join(case.peers)}"
            return f"nothing is mixed here: every peer would run on {choice.engines(case)[0]}"
        theirs = [peer for peer in case.peers.values() if choice.engine(peer) == "bun"]
        if not theirs:
            return ""
        from sockharness.drivers.bun.engine import BunEngine

        return BunEngine.cannot(case, theirs)

    def make(self, name: str, run: Run) -> Engine:
        """Return an engine for a replay."""
        return self._makers[name](run)

    @cached_property
    def bun(self) -> "BunProgram":
        """The Bun program, which is started when it is first needed."""
        from sockharness.drivers.bun.program import BunProgram

        return BunProgram(self._named_bun)

    def _bun(self, run: Run) -> Engine:
        from sockharness.drivers.bun.engine import BunEngine

        return BunEngine(run, self.bun)

    def close(self) -> None:
        """End the child processes. Idempotent."""
        if "bun" in vars(self):  # it was needed
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


class Driver:
    """Executes the peers of a case, each with its engine."""

    def __init__(
        self, run: Run, *, policy: Policy, choice: EngineChoice, engines: Engines | None
    ) -> None:
        assert engines is not None or choice.ours, "other engines outlive the replay"
        self._policy = policy
        self._case = run.case
        self._timeline = run.timeline
        self._addresses = run.addresses
        self._hosts = run.hosts
        self._leased = ExitStack()
        self._engines: dict[str, Engine] = {}
        self._of: dict[str, Engine] = {}
        for peer in run.case.peers.values():
            name = choice.engine(peer)
            if name not in self._engines:
                engine = InProcess(run) if engines is None else engines.make(name, run)
                self._engines[name] = engine
            self._of[peer.name] = self._engines[name]

    def listen(self, peer: model.Peer) -> None:
        """Let a listening peer listen; afterwards its facts are known.

        Raises:
            SpecError: if the policy or the operating system refuses.
        """
        transport = peer.transport
        assert isinstance(transport, model.Listen)
        address = Address(self._literal(peer, transport.address), transport.port)
        self._judge(peer, address, transport.location)
        try:
            bound = self._turn(peer.name).listen(peer, address)
        except TLSError as error:
            raise _unusable(peer, error) from None
        except OSError as error:
            message = f"{peer.name} cannot listen on {address}: {code_of(error)}"
            hint = "leave 'port' out: the system chooses one" if transport.port else ""
            raise SpecError([Problem(peer.location, message, hint)]) from None
        self._addresses.add(peer.name, bound, sends=False)

    def connect(self, peer: model.Peer) -> None:
        """Begin a connection of a connecting peer; `open` or `connect_error` follows.

        Raises:
            SpecError: if the policy or the engine refuses.
        """
        transport = peer.transport
        assert isinstance(transport, model.Connect)
        target = self._addresses.bound(transport.peer)
        address = target or Address(self._literal(peer, transport.address), transport.port)
        self._judge(peer, address, transport.location)
        try:
            self._turn(peer.name).connect(peer, address)
        except TLSError as error:
            raise _unusable(peer, error) from None
        self._timeline.connections(peer.name)[-1].initiated = True

    def bind(self, peer: model.Peer) -> None:
        """Make a peer's UDP socket; afterwards its facts are known.

        Raises:
            SpecError: if the policy or the operating system refuses.
        """
        udp = peer.udp
        assert udp is not None
        remote = self._remote(peer, udp)
        if udp.multicast is not None:
            at = Address(udp.multicast.interface or LOOPBACK)
            self._judge(peer, at, udp.multicast.location)
            group = self._addresses.group(peer.name) or self._group(udp.multicast)
            self._addresses.add_group(peer.name, group)
        address = self._where(peer, udp, remote)
        self._timeline.channel(peer.name).keep_datagrams()
        try:
            bound = self._turn(peer.name).bind(peer, address, remote)
        except OSError as error:
            also = "" if remote is None else f" and connected to {remote}"
            message = f"{peer.name} cannot be bound to {address}{also}: {code_of(error)}"
            hint = "leave 'port' out: the system chooses one" if udp.port else ""
            raise SpecError([Problem(peer.location, message, hint)]) from None
        self._addresses.add(peer.name, bound)
        for engine in self._engines.values():
            engine.learn(peer.name, bound)

    def _literal(self, peer: model.Peer, text: str) -> str:
        """Return the address that a spec means at a peer."""
        return text if self._hosts is None else self._hosts.address(peer.host, text)

    def _judge(self, peer: model.Peer, address: Address, location: Location) -> None:
        """Reject an address that the policy forbids; hosts of a spec's network reach no other."""
        if not peer.host:
            self._policy.judge(address, location)

    def _where(self, peer: model.Peer, udp: model.Udp, remote: Address | None) -> Address:
        """Return the address to bind a UDP socket to."""
        if udp.in_group:
            group = self._addresses.group(peer.name)
            assert group is not None, "the loader asks for one"
            return group
        if udp.address:
            address = Address(self._literal(peer, udp.address), udp.port)
            self._judge(peer, address, udp.location)
            return address
        assert remote is not None, "the loader asks for one of both"
        if self._hosts is not None:
            return Address(self._hosts.nearest(peer.host, remote.host), udp.port)
        return Address(LOOPBACK6 if ":" in remote.host else LOOPBACK, udp.port)

    def _remote(self, peer: model.Peer, udp: model.Udp) -> Address | None:
        """Return the address that a UDP socket is connected to, if any."""
        if udp.peer:
            known = self._addresses.bound(udp.peer)
            assert known is not None, "who is not connected is bound first"
            return known
        if not udp.remote_address:
            return None
        address = Address(self._literal(peer, udp.remote_address), udp.remote_port)
        self._judge(peer, address, udp.location)
        return address

    def _group(self, multicast: model.Multicast) -> Address:
        """Lease a group and a port for this replay; no other process gets them."""
        owner = multicast.of
        if owner:
            known = self._addresses.group(owner)
            if known is None:
                udp = self._case.peers[owner].udp
                assert udp is not None, "the loader sees to it"
                assert udp.multicast is not None, "the loader sees to it"
                known = self._group(udp.multicast)
                self._addresses.add_group(owner, known)
            return known
        family = socket.AF_INET6 if multicast.ipv6 else socket.AF_INET
        lease = _leases().group(family, source_specific=multicast.source_specific)
        group = self._leased.enter_context(lease)
        return Address(group.address, group.port)

    def act(self, channel: Channel, action: model.Action) -> Event:
        """Do something on a connection; see `Engine.act`."""
        return self._turn(channel.peer).act(channel, action)

    def pending(self, event: Event) -> bool:
        """Return whether the call of an action has not returned yet."""
        return self._of[event.peer].pending(event)

    def flush(self) -> None:
        """Pass on to the engines what waits for them, without waiting."""
        for engine in self._engines.values():
            engine.flush()

    def sync(self) -> None:
        """Wait until the engines have done everything; see `Engine.sync`."""
        for engine in self._engines.values():
            engine.sync()

    def settle(self) -> None:
        """Run the loops of other processes until they have nothing more to do."""
        for engine in self._engines.values():
            engine.settle()

    def owes(self) -> list[Owed]:
        """Return the bytes that the engines still have to write."""
        return [owed for engine in self._engines.values() for owed in engine.owes()]

    def remarks(self) -> list[str]:
        """Return more lines for the report of a failure, such as an engine's stderr."""
        return [line for engine in self._engines.values() for line in engine.remarks()]

    def close(self) -> None:
        """Close every socket of every engine, also if one of them fails; no more events come."""
        with ExitStack() as stack:
            stack.callback(self._leased.close)
            for engine in self._engines.values():
                stack.callback(engine.close)

    def _turn(self, peer: str) -> Engine:
        """Wait until the other engines have done everything; return the peer's engine."""
        mine = self._of[peer]
        for engine in self._engines.values():
            if engine is not mine:
                engine.sync()
        return mine


def _unusable(peer: model.Peer, error: TLSError) -> SpecError:
    """Return the error for TLS options that an engine rejects."""
    location = peer.tls.location if peer.tls is not None else peer.location
    message = f"{peer.name} cannot have this TLS: {error.strerror}"
    of_ciphers = error.code == "ERR_BORINGSSL"  # `ca` has it too, but that is no spec's to say
    hint = "the words are those of `openssl ciphers -v`" if of_ciphers else ""
    return SpecError([Problem(location, message, hint)])


@cache
def _leases() -> "Leases":
    """Return the leases of this process: it hands out numbers in turn, so none comes back soon."""
    from sockharness.machine.leases import Leases  # most specs have no group

    return Leases()
