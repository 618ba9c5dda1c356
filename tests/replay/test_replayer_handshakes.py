"""The replay of TLS: handshakes, certificates, and the failures that they cause."""

from contextlib import suppress
from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.report.text import failure_text
from sockharness.story.outcome import Outcome, Verdict
from tests.gallery.plugin import Gallery
from tests.helpers.replaying import findings, headlines, replay

HEAD = """\
sockspec: 1
certs:
  web: {names: [localhost, 127.0.0.1]}
  other: {names: [127.0.0.1, other.example]}
  stale: {bad: expired}
"""
SERVER, CLIENT = "tls: {listen: loopback, cert: web}", "tls: {connect: server}"
PLAIN_SERVER, PLAIN_CLIENT = "tcp: {listen: loopback}", "tcp: {connect: server}"


def told(folder: Path, *steps: str, server: str = SERVER, client: str = CLIENT) -> Outcome:
    used = [name for name in ("web", "other", "stale") if name in server + client + "".join(steps)]
    head = "\n".join(
        line for line in HEAD.splitlines() if line[:2] != "  " or line.split(":")[0].strip() in used
    )
    head = head if used else "sockspec: 1"
    lines = "".join(f"  - {step}\n" for step in steps)
    peers = f"{head}\npeers:\n  server: {{{server}}}\n  client: {{{client}}}\nexchange:\n"
    return replay(folder, lines, peers=peers)


def serving(keys: str, on: str = "") -> str:
    handlers = f", on: {{{on}}}" if on else ""
    return f"tls: {{listen: loopback, {keys}}}{handlers}"


def connecting(keys: str, on: str = "") -> str:
    handlers = f", on: {{{on}}}" if on else ""
    return f"tls: {{connect: server, {keys}}}{handlers}"


def test_a_conversation_over_tls_passes_and_its_handshakes_are_no_findings(tmp_path: Path) -> None:
    outcome = told(tmp_path, 'client -> server: "a"', 'server -> client: "b"')

    assert outcome.verdict is Verdict.PASSED


def test_the_other_certificate_is_told_with_what_it_is_for(
    tmp_path: Path, gallery: Gallery
) -> None:
    server = serving("cert: web, sni: {x.example: other}")

    outcome = told(tmp_path, "client: {sees: handshake, certificate: other}", server=server)

    gallery.check(findings(outcome))


@pytest.mark.parametrize(
    ("step", "server", "client"),
    [
        (
            "client: {sees: handshake, version: TLSv1.3}",
            serving("max_version: TLSv1.2"),
            CLIENT,
        ),
        (
            "server: {sees: handshake, alpn: h2}",
            serving("alpn: [x]"),
            CLIENT,
        ),
        (
            "client: {sees: handshake, authorized: true}",
            serving("cert: stale"),
            connecting("verify: none"),
        ),
        (
            "server: {sees: handshake, server_name: b.test}",
            SERVER,
            connecting("server_name: a.test, verify: none"),
        ),
        (
            "client: {sees: handshake, reused: true}",
            SERVER,
            CLIENT,
        ),
        (
            "client: {sees: handshake, success: false}",
            SERVER,
            CLIENT,
        ),
        (
            "client: {sees: handshake, error: CERT_REVOKED}",
            SERVER,
            CLIENT,
        ),
        (
            "client: {sees: handshake, alert: unknown_ca}",
            SERVER,
            CLIENT,
        ),
        (
            "client: {sees: handshake, error: any, message: expired}",
            SERVER,
            CLIENT,
        ),
    ],
    ids=[
        "version",
        "alpn",
        "authorized",
        "server_name",
        "reused",
        "success",
        "error",
        "alert",
        "message",
    ],
)
def test_what_is_not_as_expected_is_named(
    step: str, server: str, client: str, tmp_path: Path, gallery: Gallery
) -> None:
    peer = step.partition(":")[0]
    other = "server" if peer == "client" else "client"

    outcome = told(tmp_path, step, f"{other}: {{sees: open}}", server=server, client=client)

    gallery.check(findings(outcome, first=True))


def test_an_unauthorized_peer_is_told_with_the_code(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        "client: {sees: handshake, authorized: true}",
        server=serving("cert: stale"),
        client=connecting("verify: none"),
    )

    text = failure_text(outcome)
    assert "client got authorized false (CERT_HAS_EXPIRED), expected true" in text
    assert "CERT_HAS_EXPIRED: certificate has expired" in text


