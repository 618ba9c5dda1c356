"""The fixtures, and the hooks that judge what they handed out.

Every pytest run in an environment that holds this package imports this file, so whatever is more
than pytest and standard library is imported when a fixture is used.

Each test that uses a fixture has one harness, kept in the item's stash; the factories give servers
of a wider life, each with a harness of its own. All of them share one thread, made when it is first
needed and closed when pytest is done. When the call phase of a test is over, everything is judged
and what is wrong becomes one failure; what the test itself raised is its `__cause__`, unless the
servers do not explain it (`harness.explains`): then it stands, with a note. A failure that one
server's wait has raised is told again with what the others found. Where nothing is wrong and the
test failed all the same, its report gets a section that shows what crossed.

No fixture requests another one by name: a user's own fixture of that name would come instead.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sockharness.errors import ExpectationFailed, Unavailable
from sockharness.suite import settings
from sockharness.suite.longrepr import again

if TYPE_CHECKING:
    from sockharness.certificates import Authority
    from sockharness.engine.loop.runner import ThreadRunner
    from sockharness.facade.packets import Wire
    from sockharness.facade.tcp.client import TcpClient
    from sockharness.facade.tcp.listeners import Spares
    from sockharness.facade.tcp.server import TcpServer
    from sockharness.facade.tcp.tls_pair import TlsPair
    from sockharness.facade.udp.multicast import MulticastGroup
    from sockharness.facade.udp.peer import UdpPeer
    from sockharness.harness import Harness
    from sockharness.story.outcome import Outcome
    from sockharness.suite.factories import (
        Factory,
        MulticastGroupFactory,
        TcpServerFactory,
        TlsPairFactory,
        UdpPeerFactory,
    )


T = TypeVar("T")

CROSSED = 20
"""The most lines that show what crossed."""


class Shared:
    """What all tests of this process share: the thread, and the harnesses in use.

    Attributes:
        again: the command that runs the present test again.
        wide: the harnesses of servers that the factory made.
        left: what such a server had found when it was closed because another one's wait failed.
        harnesses: all.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._scale = settings.timeout_scale(config)
        self._runner: ThreadRunner | None = None
        self._spares: Spares | None = None
        self._authority: Authority | None = None
        self.again = ""
        self.wide: list[Harness] = []
        self.left: list[Outcome] = []
        self.harnesses: list[Harness] = []

    def harness(self) -> "Harness":
        """Return a new harness on the shared thread."""
        from sockharness.harness import Harness

        harness = Harness(self._thread(), self._scale, spares=self._spares)
        harness.again = self.again
        harness.reserved = self._names
        harness.authority = self.authority
        self.harnesses.append(harness)
        return harness

    def authority(self) -> "Authority":
        """Return the authority of this run, made when it is first needed."""
        if self._authority is None:
            from sockharness.certificates import Authority

            self._authority = Authority()
            self._config.add_cleanup(self._authority.close)
        return self._authority

    def close(self, harness: "Harness") -> None:
        """Close a harness and forget it."""
        self.harnesses.remove(harness)
        harness.close()

    def close_soon(self, harness: "Harness") -> None:
        """Do the same without waiting for the thread where nobody can tell."""
        self.harnesses.remove(harness)
        harness.close_soon()

    @contextmanager
    def lending(self, make: "Callable[[Harness], T]") -> Iterator[T]:
        """Lend what a harness of a wider scope makes, judged after each test until the end.

        What the harness found besides is kept when a wait in the `with` block fails.
        """
        harness = self.harness()
        self.wide.append(harness)
        try:
            with harness:
                made = make(harness)
                try:
                    yield made
                except ExpectationFailed as told:
                    outcome = harness.verdict(besides=told)
                    self.left += [outcome] if outcome is not None else []
                    raise
        finally:
            self.wide.remove(harness)
            self.close(harness)

    def _thread(self) -> "ThreadRunner":
        if self._runner is None:
            from sockharness.engine.loop.runner import ThreadRunner
            from sockharness.facade.tcp.listeners import Spares

            self._runner = ThreadRunner(on_exception=self._stray)
            self._spares = Spares(self._runner)
            self._config.add_cleanup(self._runner.close)
        return self._runner

    def _names(self) -> set[str]:
        return {name for harness in self.harnesses for name in harness.names}

    def _stray(self, exception: BaseException) -> None:
        """Blame whoever uses the thread for an exception that belongs to no connection."""
        for harness in list(self.harnesses):
            harness.stray(exception)


_shared = pytest.StashKey[Shared]()
_harness = pytest.StashKey["Harness"]()
_called = pytest.StashKey[bool]()


