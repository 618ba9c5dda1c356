"""Specs with groups are skipped if multicast fails on loopback, even without `needs`."""

import pytest

from sockharness.machine import probes

SPEC = """\
sockspec: 1
peers:
  member: {udp: {bind: group}, multicast: {group: auto}}
  client: {udp: {bind: loopback}}
exchange:
  - client: {send: "hi", to: member}
  - member: {received: "hi"}
"""
REASON = "multicast on loopback cannot be used: no such device"


def test_a_group_is_a_need_of_its_own(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(probes._PROBES, "multicast", lambda: REASON)
    pytester.makefile(".yaml", spec=SPEC)

    result = pytester.runpytest_inprocess("-rs", "--sockspec", "spec.yaml")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*spec.yaml*: {REASON}"])
