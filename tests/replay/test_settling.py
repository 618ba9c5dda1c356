"""Events still due after the last step: a replay waits for them, and never drops them silently."""

from pathlib import Path

import pytest

from sockharness.replay import settling
from sockharness.story.outcome import Outcome, Verdict
from tests.helpers.replaying import headlines, replay

PAUSED = """\
sockspec: 1
let: {blob: {bytes: 16MiB, pattern: counter}}
allow: [unread_bytes]
peers:
  server: {tcp: {listen: loopback, pause_on_connect: true, recv_buffer: 16KiB}}
  client: {tcp: {connect: server, recv_buffer: 16KiB}}
"""
SIZE = 16 * 2**20


def received(outcome: Outcome, peer: str) -> int:
    return outcome.timeline.channel(peer, 1).received


def test_the_rest_of_a_write_all_is_sent_after_the_last_step(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        "exchange: [client: {write_all: $blob}, server: resume]",
        peers=PAUSED,
        scale=1,
    )

    assert outcome.verdict is Verdict.PASSED, headlines(outcome)
    assert received(outcome, "server") == SIZE


def test_the_rest_of_an_end_is_sent_after_the_last_step(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        "exchange: [client: {end: $blob}, server: resume]",
        peers=PAUSED,
        scale=1,
    )

    assert outcome.verdict is Verdict.PASSED, headlines(outcome)
    assert received(outcome, "server") == SIZE


def test_what_a_handler_owes_after_the_last_step_is_sent(tmp_path: Path) -> None:
    peers = PAUSED.replace(
        "pause_on_connect: true, recv_buffer: 16KiB}", "recv_buffer: 16KiB}, on: {data: [echo]}"
    )

    outcome = replay(
        tmp_path,
        "exchange: [client: pause, client: {write_all: $blob}, client: resume]",
        peers=peers,
        scale=1,
    )

    assert outcome.verdict is Verdict.PASSED, headlines(outcome)
    assert received(outcome, "client") == SIZE


@pytest.mark.parametrize("action", ["write_all", "end"])
def test_what_is_owed_at_the_deadline_is_a_finding(tmp_path: Path, action: str) -> None:
    outcome = replay(tmp_path, f"exchange: [client: {{{action}: $blob}}]", peers=PAUSED)

    assert headlines(outcome) == [f"client {action} did not finish its 16777216 bytes"]
    (failure,) = outcome.failures
    assert failure.mismatch.note.startswith(failure.mismatch.headline + "; ")
    assert failure.mismatch.note.endswith(" bytes still waited after 0.5 s")
    assert failure.wait is not None
    assert failure.wait.limit == pytest.approx(0.5)


def test_what_a_closed_connection_owed_is_not_waited_for(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path,
        """\
        exchange:
          - client: {write_all: $blob}
          - server: terminate
          - client: {sees: close, error: any}
        """,
        peers=PAUSED,
        scale=9,
    )

    assert headlines(outcome) == ["client write_all did not finish its 16777216 bytes"]
    assert outcome.timeline.now() < 5


ENDLESS = """\
sockspec: 1
let: {blob: {bytes: 256KiB}}
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}, on: {open: [{write_all: $blob}], data: [echo]}}
"""


def test_peers_that_echo_each_other_for_ever_get_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 2**20
    monkeypatch.setattr(settling, "MOST", most)

    outcome = replay(tmp_path, "exchange: [client: {sees: open}]", peers=ENDLESS, scale=1)

    assert outcome.verdict is Verdict.FAILED
    assert any("unread bytes at the end" in line for line in headlines(outcome))
    assert received(outcome, "client") + received(outcome, "server") < 8 * most
