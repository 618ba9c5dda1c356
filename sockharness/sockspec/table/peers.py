"""What a peer says of its socket, and of TLS."""

from sockharness.sockspec.table.row import Row

STREAM = ("tcp", "tls")
TLS = ("tls", "upgrade_tls", "reload tls")


ROWS = (
    Row(
        key="tcp",
        at=("peer",),
        takes="tcp",
        does="a stream over TCP",
        example="tcp: {listen: loopback}",
    ),
    Row(
        key="tls",
        at=("peer",),
        takes="tls",
        does="a stream over [TLS](#tls)",
        example="tls: {listen: loopback}",
    ),
    Row(
        key="udp",
        at=("peer",),
        takes="udp",
        does="a [UDP](#udp) socket",
        example="udp: {bind: loopback}",
    ),
    Row(
        key="multicast",
        at=("peer",),
        takes="multicast",
        does="with `udp`: the [multicast](#multicast) group that it joins",
        example="multicast: {group: auto}",
    ),
    Row(
        key="on",
        at=("peer",),
        takes="handlers",
        default="all, and it speaks the script",
        does="its handlers: a mapping, or a name of `handlers:`",
        example="on: {data: [echo]}",
    ),
    Row(
        key="host",
        at=("peer",),
        takes="host",
        does="the [host](#hosts) that it is on",
        example="host: left",
    ),
    Row(
        key="listen",
        at=STREAM,
        takes="address",
        does=(
            "`loopback` (127.0.0.1), `loopback6` (::1), an IP address, or with [hosts](#hosts) "
            "`link`, `link6`, `link_local`: this peer listens"
        ),
        example="listen: loopback",
    ),
    Row(
        key="connect",
        at=STREAM,
        takes="peer or address",
        does="a peer's name, or an IP address together with `port`: this peer connects",
        example="connect: server",
    ),
    Row(
        key="port",
        at=STREAM,
        takes="port",
        default="0",
        does=(
            "for `listen`: a port, 0 lets the system choose; for `connect` with an address: "
            "the port there"
        ),
        example="port: 0",
    ),
    Row(
        key="backlog",
        at=STREAM,
        takes="backlog",
        does="for `listen`: how many connections may wait to be accepted",
        example="backlog: 8",
    ),
    Row(
        key="allow_half_open",
        at=STREAM,
        takes="boolean",
        default="false",
        does=(
            "`true`: the socket lives on behind the other side's FIN, if it has an `end` handler"
        ),
        example="allow_half_open: true",
    ),
    Row(
        key="pause_on_connect",
        at=STREAM,
        takes="boolean",
        default="false",
        does="`true`: it opens paused; `resume` begins to read",
        example="pause_on_connect: true",
    ),
    Row(
        key="send_buffer",
        at=STREAM,
        takes="buffer size",
        default="the system's",
        does="the size of the kernel's buffer for what is sent",
        example="send_buffer: 64KiB",
    ),
    Row(
        key="recv_buffer",
        at=STREAM,
        takes="buffer size",
        default="the system's",
        does="the size of the kernel's buffer for what is received",
        example="recv_buffer: 64KiB",
    ),
    Row(
        key="cert",
        at=TLS,
        takes="certificate name",
        does="the certificate that it shows; a client shows one only if it has this",
        example="cert: web",
    ),
    Row(
        key="sni",
        at=TLS,
        takes="certificate names by host name",
        does=(
            "for `listen`: other certificates by the name that a client asks for; "
            '`"*.example"` stands for one label. Who asks for another name, or for none, gets '
            "`cert`"
        ),
        example="sni: {other.example: other}",
    ),
    Row(
        key="alpn",
        at=TLS,
        takes="list of protocols",
        does=("the protocols that it speaks, the preferred one first; the server's order decides"),
        example="alpn: [h2, http/1.1]",
    ),
    Row(
        key="verify",
        at=TLS,
        takes="verify",
        default="`require` for a client, `none` for a server",
        does=(
            "`require`: refuses a certificate that is not good, or that is missing; `request`, "
            "for `listen`: asks for one and lets everybody in; `none`: a server asks for none, "
            "a client takes any"
        ),
        example="verify: none",
    ),
    Row(
        key="server_name",
        at=TLS,
        takes="host name",
        does="for `connect`: the name to ask for and to check, in place of the address",
        example="server_name: localhost",
    ),
    Row(
        key="min_version",
        at=TLS,
        takes="tls version",
        does="the oldest version that it speaks",
        example="min_version: TLSv1.3",
    ),
    Row(
        key="max_version",
        at=TLS,
        takes="tls version",
        does="the newest version that it speaks",
        example="max_version: TLSv1.2",
    ),
    Row(
        key="ciphers",
        at=TLS,
        takes="text",
        does="OpenSSL's list",
        example="ciphers: DEFAULT",
    ),
    Row(
        key="handshake_timeout",
        at=TLS,
        takes="duration",
        default="no limit of its own",
        does=(
            "how long a handshake may take; no scale multiplies it. When it is over, both say "
            "so: `sees: handshake` and `sees: close`, each with `error: ETIMEDOUT`"
        ),
        example="handshake_timeout: 2s",
    ),
    Row(
        key="resume",
        at=TLS,
        takes="boolean",
        default="false",
        does=(
            "for `connect`: `true`: a second `connect` resumes the session of the connection before"
        ),
        example="resume: true",
    ),
    Row(
        key="on",
        at=("upgrade_tls",),
        takes="handlers",
        default="those that it has",
        does=("for `upgrade_tls`: the handlers from then on: a mapping, or a name of `handlers:`"),
        example="on: {data: [echo]}",
    ),
    Row(
        key="bind",
        at=("udp",),
        takes="bind address",
        does=(
            "`loopback`, `loopback6`, an IP address, with [hosts](#hosts) `link`, `link6`, "
            "`link_local`, or `group`: where the socket hears. 127.255.255.255 is loopback's "
            "broadcast address; a datagram goes there by `to:` a peer that is bound to it, and "
            "needs `set_broadcast: true`"
        ),
        example="bind: loopback",
    ),
    Row(
        key="connect",
        at=("udp",),
        takes="peer or address",
        does=(
            "a peer's name, or an IP address together with `port`: the only one to send to and "
            "to hear; `bind` may be left out then"
        ),
        example="connect: server",
    ),
    Row(
        key="port",
        at=("udp",),
        takes="port",
        default="0",
        does=(
            "of the socket itself, 0 lets the system choose; with `connect` to an address, the "
            "port there"
        ),
        example="port: 0",
    ),
    Row(
        key="group",
        at=("multicast",),
        takes="group",
        does=(
            "`auto`: a group and a port that nobody else gets while the case runs, so that "
            "parallel runs never hear each other; `auto_ssm`: the same, from the block for "
            "groups of one source; `auto6`: one of IPv6, with [hosts](#hosts) only; a peer's "
            "name: the group of that peer"
        ),
        example="group: auto",
        required=True,
    ),
    Row(
        key="sources",
        at=("multicast",),
        takes="list of sources",
        default="everybody",
        does="whom it hears, by peer or by address: it joins for each",
        example="sources: [127.0.0.5]",
    ),
    Row(
        key="interface",
        at=("multicast",),
        takes="interface",
        default="with two hosts `link`",
        does=(
            "where it joins: `loopback` or an address of this machine; with two hosts also `link`"
        ),
        example="interface: loopback",
    ),
)
