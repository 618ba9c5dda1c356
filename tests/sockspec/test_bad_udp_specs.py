"""Each kind of wrong spec of UDP sockets gets exactly one problem: its place, and the mend."""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.sockspec import loader

HEAD = "sockspec: 1\npeers:\n"
SERVER, CLIENT = "udp: {bind: loopback}", "udp: {connect: server}"
PEERS = f"  server: {{{SERVER}}}\n  client: {{{CLIENT}}}\n"
TALK = 'exchange:\n  - client -> server: "hi"\n'


def server(keys: str) -> str:
    return HEAD + PEERS.replace(SERVER, keys) + TALK


def client(keys: str) -> str:
    return HEAD + PEERS.replace(CLIENT, keys) + TALK


def step(text: str) -> str:
    return f"{HEAD}{PEERS}{TALK}  - {text}\n"


def more(peer: str, text: str) -> str:
    """Return the text with a third peer."""
    return f"{HEAD}{PEERS}  {peer}\n{TALK}  - {text}\n"


BAD: list[tuple[str, int, int, str, str]] = [
    (
        server("udp: {}"),
        3,
        17,
        "expected 'bind' or 'connect'",
        "{bind: loopback} hears everybody, {connect: server} only that one",
    ),
    (
        server("udp: {port: 1}"),
        3,
        17,
        "expected 'bind' or 'connect'",
        "{bind: loopback} hears everybody, {connect: server} only that one",
    ),
    (
        server("udp: {bind: localhost}"),
        3,
        24,
        "got 'localhost', expected loopback, loopback6, group or an IP address",
        "write loopback",
    ),
    (
        server("udp: {bind: loopback, backlog: 3}"),
        3,
        34,
        "unknown key 'backlog'",
        "known: bind, connect, port",
    ),
    (
        server("udp: {bind: group}"),
        3,
        17,
        "'bind: group' needs 'multicast'",
        "add 'multicast: {group: auto}' beside 'udp'",
    ),
    (
        server("udp: {bind: loopback}, tcp: {listen: loopback}"),
        3,
        17,
        "peer 'server' has two transports",
        "make it two peers",
    ),
    (server("udp: loopback"), 3, 17, "expected {bind: …} or {connect: …}, got 'loopback'", ""),
    (
        more("other: {tcp: {listen: loopback}, multicast: {group: auto}}", "other: {received: a}"),
        5,
        47,
        "'multicast' goes with 'udp'",
        "",
    ),
    (
        client("udp: {connect: sever}"),
        4,
        27,
        "'sever' is neither a peer nor an address",
        "did you mean 'server'?",
    ),
    (client("udp: {connect: nobody}"), 4, 27, "'nobody' is neither a peer nor an address", ""),
    (client("udp: {connect: 127.0.0.1}"), 4, 27, "an address needs 'port', from 1 to 65535", ""),
    (
        client("udp: {connect: 127.0.0.1, port: 70000}"),
        4,
        44,
        "expected a port from 0 to 65535, got '70000'",
        "",
    ),
    (client("udp: {connect: client}"), 4, 17, "peer 'client' is connected itself", ""),
    (server("tcp: {listen: loopback}"), 4, 17, "peer 'server' has no UDP socket", ""),
    (
        server("udp: {bind: group}, multicast: {}"),
        3,
        43,
        "expected 'group'",
        "'auto', 'auto_ssm', or the peer whose group it is",
    ),
    (
        server("udp: {bind: group}, multicast: {group: 239.1.1.1}"),
        3,
        51,
        "got '239.1.1.1', expected auto, auto_ssm, auto6 or a peer's name",
        "a group is leased for each run, so that no other run hears it",
    ),
    (
        more("member: {udp: {bind: group}, multicast: {group: client}}", "member: {received: a}"),
        5,
        43,
        "peer 'client' has no group of its own",
        "give it 'multicast: {group: auto}'",
    ),
    (
        more(
            "member: {udp: {bind: group}, multicast: {group: auto, sources: []}}",
            "member: {received: a}",
        ),
        5,
        66,
        "expected at least one source, got none",
        "",
    ),
    (
        more(
            "member: {udp: {bind: group}, multicast: {group: auto, sources: [clinet]}}",
            "member: {received: a}",
        ),
        5,
        67,
        "expected a peer's name or an address, got 'clinet'",
        "did you mean 'client'?",
    ),
    (
        more(
            "member: {udp: {bind: group}, multicast: {group: auto, interface: loopback6}}",
            "member: {received: a}",
        ),
        5,
        68,
        "got 'loopback6', expected loopback, link or an IPv4 address",
        "it means the interface, also to a group of IPv6",
    ),
    (
        server("udp: {bind: group}, multicast: {group: auto}"),
        6,
        5,
        "an arrow does not go to a multicast group",
        "write '- client: {send: …, to: server}' and '- server: {received: …}'",
    ),
    (
        server("udp: {bind: loopback}, on: {open: [echo]}"),
        3,
        47,
        "'echo' needs data",
        "it goes into 'data:'",
    ),
    (
        server("udp: {bind: loopback}, on: {data: [write: a]}"),
        3,
        47,
        "expected an action or an expectation, got 'write'",
        "did you mean 'send'?",
    ),
    (
        server("udp: {bind: loopback}, on: {data: [send_many: [a]]}"),
        3,
        47,
        "'send_many' needs 'to': a peer",
        "e.g. to: client",
    ),
    (
        server("udp: {bind: loopback}, on: {error: [send: a]}"),
        3,
        48,
        "'send' needs 'to': a peer",
        "e.g. to: client",
    ),
    (
        server("udp: {bind: loopback}, on: {data: [{send: a, too: client}]}"),
        3,
        57,
        "unknown key 'too'",
        "",
    ),
    (
        server("udp: {bind: loopback}, on: {data: [add_membership]}"),
        3,
        47,
        "'server' has no group",
        "give it 'multicast: {group: auto}'",
    ),
    (
        server("udp: {bind: loopback}, on: {data: [terminate]}"),
        3,
        47,
        "a UDP socket has no 'terminate'",
        "",
    ),
    (
        step('client: {write: "a"}'),
        7,
        14,
        "expected an action or an expectation, got 'write'",
        "did you mean 'send'?",
    ),
    (step('server: {send: "a"}'), 7, 14, "'send' needs 'to': a peer", "e.g. to: client"),
    (
        step('server: {send: "a", to: clint}'),
        7,
        29,
        "expected a peer, got 'clint'",
        "did you mean 'client'?",
    ),
    (
        step('client: {send: "a", to: server}'),
        7,
        14,
        "'to' is for a peer that is not connected; 'client' is, to server",
        "",
    ),
    (
        step("client: {send: {any: true}}"),
        7,
        20,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (
        step('client: {send: "a", returns: true, raises: EACCES}'),
        7,
        48,
        "a call returns or raises, not both",
        "",
    ),
    (
        step('client: {send: "a", raises: EACCESS}'),
        7,
        33,
        "expected an error's code, got 'EACCESS'",
        "did you mean 'EACCES'?",
    ),
    (
        step('server@2: {received: "a"}'),
        7,
        5,
        "'server' has one UDP socket, got 'server@2'",
        "write 'server'",
    ),
    (
        step("server: {sees: close}"),
        7,
        20,
        "expected an event, got 'close'",
        "known: uncaught_exception, drain, error",
    ),
    (
        step("server: {never: end, for: 1s}"),
        7,
        21,
        "expected an event, got 'end'",
        "known: data, drain, error",
    ),
    (
        step("client: terminate"),
        7,
        13,
        "expected an action, got 'terminate'",
        "known: close, add_membership, drop_membership",
    ),
    (step("server: PING"), 7, 13, "expected an action, got 'PING'", "write 'server: {send: …}'"),
    (
        step("client -> server: [a, b]"),
        7,
        23,
        "expected bytes, got a list",
        "it is one datagram; use 'send_many', or a step for each",
    ),
    (
        step("client -> server: {unordered: [a]}"),
        7,
        23,
        "'unordered' is for 'received'",
        "one datagram has no order",
    ),
    (
        step('client -> server: {regex: "a+"}'),
        7,
        23,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (step("client: {received: []}"), 7, 24, "expected at least one datagram, got none", ""),
    (
        step("client: {received: {unordered: a}}"),
        7,
        36,
        "expected a list of datagrams, got 'a'",
        "write [a]",
    ),
    (step("client: {set_ttl: 0}"), 7, 23, "expected a number of hops from 1 to 255, got '0'", ""),
    (
        step("client: {set_ttl: 300}"),
        7,
        23,
        "expected a number of hops from 1 to 255, got '300'",
        "",
    ),
    (
        step("client: {set_broadcast: 1}"),
        7,
        29,
        "expected true or false, got '1'",
        "known: true, false",
    ),
    (
        step("client: {add_source_specific_membership: server}"),
        7,
        14,
        "'client' has no group",
        "give it 'multicast: {group: auto}'",
    ),
    (
        step("client: add_membership"),
        7,
        13,
        "'client' has no group",
        "give it 'multicast: {group: auto}'",
    ),
    (
        step("client: {add_membership: 239.1.1.1}"),
        7,
        30,
        "got '239.1.1.1', expected 'group' (or the bare word)",
        "known: group",
    ),
    (step('client: {send_many: "a"}'), 7, 25, "expected a list of datagrams, got 'a'", "write [a]"),
    (
        step("client: connect"),
        7,
        13,
        "expected an action, got 'connect'",
        "known: close, add_membership, drop_membership",
    ),
    (
        step("client: {reload: {open: [close]}}"),
        7,
        14,
        "a UDP socket has no handler 'open'",
        "known: data, drain, error",
    ),
    (
        step("client: {set_multicast_interface: eth0}"),
        7,
        39,
        "got 'eth0', expected loopback, loopback6 or an IP address",
        "",
    ),
    (
        more("other: {udp: {connect: server}}", 'other -> client: "a"'),
        8,
        5,
        "'other' is connected to server, it sends to nobody else",
        "",
    ),
    (
        more("other: {udp: {bind: loopback}}", 'other -> client: "a"'),
        8,
        5,
        "'client' is connected to server, it hears nobody else",
        "",
    ),
    (
        more("other: {tcp: {listen: loopback}}", 'client -> other: "a"'),
        8,
        5,
        "only one of 'client' and 'other' has a UDP socket",
        "",
    ),
    (
        more("member: {udp: {bind: group}, multicast: {group: auto}}", 'server -> member: "a"'),
        8,
        5,
        "an arrow does not go to a multicast group",
        "write '- server: {send: …, to: member}' and '- member: {received: …}'",
    ),
    (
        more(
            "m: {udp: {bind: group, port: 5353}, multicast: {group: auto}}",
            "m: {never: data, for: 1ms}",
        ),
        5,
        32,
        "a group brings its own port",
        "leave it out; $NAME.port is the group's, with the peer's name",
    ),
    (
        step("server: add_source_specific_membership"),
        7,
        13,
        "'add_source_specific_membership' needs a value",
        "write 'server: {add_source_specific_membership: …}'",
    ),
    (
        more(
            "m: {udp: {bind: group}, multicast: {group: auto_ssm, sources: [232.1.1.1]}}",
            "m: {never: data, for: 1ms}",
        ),
        5,
        66,
        "a source is who sends, got the group 232.1.1.1",
        "",
    ),
    (
        more(
            "m: {udp: {bind: group}, multicast: {group: auto_ssm, sources: ['::1']}}",
            "m: {never: data, for: 1ms}",
        ),
        5,
        38,
        "a source of a group of IPv4 is not ::1",
        "",
    ),
    (
        more("other: {tcp: {listen: loopback}}", "server: {send: a, to: other}"),
        8,
        27,
        "'other' has no UDP socket",
        "",
    ),
    (
        more("other: {tcp: {listen: loopback}}", "other: {send: a}"),
        8,
        13,
        "expected an action or an expectation, got 'send'",
        "did you mean 'write'?",
    ),
    (
        more("other: {tcp: {listen: loopback}}", "other: {received: {any: true}}"),
        8,
        23,
        "'any' needs a peer that gets messages",
        "a stream has no messages: give the bytes, a 'length' or a 'regex'",
    ),
    (
        step("client: {set_ttl: 5, raises: none}"),
        7,
        34,
        "expected an error's code or any, got 'none'",
        "without 'raises' it must not raise",
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "hint"), BAD)
def test_what_is_wrong_is_told_once_with_its_place_and_the_mend(
    text: str, line: int, column: int, message: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    with pytest.raises(SpecError) as caught:
        loader.load(path, shown="wrong.yaml")

    found = [
        (problem.location.line, problem.location.column, problem.message, problem.hint)
        for problem in caught.value.problems
    ]
    assert found == [(line, column, message, hint)]
