"""Cases on hosts of a network of their own: receivers, the frames on the wire, and clean-up."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.machine import probes
from sockharness.machine.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader, model
from sockharness.story.outcome import Verdict
from tests.helpers.replaying import headlines, replay

pytestmark = pytest.mark.skipif(bool(probes.netns()), reason=probes.netns() or "-")

PEERS = """\
sockspec: 1
hosts: [left, right]
peers:
  server: {host: left, udp: {bind: link, port: 53}}
  client: {host: right, udp: {connect: server}}
exchange:
  - client -> server: "hi"
"""


def case_of(folder: Path, text: str) -> model.Case:
    path = folder / "spec.yaml"
    path.write_text(text)
    (case,) = loader.load(path).cases
    return case


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def children() -> set[str]:
    tasks = Path("/proc/self/task")
    return {pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def test_cases_that_run_at_once_have_the_same_port_each(tmp_path: Path) -> None:
    case = case_of(tmp_path, PEERS)

    with ExitStack() as stack:
        stages = [stack.enter_context(Setup(case, policy=Policy())) for _ in range(3)]
        outcomes = [Replayer(setup).run() for setup in stages]

    assert [outcome.verdict for outcome in outcomes] == [Verdict.PASSED] * 3


def test_a_case_leaves_no_descriptor_and_no_process(tmp_path: Path) -> None:
    case = case_of(tmp_path, PEERS + "wire: [{where: {UDP.dport: 53}, count: 1}]\n")
    before = descriptors(), children()

    with Setup(case, policy=Policy(), capture=True) as setup:
        assert children() > before[1]
        assert Replayer(setup).run().verdict is Verdict.PASSED

    assert (descriptors(), children()) == before


@pytest.mark.parametrize("more", ["", "wire: [{where: {UDP.dport: 53}, count: 1}]\n"])
def test_a_case_that_cannot_be_set_up_leaves_nothing_either(tmp_path: Path, more: str) -> None:
    case = case_of(tmp_path, PEERS.replace("bind: link,", "bind: 10.9.9.9,") + more)
    before = descriptors(), children()

    with (
        pytest.raises(SpecError, match=r"server cannot be bound to 10\.9\.9\.9:53: EADDRNOTAVAIL"),
        Setup(case, policy=Policy(), capture=bool(more)),
    ):
        raise AssertionError("the host has no such address")

    assert (descriptors(), children()) == before


def test_a_failure_reads_as_on_loopback(tmp_path: Path) -> None:
    text = PEERS + '  - server: {received: "more"}\n'

    assert headlines(replay(tmp_path, text, peers="")) == ["server got no datagram"]


def test_datagrams_of_a_batch_are_frames_of_their_own(tmp_path: Path) -> None:
    text = PEERS + (
        "  - client: {send_many: [one, two, six], returns: 3}\n"
        "  - server: {received: [one, two, six]}\n"
        "wire: [{where: {UDP.dport: 53, UDP.len: 11}, count: 3}]\n"
    )

    assert headlines(replay(tmp_path, text, peers="", scale=1)) == []


def test_a_lone_host_is_watched_on_its_loopback_interface(tmp_path: Path) -> None:
    text = PEERS.replace("[left, right]", "[left]").replace("right", "left")
    text = text.replace("link", "loopback") + "wire: [{where: {UDP.dport: 53}, count: 1}]\n"

    assert headlines(replay(tmp_path, text, peers="", scale=1)) == []


def test_a_connected_socket_is_at_the_address_from_which_it_reaches_the_other(
    tmp_path: Path,
) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    for word, address in (
        ("link", "10.0.1.2"),
        ("link6", "fd00:0:0:1::2"),
        ("link_local", "fe80::1:2%eth0"),
    ):
        case = case_of(tmp_path, PEERS.replace("bind: link,", f"bind: {word},"))
        with Setup(case, policy=Policy()) as setup:
            assert setup.names.value("client.host") == address
            assert Replayer(setup).run().verdict is Verdict.PASSED


def test_an_interface_is_named_by_its_word_for_groups_of_both_families(tmp_path: Path) -> None:
    if reason := probes.ipv6():
        pytest.skip(reason)
    for group in ("auto", "auto6"):
        text = f"""\
        sockspec: 1
        hosts: [left, right]
        peers:
          near:
            host: left
            udp: {{bind: group}}
            multicast: {{group: {group}, interface: loopback}}
          far: {{host: right, udp: {{bind: group}}, multicast: {{group: near, interface: link}}}}
          client: {{host: left, udp: {{bind: link{"6" * (group == "auto6")}}}}}
        exchange:
          - client: {{set_multicast_interface: loopback, returns: true}}
          - client: {{send: "near", to: near}}
          - near: {{received: "near"}}
          - client: {{set_multicast_interface: link, returns: true}}
          - client: {{send: "far", to: near}}
          - far: {{received: "far"}}
          - near: {{never: data, for: 10ms}}
        """

        assert headlines(replay(tmp_path, text, peers="", scale=1)) == []
