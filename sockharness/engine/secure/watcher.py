"""Gives the reports and questions of a session to the handlers of its socket."""

from typing import Any

from sockharness.engine import options
from sockharness.engine.handlers import Handler, HandlerGroup


class HandlerWatcher:
    """A `session.Watcher` that calls handlers, as long as the socket is open."""

    __slots__ = ("_group", "_socket")

    def __init__(self, group: HandlerGroup, socket: Any) -> None:
        self._group = group
        self._socket = socket

    def on_secret(self, line: bytes) -> None:
        """Give a line of the key log to `keylog`, with its line end."""
        self._call(self._group.handlers.keylog, line + b"\n")

    def on_server_name(self, name: str) -> None:
        """Give the name that the client asked for to `server_name`."""
        self._call(self._group.handlers.server_name, name)

    def on_session(self, session: Any) -> None:
        """Give a session that can be resumed to `session`."""
        self._call(self._group.handlers.session, session)

    def choose_protocol(self, name: str | None, offered: list[bytes]) -> bytes | bool | None:
        """Ask `alpn_callback`; without it the list decides.

        Anything but an offered protocol or `False` refuses the client. An answer of a wrong type is
        reported as well, unless the handler closed the socket.
        """
        handler = self._group.handlers.alpn_callback
        if handler is None:
            return True
        try:
            chosen = handler(
                self._socket, name, [each.decode(errors="replace") for each in offered]
            )
        except BaseException as error:  # noqa: BLE001 - reported
            self._group.failed(error, self._socket)
            return None
        if isinstance(chosen, str):
            return chosen.encode(errors="surrogatepass")  # then it was not offered
        if chosen is False:
            return False
        if chosen is not None and self._socket.fileno() >= 0:
            text = options.complain("alpn_callback", "a protocol as str, False or None", chosen)
            self._group.failed(TypeError(text), self._socket)
        return None

    @property
    def wants_tickets(self) -> bool:
        """Whether there is a `session` handler for new sessions."""
        return self._group.handlers.session is not None

    def _call(self, handler: Handler | None, argument: object) -> None:
        if handler is not None and self._socket.fileno() >= 0:
            self._group.call(handler, self._socket, argument)
