"""The replay of a conversation, step by step."""

import gc
import socket
import weakref
from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.machine.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from sockharness.story.outcome import Verdict
from tests.gallery.plugin import Gallery
from tests.helpers.descriptors import descriptors
from tests.helpers.replaying import PEERS, findings, headlines, replay

SCRIPTED = PEERS.replace(", on: {data: [echo]}", "")


def test_a_conversation_that_goes_as_written_passes(tmp_path: Path) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server: "a", server -> client: "a"]')

    assert outcome.verdict is Verdict.PASSED
    assert not outcome.failures


def test_a_silent_peer_fails_the_step_at_its_deadline(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server: "a", server -> client: "ab"]')

    gallery.check(findings(outcome))
    (failure,) = outcome.failures
    assert failure.wait is not None
    assert failure.wait.limit == pytest.approx(0.5)
    assert failure.wait.lasted >= failure.wait.limit


def test_a_closed_connection_fails_the_step_at_once(tmp_path: Path, gallery: Gallery) -> None:
    peers = PEERS.replace("data: [echo]", 'data: [end: "ab"]')

    outcome = replay(
        tmp_path, 'exchange: [client -> server: "x", server -> client: "abc"]', peers=peers, scale=9
    )

    gallery.check(findings(outcome, first=True))
    assert outcome.failures[0].wait is not None
    assert outcome.failures[0].wait.lasted < 9


def test_bytes_that_nobody_claims_are_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server: "a"]')

    gallery.check(findings(outcome))


def test_a_finding_can_be_allowed_by_name(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
        allow: [unread_bytes]
        exchange: [client -> server: "a"]
        """,
    )

    assert outcome.verdict is Verdict.PASSED


def test_a_reset_that_nobody_claims_is_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    peers = PEERS.replace("data: [echo]", "data: [terminate]")

    outcome = replay(tmp_path, 'exchange: [client -> server: "a"]', peers=peers)

    gallery.check(findings(outcome))


def test_an_exception_in_a_handler_is_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    peers = PEERS.replace("data: [echo]", 'data: [echo, raise: "boom"]')

    outcome = replay(
        tmp_path, 'exchange: [client -> server: "a", server -> client: "a"]', peers=peers
    )

    gallery.check(findings(outcome))


def test_a_failure_names_the_exception_that_may_have_caused_it(
    tmp_path: Path, gallery: Gallery
) -> None:
    peers = PEERS.replace("data: [echo]", 'data: [raise: "boom"]')

    outcome = replay(
        tmp_path, 'exchange: [client -> server: "a", server -> client: "a"]', peers=peers
    )

    gallery.check(findings(outcome))


def test_a_close_with_an_error_does_not_satisfy_an_orderly_close(
    tmp_path: Path, gallery: Gallery
) -> None:
    peers = PEERS.replace("data: [echo]", "data: [terminate]")

    outcome = replay(
        tmp_path, 'exchange: [client -> server: "a", client: {sees: close}]', peers=peers
    )

    gallery.check(findings(outcome))


def test_a_write_that_is_cut_short_is_never_hidden(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
        exchange: [client: {write: {bytes: 32MiB}}, server: {received: {bytes: 32MiB}}]
        """,
        peers=SCRIPTED,
    )

    assert "client write took" in headlines(outcome)[0]


