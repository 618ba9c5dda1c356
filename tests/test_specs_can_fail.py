"""Every spec in `specs/` fails when it is wrong, and its text names what is wrong."""

from pathlib import Path

import pytest

from sockharness import probes
from sockharness.errors import SpecError
from sockharness.outcome import Outcome, Verdict
from sockharness.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.stage import Stage
from sockharness.report.text import failure_text
from sockharness.spec import loader
from sockharness.spec.model import Case
from tests.helpers.idle import let_only_idle_time_pass
from tests.helpers.mutations import Mutant, mutants

SPECS = Path(__file__).parent.parent / "specs"
SCALE = 0.04
"""Wrong copies that wait in vain wait for 0.2 s; to be busy is not to wait."""
SLOWER = {"end-takes-all": 0.2}
"""Those of specs with many bytes need more, lest they fail for want of time."""

LAST_ORDERLY = "an orderly end or close at the end of a conversation may go unclaimed"
NEGATIVE = "a negative claims nothing"
WITHOUT_EFFECT = "a call on a closed connection changes nothing"
NO_FINDING = "open and drain are never findings"
NOT_HEARD = "what is sent is not heard there, or not read before the socket is closed"
HAPPENED_TOO = "the other event happened as well"
ALLOWED = "the spec allows unread bytes"
SAME_END = "half a message is as good as none: the handshake fails in the same way"
ONE_PROCESS = "in one process nobody reads while somebody writes"

