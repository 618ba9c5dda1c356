"""The loader reads TLS peers, their certificates, and steps about handshakes."""

from pathlib import Path

import pytest

from sockharness.certificates import BadCertificate
from sockharness.engine.tls import codes
from sockharness.sockspec import loader, model
from sockharness.sockspec.decode import tls_words

PEERS = """\
sockspec: 1
certs:
  web: {names: [localhost, 127.0.0.1]}
  stale: {bad: expired}
handlers: {secured: {data: [echo], handshake: []}}
peers:
  server: {tls: {listen: loopback, cert: web, sni: {Other.Example: stale}, alpn: [h2, x],
    verify: request, handshake_timeout: 2s, max_version: TLSv1.2, backlog: 3}}
  client: {tls: {connect: server, server_name: a.example, verify: none, resume: true,
    ciphers: ECDHE-ECDSA-AES128-GCM-SHA256, min_version: TLSv1.2, send_buffer: 64KiB}}
  plain: {tcp: {listen: loopback}}
  other: {tcp: {connect: plain}, on: {data: [upgrade_tls: {on: secured}]}}
exchange:
  - client: {sees: open}
  - other -> plain: "hi"
"""


def case_of(tmp_path: Path, *steps: str) -> model.Case:
    path = tmp_path / "spec.yaml"
    path.write_text(PEERS + "".join(f"  - {step}\n" for step in steps))
    (case,) = loader.load(path).cases
    return case


def step_of(tmp_path: Path, step: str) -> model.Step:
    return case_of(tmp_path, step).steps[-1]


def test_a_tls_peer_has_the_options_of_a_stream_and_those_of_tls(tmp_path: Path) -> None:
    peers = case_of(tmp_path).peers
    server, client = peers["server"], peers["client"]

    assert isinstance(server.transport, model.Listen)
    assert (server.transport.backlog, server.listens) == (3, True)
    assert server.tls is not None
    assert (server.tls.cert, server.tls.sni) == ("web", {"other.example": "stale"})
    assert (server.tls.alpn, server.tls.verify) == (("h2", "x"), "request")
    assert (server.tls.handshake_timeout, server.tls.max_version) == (2.0, "TLSv1.2")
    assert isinstance(client.transport, model.Connect)
    assert client.transport.options.send_buffer == 64 * 1024
    assert client.tls is not None
    assert (client.tls.server_name, client.tls.resume) == ("a.example", True)
    assert client.tls.ciphers == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert peers["plain"].tls is None


def test_certificates_have_names_or_a_fault(tmp_path: Path) -> None:
    certs = case_of(tmp_path).certs

    assert (certs["web"].names, certs["web"].bad) == (("localhost", "127.0.0.1"), "")
    assert (certs["stale"].names, certs["stale"].bad) == ((), "expired")


@pytest.mark.parametrize(
    ("verify", "server", "judgement"),
    [
        ("", True, (False, False)),
        ("request", True, (True, False)),
        ("require", True, (True, True)),
        ("none", True, (False, False)),
        ("", False, (True, True)),
        ("require", False, (True, True)),
        ("none", False, (False, False)),
    ],
)
def test_how_a_side_judges_the_other_one(
    verify: str, server: bool, judgement: tuple[bool, bool], tmp_path: Path
) -> None:
    place = case_of(tmp_path).location

    assert model.Tls(verify=verify, location=place).judgement(server=server) == judgement


@pytest.mark.parametrize(
    ("said", "facts", "error"),
    [
        ("", {"success": "true"}, "any"),
        (", error: none", {"success": "true"}, "none"),
        (", alert: none", {"success": "true"}, "any"),
        (", error: EPROTO", {}, "EPROTO"),
        (", error: any", {}, "any"),
        (", alert: unknown_ca", {}, "any"),
        (", success: false", {"success": "false"}, "any"),
        (", success: true, error: CERT_HAS_EXPIRED", {"success": "true"}, "CERT_HAS_EXPIRED"),
        (
            ", version: TLSv1.3, alpn: none, certificate: stale, server_name: A.example",
            {
                "success": "true",
                "version": "TLSv1.3",
                "alpn": "none",
                "certificate": "stale",
                "server_name": "a.example",
            },
            "any",
        ),
    ],
)
def test_a_handshake_has_to_be_good_unless_the_step_speaks_of_what_went_wrong(
    said: str, facts: dict[str, str], error: str, tmp_path: Path
) -> None:
    step = step_of(tmp_path, f"client: {{sees: handshake{said}}}")

    assert isinstance(step, model.Sees)
    assert (step.facts, step.error) == (facts, error)


def test_an_alert_may_come_with_an_error_later(tmp_path: Path) -> None:
    step = step_of(tmp_path, "client: {sees: error, alert: certificate_required}")

    assert isinstance(step, model.Sees)
    assert (step.alert, step.facts) == ("certificate_required", {})


def test_a_peer_that_goes_over_to_tls_can_see_its_handshake(tmp_path: Path) -> None:
    case = case_of(tmp_path, "plain: {upgrade_tls: {cert: web}}", "plain: {sees: handshake}")

    upgrade, sees = case.steps[-2:]
    assert isinstance(upgrade, model.Act)
    assert isinstance(upgrade.action, model.UpgradeTls)
    assert (upgrade.action.tls.cert, upgrade.action.handlers) == ("web", None)
    assert isinstance(sees, model.Sees)
    assert sees.event == "handshake"
    assert case.speaks_tls


def test_a_bare_upgrade_has_no_options(tmp_path: Path) -> None:
    step = step_of(tmp_path, "plain: upgrade_tls")

    assert isinstance(step, model.Act)
    assert isinstance(step.action, model.UpgradeTls)
    assert step.action.tls == model.Tls(location=step.action.location)


def test_an_upgrade_in_a_handler_names_the_handlers_from_then_on(tmp_path: Path) -> None:
    handlers = case_of(tmp_path).peers["other"].handlers

    assert handlers is not None
    (action,) = handlers.actions["data"]
    assert isinstance(action, model.UpgradeTls)
    assert action.handlers == "secured"


def test_reloading_tls_is_another_action_than_reloading_handlers(tmp_path: Path) -> None:
    step = step_of(tmp_path, "server: {reload: {tls: {cert: stale}}}")

    assert isinstance(step, model.Act)
    assert isinstance(step.action, model.ReloadTls)
    assert (step.action.name, step.action.tls.cert) == ("reload", "stale")


def test_the_words_are_those_of_the_engine_and_of_the_certificates() -> None:
    verdicts = {code for code, _, _ in codes._VERDICTS.values()}
    alerts = {codes.alert_name(number) for number in codes.ALERTS}

    assert set(tls_words.CODES) == verdicts | {codes.WRONG_NAME}
    assert set(tls_words.ALERTS) == alerts
    assert set(tls_words.BAD) == {kind.name.lower() for kind in BadCertificate}


def test_handlers_that_go_over_to_themselves_are_no_endless_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("""\
sockspec: 1
handlers: {again: {data: [upgrade_tls: {on: again}]}}
peers:
  server: {tcp: {listen: loopback}, on: again}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
""")

    (case,) = loader.load(path).cases

    assert case.speaks_tls


def test_an_upgrade_inside_handlers_that_a_step_gives_is_tls_too(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("""\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
  - server: {reload: {data: [upgrade_tls]}}
""")

    (case,) = loader.load(path).cases

    assert case.speaks_tls
    assert [action.name for action in case.actions()] == ["reload", "upgrade_tls"]
