"""Completes the example of each row of the language to a spec that holds.

`EXAMPLE` in a template stands for the example of a row; `{EXAMPLE}` for it as an action, which is a
bare word where it takes no value. A section has a template for its rows, and a row that needs
another conversation has one of its own, by section and key.
"""

from sockharness.sockspec.table.row import Row

_BLOB = "let: {blob: {bytes: 1KiB}}"
_CLIENT = "client: {tcp: {connect: server}}"
_TCP = ("server: {tcp: {listen: loopback}}", _CLIENT)
_TLS = ("server: {tls: {listen: loopback}}", "client: {tls: {connect: server}}")
_UDP = ("server: {udp: {bind: loopback}}", "client: {udp: {bind: loopback}}")
_SENDER = "client: {udp: {bind: 127.0.0.5}}"
_MEMBER = ("server: {udp: {bind: group}, multicast: {group: auto}}", _SENDER)
_ONE_SOURCE = ("server: {udp: {bind: group}, multicast: {group: auto_ssm}}", _SENDER)
_GREETS = ('server: {tcp: {listen: loopback}, on: {open: [write: "hi"]}}', _CLIENT)

_SAY = 'client -> server: "hi"'
_SEND = 'client: {send: "hi", to: server}'
_GET = 'server: {received: "hi"}'
_SECURED = "client: {sees: handshake}"


def _spec(peers: tuple[str, ...], *steps: str, first: str = "", last: str = "") -> str:
    named = "".join(f"  {peer}\n" for peer in peers)
    listed = "".join(f"  - {step}\n" for step in steps)
    return f"sockspec: 1\n{first}\npeers:\n{named}exchange:\n{listed}{last}\n"


def _server(transport: str, *steps: str, first: str = "") -> str:
    return _spec((f"server: {{{transport}}}", _CLIENT), *steps, first=first)


def _handles(event: str, *steps: str) -> str:
    return _server(f"tcp: {{listen: loopback}}, on: {{{event}}}", *steps)


def _listens_with_tls(first: str = "") -> str:
    server = "server: {tls: {listen: loopback, EXAMPLE}}"
    return _spec((server, "client: {tls: {connect: server}}"), _SECURED, first=first)


def _connects_with_tls(*steps: str) -> str:
    client = "client: {tls: {connect: server, EXAMPLE}}"
    return _spec((_TLS[0], client), *steps)


def _checks(rest: str) -> str:
    return _spec(_TCP, _SAY, last=f"wire: [{{{rest}}}]")


_CHECKED = "where: {TCP.flags: S, TCP.dport: $server.port}"

TEMPLATES = {
    "file": _spec(_TCP, _SAY, first="EXAMPLE"),
    "peer": _server("EXAMPLE", _SAY),
    "tcp": _server("tcp: {listen: loopback, EXAMPLE}", _SAY),
    "tls": _listens_with_tls(),
    "multicast": _spec(
        ("server: {udp: {bind: group}, multicast: {group: auto, EXAMPLE}}", _SENDER), _SEND, _GET
    ),
    "check": _checks(f"{_CHECKED}, EXAMPLE, count: 1"),
    "stream handlers": _handles("EXAMPLE", _SAY),
    "stream step": _spec(_TCP, "client: {EXAMPLE}", "client: close"),
    "udp step": _spec(_UDP, "client: {EXAMPLE}", _SEND, _GET),
    "returns": _spec(_TCP, 'client: {write: "hi", returns: {EXAMPLE}}', _GET),
    "step": _spec(_TCP, f"{{{_SAY}, EXAMPLE}}"),
    "stream expectation": _spec(_TCP, "client: {EXAMPLE}"),
    "sees handshake": _spec(_TLS, "client: {sees: handshake, EXAMPLE}"),
    "bytes": _spec(_TCP, "client -> server: {EXAMPLE}"),
    "matcher": _spec(_TCP, "client -> server: {EXAMPLE}"),
    "message matcher": _spec(_UDP, "client -> server: {EXAMPLE}"),
}
"""By section."""