_EXEMPT = {
    NEGATIVE: [
        ("terminate-before-the-handshake", "removed", "- server: {never: handshake, for: 20ms}"),
        ("a-paused-socket-hears-the-end-later", "removed", "- server: {never: end, for: 30ms}"),
        ("pause-holds-data-back", "removed", "- server: {never: data, for: 30ms}"),
        ("end-says-goodbye", "removed", "- client: {never: end, for: 20ms}"),
        ("a-write-in-open-is-too-early", "removed", "- server: {never: data, for: 20ms}"),
        ("a-reset-in-place-of-a-hello", "removed", "- server: {never: handshake, for: 20ms}"),
        ("terminate-in-the-handshake", "removed", "- server: {never: handshake, for: 20ms}"),
        ("both-sides-end-at-once", "removed", "- client: {never: end, for: 20ms}"),
        ("both-sides-end-at-once", "removed", "- server: {never: end, for: 20ms}"),
        ("both-sides-shut-down", "removed", "- client: {never: end, for: 20ms}"),
        ("pause-in-data-holds-the-rest-back", "removed", "- server: {never: data, for: 30ms}"),
        ("shutting-the-reading-side", "removed", "- server: {never: end, for: 30ms}"),
        ("a-paused-socket-does-not-see-the-fin", "removed", "- server: {never: end, for: 50ms}"),
        ("connection-refused", "removed", "- client: {never: close, for: 20ms}"),
        ("own-shutdown-then-only-close", "removed", "- client: {never: end, for: 50ms}"),
        ("a-complete-write-has-no-drain", "removed", "- client: {never: drain, for: 50ms}"),
        ("reload-removes-what-it-omits", "removed", "- server: {never: end, for: 20ms}"),
        ("pause-holds-data-back", "removed", "- client: {never: data, for: 50ms}"),
        ("timeout-does-not-close", "removed", "- server: {never: timeout, for: 60ms}"),
        (
            "pausing-brings-no-drain",
            "removed",
            "- server: {never: drain, for: 30ms, differs: {bun: D9}}",
        ),
        ("pausing-brings-no-drain", "removed", "- server: {never: data, for: 20ms}"),
        (
            "a-pause-in-open-holds-the-handshake-up",
            "removed",
            "- client: {never: handshake, for: 50ms}",
        ),
        (
            "a-paused-socket-does-not-shake-hands",
            "removed",
            "- client: {never: handshake, for: 500ms, differs: {server:bun: D45}}",
        ),
        ("pausing-brings-no-drain", "removed", "- server: {never: drain, for: 20ms}"),
    ],
    LAST_ORDERLY: [
        ("data-behind-an-end", "removed", "- client: {sees: close}"),
        ("data-behind-an-end", "removed", "- client: {sees: end}"),
        ("a-paused-socket-hears-the-end-later", "removed", "- server: {sees: end}"),
        ("tls-create-a-connection", "removed", "- client: {sees: close}"),
        ("tls-create-a-connection", "removed", "- client: {sees: end}"),
        (
            "a-refusal-without-a-handshake-handler",
            "removed",
            "- client: {sees: close, error: none}",
        ),
        ("close-says-nothing", "removed", "- client: {sees: close}"),
        ("close-says-nothing", "removed", "- server: {sees: close}"),
        ("close-says-nothing", "removed", "- server: {sees: end}"),
        ("end-says-goodbye", "removed", "- client: {sees: close}"),
        ("end-says-goodbye", "removed", "- server: {sees: close}"),
        ("end-says-goodbye", "removed", "- server: {sees: end}"),
        ("half-close", "removed", "- client: {sees: end}"),
        ("nothing-is-readable-on-the-wire", "removed", "- client: {sees: close}"),
        ("stop-all-says-goodbye", "removed", "- client: {sees: end}"),
        ("a-paused-socket-can-end", "removed", "- client: {sees: close, error: none}"),
        ("a-paused-socket-can-end", "removed", "- client: {sees: end}"),
        ("a-reset-behind-the-fin", "removed", "- server: {sees: end}"),
        ("both-sides-end-at-once", "removed", "- client: {sees: close, error: none}"),
        ("both-sides-end-at-once", "removed", "- server: {sees: close, error: none}"),
        ("both-sides-shut-down", "removed", "- client: {sees: close, error: none}"),
        ("both-sides-shut-down", "removed", "- server: {sees: close, error: none}"),
        ("exception-in-end-still-closes", "removed", "- client: {sees: close, error: none}"),
        ("exception-in-end-still-closes", "removed", "- server: {sees: close, error: none}"),
        ("half-open-is-a-matter-of-one-side", "removed", "- client: {sees: close, error: none}"),
        ("reload-brings-an-end-handler", "removed", "- client: {sees: close, error: none}"),
        ("reload-brings-an-end-handler", "removed", "- server: {sees: end}"),
        ("shutting-the-reading-side", "removed", "- client: {sees: end}"),
        ("stop-all-in-data", "removed", "- anna: {sees: end}"),
        ("stop-all-in-data", "removed", "- bert: {sees: close, error: none}"),
        ("stop-all-in-data", "removed", "- bert: {sees: end}"),
        ("a-paused-socket-does-not-see-the-fin", "removed", "- server: {sees: end}"),
        ("a-paused-socket-does-not-see-the-fin", "removed", "- server: {sees: close}"),
        ("end-closes-both-directions", "removed", "- client: {sees: close}"),
        ("end-closes-both-directions", "removed", "- server: {sees: end}"),
        ("end-closes-both-directions", "removed", "- server: {sees: close}"),
        ("close-with-unread-bytes-resets", "removed", "- server: {sees: close}"),
        ("exception-in-close-comes-after-close", "removed", "- client: {sees: close, error: none}"),
        ("exception-in-close-comes-after-close", "removed", "- server: {sees: close}"),
        ("end-with-data-loses-nothing", "removed", "- client: {sees: close, error: none}"),
        ("end-with-data-loses-nothing", "removed", "- server: {sees: end}"),
        ("end-takes-all", "removed", "- client: {sees: close, error: none}"),
        ("end-takes-all", "removed", "- server: {sees: end}"),
        ("exception-in-open-closes", "removed", "- server: {sees: close}"),
        ("exception-in-open-closes", "removed", "- client: {sees: end}"),
        ("exception-in-open-closes", "removed", "- client: {sees: close, error: none}"),
        ("half-open-goes-on-talking", "removed", "- client: {sees: close}"),
        ("half-open-needs-an-end-handler", "removed", "- client: {sees: close}"),
        ("half-close", "removed", "- client: {sees: close, error: none, within: 1s}"),
        ("own-shutdown-then-only-close", "removed", "- server: {sees: end}"),
        ("own-shutdown-then-only-close", "removed", "- server: {sees: close}"),
        ("own-shutdown-then-only-close", "removed", "- client: {sees: close}"),
        ("reload-removes-what-it-omits", "removed", "- server: {sees: close}"),
        ("reload-removes-what-it-omits", "removed", "- client: {sees: close}"),
        ("reset", "removed", "- server: {sees: close}"),
        ("stop-all-closes-connections", "removed", "- server: {sees: close}"),
        ("stop-all-closes-connections", "removed", "- client: {sees: end}"),
        ("stop-all-closes-connections", "removed", "- client: {sees: close, error: none}"),
        ("server-closes-at-once", "removed", "- client: {sees: end}"),
        ("server-closes-at-once", "removed", "- client: {sees: close, error: none}"),
        ("two-clients", "removed", "- server -> anna: {sees: close}"),
        ("start-a-client", "removed", "- client: {sees: end}"),
        ("start-a-client", "removed", "- client: {sees: close}"),
        ("start-a-server", "removed", "- server -> first: {sees: close}"),
        ("stop-a-server", "removed", "- server -> client: {sees: close}"),
        ("stop-a-server", "removed", "- client: {sees: end}"),
        ("stop-a-server", "removed", "- client: {sees: close}"),
        ("hot-reloading", "removed", "- client: {sees: close}"),
        ("hot-reloading", "removed", "- server: {sees: close}"),
    ],
    WITHOUT_EFFECT: [
        ("after-close", "removed", "- client: close"),
        (
            "a-write-that-finds-the-reset",
            "removed",
            '- server: {write: "too late", returns: -1}',
        ),
        ("half-open-is-a-matter-of-one-side", "removed", '- client: {write: "late", returns: -1}'),
        ("end-closes-both-directions", "removed", '- client: {write: "more", returns: -1}'),
        ("end-with-data-loses-nothing", "removed", '- client: {write: "more", returns: -1}'),
        ("half-open-needs-an-end-handler", "removed", '- server: {write: "too late", returns: -1}'),
        ("own-shutdown-then-only-close", "removed", '- client: {write: "more", returns: -1}'),
    ],
    NOT_HEARD: [
        ("after-leaving-nothing-is-heard", "removed", '- client: {send: "too early", to: member}'),
        ("after-leaving-nothing-is-heard", "removed", '- client: {send: "too late", to: member}'),
        ("closing-leaves-the-groups", "removed", '- member: {received: "hello"}'),
        (
            "closing-is-told-as-leaving",
            "removed",
            '- other: {received: ["hello", "hello again"]}',
        ),
        ("connected-to-a-group", "removed", '- server: {send: "hello back", to: client}'),
        ("sources-add-up", "removed", '- two: {send: "not yet", to: member}'),
        ("sources-add-up", "removed", '- one: {send: "not any more", to: member}'),
        ("sources-add-up", "removed", '- two: {send: "too late", to: member}'),
        ("a-source-narrows-a-membership", "removed", '- noise: {send: "not any more", to: member}'),
    ],
    HAPPENED_TOO: [
        ("a-paused-socket-hears-the-end-later", "event to close", "- server: {sees: end}"),
        ("a-handshake-deadline", "event to close", "- client: {sees: end}"),
        ("half-close", "event to close", "- client: {sees: end}"),
        ("stop-all-says-goodbye", "event to close", "- client: {sees: end}"),
        ("exception-in-end-still-closes", "event to end", "- server: {sees: close, error: none}"),
        ("reload-brings-an-end-handler", "event to close", "- server: {sees: end}"),
        ("stop-all-in-data", "event to close", "- anna: {sees: end}"),
        (
            "exception-in-close-comes-after-close",
            "event to end",
            "- client: {sees: close, error: none}",
        ),
        ("end-with-data-loses-nothing", "event to close", "- server: {sees: end}"),
        ("end-takes-all", "event to close", "- server: {sees: end}"),
    ],
    ALLOWED: [
        ("a-goodbye-in-place-of-a-hello", "removed", "- server: {received: {hex: 16 03 01}}"),
        ("a-server-that-answers-with-an-alert", "removed", "- server: {received: {hex: 16 03 01}}"),
        ("a-tls-client-at-a-plain-server", "removed", "- server: {received: {hex: 16 03 01}}"),
    ],
    SAME_END: [
        (
            "half-a-hello-and-a-fin",
            "removed",
            "- client: {write: {hex: 16 03 01 02 00 01 00 01 fc 03 03}}",
        ),
    ],
    ONE_PROCESS: [
        ("partial-write-and-drain", "removed", "- server: pause"),
    ],
    NO_FINDING: [
        ("a-refusal-without-a-handshake-handler", "removed", "- client: {sees: open}"),
        ("both-sides-are-told-of-the-handshake", "removed", "- client: {sees: open}"),
        ("both-sides-are-told-of-the-handshake", "removed", "- server: {sees: open}"),
        ("partial-write-and-drain", "removed", "- client: {sees: drain}"),
        ("a-batch-that-fails-in-the-middle", "removed", "- client: {sees: drain}"),
        ("udp-handle-backpressure", "removed", "- client: {sees: drain}"),
        ("a-server-that-resets-at-once", "removed", "- client: {sees: open}"),
        ("both-sides-end-at-once", "removed", "- client: {sees: open}"),
        ("both-sides-end-at-once", "removed", "- server: {sees: open}"),
        ("stop-all-in-data", "removed", "- bert: {sees: open}"),
        ("partial-write-and-drain", "removed", "- client: {sees: drain, within: 2s}"),
        ("a-full-pipe-takes-a-part", "removed", "- client: {sees: drain}"),
        ("a-write-that-finds-the-reset", "removed", "- client: {sees: open}"),
        ("a-write-that-finds-the-reset", "removed", "- server: {sees: open}"),
        ("server-closes-at-once", "removed", "- client: {sees: open}"),
    ],
}
EXEMPT = {key: reason for reason, keys in _EXEMPT.items() for key in keys}
"""Wrong copies that cannot be noticed, as (spec, kind, step), each with the reason."""


