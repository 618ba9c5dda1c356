"""Each kind of wrong spec with TLS gets exactly one problem: its place (`§`), and the mend."""

from pathlib import Path

import pytest

from sockharness.errors import SpecError
from sockharness.sockspec import loader

CERTS = "certs: {web: {names: [localhost]}}\n"
SERVER, CLIENT = "tls: {listen: loopback, cert: web}", "tls: {connect: server}"
TALK = 'exchange:\n  - client -> server: "hi"\n'


def spec(*, certs: str = CERTS, server: str = SERVER, client: str = CLIENT, step: str = "") -> str:
    peers = f"  server: {{{server}}}\n  client: {{{client}}}\n"
    more = f"  - {step}\n" if step else ""
    return f"sockspec: 1\n{certs}peers:\n{peers}{TALK}{more}"


def listening(keys: str) -> str:
    """Return a spec whose listener has these keys too."""
    return spec(server=f"tls: {{listen: loopback, cert: web, {keys}}}")


def connecting(keys: str) -> str:
    return spec(client=f"tls: {{connect: server, {keys}}}")


def sees(keys: str) -> str:
    return spec(step=f"client: {{sees: handshake, {keys}}}")


def plain(step: str) -> str:
    """Return a spec of peers without TLS, with one more step."""
    return spec(
        certs="", server="tcp: {listen: loopback}", client="tcp: {connect: server}"
    ).replace(TALK, f"{TALK}  - {step}\n")


