"""The fixtures, and the hooks that judge the servers of a test.

Every pytest run in an environment with this package imports this file, so it imports only pytest
and the standard library; a fixture imports the rest when it is used.

Each test that uses a fixture has one harness, kept in the item's stash. Servers of the factories
have a wider scope, and each a harness of its own. All of them share one thread, which is made when
it is first needed and closed at the end of the run.

When the call phase of a test is over, everything is judged, and all that is wrong becomes one
failure. If the test itself raised, and the failure may be the cause (`harness.explains`), that
exception becomes its `__cause__`; else the exception stays, with a note. If a server's wait raised,
its failure is reported together with those of other servers. If nothing is wrong but the test
failed, its report gets a section that shows what crossed.

No fixture requests another one by name: a user's own fixture of that name would be used instead.
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
"""The most lines of a report that show frames."""


class Shared:
    """Shared by all tests of this process: the thread, and the harnesses in use.

    Attributes:
        again: the command that runs the current test again.
        wide: the harnesses of wider scopes, made by factories.
        left: the outcomes of such harnesses that were closed because another server's wait failed.
        harnesses: all harnesses.
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
        """Close a harness and forget it; wait for the thread only if a server was used."""
        self.harnesses.remove(harness)
        harness.close_soon()

    @contextmanager
    def lending(self, make: "Callable[[Harness], T]") -> Iterator[T]:
        """Make something with a harness of a wider scope, which is judged after each test.

        If a wait in the `with` block fails, the other failures of the harness are kept.
        """
        harness = self.harness()
        self.wide.append(harness)
        try:
            with harness:
                made = make(harness)
                try:
                    yield made
                except ExpectationFailed as error:
                    outcome = harness.verdict(besides=error)
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
        """Blame all harnesses for an exception that belongs to no connection."""
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
    """A server on loopback that answers as the test says: `expect(…).reply(…)`."""
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
    """A server with TLS on loopback, and all its clients need: `client_context()`, `connect()`."""
    return _harness_of(request).tls_pair()


@pytest.fixture(scope="session")
def tls_pair_factory(request: pytest.FixtureRequest) -> "TlsPairFactory":
    """Make pairs for wider scopes, or with other options: `with tls_pair_factory(…) as pair:`."""
    return _factory(request, "tls_pair")


@pytest.fixture
def udp_peer(request: pytest.FixtureRequest) -> "UdpPeer":
    """A datagram socket on loopback that answers as the test says: `expect(…).reply(…)`."""
    return _harness_of(request).udp_peer()


@pytest.fixture(scope="session")
def udp_peer_factory(request: pytest.FixtureRequest) -> "UdpPeerFactory":
    """Make peers for wider scopes, or several in one test: `with udp_peer_factory() as …`."""
    return _factory(request, "udp_peer")


@pytest.fixture
def multicast_group(request: pytest.FixtureRequest) -> "MulticastGroup":
    """A multicast group on loopback for this test alone: `join()`, `send(…)`.

    Skips the test with the reason if multicast does not work.
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
    """Return a group; if this machine has no multicast, skip the test with the reason."""
    try:
        return harness.multicast_group(**options)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def wire(request: pytest.FixtureRequest) -> "Wire":
    """Capture frames: `with wire.capture(tcp_server) as packets:` gives scapy packets.

    If this process may not capture, skips the test with the reason and the remedies.
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
    """Note which test it is; if a fixture raised, explain it by the failures of servers."""
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
    """Judge the servers when the test has run, and fail it if anything is wrong."""
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
    """Judge everything that this test may have used, and forget it: a failure is reported once."""
    __tracebackhide__ = True
    reported = symptom if isinstance(symptom, ExpectationFailed) else None
    outcomes = [
        outcome for each in _in_use(item) if (outcome := each.verdict(besides=reported)) is not None
    ]
    shared = item.config.stash.get(_shared, None)
    if shared is not None:
        outcomes += shared.left if reported is not None else []
        shared.left = []
    try:
        if outcomes and symptom is not None:
            _explain(item, symptom, outcomes)
        elif outcomes:
            raise _failure(item, outcomes)
        elif symptom is not None and reported is None:
            _show_what_crossed(item)
    finally:
        _forget(item, own=bool(outcomes) or reported is not None)


def _explain(item: pytest.Item, symptom: BaseException, outcomes: "list[Outcome]") -> None:
    """Raise failures of servers as the cause of an exception, or note them there."""
    __tracebackhide__ = True
    from sockharness.harness import explains, note

    if isinstance(symptom, ExpectationFailed):
        known = [
            outcome for each in _in_use(item) if (outcome := each.reported(symptom)) is not None
        ]
        if known:
            raise _failure(item, [*known, *outcomes]) from symptom.__cause__
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
    """Return one exception for all outcomes, with the timeline of the first, or of one with a
    loss."""
    from sockharness.facade.context import expectation_failed
    from sockharness.story.outcome import Outcome, Verdict

    outcomes = sorted(outcomes, key=lambda each: each.verdict is not Verdict.INCONCLUSIVE)
    first = outcomes[0]
    found = {id(failure): failure for outcome in outcomes for failure in outcome.failures}
    failures = list(found.values())  # a failed wait reports the other failures of its server, too
    whole = Outcome(verdict=first.verdict, timeline=first.timeline, failures=failures)
    return expectation_failed(whole, again=again(item))


def _is_symptom(raised: BaseException) -> bool:
    """Return whether a server may be the cause of an exception of a test.

    Skips, expected failures and interrupts have no such cause.
    """
    if isinstance(raised, pytest.skip.Exception | pytest.xfail.Exception):
        return False
    if type(raised).__name__ == "SkipTest":  # of unittest; pytest treats it as a skip
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
    """Judge what was left to tear-down, close, and report what failed meanwhile."""
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
    """Clear the harnesses of wider scopes, and with `own` that of the test."""
    for harness in _in_use(item)[0 if own else int(_harness in item.stash) :]:
        harness.clear()


def _shared_by(config: pytest.Config) -> Shared:
    shared = config.stash.get(_shared, None)
    if shared is None:
        shared = config.stash[_shared] = Shared(config)
    return shared