def test_a_returned_value_outside_its_bounds_fails(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(
        tmp_path, 'exchange: [client: {write: "abc", returns: {at_most: 2}}]', peers=SCRIPTED
    )

    gallery.check(findings(outcome))


def test_writing_on_a_closed_connection_fails_the_step(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, 'exchange: [client: end, client: {write: "abc"}]', peers=SCRIPTED)

    gallery.check(findings(outcome))


def test_a_write_all_that_never_finishes_is_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    peers = SCRIPTED.replace("listen: loopback", "listen: loopback, pause_on_connect: true")

    outcome = replay(
        tmp_path, "exchange: [client: {write_all: {bytes: 32MiB}}, client: resume]", peers=peers
    )

    gallery.check(findings(outcome))


def test_an_end_that_nobody_claims_before_more_is_done_is_a_finding(
    tmp_path: Path, gallery: Gallery
) -> None:
    peers = SCRIPTED.replace("listen: loopback", "listen: loopback, allow_half_open: true")

    outcome = replay(
        tmp_path,
        """\
        exchange:
          - client -> server: "a"
          - client: shutdown
          - server: {never: data, for: 100ms}
          - server -> client: "b"
        """,
        peers=peers,
    )

    gallery.check(findings(outcome))


def test_a_negative_fails_when_what_it_forbids_comes(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(
        tmp_path, 'exchange: [client: {write: "a"}, client: {never: data, for: 10s}]', scale=1
    )

    gallery.check(findings(outcome))


def test_a_negative_that_outlasts_the_case_fails_at_its_limit(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = replay(
        tmp_path, "exchange: [client: {never: data, for: 29.9999s}]", scale=1e-3
    )  # the connection has taken some of the case's time before

    gallery.check(findings(outcome))
    (failure,) = outcome.failures
    assert failure.wait is not None
    assert failure.wait.limit < 0.03
    assert failure.wait.origin == "the case's limit"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{regex: (a+)+b|(a|aa)+d}", "a pattern took longer than 1 s"),
        ("{concat: [{regex: a}, {regex: (a|aa)+(b|d)}]}", "2 patterns took longer than 1 s"),
    ],
)
def test_a_pattern_that_takes_exponential_time_fails_its_step(
    pattern: str, told: str, tmp_path: Path
) -> None:
    outcome = replay(
        tmp_path,
        f"""\
        let: {{many: {{concat: [{{repeat: a, times: 60}}, c]}}}}
        exchange:
          - client: {{write_all: $many}}
          - server: {{received: {pattern}}}
        """,
        peers=SCRIPTED,
    )

    (failure,) = outcome.failures
    assert failure.mismatch.headline == f"server: {told}"
    assert "/; write no repetition inside a repetition" in failure.mismatch.note
    assert failure.location is not None
    assert (failure.location.line, failure.location.column) == (8, 14)


@pytest.mark.slow
def test_a_datagram_does_not_wait_for_a_pattern_of_exponential_time(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = replay(
        tmp_path,
        """\
        exchange:
          - client: {send: {concat: [{repeat: a, times: 60}, c]}}
          - server: {received: {regex: "(a+)+b|(a|aa)+d"}}
        """,
        peers="sockspec: 1\npeers: {server: {udp: {bind: loopback}}, "
        "client: {udp: {connect: server}}}\n",
    )

    gallery.check(findings(outcome))


def test_the_second_connection_of_a_listener_has_a_name(tmp_path: Path) -> None:
    peers = PEERS + "  other: {tcp: {connect: server}}\n"

    outcome = replay(
        tmp_path,
        """\
        exchange:
          - client -> server: "one"
          - server -> client: "one"
          - other -> server@2: "two"
          - server@2 -> other: "two"
          - server@2: end
          - other: {sees: close}
        """,
        peers=peers,
    )

    assert headlines(outcome) == []


def test_a_client_that_connects_again_has_a_new_connection(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
        exchange:
          - client: connect
          - client -> server: "one"
          - server -> client: "one"
          - client: end
          - client: connect
          - client -> server@2: "two"
          - server@2 -> client: "two"
        """,
    )

    assert headlines(outcome) == []


def test_a_client_that_has_not_connected_cannot_act(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server: "a", client: connect]', peers=SCRIPTED)

    gallery.check(findings(outcome))


def test_a_connection_from_outside_is_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + 'exchange: [client -> server: "a", server -> client: "a"]')
    (case,) = loader.load(path).cases

    with Setup(case, policy=Policy()) as setup:
        (port,) = setup.addresses.ports()
        with socket.create_connection(("127.0.0.1", port)):
            outcome = Replayer(setup).run()

    gallery.check(findings(outcome))


def test_a_stage_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + 'exchange: [client -> server: "a"]')
    (case,) = loader.load(path).cases
    before = descriptors()

    with Setup(case, policy=Policy()) as setup:
        Replayer(setup).run()
        during = descriptors()

    assert during > before
    assert descriptors() == before


def test_a_stage_that_cannot_be_set_leaves_nothing_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "spec.yaml"
        port = taken.getsockname()[1]
        peers = PEERS.replace("listen: loopback", f"listen: loopback, port: {port}")
        path.write_text(peers + 'exchange: [client -> server: "a"]')
        (case,) = loader.load(path).cases
        before = descriptors()

        with pytest.raises(SpecError, match=r"server cannot listen on .*: EADDRINUSE"):
            Setup(case, policy=Policy()).__enter__()

        assert descriptors() == before


NOBODY = """\
sockspec: 1
peers:
  client: {tcp: {connect: 127.0.0.1, port: 1}}
"""


@pytest.mark.parametrize(
    "action", ['write: "x"', 'write_all: "x"', "end: bye", "timeout: 1s"], ids=str.split
)
def test_who_could_not_connect_cannot_act(tmp_path: Path, action: str, gallery: Gallery) -> None:
    outcome = replay(tmp_path, f"exchange: [client: {{{action}}}]", peers=NOBODY)

    gallery.check(findings(outcome))


@pytest.mark.parametrize("action", ["close", "pause", '{write: "x", returns: 1}'])
def test_who_connected_to_a_listener_that_stopped_cannot_act(tmp_path: Path, action: str) -> None:
    outcome = replay(
        tmp_path, f"exchange: [server: stop, client: connect, client: {action}]", peers=SCRIPTED
    )

    assert "connect_error (ECONNREFUSED)" in headlines(outcome)[0]


@pytest.mark.parametrize("step", ['client -> server: "x"', 'server -> client: "x"'])
def test_a_refused_connection_fails_an_arrow_at_once(
    tmp_path: Path, step: str, gallery: Gallery
) -> None:
    outcome = replay(
        tmp_path, f"exchange: [server: stop, client: connect, {step}]", peers=SCRIPTED, scale=1
    )

    gallery.check(findings(outcome))
    assert outcome.failures[0].wait is None


def test_a_connection_that_does_not_come_is_waited_for(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server@2: "x"]')

    gallery.check(findings(outcome, first=True))
    assert outcome.failures[0].wait is not None


def test_an_arrow_from_a_peer_with_handlers_says_that_it_writes_nothing(tmp_path: Path) -> None:
    peers = PEERS.replace("data: [echo]", "data: []")

    outcome = replay(
        tmp_path, 'exchange: [client -> server: "a", server -> client: "a"]', peers=peers
    )

    (failure,) = outcome.failures
    assert failure.mismatch.details == (
        "'server' has handlers (line 3), so this step writes nothing",
    )


def test_bytes_that_differ_at_once_were_not_waited_for(tmp_path: Path) -> None:
    outcome = replay(tmp_path, 'exchange: [client -> server: "a", server -> client: "b"]')

    assert outcome.failures[0].wait is None
    assert not outcome.failures[0].mismatch.details


def test_what_a_peer_was_told_is_noted_as_it_was_told(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
        handlers: {v1: {data: []}}
        exchange:
          - client: {timeout: 50ms}
          - client: {reload: v1}
          - client: {shutdown: read}
          - server: {stop: true}
        """,
    )

    notes = {event.name: event.note for event in outcome.timeline.entries if event.note}
    assert notes == {"timeout": "0.05", "reload": "v1", "shutdown": "read", "stop": "true"}


def test_a_closed_case_is_freed_at_once_without_the_garbage_collector(tmp_path: Path) -> None:
    path = tmp_path / "echo.yaml"
    path.write_text(PEERS + "exchange:\n  - client -> server: x\n  - server -> client: x\n")
    (case,) = loader.load(path).cases
    parts: list[weakref.ref[object]] = []

    def play() -> None:
        with Setup(case, policy=Policy()) as setup:
            assert not Replayer(setup).run().failures
            channel = setup.timeline.channel("client", 1)
            parts.extend(map(weakref.ref, (setup, setup.driver, setup.reactor, channel)))

    gc.disable()
    try:
        play()
        assert [part() for part in parts] == [None] * 4
    finally:
        gc.enable()


def test_a_name_whose_group_took_no_part_in_the_match_fails_its_step(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
exchange:
  - client: {write: "b;"}
  - server: {received: {regex: "(?P<opt>a)?b;", example: "b;"}}
  - client: {write: $opt}
""",
    )

    assert headlines(outcome)[0] == "$opt has no value yet: nothing was captured for it"
    assert outcome.failures[0].location is not None