@pytest.fixture
def sock_harness(request: pytest.FixtureRequest) -> "Harness":
    """The harness of this test: `sock_harness.tcp_server(…)` makes more servers."""
    return _harness_of(request)


@pytest.fixture
def tcp_server(request: pytest.FixtureRequest) -> "TcpServer":
    """A server on loopback that says what the test tells it to: `expect(…).reply(…)`."""
    return _harness_of(request).tcp_server()


@pytest.fixture(scope="session")
def tcp_server_factory(request: pytest.FixtureRequest) -> "TcpServerFactory":
    """Make servers for wider scopes, or several in one test: `with tcp_server_factory() as …`."""
    return _factory(request, "tcp_server")


@pytest.fixture
def tcp_client(request: pytest.FixtureRequest) -> "TcpClient":
    """Connect to a server under test: `tcp_client(host, port)` gives a `Connection`."""
    return _harness_of(request).tcp_client


@pytest.fixture(scope="session")
def tls_ca(request: pytest.FixtureRequest) -> "Authority":
    """An authority that issues certificates, good and bad: `issue(…)`, `bad(kind, …)`."""
    return _shared_by(request.config).authority()


@pytest.fixture
def tls_pair(request: pytest.FixtureRequest) -> "TlsPair":
    """A server with TLS on loopback, and what its clients need: `client_context()`, `connect()`."""
    return _harness_of(request).tls_pair()


@pytest.fixture(scope="session")
def tls_pair_factory(request: pytest.FixtureRequest) -> "TlsPairFactory":
    """Make pairs for wider scopes, or with other options: `with tls_pair_factory(…) as pair:`."""
    return _factory(request, "tls_pair")


@pytest.fixture
def udp_peer(request: pytest.FixtureRequest) -> "UdpPeer":
    """A datagram socket on loopback that says what the test tells it to: `expect(…).reply(…)`."""
    return _harness_of(request).udp_peer()


@pytest.fixture(scope="session")
def udp_peer_factory(request: pytest.FixtureRequest) -> "UdpPeerFactory":
    """Make peers for wider scopes, or several in one test: `with udp_peer_factory() as …`."""
    return _factory(request, "udp_peer")


@pytest.fixture
def multicast_group(request: pytest.FixtureRequest) -> "MulticastGroup":
    """A multicast group on loopback that is this test's alone: `join()`, `send(…)`.

    Skips the test with the reason where multicast does not work.
    """
    return _group_of(_harness_of(request))


@pytest.fixture(scope="session")
def multicast_group_factory(request: pytest.FixtureRequest) -> "MulticastGroupFactory":
    """Make groups for wider scopes, or several in one test: `with multicast_group_factory() …`."""
    return _factory(request, "multicast_group", _group_of)


def _factory(
    request: pytest.FixtureRequest, method: str, make: Callable[..., T] | None = None
) -> "Factory[T]":
    from sockharness.suite.factories import (
        Factory,
    )

    return Factory(method, _shared_by(request.config).lending, make)


def _group_of(harness: "Harness", **options: Any) -> "MulticastGroup":
    """Return a group, or skip the test, with the reason, for what this machine lacks."""
    try:
        return harness.multicast_group(**options)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def wire(request: pytest.FixtureRequest) -> "Wire":
    """What crosses the wire: `with wire.capture(tcp_server) as packets:` gives scapy packets.

    Skips the test with the reason and the remedies where this process may not capture.
    """
    from sockharness.facade.packets import Wire

    reason = settings.capture_reason(request.config)
    if reason and settings.value(request.config, "sock_capture_missing") == "fail":
        raise Unavailable(reason)
    if reason:
        pytest.skip(reason)
    return Wire()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Say which test it is; explain what a fixture raised, if a server knows."""
    shared = item.config.stash.get(_shared, None)
    if shared is not None:
        shared.again = again(item)
        for harness in shared.wide:
            harness.again = shared.again
    try:
        yield
    except Exception as symptom:
        known = [outcome for each in _in_use(item) if (outcome := each.recorded()) is not None]
        if known:
            try:
                _explain(item, symptom, known)
            finally:
                _forget(item, own=True)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the servers when the test has run, and fail it if they are not content."""
    __tracebackhide__ = True
    item.stash[_called] = True
    try:
        result = yield
    except BaseException as symptom:
        if _is_symptom(symptom):
            _judge(item, symptom)
        else:
            _forget(item, own=True)
        raise
    _judge(item, None)
    return result


