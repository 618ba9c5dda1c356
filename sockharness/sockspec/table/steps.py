"""The expectations of a step, and the keys that may stand beside them."""

from sockharness.sockspec.table.row import Row

SEEN = "stream event"


ROWS = (
    Row(
        key="within",
        at=("step",),
        takes="duration",
        default="5s",
        does="the longest wait of the step",
        example="within: 1s",
    ),
    Row(
        key="differs",
        at=("step",),
        takes="differences",
        does=(
            "the differences on an [engine](#engines): the rows that explain them, and the keys "
            "to replace in the step"
        ),
        example="differs: {bun: D1}",
    ),
    Row(
        key="differs",
        at=("expectation",),
        takes="differences",
        does="the differences on an [engine](#engines)",
        example="differs: {bun: D5, error: none}",
    ),
    Row(
        key="sees",
        at=("stream expectation", "udp expectation"),
        takes="event",
        does=(
            "expects the next unclaimed event of this name: `open`, `drain`, `end`, `close`, "
            "`error`, `connect_error`, `timeout`, `handshake`, `uncaught_exception`; a UDP "
            "socket has `drain` and `error`"
        ),
        example="sees: open",
    ),
    Row(
        key="received",
        at=("stream expectation", "udp expectation"),
        takes="received",
        does=(
            "expects these bytes as the next unread bytes; on a UDP socket, the next unread "
            "datagrams from any sender: one, a list, or `{unordered: […]}`"
        ),
        example='received: "hi"',
    ),
    Row(
        key="never",
        at=("stream expectation", "udp expectation"),
        takes="event or data",
        does="expects that the event (or `data`) does not come during the time `for`",
        example="never: data, for: 20ms",
    ),
    Row(
        key="for",
        at=("step never",),
        takes="duration",
        does="the time during which the event must not come",
        example="for: 20ms",
        required=True,
    ),
    Row(
        key="error",
        at=(
            "sees close",
            "sees error",
            "sees connect_error",
            "sees handshake",
            "sees uncaught_exception",
        ),
        takes="error",
        default="`none` for `close`, else `any`",
        does=(
            "an error's code, `none` or `any`. For a handshake: the reason why it failed, or "
            "the defect of a certificate that was accepted all the same: `CERT_HAS_EXPIRED`, "
            "`ERR_TLS_CERT_ALTNAME_INVALID`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE` and [so "
            "on](tls.md#options); `EPROTO`, with details in `message`; `ECONNRESET`: the other "
            "side went away; `ETIMEDOUT`"
        ),
        example="error: ECONNRESET",
    ),
    Row(
        key="message",
        at=("sees error", "sees connect_error", "sees handshake", "sees uncaught_exception"),
        takes="text",
        does="a text that the error's message contains",
        example="message: oh no",
    ),
    Row(
        key="alert",
        at=("sees handshake", "sees error"),
        takes="alert",
        does=(
            "the alert that the other side sent, by its name in RFC 8446, such as `unknown_ca`; "
            "or `none`. A TLS 1.3 client learns of a refusal only after its handshake is done: "
            "use `sees: error`"
        ),
        example="alert: unknown_ca",
    ),
    Row(
        key="success",
        at=("sees handshake",),
        takes="boolean",
        default="`true`, unless `error` or `alert` says otherwise",
        does=(
            "the handler's `success` argument; `false` is a failed handshake or, where a client "
            "accepts any certificate, a certificate for another name"
        ),
        example="success: true",
    ),
    Row(
        key="authorized",
        at=("sees handshake",),
        takes="boolean",
        does="whether the other side showed a good certificate for the right name",
        example="authorized: true",
    ),
    Row(
        key="version",
        at=("sees handshake",),
        takes="tls version",
        does="the TLS version that both sides agreed on",
        example="version: TLSv1.3",
    ),
    Row(
        key="cipher",
        at=("sees handshake",),
        takes="text",
        does="the cipher that both sides agreed on",
        example="cipher: TLS_AES_256_GCM_SHA384",
    ),
    Row(
        key="alpn",
        at=("sees handshake",),
        takes="text",
        does="the protocol that both sides agreed on, or `none`",
        example="alpn: none",
    ),
    Row(
        key="certificate",
        at=("sees handshake",),
        takes="certificate seen",
        does="the other side's certificate: a name under `certs:`, `default` or `none`",
        example="certificate: default",
    ),
    Row(
        key="server_name",
        at=("sees handshake",),
        takes="text",
        does="the name that the client asked for, or `none`",
        example="server_name: none",
    ),
    Row(
        key="reused",
        at=("sees handshake",),
        takes="boolean",
        does="whether the connection resumed a session",
        example="reused: false",
    ),
    Row(
        key="within",
        at=("step sees", "step received"),
        takes="duration",
        default="5s",
        does="the longest wait of the step",
        example="within: 1s",
    ),
)
