"""Wire checks: the frames that must have crossed a link."""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.machine import probes
from sockharness.machine.policy import Policy
from sockharness.replay.frames import check_names
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from sockharness.story.outcome import Verdict
from tests.gallery.plugin import Gallery
from tests.helpers.replaying import PEERS, findings, headlines, replay

HELLO = 'exchange: [client -> server: "hello", server -> client: "hello"]\n'

needs_capture = pytest.mark.skipif(bool(probes.capture()), reason=probes.capture() or "-")


@needs_capture
def test_frames_are_counted_by_their_fields(tmp_path: Path) -> None:
    outcome = replay(tmp_path, HELLO + "wire: [{where: {TCP.flags: SA}, count: 1}]")

    assert headlines(outcome) == []


@needs_capture
def test_a_wrong_count_lists_the_frames_that_fit(tmp_path: Path, gallery: Gallery) -> None:
    outcome = replay(tmp_path, HELLO + "wire: [{where: {TCP.flags: PA}, count: 3}]")

    gallery.check(findings(outcome))
    details = outcome.failures[0].mismatch.details
    assert details[0] == "the frames that fit:"
    assert all("PA" in line and "5 B" in line for line in details[1:])


@needs_capture
def test_a_captured_text_is_found_in_a_frame(tmp_path: Path) -> None:
    talk = "exchange: [client -> server: hello, client: {received: {capture: word, length: 5}}]\n"

    outcome = replay(tmp_path, talk + "wire: [{where: {Raw.load: $word}, count: 2}]")

    assert headlines(outcome) == []


@needs_capture
def test_a_name_that_stands_for_what_its_field_never_has_fails(
    tmp_path: Path, gallery: Gallery
) -> None:
    check = "wire: [{where: {TCP.flags: S, TCP.dport: $server.host}, count: 0}]"

    outcome = replay(tmp_path, HELLO + check)

    gallery.check(findings(outcome))
    place = outcome.failures[0].location
    assert place is not None
    assert (place.line, place.column) == (6, 42)


@needs_capture
def test_every_fitting_frame_must_have_what_each_says(tmp_path: Path, gallery: Gallery) -> None:
    check = "wire: [{where: {TCP.flags: PA}, each: {Raw.load: hullo}}]"

    outcome = replay(tmp_path, HELLO + check)

    gallery.check(findings(outcome))


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


@pytest.mark.parametrize(
    ("where", "column", "message"),
    [
        ("TCP.flags: reset", 28, "expected flags such as S, got 'reset'"),
        ("TCP.dport: 70000", 28, "expected a number from 0 to 65535, got '70000'"),
        (
            "TCP.dport: abc",
            28,
            "got 'abc', expected a number from 0 to 65535 or scapy's name for one",
        ),
        ("IP.dst: 127.0.0.300", 25, "expected an IPv4 address, got '127.0.0.300'"),
        ("IP.src: 10.0.0.1, IP.dst: foo", 43, "expected an IPv4 address, got 'foo'"),
    ],
)
def test_a_value_that_its_field_cannot_have_is_refused(
    where: str, column: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + HELLO + f"wire: [{{where: {{{where}}}, count: 0}}]")
    (case,) = loader.load(path).cases

    with pytest.raises(SpecError) as caught:
        check_names(case)

    (problem,) = caught.value.problems
    assert (problem.location.line, problem.location.column) == (6, column)
    assert problem.message == message


def test_all_fields_and_values_that_cannot_be_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    check = "{where: {TCP.flags: Q, TCP.port: 1, IP.ttl: 256}, each: {Raw.load: Q}}"
    path.write_text(PEERS + HELLO + f"wire: [{check}]")
    (case,) = loader.load(path).cases

    with pytest.raises(SpecError) as caught:
        check_names(case)

    assert len(caught.value.problems) == 3


@needs_capture
def test_a_frame_wakes_the_reactor_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + HELLO + "wire: [{where: {TCP.flags: S}, count: 1}]")
    (case,) = loader.load(path).cases

    with Setup(case, policy=Policy(), capture=True) as setup:
        capture = setup.capture
        assert capture is not None
        assert setup.run_until(lambda: bool(capture.frames), 5)
