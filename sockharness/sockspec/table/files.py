"""The keys at the top of a file, of its certificates and of its checks of frames."""

from sockharness.sockspec.table.row import Row

ROWS = (
    Row(
        key="sockspec",
        at=("file",),
        takes="version",
        does="the version of the format: `1`",
        example="sockspec: 1",
        required=True,
    ),
    Row(
        key="name",
        at=("file",),
        takes="text",
        does=(
            "a title in words: failures show it beside the location, and JUnit reports it as "
            "the property `title`"
        ),
        example="name: a greeting",
    ),
    Row(
        key="shows",
        at=("file",),
        takes="list of rules",
        does=(
            "the rules that the spec proves: ids of [Bun's semantics](bun-semantics.md), rows "
            "of the [differences](bun-differences.md)"
        ),
        example="shows: [TCP-022, D1]",
    ),
    Row(
        key="peers",
        at=("file",),
        takes="peers by name",
        does="the peers that take part, by name",
        example="peers: {server: {tcp: {listen: loopback}}, client: {tcp: {connect: server}}}",
        required=True,
    ),
    Row(
        key="exchange",
        at=("file",),
        takes="list of steps",
        does="the steps of the conversation, in order",
        example='exchange: [client -> server: "hi"]',
        required=True,
    ),
    Row(
        key="let",
        at=("file",),
        takes="bytes by name",
        does="named bytes or matchers, for `$name`",
        example='let: {greeting: "hi"}',
    ),
    Row(
        key="cases",
        at=("file",),
        takes="cases by name",
        does="the cases: each is one run of the spec, with other bytes for some names",
        example='cases: {short: {greeting: "hi"}, long: {greeting: {bytes: 1KiB}}}',
    ),
    Row(
        key="handlers",
        at=("file",),
        takes="handlers by name",
        does="named sets of handlers, for `on:` and `reload:`",
        example="handlers: {echoes: {data: [echo]}}",
    ),
    Row(
        key="wire",
        at=("file",),
        takes="list of checks",
        does="checks of the frames that crossed [the wire](#the-wire); implies `needs: [capture]`",
        example="wire: [{where: {TCP.flags: S, TCP.dport: $server.port}, count: 1}]",
    ),
    Row(
        key="needs",
        at=("file",),
        takes="list of needs",
        does=(
            "the abilities that the machine needs, else the spec is skipped with the reason: "
            "`capture`, `ipv6`, `multicast` (a peer with `multicast:` implies it), `netns` "
            "(make network namespaces). `one_process`: the order of what different peers see "
            "counts, so their engines must not be [mixed](how-to-run.md#engines)"
        ),
        example="needs: [one_process]",
    ),
    Row(
        key="allow",
        at=("file",),
        takes="list of findings",
        does=(
            "findings that do not fail this spec: `unread_bytes`, `unread_datagrams`, "
            "`extra_connections`, `unclaimed_events`"
        ),
        example="allow: [unread_bytes]",
    ),
    Row(
        key="engines",
        at=("file",),
        takes="list of engines",
        does="the [engines](#engines) that the spec is for; other engines skip it",
        example="engines: [sockharness]",
    ),
    Row(
        key="differs",
        at=("file",),
        takes="rows by engine",
        does="the engines on which the spec does not hold, each with the row that says why",
        example="differs: {bun: D1}",
    ),
    Row(
        key="hosts",
        at=("file",),
        takes="list of hosts",
        does=(
            "the [hosts](#hosts) of the spec's own network; all its peers are on them; implies "
            "`needs: [netns]`"
        ),
        example="hosts: [left, right]",
    ),
    Row(
        key="certs",
        at=("file",),
        takes="certificates by name",
        does="the [certificates](#tls), by name",
        example="certs: {web: {names: [localhost, 127.0.0.1]}}",
    ),
    Row(
        key="names",
        at=("certificate",),
        takes="list of host names",
        default="those of loopback",
        does=(
            "the host names and addresses that the certificate is for. A client's certificate "
            "is like a server's: `{names: [alice]}`"
        ),
        example="names: [localhost, 127.0.0.1]",
    ),
    Row(
        key="bad",
        at=("certificate",),
        takes="defect",
        does=(
            "the one defect of the certificate: `expired`, `not_yet_valid`, `wrong_host`, "
            "`unknown_ca`, `self_signed`, `wrong_usage`, `weak_key`, `revoked` (then peers that "
            "verify get the authority's revocation list), `chain_too_short`. Not every peer "
            'refuses each defect: only a peer with `ciphers: "DEFAULT@SECLEVEL=2"` refuses a '
            "weak key, as `EE_KEY_TOO_SMALL`, and a server does not check a client's names"
        ),
        example="bad: expired",
    ),
    Row(
        key="where",
        at=("check",),
        takes="fields",
        does="selects frames: fields by scapy's names, each with the text that it must equal",
        example="where: {TCP.flags: S, TCP.dport: $server.port}",
        required=True,
    ),
    Row(
        key="each",
        at=("check",),
        takes="some fields",
        does="fields that every selected frame must have",
        example="each: {IP.ttl: 64}",
    ),
    Row(
        key="count",
        at=("check",),
        takes="count",
        does="the number of selected frames: a number or bounds",
        example="count: 1",
    ),
    Row(
        key="within",
        at=("check",),
        takes="duration",
        does="the longest wait for the frames",
        example="within: 1s",
    ),
)
