"""Every spec in `specs/` fails if one of its lines is wrong, and the text names that line.

There are many wrong copies, and each one waits in vain. So the tests replay the copies of specs
that changed since the main branch, and a sample of the others. They replay all copies with
`SOCKHARNESS_EXHAUSTIVE=1`, as in `make test-all`, without git, and after a change to the code that
makes the copies.
"""

import os
from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.machine import probes
from sockharness.machine.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.report.text import failure_text
from sockharness.sockspec import loader
from sockharness.sockspec.model import Case
from sockharness.story.outcome import Outcome, Verdict
from tests.helpers.changes import changed_files
from tests.helpers.idle import let_only_idle_time_pass
from tests.helpers.mutations import Mutant, mutants

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
SAMPLE = 40
"""One in this many wrong copies of unchanged specs is replayed."""
SCALE = 0.04
"""Wrong copies that wait in vain wait for 0.2 s; to be busy is not to wait."""
SLOWER = {"tcp/end-takes-all": 0.2}
"""Those of specs with many bytes need more, lest they fail for want of time."""

LAST_ORDERLY = "an orderly end or close at the end of a conversation may go unclaimed"
NEGATIVE = "a negative claims nothing"
WITHOUT_EFFECT = "a call that no peer can observe changes nothing"
NO_FINDING = "open and drain are never findings"
NOT_HEARD = "what is sent is not heard there, or not read before the socket is closed"
HAPPENED_TOO = "the other event happened as well"
ALLOWED = "the spec allows unread bytes"
SAME_END = "half a message is as good as none: the handshake fails in the same way"
ONE_PROCESS = "in one process nobody reads while somebody writes"

