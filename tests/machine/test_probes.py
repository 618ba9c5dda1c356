import os
import subprocess
import sys

import pytest

from sockharness.machine import probes


def test_no_needs_are_always_met() -> None:
    assert probes.missing([]) == ""


@pytest.mark.parametrize("name", probes.NAMES)
def test_each_name_can_be_asked(name: str) -> None:
    answer = probes.missing([name])

    assert answer == getattr(probes, name)()
    assert "\n" not in answer


def test_a_machine_is_asked_once() -> None:
    assert probes.capture() is probes.capture()
    assert probes.ipv6() is probes.ipv6()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("captrue", "needs: unknown 'captrue'; did you mean 'capture'?"),
        ("ipv5", "needs: unknown 'ipv5'; did you mean 'ipv6'?"),
        ("moon", "needs: unknown 'moon'; expected one of capture, ipv6, multicast, netns"),
    ],
)
def test_an_unknown_need_is_refused_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        probes.missing(["ipv6", name])

    assert str(caught.value) == message


CHILD = """
import os, sys
from sockharness.machine import probes
print("scapy" in sys.modules, "sockharness.wire.ring" in sys.modules)
import sockharness.wire.filter, sockharness.wire.ring
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(probes.missing(["capture", "ipv6"]))
print("scapy" in sys.modules)
"""


@pytest.mark.slow  # starts an interpreter
def test_the_first_lack_is_told_and_asking_is_light() -> None:
    if os.getuid() != 0 and not probes.capture():
        pytest.skip("this user may capture, and only root can become somebody else")

    run = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=120, check=True
    )

    before, reason, after = run.stdout.splitlines()
    assert (before, after) == ("False False", "False")
    assert reason.startswith("capturing on lo needs CAP_NET_RAW: ")