def _all() -> list[Mutant]:
    return [mutant for path in sorted(SPECS.rglob("*.yaml")) for mutant in mutants(path)]


MUTANTS = _all()
MUST_FAIL = [mutant for mutant in MUTANTS if (mutant.spec, mutant.kind, mutant.step) not in EXEMPT]


@pytest.mark.parametrize("mutant", MUST_FAIL, ids=lambda mutant: mutant.id)
def test_a_wrong_copy_fails_and_names_the_defect(mutant: Mutant, tmp_path: Path) -> None:
    path = tmp_path / f"{mutant.spec}.yaml"
    path.write_text(mutant.text)

    told = _tell(path, scale=SLOWER.get(mutant.spec, SCALE))

    assert told, f"passes although it is wrong:\n{mutant.text}"
    headline = told.partition("\n")[0]
    assert int(headline.removeprefix("line ").partition(":")[0]) >= mutant.line, told
    for word in mutant.words:
        assert word in told, told
    assert len(told.splitlines()) <= 40, told


@pytest.mark.parametrize("key", EXEMPT, ids=":".join)
def test_an_exemption_is_needed(key: tuple[str, str, str], tmp_path: Path) -> None:
    found = [mutant for mutant in MUTANTS if (mutant.spec, mutant.kind, mutant.step) == key]
    assert found, f"no such wrong copy; the reason was: {EXEMPT[key]}"
    mutant = found[0]
    path = tmp_path / f"{mutant.spec}.yaml"
    path.write_text(mutant.text)

    told = _tell(path, scale=1.0)  # it passes, so it waits for nothing in vain

    assert not told, f"an exemption for a copy that fails:\n{told}"


def _tell(path: Path, *, scale: float = SCALE) -> str:
    """Replay a file; return what is told of it, nothing if it passes."""
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
    stage = Stage(case, policy=Policy(), capture=bool(case.wire))
    let_only_idle_time_pass(stage)
    with stage:
        return Replayer(stage, scale).run()
