"""The keys of a peer, of its socket and of TLS."""

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
        does="with `udp`: the [multicast](#multicast) group that the peer joins",
        example="multicast: {group: auto}",
    ),
    Row(
        key="on",
        at=("peer",),
        takes="handlers",
        default="all, and it speaks the script",
        does="the peer's handlers: a mapping, or a name under `handlers:`",
        example="on: {data: [echo]}",
    ),
    Row(
        key="host",
        at=("peer",),
        takes="host",
        does="the [host](#hosts) that the peer is on",
        example="host: left",
    ),
    Row(
        key="listen",
        at=STREAM,
        takes="address",
        does=(
            "makes this peer listen at `loopback` (127.0.0.1), `loopback6` (::1), an IP "
            "address, or with [hosts](#hosts) `link`, `link6`, `link_local`"
        ),
        example="listen: loopback",
    ),
    Row(
        key="connect",
        at=STREAM,
        takes="peer or address",
        does="makes this peer connect to a peer by name, or to an IP address together with `port`",
        example="connect: server",
    ),
    Row(
        key="port",
        at=STREAM,
        takes="port",
        default="0",
        does=(
            "for `listen`: the port, where 0 lets the system choose; for `connect` with an "
            "address: the port of that address"
        ),
        example="port: 0",
    ),
    Row(
        key="backlog",
        at=STREAM,
        takes="backlog",
        does="for `listen`: the number of connections that may wait to be accepted",
        example="backlog: 8",
    ),
    Row(
        key="allow_half_open",
        at=STREAM,
        takes="boolean",
        default="false",
        does="`true` keeps the socket open after the other side's FIN, if it has an `end` handler",
        example="allow_half_open: true",
    ),
    Row(
        key="pause_on_connect",
        at=STREAM,
        takes="boolean",
        default="false",
        does="`true` opens the connection paused; `resume` starts reading",
        example="pause_on_connect: true",
    ),
    Row(
        key="send_buffer",
        at=STREAM,
        takes="buffer size",
        default="the system's",
        does="the size of the kernel's send buffer",
        example="send_buffer: 64KiB",
    ),
    Row(
        key="recv_buffer",
        at=STREAM,
        takes="buffer size",
        default="the system's",
        does="the size of the kernel's receive buffer",
        example="recv_buffer: 64KiB",
    ),
    Row(
        key="cert",
        at=TLS,
        takes="certificate name",
        does="the certificate that the peer shows; a client without this key shows none",
        example="cert: web",
    ),
    Row(
        key="sni",
        at=TLS,
        takes="certificate names by host name",
        does=(
            "for `listen`: other certificates, by the name that a client asks for; "
            '`"*.example"` stands for one label. A client that asks for another name, or for '
            "none, gets `cert`"
        ),
        example="sni: {other.example: other}",
    ),
    Row(
        key="alpn",
        at=TLS,
        takes="list of protocols",
        does=(
            "the protocols that the peer speaks, the preferred one first; the server's order "
            "decides"
        ),
        example="alpn: [h2, http/1.1]",
    ),
    Row(
        key="verify",
        at=TLS,
        takes="verify",
        default="`require` for a client, `none` for a server",
        does=(
            "`require` refuses a bad or missing certificate; `request`, for `listen`, asks for "
            "a certificate and accepts every client; `none`: a server asks for no certificate, "
            "a client accepts any"
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
        does="the oldest TLS version that the peer speaks",
        example="min_version: TLSv1.3",
    ),
    Row(
        key="max_version",
        at=TLS,
        takes="tls version",
        does="the newest TLS version that the peer speaks",
        example="max_version: TLSv1.2",
    ),
    Row(
        key="ciphers",
        at=TLS,
        takes="text",
        does="the ciphers, in OpenSSL's notation",
        example="ciphers: DEFAULT",
    ),
    Row(
        key="handshake_timeout",
        at=TLS,
        takes="duration",
        default="no limit of its own",
        does=(
            "the time limit of a handshake; no scale multiplies it. After it, both sides report "
            "`sees: handshake` and `sees: close`, each with `error: ETIMEDOUT`"
        ),
        example="handshake_timeout: 2s",
    ),
    Row(
        key="resume",
        at=TLS,
        takes="boolean",
        default="false",
        does=(
            "for `connect`: `true` lets a second `connect` resume the session of the connection "
            "before"
        ),
        example="resume: true",
    ),
    Row(
        key="on",
        at=("upgrade_tls",),
        takes="handlers",
        default="those that it has",
        does=(
            "for `upgrade_tls`: the handlers after the upgrade: a mapping, or a name under "
            "`handlers:`"
        ),
        example="on: {data: [echo]}",
    ),
    Row(
        key="bind",
        at=("udp",),
        takes="bind address",
        does=(
            "the address where the socket receives: `loopback`, `loopback6`, an IP address, "
            "with [hosts](#hosts) `link`, `link6`, `link_local`, or `group`. 127.255.255.255 is "
            "loopback's broadcast address: to send there, name a peer that is bound to it in "
            "`to:`, and set `set_broadcast: true`"
        ),
        example="bind: loopback",
    ),
    Row(
        key="connect",
        at=("udp",),
        takes="peer or address",
        does=(
            "connects the socket to a peer by name, or to an IP address together with `port`: "
            "it sends to that address and receives from it only; `bind` may then be left out"
        ),
        example="connect: server",
    ),
    Row(
        key="port",
        at=("udp",),
        takes="port",
        default="0",
        does=(
            "the socket's own port, where 0 lets the system choose; with `connect` to an "
            "address, the port of that address"
        ),
        example="port: 0",
    ),
    Row(
        key="group",
        at=("multicast",),
        takes="group",
        does=(
            "`auto`: a group and a port that no other run gets while the case runs, so parallel "
            "runs never receive each other's datagrams; `auto_ssm`: the same, from the block "
            "for groups of one source; `auto6`: an IPv6 group, with [hosts](#hosts) only; a "
            "peer's name: the group of that peer"
        ),
        example="group: auto",
        required=True,
    ),
    Row(
        key="sources",
        at=("multicast",),
        takes="list of sources",
        default="everybody",
        does=(
            "the senders that the peer receives from, by peer or by address: it joins the group "
            "for each"
        ),
        example="sources: [127.0.0.5]",
    ),
    Row(
        key="interface",
        at=("multicast",),
        takes="interface",
        default="with two hosts `link`",
        does=(
            "the interface where the peer joins: `loopback` or an address of this machine; with "
            "two hosts also `link`"
        ),
        example="interface: loopback",
    ),
)