_COUNTED = 'client: {write: "hi", returns: {capture: taken}}'
OWN = {
    ("file", "sockspec"): _spec(_TCP, _SAY).replace("sockspec: 1", "EXAMPLE"),
    ("file", "peers"): f"sockspec: 1\nEXAMPLE\nexchange:\n  - {_SAY}\n",
    ("file", "exchange"): f"sockspec: 1\npeers:\n  {_TCP[0]}\n  {_TCP[1]}\nEXAMPLE\n",
    ("file", "let"): _spec(_TCP, "client -> server: $greeting", first="EXAMPLE"),
    ("file", "cases"): _spec(_TCP, "client -> server: $greeting", first="EXAMPLE"),
    ("file", "handlers"): _server(
        "tcp: {listen: loopback}, on: echoes", _SAY, 'server -> client: "hi"', first="EXAMPLE"
    ),
    ("file", "allow"): _spec(
        _TCP, 'client: {write: "unread"}', "server: {sees: open}", first="EXAMPLE"
    ),
    ("file", "hosts"): _spec(
        (
            "server: {host: left, tcp: {listen: link}}",
            "client: {host: right, tcp: {connect: server}}",
        ),
        _SAY,
        first="EXAMPLE",
    ),
    ("file", "certs"): _spec(
        ("server: {tls: {listen: loopback, cert: web}}", _TLS[1]), _SECURED, first="EXAMPLE"
    ),
    ("certificate", "names"): _spec(
        ("server: {tls: {listen: loopback, cert: web}}", _TLS[1]),
        _SECURED,
        first="certs: {web: {EXAMPLE}}",
    ),
    ("certificate", "bad"): _spec(
        (
            "server: {tls: {listen: loopback, cert: web}}",
            "client: {tls: {connect: server, verify: none}}",
        ),
        "client: {sees: handshake, error: CERT_HAS_EXPIRED}",
        first="certs: {web: {EXAMPLE}}",
    ),
    ("check", "where"): _checks("EXAMPLE, count: 1"),
    ("check", "count"): _checks(f"{_CHECKED}, EXAMPLE"),
    ("peer", "tls"): _spec(("server: {EXAMPLE}", _TLS[1]), _SECURED),
    ("peer", "udp"): _spec(("server: {EXAMPLE}", _UDP[1]), _SEND, _GET),
    ("peer", "multicast"): _spec(
        ("server: {udp: {bind: group}, EXAMPLE}", _SENDER), _SEND, _GET
    ),
    ("peer", "on"): _server("tcp: {listen: loopback}, EXAMPLE", _SAY, 'server -> client: "hi"'),
    ("peer", "host"): _spec(
        (
            "server: {EXAMPLE, tcp: {listen: loopback}}",
            "client: {EXAMPLE, tcp: {connect: server}}",
        ),
        _SAY,
        first="hosts: [left]",
    ),
    ("tcp", "listen"): _server("tcp: {EXAMPLE}", _SAY),
    ("tcp", "connect"): _spec((_TCP[0], "client: {tcp: {EXAMPLE}}"), _SAY),
    ("tcp", "pause_on_connect"): _server(
        "tcp: {listen: loopback, EXAMPLE}", "server: resume", _SAY
    ),
    ("tls", "cert"): _listens_with_tls("certs: {web: {names: [localhost, 127.0.0.1]}}"),
    ("tls", "sni"): _listens_with_tls("certs: {other: {names: [other.example]}}"),
    ("tls", "server_name"): _connects_with_tls(_SECURED),
    ("tls", "resume"): _connects_with_tls(
        "client: connect",
        "client: {sees: handshake, reused: false}",
        _SAY,
        'server -> client: "hi"',
        "client: connect",
        "client: {sees: handshake, reused: true}",
    ),
    ("upgrade_tls", "on"): _spec(
        _TCP,
        "server: {upgrade_tls: {EXAMPLE}}",
        "client: upgrade_tls",
        'client -> server: "hi"',
        'client: {received: "hi"}',
    ),
    ("udp", "bind"): _spec(("server: {udp: {EXAMPLE}}", _UDP[1]), _SEND, _GET),
    ("udp", "connect"): _spec((_UDP[0], "client: {udp: {EXAMPLE}}"), _SAY),
    ("udp", "port"): _spec(("server: {udp: {bind: loopback, EXAMPLE}}", _UDP[1]), _SEND, _GET),
    ("multicast", "group"): _spec(
        ("server: {udp: {bind: group}, multicast: {EXAMPLE}}", _SENDER), _SEND, _GET
    ),
    ("multicast", "sources"): _spec(
        ("server: {udp: {bind: group}, multicast: {group: auto_ssm, EXAMPLE}}", _SENDER),
        _SEND,
        _GET,
    ),
    ("stream handlers", "open"): _handles("EXAMPLE", 'server -> client: "welcome\\n"'),
    ("stream handlers", "data"): _handles("EXAMPLE", _SAY, 'server -> client: "hi"'),
    ("stream handlers", "end"): _handles(
        "EXAMPLE", "client: shutdown", 'server -> client: "bye\\n"'
    ).replace("loopback}", "loopback, allow_half_open: true}"),
    ("stream handlers", "timeout"): _handles(
        "open: [timeout: 20ms], EXAMPLE", "server: {sees: timeout}", "client: {sees: close}"
    ),
    ("stream handlers", "connect_error"): _spec(
        (_TCP[0], "client: {tcp: {connect: server}, on: {EXAMPLE}}"),
        "server: stop",
        "client: connect",
        "client: {sees: connect_error}",
    ),
    ("stream handlers", "handshake"): _spec(
        ("server: {tls: {listen: loopback}, on: {EXAMPLE}}", _TLS[1]),
        "server: {sees: handshake}",
        _SECURED,
    ),
    ("stream handler", "echo"): _handles("data: [EXAMPLE]", _SAY, 'server -> client: "hi"'),
    ("stream handler", "raise"): _handles(
        "data: [EXAMPLE], error: []", _SAY, "server: {sees: error, message: oh no}"
    ),
    ("stream step", "terminate"): _spec(
        _TCP,
        "server: {sees: open}",
        "client: {EXAMPLE}",
        "server: {sees: close, error: ECONNRESET}",
    ),
    ("stream step", "write"): _spec(_TCP, "client: {EXAMPLE}", _GET),
    ("stream step", "write_all"): _spec(
        _TCP, "client: {EXAMPLE}", "server: {received: {bytes: 1MiB}}"
    ),
    ("stream step", "end"): _spec(_TCP, "client: {EXAMPLE}", 'server: {received: "bye"}'),
    ("stream step", "reload"): _spec(
        _TCP, "server: {EXAMPLE}", _SAY, 'client: {received: "hi"}'
    ),
    ("stream step", "pause"): _spec(_TCP, "client: {EXAMPLE}", "client: resume", _SAY),
    ("stream step", "stop"): _spec(_TCP, "client: {sees: open}", "server: {EXAMPLE}"),
    ("stream step", "upgrade_tls"): _spec(
        _TCP, "server: upgrade_tls", "client: {EXAMPLE}", _SECURED
    ),
    ("udp step", "send"): _spec(_UDP, "client: {EXAMPLE}", _GET),
    ("udp step", "send_many"): _spec(
        _UDP, "client: {EXAMPLE}", 'server: {received: ["a", "b"]}'
    ),
    ("udp step", "set_multicast_ttl"): _spec(_MEMBER, "client: {EXAMPLE}", _SEND, _GET),
    ("udp step", "set_multicast_loopback"): _spec(
        _MEMBER, "client: {EXAMPLE}", "server: {never: data, for: 20ms}"
    ),
    ("udp step", "add_membership"): _spec(_MEMBER, "server: {EXAMPLE}", _SEND, _GET),
    ("udp step", "drop_membership"): _spec(
        _MEMBER, "server: add_membership", "server: {EXAMPLE}", "client: close"
    ),
    ("udp step", "add_source_specific_membership"): _spec(
        _ONE_SOURCE, "server: {EXAMPLE}", _SEND, _GET
    ),
    ("udp step", "drop_source_specific_membership"): _spec(
        _ONE_SOURCE,
        "server: {add_source_specific_membership: client}",
        "server: {EXAMPLE}",
        "client: close",
    ),
    ("udp step", "reload"): _spec(
        _UDP, "server: {EXAMPLE}", _SEND, _GET, 'client: {received: "hi"}'
    ),
    ("reload", "tls"): _spec(
        _TLS,
        "server: {reload: {EXAMPLE}}",
        "client: connect",
        "client: {sees: handshake, certificate: other}",
        first="certs: {other: {names: [127.0.0.1]}}",
    ),
    ("step send", "to"): _spec(_UDP, 'client: {send: "hi", EXAMPLE}', _GET),
    ("step send", "raises"): _spec(
        _UDP, "client: {send: {bytes: 70000}, to: server, EXAMPLE}", _SEND, _GET
    ),
    ("step write", "returns"): _spec(_TCP, 'client: {write: "hi", EXAMPLE}', _GET),
    ("returns", "capture"): _spec(
        _TCP,
        "client: {write: $blob, returns: {EXAMPLE}}",
        "server: {received: $blob}",
        'client: {write_all: {concat: ["a", {rest_of: $blob, after: $taken}]}}',
        'server: {received: "a"}',
        first=_BLOB,
    ),
    ("expectation", "differs"): _spec(
        _TCP, "client: close", "server: {sees: close, error: none, EXAMPLE}"
    ).replace("D5, error: none", "D5, error: ECONNRESET"),
    ("stream expectation", "received"): _spec(_GREETS, "client: {EXAMPLE}"),
    ("step never", "for"): _spec(_TCP, "client: {never: data, EXAMPLE}"),
    ("sees close", "error"): _spec(
        _TCP, "server: {sees: open}", "client: terminate", "server: {sees: close, EXAMPLE}"
    ),
    ("sees error", "message"): _handles(
        'data: [raise: "oh no"], error: []', _SAY, "server: {sees: error, EXAMPLE}"
    ),
    ("sees handshake", "alert"): _spec(
        ("server: {tls: {listen: loopback, cert: web}}", _TLS[1]),
        "client: {sees: handshake, error: any}",
        "server: {sees: handshake, EXAMPLE}",
        first="certs: {web: {bad: unknown_ca}}",
    ),
    ("step sees", "within"): _spec(_TCP, "client: {sees: open, EXAMPLE}"),
    ("bytes", "rest_of"): _spec(
        _TCP,
        _COUNTED,
        _GET,
        "client: {write: {EXAMPLE}}",
        "server: {received: {EXAMPLE}}",
        first=_BLOB,
    ),
    ("matcher", "capture"): _spec(
        _TCP, "client -> server: {EXAMPLE}", "server -> client: $line"
    ),
    ("received", "unordered"): _spec(
        _UDP, 'client: {send_many: ["b", "a"], to: server}', "server: {received: {EXAMPLE}}"
    ),
    ("bytes bytes", "pattern"): _spec(_TCP, "client -> server: {bytes: 1KiB, EXAMPLE}"),
    ("bytes repeat", "times"): _spec(_TCP, 'client -> server: {repeat: "ab", EXAMPLE}'),
    ("bytes rest_of", "after"): _spec(
        _TCP, _COUNTED, _GET, "client: {write: {rest_of: $blob, EXAMPLE}}",
        "server: {received: {rest_of: $blob, EXAMPLE}}", first=_BLOB
    ),
}  # fmt: skip
"""By section and key."""
for _key, _inner in (("length", ""), ("regex", ""), ("example", "length: 2, ")):
    _hi = "" if _key == "example" else ", example: hi"
    OWN["bytes capture", _key] = _spec(
        _TCP,
        f"client -> server: {{capture: it, {_inner}EXAMPLE{_hi}}}",
        "server -> client: $it",
    )


def completed(row: Row, section: str) -> str:
    """Return a spec in which the example of a row stands in a section."""
    template = OWN.get((section, row.key)) or TEMPLATES[section]
    is_word = ": " not in row.example
    return template.replace("{EXAMPLE}", row.example if is_word else f"{{{row.example}}}").replace(
        "EXAMPLE", row.example
    )
