"""`hosts:` and `host:`: what the loader makes of them, and what it refuses."""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.sockspec import loader, model

HOSTS = "hosts: [left, right]"
SERVER = "{host: left, udp: {bind: link}}"
CLIENT = "{host: right, udp: {connect: server}}"
STEP = '  - client -> server: "hi"\n'


def text_of(
    *, hosts: str = HOSTS, server: str = SERVER, client: str = CLIENT, more: str = ""
) -> str:
    return (
        f"sockspec: 1\n{hosts}\npeers:\n  server: {server}\n  client: {client}\n"
        f"exchange:\n{STEP}{more}"
    )


def load(tmp_path: Path, text: str) -> model.Case:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    (case,) = loader.load(path).cases
    return case


def test_each_peer_is_on_a_host(tmp_path: Path) -> None:
    case = load(tmp_path, text_of())

    assert list(case.hosts) == ["left", "right"]
    assert {name: peer.host for name, peer in case.peers.items()} == {
        "server": "left",
        "client": "right",
    }
    assert case.needs == ("netns",)


def test_addresses_stay_words_until_there_is_a_network(tmp_path: Path) -> None:
    case = load(tmp_path, text_of(server="{host: left, tcp: {listen: link_local}}", client=TCP))

    transport = case.peers["server"].transport
    assert isinstance(transport, model.Listen)
    assert transport.address == model.LINK_LOCAL
    assert case.needs == ("netns", "ipv6")


TCP = "{host: right, tcp: {connect: server}}"


@pytest.mark.parametrize(
    ("server", "needs"),
    [
        ("{host: left, udp: {bind: group}, multicast: {group: auto6}}", ("netns", "ipv6")),
        ("{host: left, udp: {bind: group}, multicast: {group: auto}}", ("netns",)),
        ("{host: left, udp: {bind: link6}}", ("netns", "ipv6")),
        ("{host: left, udp: {bind: 10.0.1.255}}", ("netns",)),
    ],
)
def test_what_is_on_a_link_of_ipv6_needs_ipv6(
    tmp_path: Path, server: str, needs: tuple[str, ...]
) -> None:
    text = text_of(server=server, client="{host: right, udp: {bind: 0.0.0.0}}")
    text = text.replace(STEP, '  - client: {send: "hi", to: server}\n')

    assert load(tmp_path, text).needs == needs


def test_peers_on_this_machine_need_no_network(tmp_path: Path) -> None:
    text = text_of(hosts="", server="{udp: {bind: loopback}}", client="{udp: {connect: server}}")

    case = load(tmp_path, text)

    assert not case.hosts
    assert case.needs == ()


WORDS = "write 'hosts: [left, right]' at the top, and 'host: left' at the peer"

BAD: list[tuple[str, int, int, str, str]] = [
    (
        text_of(hosts="hosts: []"),
        2,
        8,
        "expected one host or two, got 0",
        "two are joined by a link, one alone has its loopback interface",
    ),
    (
        text_of(hosts="hosts: [a, b, c]"),
        2,
        8,
        "expected one host or two, got 3",
        "two are joined by a link, one alone has its loopback interface",
    ),
    (
        text_of(hosts="hosts: {left: 10.0.0.1}"),
        2,
        8,
        "got a mapping, expected a list of hosts such as [left, right]",
        "",
    ),
    (
        text_of(hosts="hosts: [left, left]"),
        2,
        15,
        "host 'left' is named twice",
        "",
    ),
    (
        text_of(client="{udp: {connect: server}}"),
        5,
        3,
        "peer 'client' is on no host",
        "give it 'host: left' or 'host: right'",
    ),
    (
        text_of(client=CLIENT.replace("right", "rihgt")),
        5,
        18,
        "expected a host, got 'rihgt'",
        "did you mean 'right'?",
    ),
    (
        text_of(
            hosts="",
            server="{udp: {bind: loopback}}",
            client="{host: right, udp: {connect: server}}",
        ),
        5,
        18,
        "there are no hosts in this spec",
        "write 'hosts: [left, right]' at the top",
    ),
    (
        text_of(client=CLIENT.replace("right", "left")),
        2,
        15,
        "no peer is on host 'right'",
        "leave it out",
    ),
    (
        text_of(hosts="", server="{udp: {bind: link}}", client="{udp: {connect: server}}"),
        4,
        24,
        "'link' is an address of a host on a link",
        WORDS,
    ),
    (
        text_of(
            hosts="hosts: [left]",
            server="{host: left, tcp: {listen: link6}}",
            client="{host: left, tcp: {connect: server}}",
        ),
        4,
        38,
        "'link6' is an address of a host on a link",
        "the link joins two hosts, here is one",
    ),
    (
        text_of(
            hosts="",
            server="{udp: {bind: loopback}}",
            client="{udp: {bind: group}, multicast: {group: auto, interface: link}}",
        ).replace(STEP, '  - server: {send: "hi", to: client}\n'),
        5,
        68,
        "'link' is an address of a host on a link",
        WORDS,
    ),
    (
        text_of(
            hosts="",
            server="{udp: {bind: loopback}}",
            client="{udp: {connect: server}}",
            more="  - client: {set_multicast_interface: link}\n",
        ),
        8,
        39,
        "'link' is an address of a host on a link",
        WORDS,
    ),
    (
        text_of(
            hosts="",
            server="{udp: {bind: loopback}}",
            client="{udp: {bind: group}, multicast: {group: auto6}}",
        ).replace(STEP, '  - server: {send: "hi", to: client}\n'),
        5,
        51,
        "an IPv6 group needs hosts",
        f"few machines have IPv6 groups on loopback; {WORDS}",
    ),
    (
        text_of(server="{host: left, udp: {bind: loopback}}"),
        5,
        30,
        "'client' on right does not reach 127.0.0.1 on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(server="{host: left, tcp: {listen: loopback6}}", client=TCP),
        5,
        40,
        "'client' on right does not reach ::1 on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(
            server="{host: left, udp: {bind: 127.0.0.7}}",
            client="{host: right, udp: {bind: link}}",
        ),
        7,
        5,
        "'client' on right does not reach 127.0.0.7 on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(
            server="{host: left, udp: {bind: 127.0.0.7}}",
            client="{host: right, udp: {bind: link}}",
        ).replace(STEP, '  - client: {send: "hi", to: server}\n'),
        7,
        14,
        "'client' on right does not reach 127.0.0.7 on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(
            server="{host: left, udp: {bind: 0.0.0.0}}",
            client="{host: right, udp: {bind: link}}",
        ),
        7,
        5,
        "'client' on right does not reach 0.0.0.0 on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(server="{host: left, tcp: {listen: '::'}}", client=TCP),
        5,
        40,
        "'client' on right does not reach :: on left",
        "put 'server' at link or link6",
    ),
    (
        text_of(server="{host: left, udp: {bind: lnik}}"),
        4,
        36,
        "got 'lnik', expected loopback, loopback6, group or an IP address",
        "did you mean 'link'?",
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "hint"), BAD)
def test_what_is_wrong_is_told_once_with_its_place_and_the_mend(
    tmp_path: Path, text: str, line: int, column: int, message: str, hint: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)

    found = [
        (problem.location.line, problem.location.column, problem.message, problem.hint)
        for problem in caught.value.problems
    ]
    assert found == [(line, column, message, hint)]
