"""The loader reads UDP peers and their steps."""

from pathlib import Path

import pytest

from sockharness.match.exact import StartsWith
from sockharness.match.joined import Capture
from sockharness.match.sized import AnyBytes
from sockharness.sockspec import loader, model
from sockharness.sockspec.model.bindings import Bindings

PEERS = """\
sockspec: 1
peers:
  server: {udp: {bind: loopback}}
  client: {udp: {connect: server}}
  member: {udp: {bind: group}, multicast: {group: auto_ssm, sources: [127.0.0.5, server]}}
  second: {udp: {bind: group}, multicast: {group: member}}
exchange:
  - member: {sees: drain}
  - second: {sees: drain}
  - client -> server: "hi"
"""


def case_of(tmp_path: Path, text: str) -> model.Case:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    (case,) = loader.load(path).cases
    return case


def step_of(tmp_path: Path, step: str) -> model.Step:
    return case_of(tmp_path, f"{PEERS}  - {step}\n").steps[-1]


def test_a_socket_is_bound_or_connected(tmp_path: Path) -> None:
    peers = case_of(tmp_path, PEERS).peers

    server, client = peers["server"].udp, peers["client"].udp
    assert server is not None
    assert client is not None
    assert (server.address, server.port, server.connected) == ("127.0.0.1", 0, False)
    assert (client.address, client.peer, client.connected) == ("", "server", True)
    assert peers["server"].serves
    assert not peers["client"].serves


def test_the_port_is_the_targets_where_the_target_is_no_peer(tmp_path: Path) -> None:
    text = PEERS.replace("connect: server", "connect: 127.0.0.1, port: 9").replace("->", "#")
    text = text.replace('client # server: "hi"', 'client: {send: "hi"}') + "  - server: close\n"

    udp = case_of(tmp_path, text).peers["client"].udp

    assert udp is not None
    assert (udp.port, udp.remote_address, udp.remote_port) == (0, "127.0.0.1", 9)


def test_a_member_has_a_group_sources_and_an_interface(tmp_path: Path) -> None:
    peers = case_of(tmp_path, PEERS).peers

    member, second = peers["member"].udp, peers["second"].udp
    assert member is not None
    assert member.multicast is not None
    assert member.in_group
    assert member.multicast.source_specific
    assert member.multicast.sources == ("127.0.0.5", "server")
    assert member.multicast.interface == ""
    assert second is not None
    assert second.multicast is not None
    assert second.multicast.of == "member"


def test_a_member_joins_by_itself_unless_a_step_says_when(tmp_path: Path) -> None:
    case = case_of(tmp_path, f"{PEERS}  - second: add_membership\n")

    assert case.joins_by_itself("member")
    assert not case.joins_by_itself("second")
    assert case.has_groups


def test_an_arrow_may_carry_an_empty_datagram(tmp_path: Path) -> None:
    arrow = step_of(tmp_path, 'client -> server: ""')

    assert isinstance(arrow, model.Arrow)
    assert arrow.payload.data(Bindings()) == b""


@pytest.mark.parametrize(
    ("step", "payloads", "unordered"),
    [
        ('server: {received: "a"}', 1, False),
        ('server: {received: ["a", "b"]}', 2, False),
        ('server: {received: {unordered: ["a", "b"]}}', 2, True),
        ("server: {received: {any: true}}", 1, False),
    ],
)
def test_received_is_a_datagram_or_a_list_of_them(
    step: str, payloads: int, unordered: bool, tmp_path: Path
) -> None:
    received = step_of(tmp_path, step)

    assert isinstance(received, model.ReceivedDatagrams)
    assert (len(received.payloads), received.unordered) == (payloads, unordered)


def test_a_message_needs_nothing_that_says_where_it_ends(tmp_path: Path) -> None:
    received = step_of(tmp_path, 'server: {received: [{capture: all}, {starts_with: "a"}, $all]}')

    assert isinstance(received, model.ReceivedDatagrams)
    first, second = (payload.matcher(Bindings()) for payload in received.payloads[:2])
    assert first == Capture("all", AnyBytes())
    assert second == StartsWith(b"a")


@pytest.mark.parametrize(
    ("step", "action", "checked"),
    [
        ('server: {send: "a", to: client}', "send", (None, "")),
        ('client: {send_many: ["a", "b"], returns: 2}', "send_many", (2, "")),
        ("client: {set_broadcast: true, returns: true}", "set_broadcast", (True, "")),
        ("client: {set_ttl: 5, raises: EBADF}", "set_ttl", (None, "EBADF")),
        ("member: drop_membership", "drop_membership", (None, "")),
        (
            "second: {add_source_specific_membership: server}",
            "add_source_specific_membership",
            (None, ""),
        ),
        ("client: close", "close", (None, "")),
    ],
)
def test_actions_are_the_engines_methods(
    step: str, action: str, checked: tuple[int | None, str], tmp_path: Path
) -> None:
    act = step_of(tmp_path, step)

    assert isinstance(act, model.Act)
    assert act.action.name == action
    assert (act.returns.exactly if act.returns else None, act.raises) == checked


def test_what_a_call_raises_elsewhere_stands_in_place_of_what_it_returns(tmp_path: Path) -> None:
    step = "client: {set_ttl: 5, returns: 5, differs: {bun: D16, raises: EINVAL}}"

    case = case_of(tmp_path, f"{PEERS}  - {step}\n")

    instead = case.differing[len(case.steps) - 1]["bun"].instead
    assert isinstance(instead, model.Act)
    assert (instead.returns, instead.raises) == (None, "EINVAL")
