"""TLS on real Bun: its reports of handshakes, their failures, and the limits of Bun."""

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sockharness.drivers.bun import tls as bun_tls
from sockharness.drivers.bun.engine import BunEngine
from sockharness.drivers.bun.jsonl import Message
from sockharness.errors import SpecError, TLSError, code_of
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.report.text import failure_text
from sockharness.sockspec import loader, model
from sockharness.story.events import Event, HandshakeFacts
from sockharness.story.outcome import Outcome, Verdict

SetUp = Callable[..., Setup]
MIXES = ("bun", "server:bun,client:sockharness", "server:sockharness,client:bun")
CERTS = """\
sockspec: 1
certs:
  alice: {names: [alice.example]}
  old: {bad: expired}
  strange: {bad: unknown_ca}
"""
NAMES = "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"


def peers(server: str = "", client: str = "", steps: str = "", *, certs: str = "alice") -> str:
    """Return a spec of a server and a client with more keys of TLS."""
    used = [line for line in CERTS.splitlines()[2:] if line.split(":")[0].strip() in certs]
    return "\n".join(
        [
            "sockspec: 1",
            *(["certs:", *used] if certs in f"{server}{client}{steps}" else []),
            "peers:",
            f"  server: {{tls: {{listen: loopback{server}}}}}",
            f"  client: {{tls: {{connect: server{client}}}}}",
            "exchange:",
            *(f"  - {line}" for line in steps.splitlines()),
            "",
        ]
    )


def replay(setup: Setup) -> Outcome:
    with setup:
        return Replayer(setup, 1.0).run()


def passes(setup: Setup) -> Setup:
    """Replay a spec, which has to pass; return its setup."""
    outcome = replay(setup)
    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)
    return setup


def handshakes(setup: Setup, peer: str) -> list[Event]:
    return [e for e in setup.timeline.entries if (e.peer, e.name) == (peer, "handshake")]


def secured(setup: Setup, peer: str) -> HandshakeFacts:
    """Return the facts of a peer's only handshake."""
    (event,) = handshakes(setup, peer)
    assert event.facts is not None
    return event.facts


BOTH = "client: {sees: handshake}\nserver: {sees: handshake}\n"


@pytest.mark.parametrize("choice", MIXES)
def test_a_handshake_is_told_with_what_both_sides_agreed_on(set_up: SetUp, choice: str) -> None:
    options = ", alpn: [h2, x]", ", alpn: [x], server_name: localhost"
    text = peers(*options, BOTH + 'client -> server: "hi"')

    setup = passes(set_up(text, choice=choice))

    client, server = secured(setup, "client"), secured(setup, "server")
    assert client.cipher.startswith("TLS_")
    assert client == HandshakeFacts(
        success=True,
        authorized=True,
        version="TLSv1.3",
        cipher=client.cipher,
        alpn="x",
        server_name="localhost",
        certificate="default",
        names=NAMES,
    )
    assert server == replace(client, authorized=False, certificate="none", names="")


@pytest.mark.parametrize("side", ["server", "client"])
def test_versions_are_those_of_the_spec(set_up: SetUp, side: str) -> None:
    options = {side: ", max_version: TLSv1.2, ciphers: ECDHE-ECDSA-AES256-GCM-SHA384"}

    setup = passes(set_up(peers(**options, steps=BOTH)))

    facts = secured(setup, "client")
    assert (facts.version, facts.cipher) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert secured(setup, "server").cipher == facts.cipher


def test_a_server_sees_whose_certificate_it_demands(set_up: SetUp) -> None:
    text = peers(", verify: require", ", cert: alice", BOTH)

    setup = passes(set_up(text))

    facts = secured(setup, "server")
    assert (facts.certificate, facts.authorized) == ("alice", True)
    assert facts.names == "DNS:alice.example"


def test_of_a_handshake_that_failed_nothing_was_agreed_on(set_up: SetUp) -> None:
    setup = set_up(peers(", cert: old", "", "client: {sees: close}", certs="old"))

    replay(setup)

    facts, (event,) = secured(setup, "client"), handshakes(setup, "client")
    assert event.code == "CERT_HAS_EXPIRED"
    assert facts == HandshakeFacts(
        success=False, server_name="127.0.0.1", certificate="old", names=NAMES
    )