_EXEMPT = {
    NEGATIVE: [
        (
            "tls/terminate-before-the-handshake",
            "removed",
            "- server: {never: handshake, for: 20ms}",
        ),
        ("tls/a-paused-socket-hears-the-end-later", "removed", "- server: {never: end, for: 30ms}"),
        ("tls/pause-holds-data-back", "removed", "- server: {never: data, for: 30ms}"),
        ("tls/end-says-goodbye", "removed", "- client: {never: end, for: 20ms}"),
        ("tls/a-write-in-open-is-too-early", "removed", "- server: {never: data, for: 20ms}"),
        ("tls/a-reset-in-place-of-a-hello", "removed", "- server: {never: handshake, for: 20ms}"),
        ("tls/terminate-in-the-handshake", "removed", "- server: {never: handshake, for: 20ms}"),
        ("tcp/both-sides-end-at-once", "removed", "- client: {never: end, for: 20ms}"),
        ("tcp/both-sides-end-at-once", "removed", "- server: {never: end, for: 20ms}"),
        ("tcp/both-sides-shut-down", "removed", "- client: {never: end, for: 20ms}"),
        ("tcp/pause-in-data-holds-the-rest-back", "removed", "- server: {never: data, for: 30ms}"),
        ("tcp/shutting-the-reading-side", "removed", "- server: {never: end, for: 30ms}"),
        (
            "tcp/a-paused-socket-does-not-see-the-fin",
            "removed",
            "- server: {never: end, for: 50ms}",
        ),
        ("tcp/connection-refused", "removed", "- client: {never: close, for: 20ms}"),
        ("tcp/own-shutdown-then-only-close", "removed", "- client: {never: end, for: 50ms}"),
        ("tcp/a-complete-write-has-no-drain", "removed", "- client: {never: drain, for: 50ms}"),
        ("tcp/reload-removes-what-it-omits", "removed", "- server: {never: end, for: 20ms}"),
        ("tcp/pause-holds-data-back", "removed", "- client: {never: data, for: 50ms}"),
        ("tcp/timeout-does-not-close", "removed", "- server: {never: timeout, for: 60ms}"),
        (
            "tcp/pausing-brings-no-drain",
            "removed",
            "- server: {never: drain, for: 30ms, differs: {bun: D9}}",
        ),
        ("tcp/pausing-brings-no-drain", "removed", "- server: {never: data, for: 20ms}"),
        (
            "tls/a-pause-in-open-holds-the-handshake-up",
            "removed",
            "- client: {never: handshake, for: 50ms}",
        ),
        (
            "tls/a-paused-socket-does-not-shake-hands",
            "removed",
            "- client: {never: handshake, for: 500ms, differs: {server:bun: D45}}",
        ),
        ("tcp/pausing-brings-no-drain", "removed", "- server: {never: drain, for: 20ms}"),
    ],
    LAST_ORDERLY: [
        ("tls/data-behind-an-end", "removed", "- client: {sees: close}"),
        ("tls/data-behind-an-end", "removed", "- client: {sees: end}"),
        ("tls/a-paused-socket-hears-the-end-later", "removed", "- server: {sees: end}"),
        ("bun-page/tls-create-a-connection", "removed", "- client: {sees: close}"),
        ("bun-page/tls-create-a-connection", "removed", "- client: {sees: end}"),
        (
            "tls/a-refusal-without-a-handshake-handler",
            "removed",
            "- client: {sees: close, error: none}",
        ),
        ("tls/close-says-nothing", "removed", "- client: {sees: close}"),
        ("tls/close-says-nothing", "removed", "- server: {sees: close}"),
        ("tls/close-says-nothing", "removed", "- server: {sees: end}"),
        ("tls/end-says-goodbye", "removed", "- client: {sees: close}"),
        ("tls/end-says-goodbye", "removed", "- server: {sees: close}"),
        ("tls/end-says-goodbye", "removed", "- server: {sees: end}"),
        ("tls/half-close", "removed", "- client: {sees: end}"),
        ("tls/nothing-is-readable-on-the-wire", "removed", "- client: {sees: close}"),
        ("tls/stop-all-says-goodbye", "removed", "- client: {sees: end}"),
        ("tcp/a-paused-socket-can-end", "removed", "- client: {sees: close, error: none}"),
        ("tcp/a-paused-socket-can-end", "removed", "- client: {sees: end}"),
        ("tcp/a-reset-behind-the-fin", "removed", "- server: {sees: end}"),
        ("tcp/both-sides-end-at-once", "removed", "- client: {sees: close, error: none}"),
        ("tcp/both-sides-end-at-once", "removed", "- server: {sees: close, error: none}"),
        ("tcp/both-sides-shut-down", "removed", "- client: {sees: close, error: none}"),
        ("tcp/both-sides-shut-down", "removed", "- server: {sees: close, error: none}"),
        ("tcp/exception-in-end-still-closes", "removed", "- client: {sees: close, error: none}"),
        ("tcp/exception-in-end-still-closes", "removed", "- server: {sees: close, error: none}"),
        (
            "tcp/half-open-is-a-matter-of-one-side",
            "removed",
            "- client: {sees: close, error: none}",
        ),
        ("tcp/reload-brings-an-end-handler", "removed", "- client: {sees: close, error: none}"),
        ("tcp/reload-brings-an-end-handler", "removed", "- server: {sees: end}"),
        ("tcp/shutting-the-reading-side", "removed", "- client: {sees: end}"),
        ("tcp/stop-all-in-data", "removed", "- anna: {sees: end}"),
        ("tcp/stop-all-in-data", "removed", "- bert: {sees: close, error: none}"),
        ("tcp/stop-all-in-data", "removed", "- bert: {sees: end}"),
        ("tcp/a-paused-socket-does-not-see-the-fin", "removed", "- server: {sees: end}"),
        ("tcp/a-paused-socket-does-not-see-the-fin", "removed", "- server: {sees: close}"),
        ("tcp/end-closes-both-directions", "removed", "- client: {sees: close}"),
        ("tcp/end-closes-both-directions", "removed", "- server: {sees: end}"),
        ("tcp/end-closes-both-directions", "removed", "- server: {sees: close}"),
        ("tcp/close-with-unread-bytes-resets", "removed", "- server: {sees: close}"),
        (
            "tcp/exception-in-close-comes-after-close",
            "removed",
            "- client: {sees: close, error: none}",
        ),
        ("tcp/exception-in-close-comes-after-close", "removed", "- server: {sees: close}"),
        ("tcp/end-with-data-loses-nothing", "removed", "- client: {sees: close, error: none}"),
        ("tcp/end-with-data-loses-nothing", "removed", "- server: {sees: end}"),
        ("tcp/end-takes-all", "removed", "- client: {sees: close, error: none}"),
        ("tcp/end-takes-all", "removed", "- server: {sees: end}"),
        ("tcp/exception-in-open-closes", "removed", "- server: {sees: close}"),
        ("tcp/exception-in-open-closes", "removed", "- client: {sees: end}"),
        ("tcp/exception-in-open-closes", "removed", "- client: {sees: close, error: none}"),
        ("tcp/half-open-goes-on-talking", "removed", "- client: {sees: close}"),
        ("tcp/half-open-needs-an-end-handler", "removed", "- client: {sees: close}"),
        ("tcp/half-close", "removed", "- client: {sees: close, error: none, within: 1s}"),
        ("tcp/own-shutdown-then-only-close", "removed", "- server: {sees: end}"),
        ("tcp/own-shutdown-then-only-close", "removed", "- server: {sees: close}"),
        ("tcp/own-shutdown-then-only-close", "removed", "- client: {sees: close}"),
        ("tcp/reload-removes-what-it-omits", "removed", "- server: {sees: close}"),
        ("tcp/reload-removes-what-it-omits", "removed", "- client: {sees: close}"),
        ("tcp/reset", "removed", "- server: {sees: close}"),
        ("tcp/stop-all-closes-connections", "removed", "- server: {sees: close}"),
        ("tcp/stop-all-closes-connections", "removed", "- client: {sees: end}"),
        ("tcp/stop-all-closes-connections", "removed", "- client: {sees: close, error: none}"),
        ("tcp/server-closes-at-once", "removed", "- client: {sees: end}"),
        ("tcp/server-closes-at-once", "removed", "- client: {sees: close, error: none}"),
        ("tcp/two-clients", "removed", "- server -> anna: {sees: close}"),
        ("tls/two-clients", "removed", "- server -> anna: {sees: close}"),
        ("bun-page/start-a-client", "removed", "- client: {sees: end}"),
        ("bun-page/start-a-client", "removed", "- client: {sees: close}"),
        ("bun-page/start-a-server", "removed", "- server -> first: {sees: close}"),
        ("bun-page/stop-a-server", "removed", "- server -> client: {sees: close}"),
        ("bun-page/stop-a-server", "removed", "- client: {sees: end}"),
        ("bun-page/stop-a-server", "removed", "- client: {sees: close}"),
        ("bun-page/hot-reloading", "removed", "- client: {sees: close}"),
        ("bun-page/hot-reloading", "removed", "- server: {sees: close}"),
    ],
    WITHOUT_EFFECT: [
        ("udp/after-close", "removed", "- client: close"),
        (
            "tcp/a-write-that-finds-the-reset",
            "removed",
            '- server: {write: "too late", returns: -1}',
        ),
        (
            "tcp/half-open-is-a-matter-of-one-side",
            "removed",
            '- client: {write: "late", returns: -1}',
        ),
        ("tcp/end-closes-both-directions", "removed", '- client: {write: "more", returns: -1}'),
        ("tcp/end-with-data-loses-nothing", "removed", '- client: {write: "more", returns: -1}'),
        (
            "tcp/half-open-needs-an-end-handler",
            "removed",
            '- server: {write: "too late", returns: -1}',
        ),
        ("tcp/own-shutdown-then-only-close", "removed", '- client: {write: "more", returns: -1}'),
    ],
    NOT_HEARD: [
        (
            "udp/after-leaving-nothing-is-heard",
            "removed",
            '- client: {send: "too early", to: member}',
        ),
        (
            "udp/after-leaving-nothing-is-heard",
            "removed",
            '- client: {send: "too late", to: member}',
        ),
        ("udp/closing-leaves-the-groups", "removed", '- member: {received: "hello"}'),
        (
            "link/closing-is-told-as-leaving",
            "removed",
            '- other: {received: ["hello", "hello again"]}',
        ),
        ("udp/connected-to-a-group", "removed", '- server: {send: "hello back", to: client}'),
        ("udp/sources-add-up", "removed", '- two: {send: "not yet", to: member}'),
        ("udp/sources-add-up", "removed", '- one: {send: "not any more", to: member}'),
        ("udp/sources-add-up", "removed", '- two: {send: "too late", to: member}'),
        (
            "udp/a-source-narrows-a-membership",
            "removed",
            '- noise: {send: "not any more", to: member}',
        ),
    ],
    HAPPENED_TOO: [
        ("tls/a-paused-socket-hears-the-end-later", "event to close", "- server: {sees: end}"),
        ("tls/a-handshake-deadline", "event to close", "- client: {sees: end}"),
        ("tls/half-close", "event to close", "- client: {sees: end}"),
        ("tls/stop-all-says-goodbye", "event to close", "- client: {sees: end}"),
        (
            "tcp/exception-in-end-still-closes",
            "event to end",
            "- server: {sees: close, error: none}",
        ),
        ("tcp/reload-brings-an-end-handler", "event to close", "- server: {sees: end}"),
        ("tcp/stop-all-in-data", "event to close", "- anna: {sees: end}"),
        (
            "tcp/exception-in-close-comes-after-close",
            "event to end",
            "- client: {sees: close, error: none}",
        ),
        ("tcp/end-with-data-loses-nothing", "event to close", "- server: {sees: end}"),
        ("tcp/end-takes-all", "event to close", "- server: {sees: end}"),
    ],
    ALLOWED: [
        ("tls/a-goodbye-in-place-of-a-hello", "removed", "- server: {received: {hex: 16 03 01}}"),
        (
            "tls/a-server-that-answers-with-an-alert",
            "removed",
            "- server: {received: {hex: 16 03 01}}",
        ),
        ("tls/a-tls-client-at-a-plain-server", "removed", "- server: {received: {hex: 16 03 01}}"),
    ],
    SAME_END: [
        (
            "tls/half-a-hello-and-a-fin",
            "removed",
            "- client: {write: {hex: 16 03 01 02 00 01 00 01 fc 03 03}}",
        ),
    ],
    ONE_PROCESS: [
        ("tls/partial-write-and-drain", "removed", "- server: pause"),
    ],
    NO_FINDING: [
        ("tls/a-refusal-without-a-handshake-handler", "removed", "- client: {sees: open}"),
        ("tls/both-sides-are-told-of-the-handshake", "removed", "- client: {sees: open}"),
        ("tls/both-sides-are-told-of-the-handshake", "removed", "- server: {sees: open}"),
        ("tls/partial-write-and-drain", "removed", "- client: {sees: drain}"),
        ("udp/a-batch-that-fails-in-the-middle", "removed", "- client: {sees: drain}"),
        ("bun-page/udp-handle-backpressure", "removed", "- client: {sees: drain}"),
        ("tcp/a-server-that-resets-at-once", "removed", "- client: {sees: open}"),
        ("tcp/both-sides-end-at-once", "removed", "- client: {sees: open}"),
        ("tcp/both-sides-end-at-once", "removed", "- server: {sees: open}"),
        ("tcp/stop-all-in-data", "removed", "- bert: {sees: open}"),
        ("tcp/partial-write-and-drain", "removed", "- client: {sees: drain, within: 2s}"),
        ("tcp/a-full-pipe-takes-a-part", "removed", "- client: {sees: drain}"),
        ("tcp/a-write-that-finds-the-reset", "removed", "- client: {sees: open}"),
        ("tcp/a-write-that-finds-the-reset", "removed", "- server: {sees: open}"),
        ("tcp/server-closes-at-once", "removed", "- client: {sees: open}"),
    ],
}
EXEMPT = {key: reason for reason, keys in _EXEMPT.items() for key in keys}
"""Wrong copies that cannot be noticed, as (spec, kind, step), each with the reason."""


