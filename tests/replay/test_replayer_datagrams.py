"""The replay of datagrams, step by step."""

import socket
from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.report.text import failure_text
from sockharness.story.outcome import Outcome, Verdict
from tests.gallery.plugin import Gallery
from tests.helpers.replaying import findings, replay

PEERS = """\
sockspec: 1
peers:
  server: {udp: {bind: loopback}, on: {data: [echo]}}
  client: {udp: {connect: server}}
exchange:
"""
SCRIPTED = PEERS.replace(", on: {data: [echo]}", "")
SILENT = PEERS.replace("data: [echo]", "error: []")
MEMBER = """\
sockspec: 1
peers:
  member: {udp: {bind: group}, multicast: {group: auto}}
  client: {udp: {bind: loopback}}
exchange:
"""


def told(folder: Path, *steps: str, peers: str = SCRIPTED, top: str = "") -> Outcome:
    lines = "".join(f"  - {step}\n" for step in steps)
    return replay(folder, f"{lines}{top}", peers=peers)


def test_a_conversation_that_goes_as_written_passes(tmp_path: Path) -> None:
    outcome = told(tmp_path, 'client -> server: "a"', 'server -> client: "a"', peers=PEERS)

    assert outcome.verdict is Verdict.PASSED


def test_a_datagram_is_compared_as_a_whole(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(tmp_path, 'client: {send: "abc"}', 'server: {received: "ab"}')

    gallery.check(findings(outcome))
    assert outcome.failures[0].mismatch.received == b"abc"


def test_a_datagram_that_does_not_come_fails_the_step_at_its_deadline(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(tmp_path, 'client: {send: "a"}', 'server: {received: ["a", "b"]}')

    gallery.check(findings(outcome))
    assert outcome.failures[0].wait is not None
    assert 'server for "b"' in failure_text(outcome)


def test_an_arrow_takes_what_its_sender_sent_and_no_other(tmp_path: Path) -> None:
    peers = SCRIPTED.replace("exchange", "  other: {udp: {bind: loopback}}\nexchange")

    outcome = told(
        tmp_path,
        'other: {send: "between", to: server}',
        'client -> server: "a"',
        'server: {received: "between"}',
        peers=peers,
    )

    assert outcome.verdict is Verdict.PASSED


def test_an_arrow_says_whose_datagram_did_not_come(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(tmp_path, 'client -> server: "a"', 'server -> client: "a"', peers=SILENT)

    gallery.check(findings(outcome))


def test_datagrams_that_nobody_claims_are_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(tmp_path, 'client: {send: "a"}', 'client: {send: ""}')

    gallery.check(findings(outcome))
    assert "unread:  server 2 datagrams" in failure_text(outcome)


def test_that_finding_can_be_allowed_by_name(tmp_path: Path) -> None:
    outcome = told(tmp_path, 'client: {send: "a"}', top="allow: [unread_datagrams]\n")

    assert outcome.verdict is Verdict.PASSED


def test_a_datagram_that_must_not_come_is_told(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(tmp_path, 'client: {send: "a"}', "server: {never: data, for: 20ms}")

    gallery.check(findings(outcome))


def test_an_error_of_the_network_that_no_step_expects_is_a_finding(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(
        tmp_path, "server: close", 'client: {send: "a"}', "client: {never: data, for: 200ms}"
    )

    gallery.check(findings(outcome))


@pytest.mark.parametrize(
    "step",
    [
        "client: {send: {bytes: 65508}}",
        "client: {send: {bytes: 65508}, returns: true}",
        "client: {send: {bytes: 65508}, raises: EACCES}",
        'client: {send: "a", raises: EACCES}',
        'client: {send: "a", returns: false}',
        'client: {send_many: ["a", {bytes: 65508}]}',
        "client: {set_ttl: 5, returns: 6}",
    ],
)
def test_what_a_call_returns_or_raises_is_judged(
    step: str, tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(tmp_path, step)

    gallery.check(findings(outcome, first=True))


def test_what_a_call_raises_comes_with_its_reason_and_the_step_that_means_it(
    tmp_path: Path,
) -> None:
    outcome = told(tmp_path, "client: {send: {bytes: 65508}}")
    closed = told(tmp_path, "client: close", "client: {send: a}")

    text = failure_text(outcome)
    assert "send 65508 bytes to 127.0.0.1 port" in text
    assert "a datagram has at most 65507 bytes over IPv4" in text
    assert "write '- client: {send: …, raises: EMSGSIZE}'" in text
    assert "the socket is closed; if that is meant" in failure_text(closed)
    assert "write '- client: {send: …, raises: any}'" in failure_text(closed)


def test_a_call_in_a_handler_that_raises_is_a_finding(tmp_path: Path, gallery: Gallery) -> None:
    peers = PEERS.replace("[echo]", "[send: {bytes: 65508}]")

    outcome = told(tmp_path, 'client -> server: "a"', peers=peers)

    gallery.check(findings(outcome))


def test_datagrams_come_in_any_order_where_that_is_said(tmp_path: Path, gallery: Gallery) -> None:
    steps = ['client: {send_many: ["a", "b", "c"]}']

    right = told(tmp_path, *steps, 'server: {received: {unordered: ["c", "a", "b"]}}')
    wrong = told(tmp_path, *steps, 'server: {received: {unordered: ["c", "a", "x"]}}')

    assert right.verdict is Verdict.PASSED
    gallery.check(findings(wrong))


def test_a_group_is_leased_anew_for_every_replay(tmp_path: Path) -> None:
    steps = ("client: {send: $member.group, to: member}", "member: {received: '?'}")

    groups = [told(tmp_path, *steps, peers=MEMBER).failures[0].mismatch.received for _ in range(2)]

    assert groups[0] != groups[1]
    assert all(group.startswith(b"239.255.") for group in groups)


def test_who_speaks_to_a_group_is_known(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(tmp_path, 'client: {send: "a", to: member}', peers=MEMBER)

    gallery.check(findings(outcome))


def test_a_port_that_is_taken_is_an_error_of_the_spec(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        peers = SCRIPTED.replace("bind: loopback", f"bind: loopback, port: {port}")

        with pytest.raises(SpecError, match=f"server cannot be bound to .*:{port}: EADDRINUSE"):
            told(tmp_path, 'client -> server: "a"', peers=peers)


def test_an_address_outside_of_loopback_is_refused(tmp_path: Path) -> None:
    peers = SCRIPTED.replace("connect: server", "connect: 192.0.2.1, port: 9")

    with pytest.raises(SpecError, match=r"192\.0\.2\.1:9 is not a loopback address"):
        told(tmp_path, 'client: {send: "a"}', "server: close", peers=peers)


def test_an_interface_outside_of_loopback_is_refused(tmp_path: Path) -> None:
    peers = MEMBER.replace("group: auto", "group: auto, interface: 192.0.2.1")

    with pytest.raises(SpecError, match=r"192\.0\.2\.1:0 is not a loopback address"):
        told(tmp_path, 'client: {send: "a", to: member}', peers=peers)


def test_the_ladder_draws_datagrams_from_their_senders(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "ping"',
        "client: {set_ttl: 9}",
        'server -> client: "pong"',
        peers=PEERS,
    )

    ladder = [line for line in failure_text(outcome).splitlines() if line.startswith("    0.")]
    assert [line[12:] for line in ladder] == [
        "4 B     ------------> ping",
        "set_ttl(9)",
        "ping    <------------ 4 B",
    ]