def test_who_refuses_nobody_is_told_what_is_wrong_and_goes_on(set_up: SetUp) -> None:
    text = peers(
        ", cert: old",
        ", verify: none",
        'client: {sees: handshake}\nclient -> server: "hi"',
        certs="old",
    )

    setup = passes(set_up(text))

    (event,) = handshakes(setup, "client")
    assert event.code == "CERT_HAS_EXPIRED"
    assert secured(setup, "client").version == "TLSv1.3"
    assert not secured(setup, "client").authorized


def test_an_alert_that_bun_received_has_its_name(set_up: SetUp) -> None:
    setup = set_up(peers(", alpn: [a]", ", alpn: [b]", "client: {sees: close}"))

    replay(setup)

    (event,) = handshakes(setup, "client")
    assert isinstance(event.error, TLSError)
    assert (event.code, event.error.alert) == ("EPROTO", 120)
    assert event.error.reason == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"


def test_a_plain_stream_goes_over_to_tls_at_both_ends(set_up: SetUp) -> None:
    text = """\
    sockspec: 1
    peers:
      server:
        tcp: {listen: loopback}
        on: {data: [write: "go", upgrade_tls], handshake: [write: "secure"]}
      client: {tcp: {connect: server}}
    exchange:
      - client -> server: "starttls"
      - server -> client: "go"
      - client: {upgrade_tls: {server_name: localhost}}
      - server -> client: "secure"
    """

    setup = passes(set_up(text))

    assert secured(setup, "client").server_name == "localhost"
    data = [e.data for e in setup.timeline.entries if e.name == "data"]
    assert data == [b"starttls", b"go", b"secure"]  # no ciphertext


def test_handlers_of_its_own_can_come_with_an_upgrade(set_up: SetUp) -> None:
    text = """\
    sockspec: 1
    peers:
      server:
        tcp: {listen: loopback}
        on: {data: [{upgrade_tls: {on: {data: [write: "encrypted"]}}}, write: "go"]}
      client: {tcp: {connect: server}}
    exchange:
      - client -> server: "starttls"
      - client: upgrade_tls
      - client -> server: "hi"
      - server -> client: "encrypted"
    """

    passes(set_up(text))


@pytest.mark.parametrize("choice", ["sockharness", *MIXES])
def test_an_upgrade_keeps_the_handlers_of_a_reload(set_up: SetUp, choice: str) -> None:
    text = """\
    sockspec: 1
    handlers:
      later: {data: [write: "encrypted"]}
    peers:
      server: {tcp: {listen: loopback}, on: {data: [write: "go", reload: later, upgrade_tls]}}
      client: {tcp: {connect: server}}
    exchange:
      - client -> server: "starttls"
      - server -> client: "go"
      - client: upgrade_tls
      - client -> server: "hi"
      - server -> client: "encrypted"
    """

    passes(set_up(text, choice=choice))


@pytest.mark.parametrize("choice", MIXES)
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_session_is_resumed(set_up: SetUp, choice: str, version: str) -> None:
    text = f"""\
    sockspec: 1
    peers:
      server: {{tls: {{listen: loopback}}, on: {{data: [echo], handshake: [], end: []}}}}
      client: {{tls: {{connect: server, resume: true, max_version: {version}}}}}
    exchange:
      - client: connect
      - client: {{sees: handshake, reused: false}}
      - client -> server: "x"
      - server -> client: "x"
      - client: end
      - client: {{sees: close}}
      - client: connect
      - client@2: {{sees: handshake, reused: true, authorized: true}}
      - server@2: {{sees: handshake, reused: true}}
    """

    passes(set_up(text, choice=choice))


def test_a_connection_that_was_reset_before_it_opened_is_told(set_up: SetUp) -> None:
    text = """\
    sockspec: 1
    peers:
      server: {tls: {listen: loopback}, on: {data: [], close: []}}
      client: {tcp: {connect: server}}
    exchange:
      - client: {sees: open}
      - client: terminate
      - server: {sees: close, error: ECONNRESET}
    """

    setup = passes(set_up(text))

    assert [e.name for e in setup.timeline.entries if e.peer == "server"] == ["close"]


