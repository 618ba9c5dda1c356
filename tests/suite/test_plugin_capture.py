"""Without the right to capture, tests that need it skip with the reason, or fail on request."""

import pytest

from sockharness.machine import probes

SPEC = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
  - server -> client: "hi"
wire:
  - {where: {TCP.flags: S}, count: 1}
"""
TEST = """
def test_wire(tcp_server, wire):
    with wire.capture(tcp_server):
        pass
"""
REASON = "capturing on lo needs CAP_NET_RAW: run as root"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> list[str]:
    pytester.makefile(".yaml", spec=SPEC)
    pytester.makepyfile(test_wire=TEST)
    return ["-p", "no:randomly", "-rsE", "--sockspec", "spec.yaml", "test_wire.py"]


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "capture", lambda: REASON)


@pytest.mark.usefixtures("unprivileged")
def test_without_the_right_both_are_skipped_with_the_remedies(
    pytester: pytest.Pytester, suite: list[str]
) -> None:
    result = pytester.runpytest_inprocess(*suite)

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["sockharness: *capture no;*"])
    result.stdout.fnmatch_lines([f"SKIPPED*test_wire.py*{REASON}", f"SKIPPED*spec.yaml*{REASON}"])


@pytest.mark.usefixtures("unprivileged")
def test_a_job_that_is_meant_to_have_the_right_fails_instead(
    pytester: pytest.Pytester, suite: list[str]
) -> None:
    result = pytester.runpytest_inprocess(*suite, "--sock-capture-missing=fail")

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"ERROR spec.yaml::spec - {REASON}"])


def test_captures_can_be_switched_off(pytester: pytest.Pytester, suite: list[str]) -> None:
    result = pytester.runpytest(*suite, "--sock-capture=off")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*captures are off (--sock-capture=off)"])


@pytest.mark.skipif(bool(probes.capture()), reason=probes.capture() or "-")
def test_with_the_right_both_run(pytester: pytest.Pytester, suite: list[str]) -> None:
    pytester.runpytest(*suite).assert_outcomes(passed=2)


@pytest.mark.skipif(bool(probes.capture()), reason=probes.capture() or "-")
def test_a_value_that_no_frame_ever_has_is_an_error_with_its_place(
    pytester: pytest.Pytester,
) -> None:
    pytester.makefile(
        ".yaml", spec=SPEC.replace("TCP.flags: S}, count: 1", "IP.dst: foo}, count: 0")
    )

    result = pytester.runpytest_subprocess("--sockspec", "spec.yaml")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "line 9: expected an IPv4 address, got 'foo'",
            "*spec.yaml:9:22",
            "ERROR spec.yaml::spec - *",
        ]
    )