def _name(path: Path) -> str:
    """Name a spec by its path: the same file name stands in several folders."""
    return path.relative_to(SPECS).with_suffix("").as_posix()


def _all() -> list[Mutant]:
    paths = sorted(SPECS.rglob("*.yaml"))
    return [mutant for path in paths for mutant in mutants(path, _name(path))]


def _specs_to_replay() -> set[str]:
    """Return the names of the specs all of whose wrong copies are replayed."""
    every = {_name(path) for path in SPECS.rglob("*.yaml")}
    changed = changed_files(ROOT)
    if os.environ.get("SOCKHARNESS_EXHAUSTIVE") == "1" or changed is None:
        return every
    if changed & {Path(__file__), ROOT / "tests" / "helpers" / "mutations.py"}:
        return every
    return every & {_name(path) for path in changed if SPECS in path.parents}


def _is_exempt(mutant: Mutant) -> bool:
    return (mutant.spec, mutant.kind, mutant.step) in EXEMPT


MUTANTS = _all()
CHOSEN = _specs_to_replay()
MUST_FAIL = [each for each in MUTANTS if not _is_exempt(each) and each.spec in CHOSEN]
MUST_FAIL += [each for each in MUTANTS if not _is_exempt(each) and each.spec not in CHOSEN][
    ::SAMPLE
]