@pytest.mark.parametrize(
    ("server", "client", "told"),
    [
        (", sni: {x.example: alice}", "", "'sni' of server (line 5): Bun's listeners have one"),
        (", handshake_timeout: 1s", "", "'handshake_timeout' of server (line 3): Bun's"),
        ("", ", handshake_timeout: 1s", "'handshake_timeout' of client (line 4): Bun's"),
        ("", ", ciphers: TLS_AES_128_GCM_SHA256", "'ciphers' of client (line 4): Bun's list"),
        ("", ', ciphers: "DEFAULT:@SECLEVEL=2"', "'ciphers' of client (line 4): Bun's list"),
        (", ciphers: ECDHE-ECDSA-AES128-GCM-SHA256", ", alpn: [x]", ""),
    ],
)
def test_what_bun_cannot_do_is_told_with_the_key(
    tmp_path: Path, server: str, client: str, told: str
) -> None:
    case = case_of(tmp_path, peers(server, client, BOTH))

    reason = BunEngine.cannot(case, tuple(case.peers.values()))

    assert reason.startswith(told)
    assert bool(reason) == bool(told)


def case_of(tmp_path: Path, text: str) -> model.Case:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    return loader.load(path).cases[0]


@pytest.mark.parametrize(
    "action",
    [
        "upgrade_tls: {handshake_timeout: 1s}",
        "reload: {data: [upgrade_tls: {handshake_timeout: 1s}]}",
        "reload: later",
    ],
)
def test_an_upgrade_is_looked_for_wherever_a_peer_may_do_it(tmp_path: Path, action: str) -> None:
    text = """\
sockspec: 1
handlers:
  later: {data: [upgrade_tls: {handshake_timeout: 1s}]}
peers:
  server: {tcp: {listen: loopback}, on: {open: [%s], data: []}}
  client: {tcp: {connect: server}, on: later}
exchange:
  - client: {sees: open}
"""
    case = case_of(tmp_path, text % action)

    reason = BunEngine.cannot(case, [case.peers["server"]])

    assert reason.startswith("'handshake_timeout' of server (line ")


def test_what_reloads_tls_is_not_for_bun(tmp_path: Path) -> None:
    case = case_of(tmp_path, peers("", "", BOTH + "server: {reload: {tls: {cert: alice}}}"))

    reason = BunEngine.cannot(case, [case.peers["server"]])

    assert reason == "'reload' of server (line 10): Bun's listeners keep their options of TLS (D46)"


@pytest.mark.parametrize("choice", ["sockharness", *MIXES])
@pytest.mark.parametrize("side", ["server", "client"])
def test_ciphers_that_nobody_knows_are_an_error_of_the_spec(
    set_up: SetUp, side: str, choice: str
) -> None:
    text = peers(**{side: ", ciphers: NOPE"}, steps=BOTH)

    with pytest.raises(SpecError, match=f"{side} cannot have this TLS: Invalid ciphers"):
        set_up(text, choice=choice).__enter__()


def error(code: str, message: str) -> Message:
    return {"name": "Error", "code": code, "message": message, "raised": False}


def test_errors_of_tls_are_those_of_our_engine() -> None:
    text = "error:10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA"
    sent = bun_tls.error_of(error("EPROTO", text))
    own = bun_tls.error_of(
        error("EPROTO", "error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST")
    )
    gone = "Client network socket disconnected before secure TLS connection was established"
    left = bun_tls.error_of(error("ECONNRESET", gone))
    bad = bun_tls.error_of(error("CERT_HAS_EXPIRED", "certificate has expired"))

    assert sent is not None
    assert own is not None
    assert left is not None
    assert bad is not None
    assert (sent.reason, sent.alert, sent.errno) == ("TLSV1_ALERT_UNKNOWN_CA", 48, errno.EPROTO)
    assert (own.reason, own.alert) == ("HTTP_REQUEST", None)
    assert code_of(left) == "ECONNRESET"
    assert str(bad) == "CERT_HAS_EXPIRED: certificate has expired"
    for other in (
        error("ECONNRESET", "ECONNRESET: connection reset by peer, read"),
        error("", "x"),
    ):
        assert bun_tls.error_of(other) is None
