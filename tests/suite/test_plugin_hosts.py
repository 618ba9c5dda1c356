"""Specs with hosts as pytest items: what they need, and on whom they run."""

import pytest

from sockharness.machine import probes
from tests.helpers.bun import bun_path

SPEC = """\
sockspec: 1
hosts: [left, right]
peers:
  server: {host: left, udp: {bind: link}}
  client: {host: right, udp: {connect: server}}
exchange:
  - client -> server: "hi"
wire:
  - {where: {UDP.dport: $server.port}, count: 1}
"""
REASON = "network namespaces need a user namespace, which is forbidden here"

needs_netns = pytest.mark.skipif(bool(probes.netns()), reason=probes.netns() or "-")


@pytest.fixture(autouse=True)
def spec(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", far=SPEC)


def test_it_is_skipped_with_the_reason_where_no_network_can_be_made(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(probes._PROBES, "netns", lambda: REASON)

    result = pytester.runpytest_inprocess("-rs", "--sockspec", "far.yaml")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED * {REASON}"])


@needs_netns
def test_it_needs_no_right_to_capture_here(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "capture", lambda: "capturing on lo needs CAP_NET_RAW")

    pytester.runpytest_inprocess("--sockspec", "far.yaml").assert_outcomes(passed=1)


def test_captures_that_are_off_are_off_there_too(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("-rs", "--sock-capture=off", "--sockspec", "far.yaml")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * captures are off (--sock-capture=off)"])


@needs_netns
@pytest.mark.parametrize("engines", ["bun", "server:bun,client:sockharness"])
def test_a_peer_on_bun_is_a_skip_that_says_why(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engines: str
) -> None:
    monkeypatch.setenv("SOCKHARNESS_BUN", bun_path())

    result = pytester.runpytest("-rs", "--sockspec", "far.yaml", f"--sock-engine={engines}")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED * 'hosts' (line 2): Bun runs on this machine, not in a network of a spec"]
    )
