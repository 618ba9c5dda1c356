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
        does="runs when the connection is there",
        example='open: [write: "welcome\\n"]',
    ),
    Row(
        key="data",
        at=("stream handlers", "udp handlers"),
        takes="list of replies",
        does="runs when bytes, or a datagram, came",
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
        does="runs when the other side's FIN came",
        example='end: [end: "bye\\n"]',
    ),
    Row(
        key="close",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the connection is over",
        example="close: []",
    ),
    Row(
        key="error",
        at=("stream handlers", "udp handlers"),
        takes="list of actions",
        does="runs when something failed, or a handler raised",
        example="error: []",
    ),
    Row(
        key="connect_error",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when a connect failed",
        example="connect_error: []",
    ),
    Row(
        key="timeout",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when nothing happened for the time that `timeout` armed",
        example="timeout: [close]",
    ),
    Row(
        key="handshake",
        at=("stream handlers",),
        takes="list of actions",
        does="runs when the TLS handshake is over, well or not",
        example="handshake: []",
    ),
)
_ACTIONS = (
    Row(
        key="echo",
        at=INSIDE,
        does=(
            "in `data`: writes what was received, all of it, across drains; of a UDP socket: "
            "sends the datagram back"
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
        does="one call of `write`",
        example='write: "hi"',
    ),
    Row(
        key="write_all",
        at=STREAM,
        takes="bytes to write",
        does="writes, and after each `drain` writes on, until all is taken",
        example="write_all: {bytes: 1MiB}",
    ),
    Row(
        key="end",
        at=STREAM,
        takes="bytes to write",
        does="writes and closes",
        example='end: "bye"',
        bare=True,
    ),
    Row(
        key="timeout",
        at=STREAM,
        takes="duration",
        does="arms the time-out",
        example="timeout: 250ms",
    ),
    Row(
        key="reload",
        at=STREAM,
        takes="reload",
        does=(
            "replaces the handlers by those of a name under `handlers:`, or by a mapping; "
            "`{tls: {…}}`: a listener with TLS gets other [options of TLS](#tls), for "
            "connections that are still to come"
        ),
        example="reload: {data: [echo]}",
    ),
    Row(
        key="shutdown",
        at=STREAM,
        takes="read",
        does="shuts the writing side; `shutdown: read` the reading side",
        example="shutdown: read",
        bare=True,
    ),
    Row(
        key="pause",
        at=STREAM,
        does="stops to read",
        example="pause",
        bare=True,
    ),
    Row(
        key="resume",
        at=STREAM,
        does="reads on",
        example="resume",
        bare=True,
    ),
    Row(
        key="flush",
        at=STREAM,
        does="the method of that name",
        example="flush",
        bare=True,
    ),
    Row(
        key="stop",
        at=STREAM,
        takes="boolean",
        does="stops the listener; with `true` its connections too",
        example="stop: true",
        bare=True,
    ),
    Row(
        key="upgrade_tls",
        at=STREAM,
        takes="upgrade_tls",
        does="a plain connection goes over to [TLS](#tls)",
        example="upgrade_tls: {verify: none}",
        bare=True,
    ),
    Row(
        key="send",
        at=UDP,
        takes="datagram to write",
        does=(
            "sends one datagram: where the peer of `to` is bound, or to its group. A connected "
            "socket sends without `to`; so does a `data` handler, which answers whom the "
            "datagram came from. A sender on IPv4 reaches no peer on IPv6"
        ),
        example='send: "hi", to: server',
    ),
    Row(
        key="send_many",
        at=UDP,
        takes="list of datagrams to write",
        does="sends several in one call, which returns how many were taken",
        example='send_many: ["a", "b"], to: server',
    ),
    Row(
        key="set_broadcast",
        at=UDP,
        takes="boolean",
        does="lets it send to broadcast addresses",
        example="set_broadcast: true",
    ),
    Row(
        key="set_ttl",
        at=UDP,
        takes="ttl",
        does="sets the TTL of what it sends",
        example="set_ttl: 5",
    ),
    Row(
        key="set_multicast_ttl",
        at=UDP,
        takes="multicast ttl",
        does="sets the TTL of what it sends to groups",
        example="set_multicast_ttl: 1",
    ),
    Row(
        key="set_multicast_loopback",
        at=UDP,
        takes="boolean",
        does="whether this machine hears what it sends to groups",
        example="set_multicast_loopback: false",
    ),
    Row(
        key="set_multicast_interface",
        at=UDP,
        takes="interface",
        does="sets where it sends to groups",
        example="set_multicast_interface: loopback",
    ),
    Row(
        key="add_membership",
        at=UDP,
        takes="own group",
        does="joins the peer's group; with a value where something stands beside it",
        example="add_membership: group",
        bare=True,
    ),
    Row(
        key="drop_membership",
        at=UDP,
        takes="own group",
        does="leaves the peer's group; with a value where something stands beside it",
        example="drop_membership: group",
        bare=True,
    ),
    Row(
        key="add_source_specific_membership",
        at=UDP,
        takes="source",
        does="joins the peer's group for one source: a peer, or an address",
        example="add_source_specific_membership: 127.0.0.5",
    ),
    Row(
        key="drop_source_specific_membership",
        at=UDP,
        takes="source",
        does="leaves the peer's group for one source",
        example="drop_source_specific_membership: 127.0.0.5",
    ),
    Row(
        key="reload",
        at=UDP,
        takes="handlers",
        does="as for streams, but it keeps the handlers that it does not name",
        example="reload: {data: [echo]}",
    ),
    Row(
        key="connect",
        at=("stream step",),
        does=(
            "in a step: a client connects here, and not before the first step; once more at "
            "each such step"
        ),
        example="connect",
        bare=True,
    ),
    Row(
        key="raise",
        at=INSIDE,
        takes="text",
        does="inside a handler: raises an exception with that message",
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
        does="options of TLS, as above, for connections that are still to come",
        example="tls: {cert: other}",
    ),
    Row(
        key="to",
        at=("step send", "step send_many", "handler send", "handler send_many"),
        takes="udp peer",
        does="the peer that it goes to",
        example="to: server",
    ),
    Row(
        key="returns",
        at=("step write", "step end", *dict.fromkeys((*_SETTINGS, *_CALLS))),
        takes="returns",
        does="what the call returns: a number, `true` or `false`, or bounds",
        example="returns: 2",
    ),
    Row(
        key="raises",
        at=_CALLS,
        takes="raised",
        does=(
            "what the call raises, such as `EMSGSIZE`, or `any`, which also means a closed socket"
        ),
        example="raises: EMSGSIZE",
    ),
    Row(
        key="at_least",
        at=("returns", "count"),
        takes="number",
        does="not less",
        example="at_least: 1",
    ),
    Row(
        key="at_most",
        at=("returns", "count"),
        takes="number",
        does="not more",
        example="at_most: 2",
    ),
    Row(
        key="less_than",
        at=("returns", "count"),
        takes="number",
        does="less",
        example="less_than: 3",
    ),
    Row(
        key="capture",
        at=("returns",),
        takes="name",
        does="the number is remembered under this name, for `after: $name`",
        example="capture: taken",
    ),
)
ROWS = (*_HANDLERS, *_ACTIONS, *_BESIDE)