BAD: list[tuple[str, str, str]] = [
    # certificates
    (spec(certs="certs: §web\n"), "expected certificates by name, got 'web'", ""),
    (
        spec(certs="certs: {web: §localhost}\n"),
        "got 'localhost', expected a certificate such as {names: [localhost]}",
        "",
    ),
    (
        spec(certs="certs: {web: {names: [localhost], §issuer: me}}\n"),
        "unknown key 'issuer'",
        "known: names, bad",
    ),
    (
        spec(certs="certs: {web: {names: §localhost}}\n"),
        "got 'localhost', expected a list of host names and addresses",
        "write [localhost]",
    ),
    (spec(certs="certs: {web: {names: §[]}}\n"), "expected at least one name, got none", ""),
    (
        spec(certs='certs: {web: {names: [§"a b"]}}\n'),
        "expected a host name or an address, got 'a b'",
        "",
    ),
    (
        spec(certs="certs: {web: {bad: §expire}}\n"),
        "expected what is wrong with it, got 'expire'",
        "did you mean 'expired'?",
    ),
    (
        spec(certs="certs: {web: {}, §none: {}}\n"),
        "no certificate can be called 'none'",
        "steps give that word another meaning",
    ),
    (
        spec(certs="certs: {web: {}, §left_over: {}}\n"),
        "the certificate 'left_over' is used nowhere",
        "'cert:' or 'sni:' uses it by this name",
    ),
    (
        spec(certs="", server="tls: {listen: loopback, cert: §web}"),
        "expected the name of a certificate, got 'web'",
        "add it under 'certs:'",
    ),
    (
        spec(certs="certs: {web: {names: [§::1]}}\n"),
        "not YAML: did not find expected node content",
        "put an IPv6 address in quotes",
    ),
    (
        spec(certs="certs: {web: {names: [*§.a.example]}}\n"),
        "not YAML: did not find expected alphabetic or numeric character",
        "put a name with '*' in quotes",
    ),
    (
        listening("sni: {*§.a.example: web}"),
        "not YAML: did not find expected alphabetic or numeric character",
        "put a name with '*' in quotes",
    ),
    # peers
    (
        connecting("cert: §wep"),
        "expected the name of a certificate, got 'wep'",
        "did you mean 'web'?",
    ),
    (
        spec(server="§tls: {cert: web}").replace("§tls: ", "tls: §"),
        "expected either 'listen' or 'connect'",
        "{listen: loopback} waits for connections, {connect: server} makes one",
    ),
    (
        spec(server="tcp: {listen: loopback}, tls: §{listen: loopback, cert: web}"),
        "peer 'server' has two transports",
        "make it two peers",
    ),
    (
        listening("§certificate: web"),
        "unknown key 'certificate'",
        "known: listen, connect, port, backlog, allow_half_open, pause_on_connect, send_buffer, "
        "recv_buffer, cert, sni, alpn, verify, server_name, min_version, max_version, ciphers, "
        "handshake_timeout, resume",
    ),
    (
        spec(
            server="tcp: {listen: loopback, §cert: web}", client="tls: {connect: server, cert: web}"
        ),
        "'cert' goes with 'tls'",
        "write 'tls:' in place of 'tcp:'",
    ),
    (
        listening("sni: §web"),
        "got 'web', expected certificates by the name that is asked for such as "
        "{other.example: NAME}",
        "",
    ),
    (
        listening("sni: §{}"),
        "expected certificates by the name that is asked for, got none",
        "",
    ),
    (
        listening("sni: {a.example: §wep}"),
        "expected the name of a certificate, got 'wep'",
        "did you mean 'web'?",
    ),
    (
        listening('sni: {§"a b": web}'),
        "expected a host name, got 'a b'",
        "",
    ),
    (
        listening("sni: {a.example: web, §A.example: web}"),
        "'a.example' is named twice",
        "upper and lower case are the same",
    ),
    (listening("alpn: §h2"), "expected a list of protocols, got 'h2'", "write [h2]"),
    (listening("alpn: §[]"), "expected at least one protocol, got none", ""),
    (
        listening(f"alpn: [§{'x' * 256}]"),
        "expected at most 255 bytes, got more",
        "",
    ),
    (
        listening("verify: §yes"),
        "expected how to verify, got 'yes'",
        "known: require, request, none",
    ),
    (
        connecting("verify: §request"),
        "'verify: request' is for a server",
        "a client always gets the server's certificate: 'require' or 'none'",
    ),
    (connecting("sni: §{a.example: web}"), "'sni' is for a server", ""),
    (listening("server_name: §a.example"), "'server_name' is for a client", ""),
    (listening("resume: §true"), "'resume' is for a client", ""),
    (
        listening("min_version: §1.3"),
        "expected a version, got '1.3'",
        "write TLSv1.3",
    ),
    (
        listening("min_version: TLSv1.3, max_version: §TLSv1.2"),
        "expected at least TLSv1.3, got 'TLSv1.2'",
        "",
    ),
    (
        listening("handshake_timeout: §5"),
        "expected a duration such as 250ms or 1.5s, got '5'",
        "write 5s or 5ms",
    ),
    (
        spec(server=f"{SERVER}, on: {{§handshakes: []}}"),
        "unknown handler 'handshakes'",
        "did you mean 'handshake'?",
    ),
    # steps
    (
        sees("§protocol: h2"),
        "unknown key 'protocol'",
        "known: sees, error, message, alert, success, authorized, version, cipher, alpn, "
        "certificate, server_name, reused, within",
    ),
    (sees("authorized: §yes"), "expected true or false, got 'yes'", "known: true, false"),
    (
        sees("version: §TLSv1.1"),
        "expected a version, got 'TLSv1.1'",
        "known: TLSv1.2, TLSv1.3",
    ),
    (
        sees("certificate: §wep"),
        "expected the name of a certificate, got 'wep'",
        "did you mean 'web'?",
    ),
    (
        sees("alert: §unknown-ca"),
        "expected an alert or none, got 'unknown-ca'",
        "did you mean 'unknown_ca'?",
    ),
    (
        sees("alert: §48"),
        "expected an alert or none, got '48'",
        "as RFC 8446 calls them, such as unknown_ca",
    ),
    (
        sees("error: §CERT_EXPIRED"),
        "got 'CERT_EXPIRED', expected an error's code or none",
        "did you mean 'CERT_HAS_EXPIRED'?",
    ),
    (
        spec(step="client: {sees: close, version: §TLSv1.3}"),
        "'close' has no version",
        "'version' goes with handshake",
    ),
    (
        spec(step="client: {sees: end, alert: §unknown_ca}"),
        "'end' has no alert",
        "'alert' goes with handshake, error",
    ),
    (
        plain("client: {sees: §handshake}"),
        "'client' has no TLS",
        "write 'tls:' in place of its 'tcp:', or let it 'upgrade_tls' before",
    ),
    (
        spec(certs="", server="tcp: {listen: loopback}, on: {handshake: []}").replace(
            "  server", "  §server"
        ),
        "'server' has no TLS, so no 'handshake'",
        "write 'tls:' in place of 'tcp:', or put it into 'on:' of 'upgrade_tls'",
    ),
    (
        spec(step="client: §upgrade_tls"),
        "'client' has TLS already",
        "make it 'tcp:'",
    ),
    (
        plain("client: {upgrade_tls: {§certs: web}}"),
        "unknown key 'certs'",
        "did you mean 'cert'?",
    ),
    (
        plain("client: {upgrade_tls: §now}"),
        "got 'now', expected options of TLS such as {cert: NAME}",
        "without options write the bare word 'upgrade_tls'",
    ),
    (
        plain("server: {upgrade_tls: §{server_name: a.example}}"),
        "'server_name' is for a client",
        "",
    ),
    (
        plain("client: {upgrade_tls: {on: §secured}}"),
        "expected the name of handlers, got 'secured'",
        "",
    ),
    (
        spec(step="client: {§reload: {tls: {cert: web}}}"),
        "'reload: {tls: …}' is for a listener with TLS; not 'client'",
        "",
    ),
    (
        spec(step="server: {reload: {tls: §{cert: web}, data: [echo]}}"),
        "'tls' is reloaded without handlers",
        "make it a step of its own",
    ),
    (
        spec(step="server: {reload: {tls: §{resume: true}}}"),
        "'resume' is for a client",
        "",
    ),
]


@pytest.mark.parametrize(("text", "message", "hint"), BAD)
def test_what_is_wrong_is_told_once_with_its_place_and_the_mend(
    text: str, message: str, hint: str, tmp_path: Path
) -> None:
    before = text.partition("§")[0]
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace("§", ""))

    with pytest.raises(SpecError) as caught:
        loader.load(path, shown="wrong.yaml")

    found = [
        (problem.location.line, problem.location.column, problem.message, problem.hint)
        for problem in caught.value.problems
    ]
    place = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    assert found == [(*place, message, hint)]
