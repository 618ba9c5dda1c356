"""The handlers of sockets: their names and their arguments, in one place.

The engine calls them, a spec names them as events, fixtures and drivers give them. All read these
tables, and the types and the documentation are tested against them.
"""

STREAM_EVENTS: dict[str, tuple[str, ...]] = {
    "open": ("socket",),
    "data": ("socket", "data"),
    "drain": ("socket",),
    "end": ("socket",),
    "close": ("socket", "error"),
    "error": ("socket", "exception"),
    "connect_error": ("socket", "error"),
    "timeout": ("socket",),
    "handshake": ("socket", "success", "authorization_error"),
}
"""The events of a stream socket."""

TLS_DETAILS: dict[str, tuple[str, ...]] = {
    "keylog": ("socket", "line"),
    "session": ("socket", "session"),
    "server_name": ("socket", "name"),
    "alpn_callback": ("socket", "name", "protocols"),
}
"""Further reports and questions of a TLS session."""

STREAM_HANDLERS = {**STREAM_EVENTS, **TLS_DETAILS}

DATAGRAM_HANDLERS: dict[str, tuple[str, ...]] = {
    "data": ("socket", "data", "port", "address", "flags"),
    "drain": ("socket",),
    "error": ("socket", "exception"),
}
"""The events of a UDP socket; a handler of `data` may leave out `flags`."""

CLIENT_ONLY = ("connect_error",)
TLS_ONLY = ("handshake", *TLS_DETAILS)


def names(table: dict[str, tuple[str, ...]], *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of a table in its order, without some of them."""
    return tuple(name for name in table if name not in without)