def test_a_failed_handshake_says_how_to_state_it(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(
        tmp_path,
        "client: {sees: handshake}",
        "server: {sees: handshake, alert: certificate_expired}",
        server=serving("cert: stale"),
    )

    gallery.check(findings(outcome, first=True))


def test_a_failed_handshake_that_no_step_expects_is_a_finding_at_either_end(tmp_path: Path) -> None:
    outcome = told(tmp_path, "client: {sees: open}", server=serving("cert: stale"))

    assert set(headlines(outcome)) <= {
        "client handshake failed: CERT_HAS_EXPIRED",
        "server handshake failed: alert certificate_expired",
    }
    assert outcome.verdict is Verdict.FAILED


def test_a_step_that_fails_because_of_a_handshake_names_that_as_the_cause(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(tmp_path, 'client -> server: "hi"', server=serving("cert: stale"))

    gallery.check(findings(outcome, first=True))
    assert failure_text(outcome).startswith("line 8: client handshake failed: CERT_HAS_EXPIRED")
    assert "also:   line 8: server got nothing, then close" in failure_text(outcome)


def test_of_two_failed_handshakes_the_one_that_found_the_fault_is_the_cause(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(
        tmp_path,
        "client: {sees: close, error: ECONNRESET}",
        server=serving("verify: require, max_version: TLSv1.2"),
    )

    gallery.check(findings(outcome))


def test_a_step_that_fails_for_another_reason_is_told_first(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(tmp_path, 'client: {write_all: "a"}', 'server: {received: "b"}')

    gallery.check(findings(outcome))


def test_a_write_before_the_handshake_is_done_says_what_to_wait_for(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(tmp_path, 'client: {write: "hi"}', 'server: {received: "hi"}')

    gallery.check(findings(outcome))


def test_a_peer_whose_handlers_do_not_hear_of_an_event_is_named(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(
        tmp_path,
        "server: {sees: handshake}",
        "client: {sees: open}",
        server=serving("cert: web", on="data: [echo]"),
    )

    gallery.check(findings(outcome))


def test_a_plain_client_of_a_server_with_tls_is_named(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "hello you"',
        server=serving("cert: web", on="data: [echo]"),
        client="tcp: {connect: server}",
    )

    gallery.check(findings(outcome))


@pytest.mark.parametrize(
    ("server", "client", "steps", "told_so"),
    [
        (SERVER, PLAIN_CLIENT, (), "'server' has TLS, and 'client' has none"),
        (PLAIN_SERVER, CLIENT, (), "'client' has TLS, and 'server' has none"),
        (
            PLAIN_SERVER,
            PLAIN_CLIENT,
            ('client -> server: "STARTTLS"', "client: upgrade_tls"),
            "'client' has TLS, and 'server' has none",
        ),
    ],
)
def test_an_arrow_between_tls_and_none_says_so(
    server: str, client: str, steps: tuple[str, ...], told_so: str, tmp_path: Path
) -> None:
    last = '{client -> server: "hi", within: 100ms}'

    outcome = told(tmp_path, *steps, last, server=server, client=client)

    assert told_so in failure_text(outcome)


@pytest.mark.parametrize(
    ("server", "client", "place"),
    [
        (serving("ciphers: nonsense"), CLIENT, "server"),
        (SERVER, connecting("ciphers: nonsense"), "client"),
    ],
)
def test_ciphers_that_are_none_are_an_error_of_the_spec(
    server: str, client: str, place: str, tmp_path: Path
) -> None:
    said = rf"(?s){place} cannot have this TLS: Invalid ciphers.*hint: .*openssl ciphers"
    with pytest.raises(SpecError, match=said):
        told(tmp_path, 'client -> server: "hi"', server=server, client=client)


def test_a_certificate_that_the_ciphers_do_not_allow_is_an_error_of_the_spec(
    tmp_path: Path,
) -> None:
    with pytest.raises(SpecError) as raised:
        told(
            tmp_path,
            'client -> server: "hi"',
            server=serving('ciphers: "DEFAULT:@SECLEVEL=5"'),
            client=CLIENT,
        )

    (problem,) = raised.value.problems
    assert "server cannot have this TLS: cert: expected a key that is strong" in problem.message
    assert not problem.hint


def test_an_upgrade_that_is_refused_fails_its_step(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "hi"',
        "server: {upgrade_tls: {ciphers: nonsense}}",
        server="tcp: {listen: loopback}",
        client="tcp: {connect: server}",
    )

    gallery.check(findings(outcome))


def test_a_reload_of_tls_that_is_refused_fails_its_step(tmp_path: Path, gallery: Gallery) -> None:
    outcome = told(
        tmp_path, 'client -> server: "hi"', "server: {reload: {tls: {ciphers: nonsense}}}"
    )

    gallery.check(findings(outcome))


def test_after_an_upgrade_only_what_was_meant_is_data(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "go"',
        "server: {upgrade_tls: {cert: web}}",
        "client: upgrade_tls",
        'client -> server: "a"',
        'server -> client: "b"',
        "client: close",
        server="tcp: {listen: loopback}",
        client="tcp: {connect: server}",
    )

    assert headlines(outcome) == []


def test_handlers_that_were_reloaded_are_those_of_the_upgraded_connection(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "a"',
        'server -> client: "a"',
        "server: {reload: {data: [write: 'got it']}}".replace("'", '"'),
        "server: upgrade_tls",
        "client: upgrade_tls",
        'client -> server: "b"',
        'server -> client: "got it"',
        server="tcp: {listen: loopback}, on: {data: [echo]}",
        client="tcp: {connect: server}",
    )

    assert headlines(outcome) == []


def test_the_ladder_tells_what_was_agreed_on(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        "client: {sees: handshake}",
        "server: {sees: handshake}",
        "client: {sees: timeout}",
        server=serving("cert: web, alpn: [h2], max_version: TLSv1.2"),
        client=connecting("alpn: [h2], ciphers: ECDHE-ECDSA-CHACHA20-POLY1305"),
    )

    assert "handshake TLSv1.2 h2 CHACHA20" in failure_text(outcome)


def test_the_ladder_names_the_alert_that_ended_a_handshake(tmp_path: Path) -> None:
    outcome = told(tmp_path, 'client -> server: "hi"', server=serving("cert: stale"))

    assert "handshake certificate_expired" in failure_text(outcome)
    assert "handshake CERT_HAS_EXPIRED" in failure_text(outcome)


def test_who_connects_is_on_the_left_though_the_server_opens_later(tmp_path: Path) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "a"',
        'server -> client: "b"',
        server=serving("cert: web", on="data: [echo]"),
    )

    ladder = failure_text(outcome)
    assert "open    ------------> open" in ladder
    assert ladder.index("client   ") < ladder.index("server\n")


def test_a_failure_of_which_no_handler_was_told_is_the_cause_all_the_same(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(
        tmp_path,
        'client -> server: "hi"',
        server=serving("cert: stale", on="data: [echo]"),
        client=f'{CLIENT}, on: {{open: [write: "hi"]}}',
    )

    text = failure_text(outcome)
    gallery.check(findings(outcome, first=True))
    assert "close certificate_expired" in text


def test_a_handshake_that_was_told_of_and_expected_is_no_cause(
    tmp_path: Path, gallery: Gallery
) -> None:
    outcome = told(
        tmp_path,
        "client: {sees: handshake, error: CERT_HAS_EXPIRED}",
        "server: {sees: handshake, alert: certificate_expired}",
        "client: {sees: close, error: ECONNRESET}",
        server=serving("cert: stale"),
    )

    gallery.check(findings(outcome))


def test_nothing_is_left_open_when_a_spec_ends_in_the_middle_of_a_handshake(
    tmp_path: Path, gallery: Gallery
) -> None:
    server = serving("cert: web, pause_on_connect: true", on="data: [echo]")
    client = f"{CLIENT}, on: {{data: [echo]}}"
    before = sockets()

    outcome = told(
        tmp_path,
        "client: {sees: timeout, within: 20ms}",
        "server: {stop: false}",
        server=server,
        client=client,
    )

    gallery.check(findings(outcome))
    assert sockets() == before


def sockets() -> set[str]:
    """Return the sockets that this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists them is gone already
            found.add(str(descriptor.readlink()))
    return {each for each in found if each.startswith("socket:")}
