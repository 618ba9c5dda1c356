"""TLS in specs, as values that never change: certificates, and how a stream is secured."""

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar

from sockharness.location import Location
from sockharness.record import record


@record(kw_only=True)
class Certificate:
    """A certificate of the run's authority.

    Attributes:
        names: host names and addresses that it is for; empty: those of loopback.
        bad: its defect (one of `tls_words.BAD`); empty: nothing.
    """

    names: tuple[str, ...] = ()
    bad: str = ""
    location: Location


@record(kw_only=True)
class Tls:
    """The options of TLS of one side of a stream; an empty text leaves an option unset.

    Attributes:
        cert: the certificate that it shows, by name; a server without one shows one for loopback.
        sni: a server's other certificates, by the name that a client asks for.
        alpn: the protocols that it speaks, the preferred one first.
        verify: one of `tls_words.VERIFY`; `judgement` has the default.
        server_name: the name that a client asks for and checks.
        min_version, max_version: of `tls_words.VERSIONS`.
        ciphers: in OpenSSL's notation.
        handshake_timeout: seconds.
        resume: whether a client resumes the session of its connection before.
    """

    cert: str = ""
    sni: Mapping[str, str] = field(default_factory=dict)
    alpn: tuple[str, ...] = ()
    verify: str = ""
    server_name: str = ""
    min_version: str = ""
    max_version: str = ""
    ciphers: str = ""
    handshake_timeout: float | None = None
    resume: bool = False
    location: Location

    def judgement(self, *, server: bool) -> tuple[bool, bool]:
        """Return two facts: whether it asks for the other side's certificate (a client always
        gets it), and whether it refuses a bad one."""
        verify = self.verify or ("none" if server else "require")
        return verify != "none", verify == "require"


@record
class ReloadTls:
    """A listener gets other options of TLS, for connections that are still to come."""

    name: ClassVar[str] = "reload"
    tls: Tls
    location: Location
