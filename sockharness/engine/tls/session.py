"""A TLS session without I/O: ciphertext in, plaintext out, and the other way round.

    receive(ciphertext)   takes bytes from the network
    handshake()           goes on with the handshake; true when it is done
    read()                returns what could be decrypted; then look at `ended` and `fault`
    write(plaintext)      encrypts
    close()               puts a close_notify behind the written bytes
    take()                returns the ciphertext to send

**Judging.** Every certificate passes OpenSSL, and the last fault that it finds is the verdict, as
in Bun (TLS-022). The verdict falls as soon as the certificate was seen, after OpenSSL has gone as
far as it can with the bytes that are there. When the peer is refused, the flight that OpenSSL made
ready meanwhile is thrown away, and `take` has the alert in its place (D20; see `alerts`).

**Resuming.** No certificate is shown then. The verdict on the chain is that of the session's first
connection, kept in `ResumableSession`; the name is looked at again.

**Ending.** The session never learns of the end of the stream: the socket decides what it means
(TLS-056, TLS-070).

Longer than other files because handshake, verdict and records share one OpenSSL connection.
"""

from typing import Any, Protocol

from cryptography import x509
from OpenSSL import SSL, crypto

from sockharness.engine.tls import alerts, codes, hello, identity, material
from sockharness.engine.tls.context import Config, on_verify, verify_mode
from sockharness.errors import TLSError

_RECORD = 16 * 1024  # the most plaintext that one record holds, RFC 8446, section 5.1
_OVERHEAD = 128  # of a record at most: header, IV, MAC and padding
_FIRST = 128  # enough for the session id in a ClientHello, and for an alert
_LONGEST_NAME = 255  # for SNI, RFC 6066, section 3
_PROTOCOL_VERSION = 70
_CERTIFICATE_REQUIRED = 116
_SECRET = b"SERVER_TRAFFIC_SECRET_0"
# What OpenSSL says when there is no certificate for what the client can do.
_NOTHING_TO_SHOW = ("no shared cipher", "no suitable signature algorithm")
_TICKET_SEEN = 0x1002  # SSL_CB_CONNECT_EXIT


class Watcher(Protocol):
    """Gets the reports and questions of a session, within its calls."""

    def on_secret(self, line: bytes) -> None:
        """A line for a key log (NSS's format), without the line's end."""

    def on_server_name(self, name: str) -> None:
        """The name that the client asked for."""

    def choose_protocol(self, name: str | None, offered: list[bytes]) -> bytes | bool | None:
        """Choose for ALPN: a protocol; `False` for none; `None` to refuse; `True`: by the list."""

    @property
    def wants_tickets(self) -> bool:
        """Whether new sessions are to be noted."""


class ResumableSession:
    """A session that can be resumed; opaque, for this process only."""

    __slots__ = ("openssl", "verdict")

    def __init__(self, openssl: SSL.Session, verdict: TLSError | None) -> None:
        self.openssl = openssl
        self.verdict = verdict

    def __repr__(self) -> str:
        return "<TLS session, resumable>"


class _NoProtocol(Exception):
    """Raised through OpenSSL, which then sends the alert no_application_protocol."""


