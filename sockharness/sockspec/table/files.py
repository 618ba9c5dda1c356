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
            "a title in words: it stands beside the location in a failure, and in JUnit as the "
            "property `title`"
        ),
        example="name: a greeting",
    ),
    Row(
        key="shows",
        at=("file",),
        takes="list of rules",
        does=(
            "the rules that it proves: ids of [Bun's semantics](bun-semantics.md), rows of the "
            "[differences](bun-differences.md)"
        ),
        example="shows: [TCP-022, D1]",
    ),
    Row(
        key="peers",
        at=("file",),
        takes="peers by name",
        does="who takes part",
        example="peers: {server: {tcp: {listen: loopback}}, client: {tcp: {connect: server}}}",
        required=True,
    ),
    Row(
        key="exchange",
        at=("file",),
        takes="list of steps",
        does="what happens, step by step",
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
        does="one run of the spec for each entry, which gives names other bytes",
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
        does="what must have crossed [the wire](#the-wire); implies `needs: [capture]`",
        example="wire: [{where: {TCP.flags: S, TCP.dport: $server.port}, count: 1}]",
    ),
    Row(
        key="needs",
        at=("file",),
        takes="list of needs",
        does=(
            "what the machine must be able to do: `capture`, `ipv6`, `multicast` (which a peer "
            "with `multicast:` implies), `netns` (make network namespaces); else the spec is "
            "skipped with the reason. `one_process`: the order of what different peers see "
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
        does="the [engines](#engines) that the spec is for; on others it is skipped",
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
            "the [hosts](#hosts) of a network of the spec's own, on which its peers are; "
            "implies `needs: [netns]`"
        ),
        example="hosts: [left, right]",
    ),
    Row(
        key="certs",
        at=("file",),
        takes="certificates by name",
        does="[certificates](#tls) by name",
        example="certs: {web: {names: [localhost, 127.0.0.1]}}",
    ),
    Row(
        key="names",
        at=("certificate",),
        takes="list of host names",
        default="those of loopback",
        does=(
            "host names and addresses that it is for. A client's certificate is like a "
            "server's: `{names: [alice]}`"
        ),
        example="names: [localhost, 127.0.0.1]",
    ),
    Row(
        key="bad",
        at=("certificate",),
        takes="defect",
        does=(
            "the one thing that is wrong with it: `expired`, `not_yet_valid`, `wrong_host`, "
            "`unknown_ca`, `self_signed`, `wrong_usage`, `weak_key`, `revoked` (then who "
            "verifies is given the authority's revocation list), `chain_too_short`. Not "
            "everybody minds: a weak key is refused only by who has `ciphers: "
            '"DEFAULT@SECLEVEL=2"`, as `EE_KEY_TOO_SMALL`, and a server does not look at a '
            "client's names"
        ),
        example="bad: expired",
    ),
    Row(
        key="where",
        at=("check",),
        takes="fields",
        does=(
            "fields by scapy's own names, with the text that each must equal: the frames that "
            "are meant"
        ),
        example="where: {TCP.flags: S, TCP.dport: $server.port}",
        required=True,
    ),
    Row(
        key="each",
        at=("check",),
        takes="some fields",
        does="fields that every one of those frames must have",
        example="each: {IP.ttl: 64}",
    ),
    Row(
        key="count",
        at=("check",),
        takes="count",
        does="how many frames they are: a number or bounds",
        example="count: 1",
    ),
    Row(
        key="within",
        at=("check",),
        takes="duration",
        does="how long to wait for them",
        example="within: 1s",
    ),
)
