"""Each kind of wrong spec gets exactly one problem: its place, what was expected, and the mend."""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.spec import loader

HEAD = "sockspec: 1\n"
PEERS = """\
peers:
  server: {tcp: {listen: loopback}}
  client: {tcp: {connect: server}}
"""
TALK = """\
exchange:
  - client -> server: "hi"
"""


def top(text: str) -> str:
    return f"{HEAD}{PEERS}{TALK}{text}\n"


def server(keys: str) -> str:
    return HEAD + PEERS.replace("tcp: {listen: loopback}", keys) + TALK


def listen(keys: str) -> str:
    return server(f"tcp: {{listen: loopback, {keys}}}")


def client(keys: str) -> str:
    return HEAD + PEERS.replace("connect: server", keys) + TALK


def handler(entry: str) -> str:
    return server(f"tcp: {{listen: loopback}}, on: {{{entry}}}")


def step(text: str) -> str:
    return top(f"  - {text}")


def says(payload: str) -> str:
    return f"{HEAD}{PEERS}{TALK}".replace('"hi"', payload)


def gets(payload: str) -> str:
    return step(f"server: {{received: {payload}}}")


def calls(bounds: str) -> str:
    return step(f"client: {{write: a, returns: {bounds}}}")


def wire(check: str) -> str:
    return top(f"wire:\n  - {check}")


ARROW = "write 'server -> client:'"
NO_PAUSE = "there is no sleep; use 'within:', or 'never: …, for: …'"