class Session:
    """One side of a TLS connection.

    Args:
        config: contexts and options.
        watcher: gets its reports and questions.
        hostname: the host to which a client connected: the name to ask for and check, if there is
            no `server_name`. `None`: no name is checked (TLS-100).
        server_name: in place of that in the options.
        resume: the session to resume.
        request_cert, reject_unauthorized: in place of those in the options (TLS-036).

    Attributes:
        established: the handshake is done.
        success: the argument of the `handshake` handler; valid once established.
        authorization_error: the fault of the peer's certificate.
        ended: the peer sent close_notify.
        fault: the reason why an established session failed.
        new_sessions: the new sessions of a client; the socket takes them out.
    """

    __slots__ = (
        "_alert",
        "_checked_name",
        "_config",
        "_connection",
        "_first",
        "_fragment",
        "_judged",
        "_leaf",
        "_name_error",
        "_offered_name",
        "_out",
        "_refuses",
        "_resume",
        "_secret",
        "_undecodable",
        "_verdict",
        "_verified",
        "_watcher",
        "asks",
        "authorization_error",
        "ended",
        "established",
        "fault",
        "new_sessions",
        "reused",
        "server",
    )

    def __init__(
        self,
        config: Config,
        watcher: Watcher,
        *,
        hostname: str | None = None,
        server_name: str | None = None,
        resume: ResumableSession | None = None,
        request_cert: bool | None = None,
        reject_unauthorized: bool | None = None,
    ) -> None:
        options = config.options
        self.server = config.server
        self._config = config
        self._watcher = watcher
        self._checked_name = server_name or options.server_name or hostname
        self._refuses = (
            options.reject_unauthorized if reject_unauthorized is None else reject_unauthorized
        )
        self.asks = not self.server or (
            options.request_cert if request_cert is None else request_cert
        )
        self._resume = None if self.server else resume
        self._leaf: x509.Certificate | None = None
        self._undecodable: TLSError | None = None
        self._verified = False
        self._judged = False
        self._verdict = 0  # the last X509_V_ERR_* that was found
        self._name_error: TLSError | None = None
        self._alert: bytes | None = None  # what is sent in place of all else
        self._secret = b""
        self._first = b""  # the first bytes that were received
        self._fragment = 0
        self.established = False
        self.authorization_error: TLSError | None = None
        self.ended = False
        self.fault: TLSError | None = None
        self.reused: bool | None = None
        self.new_sessions: list[ResumableSession] = []
        self._offered_name = self._name_to_offer(server_name, options.server_name, hostname)
        self._connection = self._connect()

    def _name_to_offer(self, *given: str | None) -> bytes:
        """Return the name for SNI: no address, nothing for "", nothing too long (TLS-028, D22)."""
        name = next((each for each in given if each is not None), "")
        encoded = name.encode()
        if self.server or identity.address_of(name) or len(encoded) > _LONGEST_NAME:
            return b""
        return encoded

    def _connect(self) -> SSL.Connection:
        connection = SSL.Connection(self._config.context, None)
        connection.set_app_data(self)
        mode = verify_mode(
            server=self.server, request_cert=self.asks, reject_unauthorized=self._refuses
        )
        if mode != connection.get_verify_mode():
            connection.set_verify(mode, on_verify)
        if self.server:
            connection.set_accept_state()
            return connection
        if self._offered_name:
            connection.set_tlsext_host_name(self._offered_name)
        if self._resume is not None:
            self._try_to_resume(connection, self._resume)
        if self._watcher.wants_tickets:
            connection.set_info_callback(self._on_info)
        connection.set_connect_state()
        return connection

    def _try_to_resume(self, connection: SSL.Connection, resume: ResumableSession) -> None:
        try:
            connection.set_session(resume.openssl)
        except ValueError:  # of other options: ignored, as in Bun (TLS-080)
            self._resume = None

    def dispose(self) -> None:
        """Drop the references from the connection back to this."""
        self._connection.set_app_data(None)

    # The stream

    def receive(self, ciphertext: bytes | memoryview) -> None:
        """Take ciphertext from the network."""
        if len(self._first) < _FIRST:
            self._first += bytes(ciphertext[: _FIRST - len(self._first)])
        self._connection.bio_write(ciphertext)

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is done.

        Raises:
            TLSError: it failed, or the peer is refused; `take` may have an alert for the peer.
        """
        try:
            self._connection.do_handshake()
            done = True
        except SSL.WantReadError:
            done = False
        except _NoProtocol:
            raise codes.protocol_error(*codes.NO_APPLICATION_PROTOCOL) from None
        except SSL.Error as error:
            raise self._failure(error) from None
        if not self._judged and (done or self._verified):
            self._judge()
        self.established = done
        return done

    def read(self) -> bytes:
        """Return the plaintext received so far; sets `ended` and `fault`."""
        chunks: list[bytes] = []
        if not self.established or self.ended or self.fault is not None:
            return b""
        recv = self._connection.recv
        try:
            while True:
                chunks.append(recv(_RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
        except SSL.Error as error:
            self.fault = self.authorization_error = self._failure(error)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def encrypt(self, plaintext: bytes | bytearray | memoryview) -> bytes:
        """Encrypt; return the ciphertext behind all other unsent ciphertext."""
        length = len(plaintext)
        if self._fragment:
            for start in range(0, length, self._fragment):
                self._connection.send(plaintext[start : start + self._fragment])
            return self.take(length)
        self._connection.send(plaintext)
        return self._take(length + (length // _RECORD + 4) * _OVERHEAD)

    def write(self, plaintext: bytes | bytearray | memoryview) -> None:
        """Encrypt, for `take`."""
        self._connection.send(plaintext)

    def close(self) -> None:
        """Put a close_notify behind the written bytes; the other direction stays open."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            if self.fault is None:  # a session that failed sends no more
                raise

    def take(self, plaintext: int = 0) -> bytes:
        """Return the ciphertext to be sent, empty if there is none.

        Args:
            plaintext: how many bytes were written since the last time, which saves a step.
        """
        if self._alert is not None:
            alert, self._alert = self._alert, b""
            return alert
        size = plaintext + (plaintext // (self._fragment or _RECORD) + 2) * _OVERHEAD
        taken = self._take(max(size, 4096))
        if self.reused is None and taken and not self.established:
            self._note_hello(taken)
        return taken

    def _take(self, size: int) -> bytes:
        try:
            first = self._connection.bio_read(size)
        except SSL.WantReadError:
            return b""
        if len(first) < size:  # what is in memory comes at once, so this was all
            return first
        chunks = [first]
        while len(chunks[-1]) == size:
            try:
                chunks.append(self._connection.bio_read(size))
            except SSL.WantReadError:
                break
        return b"".join(chunks)

    def _note_hello(self, flight: bytes) -> None:
        if self.server:
            self.reused = hello.resumes(flight, hello.session_id(self._first))

    # Judging the peer

    def on_verify(self, certificate: crypto.X509, number: int, depth: int) -> None:
        """Note OpenSSL's verdict about a certificate of the peer's chain."""
        if number:
            self._verdict = number
        if depth == 0 and self._leaf is None:
            self._leaf = self._decoded(certificate)
        if depth == 0 and not number:  # always its last word
            self._verified = True

    def _judge(self) -> None:
        self._judged = True
        if not self.server and self.reused is None:
            self.reused = not self._verified
        error, alert = self._found()
        self.authorization_error = error
        if error is not None and self._refuses and self.asks:
            self._refuse(alert)
            raise error

    def _found(self) -> tuple[TLSError | None, int]:
        """Return the error of the peer's certificate, and the alert for it."""
        if not self.asks:
            return None, 0  # D18
        leaf = self.peer_certificate
        if self._undecodable is not None:
            return self._undecodable, codes.WRONG_NAME_ALERT
        if leaf is None or not (self._verified or self._resume):  # shown now, or with a session
            return codes.no_certificate(), _CERTIFICATE_REQUIRED
        if not self.server and self._checked_name:
            self._name_error = self._about_name(self._checked_name, leaf)
        if self._verdict == codes.SELF_SIGNED and not identity.may_sign(leaf):
            return codes.verdict(codes.UNKNOWN_ISSUER)
        if self._verdict:
            return codes.verdict(self._verdict)
        if self._resume is not None and self.reused and self._resume.verdict is not None:
            return self._resume.verdict, 42
        return self._name_error, codes.WRONG_NAME_ALERT

    @staticmethod
    def _about_name(name: str, leaf: x509.Certificate) -> TLSError | None:
        try:
            return identity.complaint(name, leaf)
        except ValueError as error:  # its names cannot be decoded
            return material.undecodable("the peer's certificate", error)

    def _refuse(self, alert: int) -> None:
        if self.server and self.version == "TLSv1.3":
            name = self._connection.get_cipher_name() or ""
            self._alert = alerts.encrypted(alert, cipher=name, secret=self._secret)
        elif self.server and self.reused:
            self._alert = b""  # in TLS 1.2 it encrypts already, with keys that we do not get
        else:
            self._alert = alerts.plain(alert)

    @property
    def success(self) -> bool:
        """Whether the name fits, also for a client that does not reject (TLS-017)."""
        return self._name_error is None

    @property
    def authorized(self) -> bool:
        """Whether the peer's certificate is valid for the name (TLS-018)."""
        return self.established and self.asks and self.authorization_error is None

    # What OpenSSL asks

    def on_secret(self, line: bytes) -> None:
        """A line of the key log."""
        if line.startswith(_SECRET):
            self._secret = bytes.fromhex(line.rpartition(b" ")[2].decode())
        self._watcher.on_secret(line)

    def on_server_name(self) -> None:
        """The client's hello was read: serve what `sni` has for its name."""
        name = self.server_name
        if name is None:
            return
        context = self._config.context_for(name)
        if context is not None:
            self._connection.set_context(context)
        self._watcher.on_server_name(name)

    def on_protocols(self, offered: list[bytes]) -> Any:
        """The client offers protocols: choose by the handler or the list (TLS-076, TLS-077)."""
        chosen = self._watcher.choose_protocol(self.server_name, offered)
        if chosen is True:
            ours = self._config.options.alpn
            if not ours:
                return SSL.NO_OVERLAPPING_PROTOCOLS
            chosen = next((each for each in ours if each in offered), None)
        if chosen is False:
            return SSL.NO_OVERLAPPING_PROTOCOLS
        if chosen is None or chosen not in offered:
            raise _NoProtocol
        return chosen

    def _on_info(self, _connection: SSL.Connection, where: int, _value: int) -> None:
        if self.established and where == _TICKET_SEEN:
            self.note_session()

    def note_session(self) -> None:
        """Note that there is a new session to report."""
        session = self.resumable if self._watcher.wants_tickets else None
        if session is not None:
            self.new_sessions.append(session)

    # Failures

    def _failure(self, error: SSL.Error) -> TLSError:
        if isinstance(error, (SSL.ZeroReturnError, SSL.SysCallError)):
            self._alert = b""  # close_notify in place of a handshake is no fault (TLS-070)
            return codes.disconnected()
        text = codes.cause([entry[2] for entry in error.args[0]] if error.args else []) or "unknown"
        if text == "wrong version number" and not self.established:
            # OpenSSL says nothing to a peer that does not speak TLS; BoringSSL does (TLS-071).
            self._alert = alerts.plain(_PROTOCOL_VERSION, version=1)
        elif text == "no protocols available":
            self._alert = b""  # the peer has got nothing from us, and gets nothing now (TLS-045)
        elif text == "unexpected message" and self.server and alerts.is_plain(self._first):
            text = ""  # OpenSSL takes no alert for an answer to nothing; BoringSSL does (TLS-072)
        elif text in _NOTHING_TO_SHOW and self.server and not self._has_certificate():
            return codes.protocol_error(*codes.NO_CERTIFICATE_SET)
        found = codes.of_openssl(text) if text else codes.alert_received(self._first[6])
        if found.alert is not None or not text:
            self._alert = b""  # an alert is not answered, though OpenSSL may want to
        return found

    def _has_certificate(self) -> bool:
        return self._connection.get_certificate() is not None

    # What there is to know

    @property
    def server_name(self) -> str | None:
        """The name asked for: a client's own, a server's client's (TLS-079)."""
        if not self.server:
            return self._offered_name.decode() or None
        name = self._connection.get_servername()
        return None if name is None else name.decode(errors="replace")

    @property
    def version(self) -> str:
        """The protocol's name: `"TLSv1.3"`; `"TLSv1.2"` before it is known (TLS-089)."""
        name = self._connection.get_protocol_version_name()
        return name if name.startswith("TLSv") else "TLSv1.2"

    @property
    def alpn(self) -> str | None:
        """The agreed protocol."""
        return self._connection.get_alpn_proto_negotiated().decode(errors="replace") or None

    @property
    def cipher(self) -> tuple[str | None, str | None]:
        """OpenSSL's name of the cipher, and its version."""
        return self._connection.get_cipher_name(), self._connection.get_cipher_version()

    @property
    def group(self) -> str | None:
        """The group of the key exchange."""
        return self._connection.get_group_name()

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The peer's own certificate."""
        if self._leaf is None and self._undecodable is None:
            self._leaf = self._decoded(self._connection.get_peer_certificate())
        return self._leaf

    def _decoded(self, certificate: crypto.X509 | None) -> x509.Certificate | None:
        try:
            return None if certificate is None else certificate.to_cryptography()
        # OpenSSL is more lenient; warnings are exceptions in a strict test run
        except (ValueError, x509.InvalidVersion, Warning) as error:
            self._undecodable = material.undecodable("the peer's certificate", error)
            return None

    @property
    def peer_chain(self) -> list[x509.Certificate]:
        """The peer's certificate and its issuers: as verified if it was, else as sent."""
        verified = self._connection.get_verified_chain(as_cryptography=True)
        sent = self._connection.get_peer_cert_chain(as_cryptography=True)
        return list(verified or sent or [])

    @property
    def certificate(self) -> x509.Certificate | None:
        """This side's own certificate."""
        return self._connection.get_certificate(as_cryptography=True)

    @property
    def finished(self) -> bytes | None:
        """The Finished message that was sent; none in TLS 1.3 (TLS-083)."""
        return None if self.version == "TLSv1.3" else self._connection.get_finished()

    @property
    def peer_finished(self) -> bytes | None:
        """The Finished message that was received; none in TLS 1.3."""
        return None if self.version == "TLSv1.3" else self._connection.get_peer_finished()

    @property
    def resumable(self) -> ResumableSession | None:
        """The session that can be resumed later."""
        session = self._connection.get_session()
        if session is None:
            return None
        name_only = self.authorization_error is self._name_error
        return ResumableSession(session, None if name_only else self.authorization_error)

    def export(self, label: bytes, length: int, context: bytes | None) -> bytes:
        """Return keying material (RFC 5705)."""
        return self._connection.export_keying_material(label, length, context) if length else b""

    def set_fragment(self, size: int) -> None:
        """Put at most `size` bytes of plaintext into a record."""
        self._fragment = size
