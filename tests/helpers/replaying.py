"""Replays a spec that a test writes as text."""

import textwrap
from pathlib import Path

from sockharness.machine.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from sockharness.story.outcome import Outcome
from tests.helpers.idle import let_only_idle_time_pass

PEERS = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
"""


def replay(folder: Path, text: str, *, peers: str = PEERS, scale: float = 0.1) -> Outcome:
    """Write `peers` and `text` to a file and replay its cases; returns the first bad outcome.

    Waits last a tenth, unless `scale` says otherwise, of time in which nothing is done.
    """
    path = folder / "spec.yaml"
    path.write_text(peers + textwrap.dedent(text))
    for case in loader.load(path).cases:
        setup = Setup(case, policy=Policy(), capture=bool(case.wire))
        let_only_idle_time_pass(setup)
        with setup:
            outcome = Replayer(setup, scale).run()
        if outcome.failures:
            break
    return outcome


def findings(outcome: Outcome, *, first: bool = False) -> str:
    """Return the text of what is wrong, without the picture, whose order may vary.

    `first` leaves out all but the first failure, where it depends on timing what follows from it.
    """
    lines: list[str] = []
    for failure in outcome.failures[:1] if first else outcome.failures:
        mismatch = failure.mismatch
        line = f"line {failure.location.line}: " if failure.location else ""
        note = mismatch.note if mismatch.note != mismatch.headline else ""
        details = [note, *mismatch.details] if note else mismatch.details
        lines += [line + mismatch.headline, *(f"  {detail}" for detail in details)]
        lines += [f"  waiting for {mismatch.waiting_for}"] if mismatch.waiting_for else []
    return "\n".join(lines)


def headlines(outcome: Outcome) -> list[str]:
    """Return the headlines of the failures, without the places."""
    return [failure.mismatch.headline for failure in outcome.failures]