@pytest.mark.parametrize("mutant", MUST_FAIL, ids=lambda mutant: mutant.id)
def test_a_wrong_copy_fails_and_names_the_defect(mutant: Mutant, tmp_path: Path) -> None:
    told = _tell(_written(mutant, tmp_path), scale=SLOWER.get(mutant.spec, SCALE))

    assert told, f"passes although it is wrong:\n{mutant.text}"
    headline = told.partition("\n")[0]
    assert int(headline.removeprefix("line ").partition(":")[0]) >= mutant.line, told
    for word in mutant.words:
        assert word in told, told
    assert len(told.splitlines()) <= 40, told


@pytest.mark.parametrize("key", [key for key in EXEMPT if key[0] in CHOSEN], ids=":".join)
def test_an_exemption_is_needed(key: tuple[str, str, str], tmp_path: Path) -> None:
    found = [mutant for mutant in MUTANTS if (mutant.spec, mutant.kind, mutant.step) == key]

    for mutant in found:  # several, if a spec has the same step twice
        told = _tell(_written(mutant, tmp_path), scale=1.0)  # it passes: no wait is in vain

        assert not told, f"an exemption for a copy that fails:\n{told}"


def test_an_exemption_is_of_a_wrong_copy_that_there_is() -> None:
    there = {(mutant.spec, mutant.kind, mutant.step) for mutant in MUTANTS}

    assert {key: reason for key, reason in EXEMPT.items() if key not in there} == {}


def test_every_spec_has_wrong_copies_of_its_own() -> None:
    specs = {_name(path) for path in SPECS.rglob("*.yaml")}

    assert {mutant.spec for mutant in MUTANTS} == specs


def _written(mutant: Mutant, folder: Path) -> Path:
    path = folder / f"{Path(mutant.spec).name}.yaml"
    path.write_text(mutant.text)
    return path


def _tell(path: Path, *, scale: float = SCALE) -> str:
    """Replay a file; return the report, nothing if it passes."""
    try:
        spec = loader.load(path)
    except SpecError as error:
        return str(error)
    for case in spec.cases:
        capture = ("capture",) if case.wire and not case.hosts else ()
        if reason := probes.missing((*case.needs, *capture)):
            pytest.skip(reason)
        outcome = _replay_case(case, scale)
        if outcome.verdict is not Verdict.PASSED:
            return failure_text(outcome)
    return ""


def _replay_case(case: Case, scale: float) -> Outcome:
    setup = Setup(case, policy=Policy(), capture=bool(case.wire))
    let_only_idle_time_pass(setup)
    with setup:
        return Replayer(setup, scale).run()