BAD: list[tuple[str, int, int, str, str]] = [
    ("", 1, 1, "the file is empty", "begin with 'sockspec: 1'"),
    ("# nothing\n# here\n", 3, 1, "the file is empty", "begin with 'sockspec: 1'"),
    ("hello\n", 1, 1, "got 'hello', expected a mapping that begins with 'sockspec: 1'", ""),
    ("- a\n", 1, 1, "got a list, expected a mapping that begins with 'sockspec: 1'", ""),
    (
        "sockspec: 2\n" + PEERS + TALK,
        1,
        11,
        "expected a version of the format, got '2'",
        "known: 1",
    ),
    ("sockspec:\n" + PEERS + TALK, 1, 10, "expected a version of the format, got nothing", ""),
    (PEERS + TALK, 1, 1, "no 'sockspec' key", "begin with 'sockspec: 1'"),
    (HEAD + TALK, 1, 1, "no 'peers' key", "a spec needs 'peers:'"),
    (HEAD + PEERS, 1, 1, "no 'exchange' key", "a spec needs 'exchange:'"),
    (
        HEAD + PEERS + 'exchnage:\n  - client -> server: "hi"\n',
        5,
        1,
        "unknown key 'exchnage'",
        "did you mean 'exchange'?",
    ),
    (
        HEAD + PEERS + TALK + "---\n" + HEAD,
        7,
        1,
        "expected one document, got a second",
        "use one file each",
    ),
    (HEAD + HEAD + PEERS + TALK, 2, 1, "duplicate key 'sockspec', first on line 1", ""),
    (top("name: []"), 7, 7, "expected a title, got a list", ""),
    (top("name:"), 7, 6, "expected a title, got nothing", ""),
    (top("names: x"), 7, 1, "unknown key 'names'", "did you mean 'name'?"),
    (top("needs: ipv6"), 7, 8, "expected a list of needs, got 'ipv6'", "write [ipv6]"),
    (top("needs: [ipv5]"), 7, 9, "expected a need, got 'ipv5'", "did you mean 'ipv6'?"),
    (
        top("needs: [root]"),
        7,
        9,
        "expected a need, got 'root'",
        "known: capture, ipv6, one_process",
    ),
    (
        top("allow: [unread_byte]"),
        7,
        9,
        "expected a finding, got 'unread_byte'",
        "did you mean 'unread_bytes'?",
    ),
    (top("allow: {}"), 7, 8, "expected a list of findings, got a mapping", ""),
    (
        top("shows: D1"),
        7,
        8,
        "got 'D1', expected a list of rules such as TCP-022 or D1",
        "write [D1]",
    ),
    (top("shows: [TCP-22]"), 7, 9, "got 'TCP-22', expected a rule such as TCP-022 or D1", ""),
    (top("shows: [D1, []]"), 7, 13, "expected a rule such as TCP-022 or D1, got a list", ""),
    (top("let: []"), 7, 6, "expected values by name, got a list", ""),
    (
        top("let: {1st: a}"),
        7,
        7,
        "got '1st', expected a name of letters, digits, _ and -, beginning with a letter",
        "",
    ),
    (
        top("let: {blob: {hex: f}}"),
        7,
        19,
        "got 'f', expected pairs of hexadecimal digits such as ff 00",
        "",
    ),
    (
        top("let: {blob: $nothing}"),
        7,
        13,
        "$nothing is not defined here",
        "define it under 'let', or capture it",
    ),
    (top("cases: {}"), 7, 8, "expected at least one case, got none", ""),
    (top("cases: [a]"), 7, 8, "expected cases by name, got a list", ""),
    (
        top("cases: {a b: {}}"),
        7,
        9,
        "got 'a b', expected a case's name of letters, digits, _ and -, beginning with a letter",
        "",
    ),
    (top("cases: {one: two}"), 7, 14, "expected values by name, got 'two'", ""),
    (
        top("cases: {one: {blob: [a]}}"),
        7,
        21,
        "expected bytes, got a list",
        "on a stream there are no messages; use {concat: [...]}",
    ),
    (top("handlers: v1"), 7, 11, "expected handlers by name, got 'v1'", ""),
    (top("handlers: {v1: {dta: []}}"), 7, 17, "unknown handler 'dta'", "did you mean 'data'?"),
    (
        top("handlers: {1: {data: []}}"),
        7,
        12,
        "got '1', expected a name of letters, digits, _ and -, beginning with a letter",
        "",
    ),
    (top("on: &here {}"), 7, 5, "anchors are refused", "use 'let' for what repeats"),
    (top("name: *there"), 7, 7, "aliases are refused", "write the value out, or use 'let'"),
    (top("name: !!str x"), 7, 7, "tags are refused, got tag:yaml.org,2002:str", ""),
    (top("<<: {name: x}"), 7, 1, "merge keys are refused", "use 'let' for what repeats"),
    (top("[a, b]: c"), 7, 1, "expected a word as key, got a list or mapping", ""),
    (top("name: x\nname: y"), 8, 1, "duplicate key 'name', first on line 7", ""),
    (HEAD + "peers: []\n" + TALK, 2, 8, "expected peers by name, got a list", ""),
    (HEAD + "peers: {}\n" + TALK, 2, 8, "expected at least one peer, got none", ""),
    (
        HEAD + "peers: {my server: {tcp: {listen: loopback}}}\nexchange:\n  - my server: close\n",
        2,
        9,
        "got 'my server', expected a peer's name of letters, digits, _ and -, "
        "beginning with a letter",
        "",
    ),
    (
        HEAD + PEERS + "  idle: {tcp: {listen: loopback}}\n" + TALK,
        5,
        3,
        "peer 'idle' is in no step",
        "",
    ),
    (server("tpc: {listen: loopback}"), 3, 12, "unknown key 'tpc'", "did you mean 'tcp'?"),
    (server("on: {}"), 3, 11, "peer 'server' has no transport", "give it 'tcp:'"),
    (server("tcp: loopback"), 3, 17, "got 'loopback', expected {listen: …} or {connect: …}", ""),
    (
        server("tcp: {}"),
        3,
        17,
        "expected either 'listen' or 'connect'",
        "{listen: loopback} waits for connections, {connect: server} makes one",
    ),
    (
        server("tcp: {listen: loopback, connect: client}"),
        3,
        17,
        "expected either 'listen' or 'connect'",
        "{listen: loopback} waits for connections, {connect: server} makes one",
    ),
    (server("tcp: {lisen: loopback}"), 3, 18, "unknown key 'lisen'", "did you mean 'listen'?"),
    (
        server("tcp: {listen: lopback}"),
        3,
        26,
        "got 'lopback', expected loopback, loopback6 or an IP address",
        "did you mean 'loopback'?",
    ),
    (
        server("tcp: {listen: localhost}"),
        3,
        26,
        "got 'localhost', expected loopback, loopback6 or an IP address",
        "write loopback",
    ),
    (
        server("tcp: {listen: 127.1}"),
        3,
        26,
        "got '127.1', expected loopback, loopback6 or an IP address",
        "",
    ),
    (
        server("tcp: {listen: '::1%lo'}"),
        3,
        26,
        "got '::1%lo', expected loopback, loopback6 or an IP address",
        "",
    ),
    (
        server("tcp: {listen: ::1}"),
        3,
        26,
        "not YAML: did not find expected node content",
        "put an IPv6 address in quotes, or write 'loopback6'",
    ),
    (
        server("tcp: {listen: []}"),
        3,
        26,
        "got a list, expected loopback, loopback6 or an IP address",
        "",
    ),
    (listen("port: 65536"), 3, 42, "expected a port from 0 to 65535, got '65536'", ""),
    (listen("port: -1"), 3, 42, "expected a port from 0 to 65535, got '-1'", ""),
    (listen("port: http"), 3, 42, "expected a port from 0 to 65535, got 'http'", ""),
    (listen("port: 22:22"), 3, 42, "expected a port from 0 to 65535, got '22:22'", ""),
    (listen("port: 12e4"), 3, 42, "expected a port from 0 to 65535, got '12e4'", ""),
    (listen("port: 0x50"), 3, 42, "expected a port from 0 to 65535, got '0x50'", ""),
    (listen("backlog: -1"), 3, 45, "expected a backlog from 0 to 65535, got '-1'", ""),
    (
        listen("allow_half_open: yes"),
        3,
        53,
        "expected true or false, got 'yes'",
        "known: true, false",
    ),
    (
        listen("allow_half_open: on"),
        3,
        53,
        "expected true or false, got 'on'",
        "known: true, false",
    ),
    (listen("pause_on_connect:"), 3, 52, "not YAML: found unexpected ':'", ""),
    (listen("send_buffer: 64KB"), 3, 49, "expected a size such as 512 or 64KiB, got '64KB'", ""),
    (listen("recv_buffer: 0"), 3, 49, "expected a size from 1 to 67108864, got '0'", ""),
    (listen("recv_buffer: 65MiB"), 3, 49, "expected a size from 1 to 67108864, got '65MiB'", ""),
    (
        listen("nodelay: true"),
        3,
        36,
        "unknown key 'nodelay'",
        "known: listen, connect, port, backlog, allow_half_open, pau…",
    ),
    (
        client("connect: sevrer"),
        4,
        27,
        "'sevrer' is neither a peer nor an address",
        "did you mean 'server'?",
    ),
    (
        client("connect: example.org, port: 80"),
        4,
        27,
        "'example.org' is neither a peer nor an address",
        "",
    ),
    (client("connect: 127.0.0.1"), 4, 27, "an address needs 'port', from 1 to 65535", ""),
    (client("connect: 127.0.0.1, port: 0"), 4, 27, "an address needs 'port', from 1 to 65535", ""),
    (
        client("connect: 127.0.0.1, port: 70000"),
        4,
        44,
        "expected a port from 0 to 65535, got '70000'",
        "",
    ),
    (
        client("connect: server, port: 80"),
        4,
        41,
        "'port' goes with an address, not with a peer",
        "",
    ),
    (client("connect: server, backlog: 5"), 4, 44, "'backlog' goes with 'listen'", ""),
    (client("connect: client"), 4, 27, "peer 'client' does not listen", ""),
    (client("connect: []"), 4, 27, "got a list, expected a peer's name or an IP address", ""),
    (handler("on_data: [echo]"), 3, 42, "unknown handler 'on_data'", "did you mean 'data'?"),
    (handler("datas: [echo]"), 3, 42, "unknown handler 'datas'", "did you mean 'data'?"),
    (handler("data: echo"), 3, 48, "expected a list of actions, got 'echo'", "write [echo]"),
    (handler("data: [ecko]"), 3, 49, "expected an action, got 'ecko'", "did you mean 'echo'?"),
    (handler("open: [echo]"), 3, 49, "'echo' needs data", "it goes into 'data:'"),
    (
        handler("data: [{}]"),
        3,
        49,
        "got a mapping, expected an action or an expectation",
        "known: write, write_all, end, timeout, reload, shutdown, stop, raise",
    ),
    (
        handler("data: [{writ: a}]"),
        3,
        50,
        "expected an action or an expectation, got 'writ'",
        "did you mean 'write'?",
    ),
    (
        handler("data: [{write: a, end: b}]"),
        3,
        60,
        "expected one action or expectation, got 'write' and 'end'",
        "make it a step of its own",
    ),
    (handler("data: [{write: a, returns: 1}]"), 3, 60, "unknown key 'returns'", ""),
    (handler("data: [raise: ]"), 3, 56, "expected a message, got nothing", ""),
    (
        handler("data: [write: {length: 4}]"),
        3,
        56,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (
        handler("data: [timeout: 5]"),
        3,
        58,
        "expected a duration such as 250ms or 1.5s, got '5'",
        "write 5s or 5ms",
    ),
    (handler("data: [reload: v2]"), 3, 57, "expected the name of handlers, got 'v2'", ""),
    (
        HEAD
        + "handlers: {v1: {data: [echo]}}\n"
        + PEERS.replace("loopback}", "loopback}, on: v2")
        + TALK,
        4,
        41,
        "expected the name of handlers, got 'v2'",
        "known: v1",
    ),
    (HEAD + PEERS + "exchange: []\n", 5, 11, "expected at least one step, got none", ""),
    (
        HEAD + PEERS + "exchange: {}\n",
        5,
        11,
        "expected a list of steps, got a mapping",
        "begin each step with '- '",
    ),
    (step("close"), 7, 5, "got 'close', expected a step such as 'client -> server: \"hello\"'", ""),
    (step("{}"), 7, 5, "expected one peer or arrow in a step, got none", ""),
    (step("{within: 1s}"), 7, 5, "expected one peer or arrow in a step, got none", ""),
    (
        step("{client: end, server: end}"),
        7,
        19,
        "expected one peer or arrow in a step, got 'server' too",
        "",
    ),
    (step("clinet: end"), 7, 5, "unknown peer 'clinet'", "did you mean 'client'?"),
    (step("client@0: end"), 7, 5, "unknown peer 'client@0'", "did you mean 'client'?"),
    (step("client@x: end"), 7, 5, "unknown peer 'client@x'", "did you mean 'client'?"),
    (step("client: ends"), 7, 13, "expected an action, got 'ends'", "did you mean 'end'?"),
    (
        step("client: echo"),
        7,
        13,
        "expected an action, got 'echo'",
        "known: close, terminate, shutdown, pause, resume, flush, end, stop, connect",
    ),
    (step("client: []"), 7, 13, "expected an action or an expectation, got a list", ""),
    (
        step("client: {}"),
        7,
        13,
        "got a mapping, expected an action or an expectation",
        "known: write, write_all, end, timeout, reload, shutdown, stop, sees, received, never",
    ),
    (
        step("client: {sends: a}"),
        7,
        14,
        "expected an action or an expectation, got 'sends'",
        "did you mean 'write'?",
    ),
    (
        step("client: {write: a, end: b}"),
        7,
        24,
        "expected one action or expectation, got 'write' and 'end'",
        "make it a step of its own",
    ),
    (
        step("client: {write: a, retruns: 1}"),
        7,
        24,
        "unknown key 'retruns'",
        "did you mean 'returns'?",
    ),
    (
        step("client: {write_all: a, returns: 1}"),
        7,
        28,
        "unknown key 'returns'",
        "known: write_all",
    ),
    (step("client: {sees: data}"), 7, 20, "'sees' is not for data", "use 'received: \"…\"'"),
    (
        step("client: {sees: closed}"),
        7,
        20,
        "expected an event, got 'closed'",
        "did you mean 'close'?",
    ),
    (
        step("client: {sees: close, error: }"),
        7,
        34,
        "expected an error's code or none, got nothing",
        "",
    ),
    (
        step("client: {sees: close, eror: none}"),
        7,
        27,
        "unknown key 'eror'",
        "did you mean 'error'?",
    ),
    (step("client: {never: end}"), 7, 14, "'never' needs 'for'", "how long, e.g. for: 200ms"),
    (
        step("client: {never: ends, for: 1s}"),
        7,
        21,
        "expected an event, got 'ends'",
        "did you mean 'end'?",
    ),
    (
        step("client: {never: end, for: 200}"),
        7,
        31,
        "got '200', expected a duration such as 250ms or 1.5s",
        "write 200s or 200ms",
    ),
    (
        step("client: {never: end, for: 200ms, within: 1s}"),
        7,
        38,
        "unknown key 'within'",
        "known: never, for",
    ),
    (step("client: {received: }"), 7, 24, "expected bytes, got nothing", ""),
    (
        step("client: {received: a, within: 0s}"),
        7,
        35,
        "got '0s', expected a duration of more than 0 and at most 600s",
        "",
    ),
    (
        step("client: {received: a, within: 11m}"),
        7,
        35,
        "got '11m', expected a duration of more than 0 and at most 600s",
        "",
    ),
    (
        step("client: {received: a, within: 1h}"),
        7,
        35,
        "got '1h', expected a duration such as 250ms or 1.5s",
        "",
    ),
    (
        step("{client: end, within: soon}"),
        7,
        27,
        "got 'soon', expected a duration such as 250ms or 1.5s",
        "",
    ),
    (
        step("client: {shutdown: write}"),
        7,
        24,
        "got 'write', expected 'read' (or the bare word 'shutdown')",
        "known: read",
    ),
    (
        step("client: {timeout: 1.5.5s}"),
        7,
        23,
        "got '1.5.5s', expected a duration such as 250ms or 1.5s",
        "",
    ),
    (step("client: stop"), 7, 13, "'stop' is for a listener; 'client' connects", ""),
    (step("client: {stop: true}"), 7, 14, "'stop' is for a listener; 'client' connects", ""),
    (step("server: connect"), 7, 13, "'server' listens, it cannot connect", ""),
    (
        step("server: {stop: maybe}"),
        7,
        20,
        "expected true or false, got 'maybe'",
        "known: true, false",
    ),
    (step("client: {reload: v1}"), 7, 22, "expected the name of handlers, got 'v1'", ""),
    (step("client -> sevrer: a"), 7, 5, "unknown peer 'sevrer'", "did you mean 'server'?"),
    (
        step("client -> client: a"),
        7,
        5,
        "'client' and 'client' are not connected",
        "an arrow goes between a peer and the one that it connects to",
    ),
    (step("-> server: a"), 7, 5, "unknown peer ''", "peers: server, client"),
    (
        step("client -> server -> client: a"),
        7,
        5,
        "unknown peer 'server -> client'",
        "peers: server, client",
    ),
    (
        step("server -> client: {sees: end, within: 1}"),
        7,
        43,
        "expected a duration such as 250ms or 1.5s, got '1'",
        "write 1s or 1ms",
    ),
    (says("''"), 6, 23, "expected at least one byte, got none", ""),
    (says(""), 6, 22, "expected bytes, got nothing", ""),
    (
        says("[a, b]"),
        6,
        23,
        "expected bytes, got a list",
        "on a stream there are no messages; use {concat: [...]}",
    ),
    (
        says("{}"),
        6,
        23,
        "expected bytes, got an empty mapping",
        "known: hex, base64, text, file, bytes, repeat, concat, rest…",
    ),
    (says("{hx: ff}"), 6, 24, "expected bytes, got 'hx'", "did you mean 'hex'?"),
    (
        says("{blob: ff}"),
        6,
        24,
        "expected bytes, got 'blob'",
        "known: hex, base64, text, file, bytes, repeat, concat, rest…",
    ),
    (says("{hex: f}"), 6, 29, "got 'f', expected pairs of hexadecimal digits such as ff 00", ""),
    (says("{hex: zz}"), 6, 29, "got 'zz', expected pairs of hexadecimal digits such as ff 00", ""),
    (
        says("{base64: a}"),
        6,
        32,
        "expected base64 text, got 'a'",
        "Invalid base64-encoded string: number of data characters (1…",
    ),
    (says("{base64: '?'}"), 6, 32, "expected base64 text, got '?'", "Only base64 data is allowed"),
    (says("{text: []}"), 6, 30, "expected a text, got a list", ""),
    (says("{file: none.bin}"), 6, 30, "'none.bin' is not a regular file here", ""),
    (says("{file: ../x}"), 6, 30, "'../x' is outside the spec's folder", ""),
    (says("{file: /etc/passwd}"), 6, 30, "'/etc/passwd' is outside the spec's folder", ""),
    (says('{file: "a\\0b"}'), 6, 30, "'a␀b' cannot be read: not a name of a file", ""),
    (says("{bytes: 0}"), 6, 31, "expected a size from 1 to 67108864, got '0'", ""),
    (says("{bytes: lots}"), 6, 31, "expected a size such as 512 or 64KiB, got 'lots'", ""),
    (says("{bytes: 1GiB}"), 6, 31, "expected a size such as 512 or 64KiB, got '1GiB'", ""),
    (
        says("{bytes: 8, pattern: zeros}"),
        6,
        43,
        "expected a pattern, got 'zeros'",
        "did you mean 'zero'?",
    ),
    (says("{repeat: a}"), 6, 23, "'repeat' needs 'times'", "how often"),
    (says("{repeat: a, times: 0}"), 6, 42, "expected a count from 1 to 67108864, got '0'", ""),
    (
        says("{repeat: ab, times: 67108864}"),
        6,
        32,
        "expected at most 67108864 bytes in all, got more",
        "",
    ),
    (
        says("{repeat: {bytes: 4}, times: 2}"),
        6,
        32,
        "expected bytes that stand here, got a mapping",
        "",
    ),
    (says("{concat: a}"), 6, 32, "expected a list of bytes, got 'a'", "write [a]"),
    (says("{concat: []}"), 6, 32, "expected at least one part, got none", ""),
    (
        says("{concat: [{bytes: 40MiB}, {bytes: 40MiB}]}"),
        6,
        49,
        "expected at most 67108864 bytes in 1000 parts in all, got more",
        "",
    ),
    (says("{concat: ['', \"\"]}"), 6, 23, "expected at least one byte, got none", ""),
    (
        says("{length: 4}"),
        6,
        23,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (
        says("{concat: [a, {length: 4}]}"),
        6,
        23,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (
        says("{concat: [{concat: [{length: 4}]}]}"),
        6,
        23,
        "a scripted sender needs bytes to write",
        "add 'example:', or give the sender handlers of its own",
    ),
    (
        says("{length: 4, example: {length: 4}}"),
        6,
        44,
        "expected bytes, got a description of bytes",
        "",
    ),
    (says("{length: 4, exmple: abcd}"), 6, 35, "unknown key 'exmple'", "did you mean 'example'?"),
    (says("{rest_of: abc}"), 6, 23, "'rest_of' needs 'after'", "the captured count"),
    (
        says("{rest_of: abc, after: $n}"),
        6,
        45,
        "expected a captured count such as $first, got '$n'",
        "",
    ),
    (
        says("$nothing"),
        6,
        23,
        "$nothing is not defined here",
        "define it under 'let', or capture it",
    ),
    (says("$server.prt"), 6, 23, "$server.prt is not defined here", "did you mean 'server.port'?"),
    (
        says('"\\xff"'),
        6,
        23,
        "an escape above \\x7f may be a byte or a character",
        "write {hex: ff} for a byte, or the character itself for text",
    ),
    (
        says('"\\u00e9"'),
        6,
        23,
        "an escape above \\x7f may be a byte or a character",
        "write {hex: ff} for a byte, or the character itself for text",
    ),
    (
        says("'a\\r\\n'"),
        6,
        23,
        "a backslash outside double quotes is no escape",
        "use double quotes for escapes, or {hex: 5c} for a backslash",
    ),
    (
        says("a\\n"),
        6,
        23,
        "a backslash outside double quotes is no escape",
        "use double quotes for escapes, or {hex: 5c} for a backslash",
    ),
    (
        says('"\\d"'),
        6,
        24,
        "not YAML: found unknown escape character",
        "in double quotes a backslash begins an escape; put a pattern in single quotes",
    ),
    (
        says("[a-z]+"),
        6,
        28,
        "not YAML: did not find expected key",
        "put text that begins with a bracket in quotes",
    ),
    (
        gets("{regex: '['}"),
        7,
        32,
        "not a regular expression: unterminated character set at position 0",
        "",
    ),
    (gets("{regex: }"), 7, 32, "expected a regular expression, got nothing", ""),
    (
        gets("{regex: [a-z]+}"),
        7,
        37,
        "not YAML: did not find expected ',' or '}'",
        "put text that begins with a bracket in quotes",
    ),
    (
        gets("{regex: 'a{99999999999}'}"),
        7,
        32,
        "not a regular expression: the repetition number is too large",
        "",
    ),
    (
        gets("{regex: '[[a]'}"),
        7,
        32,
        "not a regular expression: Possible nested set at position 1",
        "",
    ),
    (
        gets("{regex: " + "a" * 1001 + "}"),
        7,
        32,
        "expected a regular expression of at most 1000 characters, got more",
        "",
    ),
    (gets("{length: 0}"), 7, 33, "expected a size from 1 to 67108864, got '0'", ""),
    (gets("{length: x}"), 7, 33, "expected a size such as 512 or 64KiB, got 'x'", ""),
    (gets("{sha256: abc, length: 3}"), 7, 33, "expected 64 hexadecimal digits, got 'abc'", ""),
    (
        gets("{sha256: " + "0" * 64 + "}"),
        7,
        24,
        "'sha256' needs 'length'",
        "a stream does not say where the bytes end",
    ),
    (
        gets("{capture: 1st, length: 4}"),
        7,
        34,
        "got '1st', expected a name of letters, digits and _",
        "",
    ),
    (
        gets("{capture: a}"),
        7,
        24,
        "'capture' needs 'length'",
        "or 'regex': a stream does not say where the bytes end",
    ),
    (
        gets("{capture: a, length: 4, within: 1s}"),
        7,
        48,
        "unknown key 'within'",
        "known: capture, length, regex, example",
    ),
    (
        gets("{starts_with: a}"),
        7,
        24,
        "'starts_with' needs a peer that gets messages",
        "a stream has no messages: give the bytes, a 'length' or a 'regex'",
    ),
    (
        gets("{any: true}"),
        7,
        24,
        "'any' needs a peer that gets messages",
        "a stream has no messages: give the bytes, a 'length' or a 'regex'",
    ),
    (
        gets("{unordered: [a]}"),
        7,
        24,
        "'unordered' needs a peer that gets messages",
        "a stream has no messages: give the bytes, a 'length' or a 'regex'",
    ),
    (calls("x"), 7, 33, "expected a size such as 512 or 64KiB, got 'x'", ""),
    (calls("-2"), 7, 33, "expected a size such as 512 or 64KiB, got '-2'", ""),
    (calls("[]"), 7, 33, "expected bounds or a number, got a list", ""),
    (
        calls("{}"),
        7,
        33,
        "expected at least one bound, got none",
        "known: at_least, at_most, less_than, capture",
    ),
    (calls("{at_leats: 1}"), 7, 34, "unknown key 'at_leats'", "did you mean 'at_least'?"),
    (calls("{at_least: x}"), 7, 44, "expected a size such as 512 or 64KiB, got 'x'", ""),
    (
        calls("{capture: 1st}"),
        7,
        43,
        "got '1st', expected a name of letters, digits, _ and -, beginning with a letter",
        "",
    ),
    (top("wire: {}"), 7, 7, "expected a list of checks, got a mapping", ""),
    (wire("count"), 8, 5, "expected a check with 'where', got 'count'", ""),
    (wire("{count: 1}"), 8, 5, "a check needs 'where'", "e.g. where: {TCP.flags: S}"),
    (wire("{where: {TCP.flags: S}}"), 8, 5, "a check needs 'count' or 'each'", "e.g. count: 1"),
    (
        wire("{where: {TCP.flags: S}, conut: 1}"),
        8,
        29,
        "unknown key 'conut'",
        "did you mean 'count'?",
    ),
    (
        wire("{where: [], count: 1}"),
        8,
        13,
        "expected fields such as {TCP.flags: S}, got a list",
        "",
    ),
    (wire("{where: {TCP.flags: []}, count: 1}"), 8, 25, "expected a field's value, got a list", ""),
    (
        wire("{where: {TCP.flags: S}, count: many}"),
        8,
        36,
        "expected a size such as 512 or 64KiB, got 'many'",
        "",
    ),
    (
        wire("{where: {TCP.dport: $sever.port}, count: 1}"),
        8,
        25,
        "$sever.port is not defined here",
        "did you mean 'server.port'?",
    ),
    (
        wire("{where: {TCP.flags: S}, count: -1}"),
        8,
        36,
        "expected a count of frames, got '-1'",
        "",
    ),
    (
        wire("{where: {TCP.flags: S}, count: {at_least: 1, capture: n}}"),
        8,
        36,
        "expected a count of frames, got a mapping",
        "",
    ),
    (
        wire("{where: {TCP.flags: S}, count: 1, within: 1}"),
        8,
        47,
        "expected a duration such as 250ms or 1.5s, got '1'",
        "write 1s or 1ms",
    ),
    (
        step("client: {sees: close, error: ECONRESET}"),
        7,
        34,
        "expected an error's code or none, got 'ECONRESET'",
        "did you mean 'ECONNRESET'?",
    ),
    (
        step("client: {sees: close, error: econnreset}"),
        7,
        34,
        "expected an error's code or none, got 'econnreset'",
        "did you mean 'ECONNRESET'?",
    ),
    (
        step("client: {sees: close, error: 7}"),
        7,
        34,
        "expected an error's code or none, got '7'",
        "known: none, any, and codes such as ECONNRESET",
    ),
    (
        step("client: {sees: end, error: none}"),
        7,
        32,
        "'end' has no error",
        "'error' goes with close, error, connect_error, uncaught_exc…",
    ),
    (
        step("client: {sees: close, message: x}"),
        7,
        36,
        "'close' has no message",
        "'message' goes with error, connect_error, uncaught_exception",
    ),
    (calls("{at_least: 5, at_most: 1}"), 7, 33, "expected a range, got an empty one", "no number…"),
    (calls("{less_than: 0}"), 7, 33, "expected a range, got an empty one", "no number…"),
    (step("client@1: end"), 7, 5, "'client' connects once, got 'client@1'", "write 'client'"),
    (step("client@2: end"), 7, 5, "'client' connects once, got 'client@2'", "write 'client'"),
    (
        step("client: connect\n  - client: connect\n  - client@3: end"),
        9,
        5,
        "'client' connects 2 times, got 'client@3'",
        "add '- client: connect'",
    ),
    (
        says("at $server.port").replace("hi", "x"),
        6,
        23,
        "$server.port inside longer text is not replaced",
        'write {concat: ["…", $server.port]}, or {text: …} if just t…',
    ),
    (
        says('"x$x"') + "let: {x: a}\n",
        6,
        23,
        "$x inside longer text is not replaced",
        'write {concat: ["…", $x]}, or {text: …} if just that is me…',
    ),
    (step("client <- server: a"), 7, 5, "expected an arrow, got 'client <- server'", ARROW),
    (step("server => client: a"), 7, 5, "expected an arrow, got 'server => client'", ARROW),
    (step("server client: a"), 7, 5, "expected an arrow, got 'server client'", ARROW),
    (step("sleep: 1s"), 7, 5, "unknown peer 'sleep'", NO_PAUSE),
    (
        step("client: {sleep: 1s}"),
        7,
        14,
        "expected an action or an expectation, got 'sleep'",
        NO_PAUSE,
    ),
    (
        step('client: {send: "x"}'),
        7,
        14,
        "expected an action or an expectation, got 'send'",
        "did you mean 'write'?",
    ),
    (
        step('client: "PING"'),
        7,
        13,
        "expected an action, got 'PING'",
        "write 'client: {write: …}' or 'client -> server: …'",
    ),
    (
        step('server: "PING"'),
        7,
        13,
        "expected an action, got 'PING'",
        "write 'server: {write: …}' or 'server -> client: …'",
    ),
    (
        step("client: {received: a, within: 1sec}"),
        7,
        35,
        "got '1sec', expected a duration such as 250ms or 1.5s",
        "write 1s",
    ),
    (
        step("client: {received: a, within: 20 ms}"),
        7,
        35,
        "got '20 ms', expected a duration such as 250ms or 1.5s",
        "write 20ms",
    ),
    (
        client("connect: srever"),
        4,
        27,
        "'srever' is neither a peer nor an address",
        "did you mean 'server'?",
    ),
    (
        client("connect: localhost, port: 80"),
        4,
        27,
        "'localhost' is neither a peer nor an address",
        "write loopback",
    ),
    (
        client('connect: "[::1]", port: 80'),
        4,
        27,
        "'[::1]' is neither a peer nor an address",
        "write '::1' without brackets",
    ),
    (
        client('connect: "[::1]:80"'),
        4,
        27,
        "'[::1]:80' is neither a peer nor an address",
        "write '::1' without brackets, and put the port under 'port:'",
    ),
    (
        client("connect: 127.0.0.1:80"),
        4,
        27,
        "'127.0.0.1:80' is neither a peer nor an address",
        "put the port under 'port:'",
    ),
    (top("needs: capture"), 7, 8, "expected a list of needs, got 'capture'", "write [capture]"),
    (top("\tname: x"), 7, 1, "a tab indents this line", "use spaces"),
    (says('"hi'), 6, 23, "the quote opened at 6:23 is not closed", ""),
    (
        says('"hi') + '  - server -> client: "ho"\n',
        6,
        23,
        "the quote opened at 6:23 is not closed",
        "",
    ),
    (
        gets("{colour: red}"),
        7,
        25,
        "expected bytes, got 'colour'",
        "known: hex, base64, text, file, bytes, repeat, concat, rest…",
    ),
    (
        step("sees: close"),
        7,
        5,
        "expected a peer, got 'sees'",
        "begin with the peer: 'server: {sees: …}'",
    ),
    (
        top("let: {a-b: x}"),
        7,
        7,
        "got 'a-b', expected a name of letters, digits and _",
        "a '-' ends a $name",
    ),
    (
        calls("{capture: a-b}"),
        7,
        43,
        "got 'a-b', expected a name of letters, digits and _",
        "a '-' ends a $name",
    ),
    (
        step("client: PING"),
        7,
        13,
        "expected an action, got 'PING'",
        "write 'client: {write: …}' or 'client -> server: …'",
    ),
    (
        handler("data: {write: a}"),
        3,
        48,
        "expected a list of actions, got a mapping",
        "write [write: …]",
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
        (problem.location.line, problem.location.column, problem.message)
        for problem in caught.value.problems
    ]
    assert found == [(line, column, message)]
    assert_told(caught.value.problems[0].hint, hint)


def assert_told(hint: str, expected: str) -> None:
    if expected.endswith("…"):
        assert hint.startswith(expected.removesuffix("…"))
    else:
        assert hint == expected
