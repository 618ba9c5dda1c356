"""What must have crossed the wire."""

from pathlib import Path

import pytest

from sockharness import probes
from sockharness.errors import SpecError
from sockharness.outcome import Verdict
from sockharness.policy import Policy
from sockharness.replay.frames import check_names
from sockharness.replay.stage import Stage
from sockharness.spec import loader
from tests.helpers.replaying import PEERS, headlines, replay

HELLO = 'exchange: [client -> server: "hello", server -> client: "hello"]\n'

needs_capture = pytest.mark.skipif(bool(probes.capture()), reason=probes.capture() or "-")


@needs_capture
def test_frames_are_counted_by_their_fields(tmp_path: Path) -> None:
    outcome = replay(tmp_path, HELLO + "wire: [{where: {TCP.flags: SA}, count: 1}]")

    assert headlines(outcome) == []


@needs_capture
def test_a_wrong_count_lists_the_frames_that_fit(tmp_path: Path) -> None:
    outcome = replay(tmp_path, HELLO + "wire: [{where: {TCP.flags: PA}, count: 3}]")

    assert headlines(outcome) == ["2 frames on the wire, expected 3"]
    details = outcome.failures[0].mismatch.details
    assert details[0] == "the frames that fit:"
    assert all("PA" in line and "5 B" in line for line in details[1:])


@needs_capture
@pytest.mark.parametrize("flags", ["SYN", "syn", "RST"])
def test_flags_that_are_spelt_out_get_a_hint(flags: str, tmp_path: Path) -> None:
    outcome = replay(
        tmp_path, HELLO + f"wire: [{{where: {{TCP.flags: {flags}}}, count: 1, within: 10ms}}]"
    )

    details = outcome.failures[0].mismatch.details
    assert details[:2] == (
        "hint: flags are letters: S, SA, PA, RA, FA",
        "the frames that crossed the wire:",
    )


@needs_capture
def test_every_fitting_frame_must_have_what_each_says(tmp_path: Path) -> None:
    check = "wire: [{where: {TCP.flags: PA}, each: {Raw.load: hullo}}]"

    outcome = replay(tmp_path, HELLO + check)

    assert headlines(outcome) == ["Raw.load is b'hello', expected hullo"]


@needs_capture
def test_only_frames_of_the_specs_own_ports_are_seen(tmp_path: Path) -> None:
    outcome = replay(
        tmp_path, HELLO + "wire: [{where: {TCP.dport: $server.port}, count: {at_least: 3}}]"
    )

    assert outcome.verdict is Verdict.PASSED


def test_an_unknown_field_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + HELLO + "wire: [{where: {TCP.flgas: S}, count: 1}]")
    (case,) = loader.load(path).cases

    with pytest.raises(SpecError, match="no field 'flgas'; did you mean 'flags'"):
        check_names(case)


@needs_capture
def test_a_frame_wakes_the_reactor_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + HELLO + "wire: [{where: {TCP.flags: S}, count: 1}]")
    (case,) = loader.load(path).cases

    with Stage(case, policy=Policy(), capture=True) as stage:
        capture = stage.capture
        assert capture is not None
        assert stage.run_until(lambda: bool(capture.frames), 5)
