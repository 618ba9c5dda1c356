"""`TlsPair`: a server with TLS, clients for it, and the authority that both trust.

The server listens on `localhost`, which is in its certificate, so a client looks up the same name
that it checks. Both sides know the authority's revocation list, and our clients insist on keys of
the usual length, so they refuse every kind of `BadCertificate`.
"""

import io
import os
import tempfile
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sockharness.certificates import Authority, BadCertificate, Certificate
from sockharness.engine.tls.options import TLSOptions, stated
from sockharness.errors import ClosedError
from sockharness.facade.context import TIMEOUT, HarnessContext, seconds
from sockharness.facade.interface import on_loopback
from sockharness.facade.options import TlsPairOptions
from sockharness.facade.tcp.client import connected, connected_async
from sockharness.facade.tcp.connection import Connection
from sockharness.facade.tcp.dialing import Dialer, Target
from sockharness.facade.tcp.listening import Service
from sockharness.facade.tcp.server import TcpServer

if TYPE_CHECKING:
    import ssl

__tracebackhide__ = True
Tls = TLSOptions | Mapping[str, Any] | None
_PRESENTED = ("key", "cert", "passphrase")
SECURE = "DEFAULT:@SECLEVEL=2"
"""The ciphers of our clients; the standard library insists on this level, too."""
LAX = "DEFAULT:@SECLEVEL=0"
"""The ciphers that allow a weak key to be presented."""


class TlsServer(TcpServer):
    """A `TcpServer` with TLS.

    Attributes:
        certificate: the certificate that it presents, unless its options name another one.
    """

    def __init__(self, service: Service, certificate: Certificate, tls: Mapping[str, Any]) -> None:
        super().__init__(service)
        self._tls = tls
        self.certificate = certificate

    def url_for(self, path: str = "/", scheme: str = "https") -> str:
        """Return the URL of a path on this server."""
        return super().url_for(path, scheme)

    def use_certificate(self, certificate: Certificate) -> None:
        """Present another certificate from the next connection on; other options stay."""
        others = {name: value for name, value in self._tls.items() if name not in _PRESENTED}
        self._service.use_tls({**presenting(certificate), **others})
        self._tls = others
        self.certificate = certificate


class TlsPair:
    """A server with TLS, and everything its clients need.

    Attributes:
        server: the server; its handshakes have 5 seconds.
        ca: the authority that issues for both.
        aio: `connect`, to be awaited.
    """

    def __init__(self, server: TlsServer, dialer: Dialer, ca: Authority, key_log: "KeyLog") -> None:
        self.server = server
        self.ca = ca
        self._dialer = dialer
        self._key_log = key_log
        self.aio = AioTlsPair(self)

    def connect(
        self,
        *,
        certificate: Certificate | None = None,
        tls: Tls = None,
        timeout: float = TIMEOUT,
    ) -> Connection:
        """Connect to the server; return the connection after a good handshake.

        Args:
            certificate: the client's own.
            tls: more of the engine's options of TLS, or others, as a mapping or `TLSOptions`.
            timeout: seconds for the connect, and as many for the handshake.

        Raises:
            TLSError: the handshake failed, or the server's certificate is refused.
            OSError: it cannot be connected.
            UsageError: a loop runs in this thread; await `.aio.connect` there.
        """
        return connected(self._dialer, self._target(certificate, tls, timeout))

    def client_context(self, certificate: Certificate | None = None) -> "ssl.SSLContext":
        """Return a context of the standard library that trusts the authority, and it alone.

        Args:
            certificate: the client's own.
        """
        return self.ca.client_context(certificate)

    def url_for(self, path: str = "/", scheme: str = "https") -> str:
        """Return the URL of a path on the server."""
        return self.server.url_for(path, scheme)

    @property
    def key_log(self) -> str:
        """The path of a file with the secrets of all connections of the server.

        Wireshark reads its format. It is made at the first use of this property, its owner alone
        may read it, and it is removed when the server is closed.
        """
        return self._key_log.path

    def check(self) -> None:
        """Raise if anything has failed on the server up to now; see `TcpServer.check`."""
        self.server.check()

    def clear(self) -> None:
        """Forget events and expectations; see `TcpServer.clear`."""
        self.server.clear()
        self._dialer.clear()

    def close(self) -> None:
        """Remove the key log."""
        self._key_log.close()

    def _target(self, certificate: Certificate | None, tls: Tls, timeout: float) -> Target:
        own = {"ciphers": SECURE} if certificate is None else presenting(certificate, SECURE)
        return Target(
            hostname=self.server.host,
            port=self.server.port,
            tls={**trusting(self.ca), **own, **_stated("connect", tls)},
            timeout=seconds(timeout),
            options={},
        )

    def __repr__(self) -> str:
        return f"<TlsPair {self.server!r}>"


