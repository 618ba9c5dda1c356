"""dig asks a DNS server that is five lines of YAML (RFC 1035)."""

import pytest

from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.story.outcome import Verdict
from tests.counterparts.conftest import Run, SetUp

# The question: example.test, A, IN. dig is told its number, so that the answer can have it.
QUESTION = "07 6578616d706c65 04 74657374 00 0001 0001"
ANSWER = f"1234 8580 0001 0001 0000 0000 {QUESTION} c00c 0001 0001 0000003c 0004 c0000201"
SPEC = f"""\
sockspec: 1
name: a DNS server
peers:
  server:
    udp: {{bind: loopback}}
    on:
      data: [send: {{hex: {ANSWER}}}]
exchange:
  - server: {{received: {{concat: [{{hex: 1234}}, {{length: 10}}, {{hex: {QUESTION}}}]}}}}
"""
QUIET = ("+tries=1", "+time=10", "+noedns", "+noadflag")


def ask(run: Run, setup: Setup, *options: str) -> str:
    """Let dig ask the server of a setup, replay, and return what dig printed."""
    port = setup.addresses.fact("server", "port")
    command = ("@127.0.0.1", "-p", str(port), "+qid=4660", *QUIET, *options, "example.test", "A")
    dig = run("dig", *command, package="dnsutils")

    outcome = Replayer(setup).run()

    assert outcome.verdict is Verdict.PASSED, outcome.headline
    out, err = dig.communicate(timeout=20)
    assert not err
    return out.decode()


@pytest.mark.parametrize("engine", ["sockharness", "bun"])
def test_dig_reads_the_answer_of_a_server_of_a_spec(set_up: SetUp, run: Run, engine: str) -> None:
    assert ask(run, set_up(SPEC, engine), "+short") == "192.0.2.1\n"


def test_dig_finds_nothing_to_complain_of(set_up: SetUp, run: Run) -> None:
    told = ask(run, set_up(SPEC, "sockharness"))

    assert "status: NOERROR, id: 4660" in told
    assert "example.test.\t\t60\tIN\tA\t192.0.2.1" in told
    assert "WARNING" not in told