def _judge(item: pytest.Item, symptom: BaseException | None) -> None:
    """Judge everything that this test may have used, and forget it: each thing is told once."""
    __tracebackhide__ = True
    told = symptom if isinstance(symptom, ExpectationFailed) else None
    outcomes = [
        outcome for each in _in_use(item) if (outcome := each.verdict(besides=told)) is not None
    ]
    shared = item.config.stash.get(_shared, None)
    if shared is not None:
        outcomes += shared.left if told is not None else []
        shared.left = []
    try:
        if outcomes and symptom is not None:
            _explain(item, symptom, outcomes)
        elif outcomes:
            raise _failure(item, outcomes)
        elif symptom is not None and told is None:
            _show_what_crossed(item)
    finally:
        _forget(item, own=bool(outcomes) or told is not None)


def _explain(item: pytest.Item, symptom: BaseException, outcomes: "list[Outcome]") -> None:
    """Raise what explains what a test raised, or note there what else is wrong."""
    __tracebackhide__ = True
    from sockharness.harness import explains, note

    if isinstance(symptom, ExpectationFailed):
        told = [
            outcome for each in _in_use(item) if (outcome := each.reported(symptom)) is not None
        ]
        if told:
            raise _failure(item, [*told, *outcomes]) from symptom.__cause__
        also = [f"  also:   {failure.headline}" for each in outcomes for failure in each.failures]
        text = "\n".join([str(symptom), "", *also])
        raise ExpectationFailed(text, symptom.location) from symptom.__cause__
    causes = [outcome for outcome in outcomes if explains(outcome, symptom)]
    if causes:
        others = [outcome for outcome in outcomes if outcome not in causes]
        raise _failure(item, [*causes, *others]) from symptom
    for outcome in outcomes:
        note(symptom, outcome)


def _show_what_crossed(item: pytest.Item) -> None:
    """Add what happened on the servers to the report of a test that failed by itself."""
    from sockharness.report.text import ladder_lines

    ladders = [ladder_lines(each.timeline, "client") for each in _in_use(item)]
    lines = [line for ladder in ladders for line in ladder]
    if lines:
        item.add_report_section("call", "sockharness", "\n".join(lines[:CROSSED]))


def _failure(item: pytest.Item, outcomes: "list[Outcome]") -> ExpectationFailed:
    """Return one failure for all outcomes, with the story of the first, or of one with a loss."""
    from sockharness.facade.context import expectation_failed
    from sockharness.story.outcome import Outcome, Verdict

    outcomes = sorted(outcomes, key=lambda each: each.verdict is not Verdict.INCONCLUSIVE)
    first = outcomes[0]
    found = {id(failure): failure for outcome in outcomes for failure in outcome.failures}
    failures = list(found.values())  # a wait in vain tells what its server had found, too
    whole = Outcome(verdict=first.verdict, timeline=first.timeline, failures=failures)
    return expectation_failed(whole, again=again(item))


def _is_symptom(raised: BaseException) -> bool:
    """Say whether something that a test raised may be the consequence of what a server saw.

    A skip and its like and an interrupt pass through.
    """
    if isinstance(raised, pytest.skip.Exception | pytest.xfail.Exception):
        return False
    if type(raised).__name__ == "SkipTest":  # unittest's, which pytest takes for a skip
        return False
    return isinstance(raised, Exception | pytest.fail.Exception)


def _harness_of(request: pytest.FixtureRequest) -> "Harness":
    """Return the harness of the test, made when its first fixture asks for it."""
    item: pytest.Item = request.node
    if _harness not in item.stash:
        shared = _shared_by(request.config)
        shared.again = again(item)
        item.stash[_harness] = shared.harness()
        request.addfinalizer(lambda: _tear_down(item))
    return item.stash[_harness]


def _tear_down(item: pytest.Item) -> None:
    """Judge what was left to tear-down, close, and tell what failed meanwhile."""
    __tracebackhide__ = True
    harness = item.stash[_harness]
    try:
        if harness.deferred and item.stash.get(_called, False):
            harness.check(final=True)
    finally:
        del item.stash[_harness]
        item.stash[_called] = False
        item.config.stash[_shared].close_soon(harness)
    late = harness.recorded()
    if late is not None:
        raise _failure(item, [late])


def _in_use(item: pytest.Item) -> "list[Harness]":
    """Return the harnesses that this test may have used: its own, then those of wider scopes."""
    own = item.stash.get(_harness, None)
    shared = item.config.stash.get(_shared, None)
    return ([own] if own is not None else []) + (shared.wide if shared is not None else [])


def _forget(item: pytest.Item, *, own: bool) -> None:
    """Clear the harnesses of wider scopes, and the test's `own` if nothing of it is to come."""
    for harness in _in_use(item)[0 if own else int(_harness in item.stash) :]:
        harness.clear()


def _shared_by(config: pytest.Config) -> Shared:
    shared = config.stash.get(_shared, None)
    if shared is None:
        shared = config.stash[_shared] = Shared(config)
    return shared
