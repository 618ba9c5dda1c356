"""The actions of a peer, in a step and inside a handler, and the events that have handlers.

A new action is a row here, a class of the model if it carries something, and a method of the
engine. One whose name begins with `set_` and whose value is of a plain kind is a setting: its row
is all, and the method of that name gets the value. The sections of a row say who can do it, and
where: a `stream` or a `udp` peer, in a `step` or inside a `handler`.
"""

from sockharness.sockspec.table.row import Row

STREAM = ("stream step", "stream handler")
"""The sections of the actions of a stream, in a step and inside a handler."""
UDP = ("udp step", "udp handler")
BOTH = (*STREAM, *UDP)
INSIDE = ("stream handler", "udp handler")
"""The sections of the actions that exist inside a handler only."""
_HANDLERS = (
    Row(
        key="open",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the connection is open",
        example='open: [write: "welcome\\n"]',
    ),
    Row(
        key="data",
        at=("stream handlers", "udp handlers"),
        takes="list of replies",
        does="runs when bytes or a datagram arrive",
        example="data: [echo]",
    ),
    Row(
        key="drain",
        at=("stream handlers", "udp handlers"),
        takes="list of actions",
        does="runs when there is room to write again",
        example="drain: []",
    ),
    Row(
        key="end",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the other side's FIN arrives",
        example='end: [end: "bye\\n"]',
    ),
    Row(
        key="close",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the connection is closed",
        example="close: []",
    ),
    Row(
        key="error",
        at=("stream handlers", "udp handlers"),
        takes="list of actions",
        does="runs when something fails, or a handler raises an exception",
        example="error: []",
    ),
    Row(
        key="connect_error",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when a connect fails",
        example="connect_error: []",
    ),
    Row(
        key="timeout",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when nothing happens for the time that `timeout` sets",
        example="timeout: [close]",
    ),
    Row(
        key="handshake",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the TLS handshake is over, whether it succeeded or failed",
        example="handshake: []",
    ),
)
_ACTIONS = (
    Row(
        key="echo",
        at=INSIDE,
        does=(
            "in a `data` handler: writes back all the bytes received, after a `drain` if need "
            "be; a UDP socket sends the datagram back"
        ),
        example="echo",
        bare=True,
    ),
    Row(
        key="close",
        at=BOTH,
        does="closes the socket",
        example="close",
        bare=True,
    ),
    Row(
        key="terminate",
        at=STREAM,
        does="closes the socket with a reset",
        example="terminate",
        bare=True,
    ),
    Row(
        key="write",
        at=STREAM,
        takes="bytes to write",
        does="calls `write` once",
        example='write: "hi"',
    ),
    Row(
        key="write_all",
        at=STREAM,
        takes="bytes to write",
        does="writes, and continues after each `drain` until all bytes are taken",
        example="write_all: {bytes: 1MiB}",
    ),
    Row(
        key="end",
        at=STREAM,
        takes="bytes to write",
        does="writes the bytes, if any, and closes the socket",
        example='end: "bye"',
        bare=True,
    ),
    Row(
        key="timeout",
        at=STREAM,
        takes="duration",
        does="sets the time without activity after which the `timeout` handler runs",
        example="timeout: 250ms",
    ),
    Row(
        key="reload",
        at=STREAM,
        takes="reload",
        does=(
            "replaces the handlers: by a name under `handlers:`, or by a mapping; `{tls: {…}}` "
            "gives a TLS listener other [TLS options](#tls), for future connections"
        ),
        example="reload: {data: [echo]}",
    ),
    Row(
        key="shutdown",
        at=STREAM,
        takes="read",
        does="shuts down the writing side; `shutdown: read` shuts down the reading side",
        example="shutdown: read",
        bare=True,
    ),
    Row(
        key="pause",
        at=STREAM,
        does="stops reading",
        example="pause",
        bare=True,
    ),
    Row(
        key="resume",
        at=STREAM,
        does="starts reading again",
        example="resume",
        bare=True,
    ),
    Row(
        key="flush",
        at=STREAM,
        does="calls the method `flush`",
        example="flush",
        bare=True,
    ),
    Row(
        key="stop",
        at=STREAM,
        takes="boolean",
        does="stops the listener; `true` closes its connections too",
        example="stop: true",
        bare=True,
    ),
    Row(
        key="upgrade_tls",
        at=STREAM,
        takes="upgrade_tls",
        does="upgrades a plain connection to [TLS](#tls)",
        example="upgrade_tls: {verify: none}",
        bare=True,
    ),
    Row(
        key="send",
        at=UDP,
        takes="datagram to write",
        does=(
            "sends one datagram to the address of the peer `to`, or to its group. A connected "
            "socket sends without `to`; without `to`, a `data` handler replies to the "
            "datagram's sender. A sender on IPv4 cannot reach a peer on IPv6"
        ),
        example='send: "hi", to: server',
    ),
    Row(
        key="send_many",
        at=UDP,
        takes="list of datagrams to write",
        does="sends several datagrams in one call, which returns how many were taken",
        example='send_many: ["a", "b"], to: server',
    ),
    Row(
        key="set_broadcast",
        at=UDP,
        takes="boolean",
        does="allows the socket to send to broadcast addresses",
        example="set_broadcast: true",
    ),
    Row(
        key="set_ttl",
        at=UDP,
        takes="ttl",
        does="sets the TTL of the datagrams that the socket sends",
        example="set_ttl: 5",
    ),
    Row(
        key="set_multicast_ttl",
        at=UDP,
        takes="multicast ttl",
        does="sets the TTL of the datagrams that the socket sends to groups",
        example="set_multicast_ttl: 1",
    ),
    Row(
        key="set_multicast_loopback",
        at=UDP,
        takes="boolean",
        does="sets whether this machine receives the datagrams that the socket sends to groups",
        example="set_multicast_loopback: false",
    ),
    Row(
        key="set_multicast_interface",
        at=UDP,
        takes="interface",
        does="sets the interface for datagrams to groups",
        example="set_multicast_interface: loopback",
    ),
    Row(
        key="add_membership",
        at=UDP,
        takes="own group",
        does="joins the peer's group; give the value if other keys stand beside it",
        example="add_membership: group",
        bare=True,
    ),
    Row(
        key="drop_membership",
        at=UDP,
        takes="own group",
        does="leaves the peer's group; give the value if other keys stand beside it",
        example="drop_membership: group",
        bare=True,
    ),
    Row(
        key="add_source_specific_membership",
        at=UDP,
        takes="source",
        does="joins the peer's group for one source: a peer or an address",
        example="add_source_specific_membership: 127.0.0.5",
    ),
    Row(
        key="drop_source_specific_membership",
        at=UDP,
        takes="source",
        does="leaves the peer's group for one source: a peer or an address",
        example="drop_source_specific_membership: 127.0.0.5",
    ),
    Row(
        key="reload",
        at=UDP,
        takes="handlers",
        does="replaces the handlers, as for streams, but keeps those that it does not name",
        example="reload: {data: [echo]}",
    ),
    Row(
        key="connect",
        at=("stream step",),
        does=(
            "in a step: connects the client at this step, and not before the first step; each "
            "such step makes one more connection"
        ),
        example="connect",
        bare=True,
    ),
    Row(
        key="raise",
        at=INSIDE,
        takes="text",
        does="inside a handler: raises an exception with this message",
        example='raise: "oh no"',
    ),
)
_SETTINGS = tuple(f"step {row.key}" for row in _ACTIONS if row.key.startswith("set_"))
_CALLS = tuple(f"step {row.key}" for row in _ACTIONS if row.at == UDP and row.key != "reload")
"""The mappings of the calls of a UDP socket, which can raise."""
_BESIDE = (
    Row(
        key="tls",
        at=("reload",),
        takes="reload tls",
        does="the TLS options, as above, for future connections",
        example="tls: {cert: other}",
    ),
    Row(
        key="to",
        at=("step send", "step send_many", "handler send", "handler send_many"),
        takes="udp peer",
        does="the peer that the datagram goes to",
        example="to: server",
    ),
    Row(
        key="returns",
        at=("step write", "step end", *dict.fromkeys((*_SETTINGS, *_CALLS))),
        takes="returns",
        does="the value that the call returns: a number, `true` or `false`, or bounds",
        example="returns: 2",
    ),
    Row(
        key="raises",
        at=_CALLS,
        takes="raised",
        does=(
            "the error that the call raises, such as `EMSGSIZE`; `any` also covers a closed socket"
        ),
        example="raises: EMSGSIZE",
    ),
    Row(
        key="at_least",
        at=("returns", "count"),
        takes="number",
        does="the least number allowed",
        example="at_least: 1",
    ),
    Row(
        key="at_most",
        at=("returns", "count"),
        takes="number",
        does="the greatest number allowed",
        example="at_most: 2",
    ),
    Row(
        key="less_than",
        at=("returns", "count"),
        takes="number",
        does="a number that the value must be less than",
        example="less_than: 3",
    ),
    Row(
        key="capture",
        at=("returns",),
        takes="name",
        does="stores the number under this name, for `after: $name`",
        example="capture: taken",
    ),
)
ROWS = (*_HANDLERS, *_ACTIONS, *_BESIDE)
