"""The fixtures `tls_pair`, `tls_ca`, `tls_pair_factory` and `tcp_client` in a test run."""

from pathlib import Path

import pytest

from sockharness import Authority, TlsPair, TlsPairFactory
from tests.suite.test_fixtures_tcp_server import run

CLIENT = """
import socket, ssl

def ask(pair, question, context=None):
    context = context or pair.client_context()
    with socket.create_connection(pair.server.address, timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(question)
            return client.recv(100)
"""


@pytest.fixture(autouse=True)
def client_module(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else the summary has no room for the headlines
    pytester.makepyfile(client=CLIENT)
    pytester.syspathinsert()


def test_the_example_of_the_contract_holds(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import ssl, urllib.request
        import pytest, sockharness

        def fetch(url, context):
            try:
                return urllib.request.urlopen(url, context=context, timeout=5).read()
            except urllib.error.URLError as error:
                raise error.reason

        @pytest.mark.parametrize("kind", sockharness.BadCertificate)
        def test_rejects_bad_certificates(tls_pair, kind):
            tls_pair.server.use_certificate(tls_pair.ca.bad(kind, "localhost"))
            with pytest.raises(ssl.SSLCertVerificationError):
                fetch(tls_pair.url_for("/", scheme="https"), context=tls_pair.client_context())
            assert tls_pair.server.connection(1).handshake.alert == kind.alert
        """
    )

    run(pytester).assert_outcomes(passed=9)


def test_a_handshake_that_fails_is_the_cause_of_what_the_client_raised(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import ssl
        from client import ask
        def test_it(tls_pair):
            tls_pair.server.expect(b"PING").reply(b"PONG")
            ask(tls_pair, b"PING", ssl.create_default_context())
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "tls_pair: the client sent unknown_ca",
            "  hint: if it is meant to, look at connection(1).handshake",
            '  also:   line 4: tls_pair never got "PING"',
            "*client *tls_pair",
            "*connect ----*> open",
            "*handshake unknown_ca",
            "E *SSLCertVerificationError*",
            "FAILED * - tls_pair: the client sent unknown_ca",
        ]
    )


def test_a_handshake_that_fails_in_a_test_that_passes_fails_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import ssl
        import pytest
        from client import ask
        def test_not_claimed(tls_pair):
            with pytest.raises(ssl.SSLError):
                ask(tls_pair, b"PING", ssl.create_default_context())
        def test_claimed(tls_pair):
            with pytest.raises(ssl.SSLError):
                ask(tls_pair, b"PING", ssl.create_default_context())
            assert tls_pair.server.connection(1).handshake.alert == "unknown_ca"
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_not_claimed - tls_pair: the client sent *"])


def test_a_failing_exchange_is_told_as_without_tls(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_it(tls_pair):
            tls_pair.server.expect(b"PING").reply(b"PONG")
            assert ask(tls_pair, b"PINK") == b"PONG"
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'line 3: tls_pair got "PINK", expected "PING"',
            "*4 B *----*> PINK",
            "*terminate()",
            'FAILED * - line 3: tls_pair got "PINK", expected "PING"',
        ]
    )


def test_what_both_ends_of_a_test_say_is_in_one_picture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(tls_pair):
            tls_pair.server.expect(b"PING").reply(b"PONG")
            client = tls_pair.connect()
            client.write(b"PING")
            assert client.read_exactly(4) == b"PING"
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Captured sockharness call*",
            "*4 B *--> PING",
            "*PONG *<--* 4 B",
            "FAILED * - AssertionError*",
        ]
    )


def test_a_test_of_a_server_uses_a_client(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socketserver, threading
        import pytest

        class Echo(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    self.wfile.write(line.upper())

        @pytest.fixture
        def address():
            with socketserver.TCPServer(("127.0.0.1", 0), Echo) as server:
                thread = threading.Thread(target=server.serve_forever, args=(0.01,))
                thread.start()
                yield server.server_address
                server.shutdown()
                thread.join()

        def test_good(tcp_client, address):
            with_reply = tcp_client(*address)
            with_reply.write(b"ping\\n")
            assert with_reply.read_until(b"\\n") == b"PING\\n"
            with_reply.end()

        def test_bad(tcp_client, address):
            connection = tcp_client(*address)
            connection.expect(b"pong\\n").ignore()
            connection.write(b"ping\\n")
            connection.shutdown()
            connection.wait_for("close")
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            'line 26: tcp_client got "PING␊", expected "pong␊"',
            "*tcp_client *server",
            "*PING␊ *<--* 5 B",
        ]
    )


def test_a_pair_of_a_wider_scope_keeps_what_is_to_last(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import ssl
        import pytest
        from client import ask

        @pytest.fixture(scope="module")
        def api(tls_pair_factory):
            with tls_pair_factory(name="api") as pair:
                pair.server.when(b"PING").reply(b"PONG")
                yield pair

        def test_one(api):
            assert ask(api, b"PING") == b"PONG"
        def test_two(api):
            with pytest.raises(ssl.SSLError):
                ask(api, b"PING", ssl.create_default_context())
        def test_three(api):
            assert ask(api, b"PING") == b"PONG"
            assert api.server.connection(1).handshake.established
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_two - api: the client sent unknown_ca"])


@pytest.mark.starts_xdist
def test_parallel_workers_do_not_meet(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask
        @pytest.mark.parametrize("n", range(24))
        def test_it(tls_pair, n):
            tls_pair.server.expect(b"PING").reply(str(n))
            assert ask(tls_pair, b"PING") == str(n).encode()
            assert len(tls_pair.server.connections) == 1
        """
    )

    run(pytester, "-p", "xdist", "-n", "2").assert_outcomes(passed=24)


def test_nothing_is_left_of_a_run(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pytester.makepyfile(
        """
        import os, pathlib
        def test_it(tls_pair, tls_ca):
            assert tls_pair.ca is tls_ca
            paths = [pathlib.Path(path) for path in (tls_ca.ca_file, tls_pair.key_log)]
            for path in paths:
                assert path.stat().st_mode & 0o777 == 0o600
                assert str(path).startswith(os.environ["TMPDIR"])
        """
    )

    run(pytester).assert_outcomes(passed=1)

    assert [path for path in tmp_path.iterdir() if path.name.startswith("sockharness")] == []


def test_a_users_own_fixture_of_such_a_name_is_not_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask
        @pytest.fixture
        def tls_ca():
            raise AssertionError
        @pytest.fixture
        def tcp_server():
            raise AssertionError
        def test_it(tls_pair):
            tls_pair.server.expect(b"PING").reply(b"PONG")
            assert ask(tls_pair, b"PING") == b"PONG"
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_the_authority_is_one_for_all(
    tls_pair: TlsPair, tls_pair_factory: TlsPairFactory, tls_ca: Authority
) -> None:
    with tls_pair_factory() as other:
        assert tls_pair.ca is other.ca is tls_ca
        assert other.server.port != tls_pair.server.port


def test_the_files_of_a_session_last_as_long_as_it(tls_ca: Authority) -> None:
    assert Path(tls_ca.issue("localhost").key_file).exists()
