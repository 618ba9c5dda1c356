"""The plan by which a listener or a client secures the connections that it opens.

Light to import: the checks of options are loaded when there are any, and cryptography when they
are good.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sockharness.engine import options
from sockharness.record import record

if TYPE_CHECKING:
    from sockharness.engine.tls.context import Config
    from sockharness.engine.tls.session import ResumableSession


@record(kw_only=True)
class Plan:
    """The plan for securing connections.

    Attributes:
        config: contexts and options.
        hostname: the destination of a client; `None` on a server and on unix sockets (TLS-100).
        session: to be resumed.
        handshake_timeout: seconds.
        below: after `upgrade_tls`, gives a new socket its plain socket below.
    """

    config: "Config"
    hostname: str | None
    session: "ResumableSession | None"
    handshake_timeout: float | None
    below: Callable[[Any], Any] | None = None


@dataclass(slots=True)
class Overrides:
    """The settings that `open` may still change, before the session is made.

    Attributes:
        server_name: replaces that of the options.
        session: to be resumed.
        request_cert, reject_unauthorized: replace those of the options.
    """

    session: "ResumableSession | None"
    server_name: str | None = None
    request_cert: bool | None = None
    reject_unauthorized: bool | None = None


def planned(
    function: str,
    tls: object,
    *,
    server: bool,
    hostname: str | None = None,
    handshake_timeout: object = None,
) -> Plan | None:
    """Check `tls` of `listen` and `connect`; return the plan, `None` without TLS.

    Raises:
        TypeError, ValueError: an option is wrong.
        TLSError: key, certificate and the like cannot be used.
        OSError: a file cannot be read.
    """
    seconds = options.optional_seconds("handshake_timeout", handshake_timeout)
    if tls is None or tls is False:
        return None
    from sockharness.engine.tls.options import checked

    made, session = checked(function, tls, server=server)
    from sockharness.engine.tls.context import Config

    return Plan(
        config=Config(made, server=server),
        hostname=hostname,
        session=resumable("session", session),
        handshake_timeout=seconds,
    )


def resumable(option: str, session: Any) -> "ResumableSession | None":
    """Check the option `session`; return it."""
    from sockharness.engine.tls.session import ResumableSession

    if session is not None and not isinstance(session, ResumableSession):
        raise TypeError(options.complain(option, "a session from socket.session", session))
    return session
