"""The expectations of a step, and the keys that may stand beside them."""

from sockharness.sockspec.table.row import Row

SEEN = "stream event"


ROWS = (
    Row(
        key="within",
        at=("step",),
        takes="duration",
        default="5s",
        does="bounds the wait",
        example="within: 1s",
    ),
    Row(
        key="differs",
        at=("step",),
        takes="differences",
        does=(
            "what is otherwise on an [engine](#engines): the rows that say why, and what "
            "stands there in place of the step's keys"
        ),
        example="differs: {bun: D1}",
    ),
    Row(
        key="differs",
        at=("expectation",),
        takes="differences",
        does="what is otherwise on an [engine](#engines)",
        example="differs: {bun: D5, error: none}",
    ),
    Row(
        key="sees",
        at=("stream expectation", "udp expectation"),
        takes="event",
        does=(
            "the next unclaimed event of that name: `open`, `drain`, `end`, `close`, `error`, "
            "`connect_error`, `timeout`, `handshake`, `uncaught_exception`; a UDP socket has "
            "`drain` and `error`"
        ),
        example="sees: open",
    ),
    Row(
        key="received",
        at=("stream expectation", "udp expectation"),
        takes="received",
        does=(
            "the next unread bytes are these; with a UDP socket the next unread datagrams, "
            "whoever sent them: one, a list, or `{unordered: […]}`"
        ),
        example='received: "hi"',
    ),
    Row(
        key="never",
        at=("stream expectation", "udp expectation"),
        takes="event or data",
        does="the event (or `data`) does not come for so long",
        example="never: data, for: 20ms",
    ),
    Row(
        key="for",
        at=("step never",),
        takes="duration",
        does="how long",
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
            "an error's code, `none` or `any`. Of a handshake: why it failed, or what is wrong "
            "with a certificate that was let pass: `CERT_HAS_EXPIRED`, "
            "`ERR_TLS_CERT_ALTNAME_INVALID`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE` and [so "
            "on](tls.md#options); `EPROTO`, of which `message` says more; `ECONNRESET`: the "
            "other side went away; `ETIMEDOUT`"
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
            "the alert that the other side sent, by its name in RFC 8446: `unknown_ca`; or "
            "`none`. A client of TLS 1.3 hears of a refusal only when it is done, by `sees: "
            "error`"
        ),
        example="alert: unknown_ca",
    ),
    Row(
        key="success",
        at=("sees handshake",),
        takes="boolean",
        default="`true`, unless `error` or `alert` says otherwise",
        does=(
            "what the handler is told; `false` is a failed handshake, or, where a client takes "
            "any certificate, one for another name"
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
        does="the version that was agreed on",
        example="version: TLSv1.3",
    ),
    Row(
        key="cipher",
        at=("sees handshake",),
        takes="text",
        does="the cipher that was agreed on",
        example="cipher: TLS_AES_256_GCM_SHA384",
    ),
    Row(
        key="alpn",
        at=("sees handshake",),
        takes="text",
        does="the protocol that was agreed on, or `none`",
        example="alpn: none",
    ),
    Row(
        key="certificate",
        at=("sees handshake",),
        takes="certificate seen",
        does="the other side's: a name of `certs:`, `default` or `none`",
        example="certificate: default",
    ),
    Row(
        key="server_name",
        at=("sees handshake",),
        takes="text",
        does="the name that was asked for, or `none`",
        example="server_name: none",
    ),
    Row(
        key="reused",
        at=("sees handshake",),
        takes="boolean",
        does="whether a session was resumed",
        example="reused: false",
    ),
    Row(
        key="within",
        at=("step sees", "step received"),
        takes="duration",
        default="5s",
        does="bounds the wait",
        example="within: 1s",
    ),
)