class AioTlsPair:
    """The awaitable methods of a `TlsPair`, for asyncio and trio."""

    def __init__(self, pair: TlsPair) -> None:
        self._pair = pair

    async def connect(
        self,
        *,
        certificate: Certificate | None = None,
        tls: Tls = None,
        timeout: float = TIMEOUT,
    ) -> Connection:
        """Return a client's connection to the server; see `TlsPair.connect`."""
        pair = self._pair
        target = pair._target(certificate, tls, timeout)  # noqa: SLF001 - its other half
        return await connected_async(pair._dialer, target)  # noqa: SLF001


def tls_pair(
    context: HarnessContext, name: str, ca: Authority, options: TlsPairOptions
) -> tuple[TlsPair, Service, Dialer]:
    """Return a pair, and the participants for its server and its clients."""
    certificate = options.get("certificate") or ca.issue()
    others = _stated("tls_pair", options.get("tls"))
    if others.get("request_cert"):  # else OpenSSL would add the authority to what the server shows
        others = {**trusting(ca), **others}
    service = Service(
        context,
        name,
        half_open=options.get("allow_half_open", False),
        options={
            "hostname": on_loopback(options.get("hostname", "localhost")),
            "tls": {**presenting(certificate), **others},
            "handshake_timeout": TIMEOUT * context.scale,
        },
    )
    dialer = Dialer(context, f"{name} client")
    key_log = KeyLog()
    service.key_log = key_log.add
    server = TlsServer(service, certificate, others)
    return TlsPair(server, dialer, ca, key_log), service, dialer


def _stated(where: str, tls: object) -> dict[str, Any]:
    """Return the options given; of `TLSOptions` those that differ from the default."""
    if tls is None:
        return {}
    if isinstance(tls, TLSOptions):
        return stated(tls)
    if not isinstance(tls, Mapping):
        wanted = "a mapping or TLSOptions (TLS is on without)"
        raise TypeError(f"{where}: tls: expected {wanted}, got {tls!r}")
    return dict(tls)


class KeyLog:
    """The secrets of connections, and a file with them once a test asks for it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._file: io.FileIO | None = None
        self._closed = False

    def add(self, line: bytes) -> None:
        """Take a line, with its end."""
        with self._lock:
            self._lines.append(line)
            if self._file is not None:
                self._file.write(line)

    @property
    def path(self) -> str:
        """The path of the file: it has all secrets so far, and later secrets are added."""
        with self._lock:
            if self._closed:
                raise ClosedError("the server was closed, and its key log is gone")
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="sockharness-")
            path = os.path.join(self._folder.name, "keys.log")
            if self._file is None:
                self._file = io.FileIO(path, "wb", opener=_for_its_owner)
                self._file.write(b"".join(self._lines))
            return path

    def close(self) -> None:
        """Remove the file. Idempotent."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                file.close()
            if self._folder is not None:
                self._folder.cleanup()


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL | os.O_CLOEXEC, 0o600)


def presenting(certificate: Certificate, ciphers: str | None = None) -> dict[str, Any]:
    """Return the engine's options of TLS that present a certificate, even a bad one."""
    if not isinstance(certificate, Certificate):
        raise TypeError(
            f"certificate: expected one of an Authority, such as ca.issue(…), got {certificate!r}"
        )
    if certificate.kind is BadCertificate.WEAK_KEY:
        ciphers = LAX
    options = {"key": certificate.key_pem, "cert": certificate.chain_pem}
    return options if ciphers is None else {**options, "ciphers": ciphers}


def trusting(ca: Authority) -> dict[str, Any]:
    """Return the engine's options of TLS that trust an authority and know its revocations."""
    return {"ca": ca.ca_pem, "crl": ca.crl_pem}
