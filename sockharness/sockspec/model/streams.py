"""Peers with a stream, over TCP or TLS, as values that never change: who listens, who connects."""

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.tls import Tls


@record(kw_only=True)
class StreamOptions:
    """The options that `listen` and `connect` share; sizes in bytes. `tls`: how it is secured."""

    allow_half_open: bool = False
    pause_on_connect: bool = False
    send_buffer: int | None = None
    recv_buffer: int | None = None
    tls: Tls | None = None


BACKLOG = 512
"""The default number of connections that may wait to be accepted."""


@record(kw_only=True)
class Listen:
    """A peer that listens at an IP literal; port 0 lets the kernel choose."""

    address: str
    port: int = 0
    backlog: int = BACKLOG
    options: StreamOptions
    location: Location


@record(kw_only=True)
class Connect:
    """A peer that connects: to another peer by name, or to an IP literal and a port."""

    peer: str = ""
    address: str = ""
    port: int = 0
    options: StreamOptions
    location: Location
