"""socat sends to multicast groups of specs, and receives from them."""

import subprocess

import pytest

from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.story.outcome import Verdict
from tests.counterparts.conftest import Run, SetUp

ALL = """\
sockspec: 1
peers:
  member: {udp: {bind: group}, multicast: {group: auto}}
exchange:
  - member: {received: "from socat"}
"""
ONE = """\
sockspec: 1
peers:
  member: {udp: {bind: group}, multicast: {group: auto_ssm, sources: [127.0.0.5]}}
exchange:
  - member: {received: "from 127.0.0.5"}
  - member: {never: data, for: 50ms}
"""
SENDS = """\
sockspec: 1
peers:
  member: {udp: {bind: group}, multicast: {group: auto}}
  good: {udp: {bind: 127.0.0.5}}
  noise: {udp: {bind: 127.0.0.6}}
exchange:
  - noise: {send: "noise", to: member}
  - good: {send: "good", to: member}
  - member: {received: ["noise", "good"]}
"""
ENGINES = pytest.mark.parametrize("engine", ["sockharness", "bun"])


def facts(setup: Setup) -> tuple[str, str]:
    """Return the group of a setup's member and its port."""
    return str(setup.addresses.fact("member", "group")), str(setup.addresses.fact("member", "port"))


def say(run: Run, setup: Setup, text: str, *, source: str) -> None:
    """Let socat send a datagram to the member's group, and wait for it to be done."""
    group, port = facts(setup)
    options = f"bind={source},ip-multicast-if=127.0.0.1,ip-multicast-ttl=0"
    socat = run("socat", "-u", "STDIN", f"UDP4-DATAGRAM:{group}:{port},{options}", package="socat")
    _, err = socat.communicate(text.encode(), timeout=20)
    assert (socat.returncode, err) == (0, b"")


def listen(run: Run, setup: Setup, membership: str) -> "subprocess.Popen[bytes]":
    """Start a socat that is a member of the group, and wait until it is."""
    group, port = facts(setup)
    address = f"UDP4-RECV:{port},bind={group},reuseaddr,{membership}"
    socat = run("socat", "-d", "-d", "-u", address, "STDOUT", package="socat")
    assert socat.stderr is not None
    assert any(b"starting data transfer loop" in line for line in socat.stderr)
    return socat


def heard(socat: "subprocess.Popen[bytes]", size: int) -> bytes:
    """Return `size` bytes of a socat's output, or fewer if it ended."""
    assert socat.stdout is not None
    data = b""
    while len(data) < size and (more := socat.stdout.read(size - len(data))):
        data += more
    return data


@ENGINES
def test_a_member_of_a_spec_hears_socat(set_up: SetUp, run: Run, engine: str) -> None:
    setup = set_up(ALL, engine)
    say(run, setup, "from socat", source="127.0.0.1")

    outcome = Replayer(setup).run()

    assert outcome.verdict is Verdict.PASSED, outcome.headline


@ENGINES
def test_a_member_of_one_source_hears_only_that_socat(set_up: SetUp, run: Run, engine: str) -> None:
    setup = set_up(ONE, engine)
    for source in ("127.0.0.6", "127.0.0.5", "127.0.0.7"):
        say(run, setup, f"from {source}", source=source)

    outcome = Replayer(setup).run()

    assert outcome.verdict is Verdict.PASSED, outcome.headline


@ENGINES
def test_socat_hears_what_a_spec_sends_to_a_group(set_up: SetUp, run: Run, engine: str) -> None:
    setup = set_up(SENDS, engine)
    group, _ = facts(setup)
    socat = listen(run, setup, f"ip-add-membership={group}:127.0.0.1")

    outcome = Replayer(setup).run()

    assert outcome.verdict is Verdict.PASSED, outcome.headline
    assert heard(socat, 9) == b"noisegood"
