"""The fixture `tcp_server`: the test that fails, the time, and the report."""

import pytest

CLIENT = """
import socket

def ask(address, question, size=100):
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(question)
        return client.recv(size)
"""


@pytest.fixture(autouse=True)
def client_module(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else the summary has no room for the headlines
    pytester.makepyfile(client=CLIENT)
    pytester.syspathinsert()


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run pytest, without plugins that do nothing here (to import hypothesis takes 0.6 s)."""
    without = ("randomly", "cacheprovider", "hypothesispytest")
    plugins = [word for name in without for word in ("-p", f"no:{name}")]
    return pytester.runpytest_subprocess(*plugins, "-W", "error", *args)


def test_a_good_conversation_passes_in_five_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_ping(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
            assert ask(tcp_server.address, b"PING") == b"PONG"
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_an_unmet_expectation_fails_the_call_phase_of_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_before(tcp_server):
            pass
        def test_unmet(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
        def test_after(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
            ask(tcp_server.address, b"PING")
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, failed=1)  # a failing tear-down would be an error
    result.stdout.fnmatch_lines(
        [
            "line 5: tcp_server had no connection",
            '*5 |     tcp_server.expect(b"PING").reply(b"PONG")',
            "*again:*pytest *::test_unmet*",
            "FAILED *::test_unmet - line 5: tcp_server had no connection",
        ]
    )


def test_a_mismatch_is_told_as_the_cause_above_the_symptom(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_wrong(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
            ask(tcp_server.address, b"PUNG")
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'line 3: tcp_server got "PUNG", expected "PING"',
            "*expected*50 49 4e 47*",
            "*connect ---*> open",
            "*ConnectionResetError*",
            'FAILED * - line 3: tcp_server got "PUNG", expected "PING"',
        ]
    )


def test_several_findings_are_one_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_two(tcp_server, tcp_server_factory):
            with tcp_server_factory() as other:
                tcp_server.expect(b"A")
                tcp_server.expect(b"B")
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["line 4: *", "*also: *line 5: *"])


@pytest.mark.parametrize("ending", ["pytest.skip('no')", "pytest.xfail('no')", "skip()"])
def test_a_skip_passes_through(pytester: pytest.Pytester, ending: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest, unittest
        def skip():
            raise unittest.SkipTest("no")
        def test_it(tcp_server):
            tcp_server.expect(b"PING")
            {ending}
        """
    )

    result = run(pytester)

    outcome = "xfailed" if "xfail" in ending else "skipped"
    assert result.parseoutcomes() == {outcome: 1}


def test_an_interrupt_passes_through(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(tcp_server):
            tcp_server.expect(b"PING")
            raise KeyboardInterrupt
        """
    )

    result = run(pytester)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.no_fnmatch_line("*had no connection*")


def test_a_wait_in_vain_is_told_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(tcp_server):
            tcp_server.expect(b"PING")
            tcp_server.wait_for("open", timeout=0.01)
        """
    )

    result = run(pytester)

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(["FAILED * - line 3: tcp_server saw no open"])


def test_a_wider_server_blames_the_right_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask

        @pytest.fixture(scope="module")
        def server(tcp_server_factory):
            with tcp_server_factory() as server:
                server.when(b"PING").reply(b"PONG")
                yield server

        def test_good(server):
            assert ask(server.address, b"PING") == b"PONG"

        def test_wrong(server):
            ask(server.address, b"PUNG")

        def test_unmet(server):
            server.expect(b"QUIT").close()

        def test_good_again(server):
            assert ask(server.address, b"PING") == b"PONG"
            assert [connection.number for connection in server.connections] == [1]
        """
    )

    result = run(pytester)

    assert result.parseoutcomes() == {"passed": 2, "failed": 2}
    result.stdout.fnmatch_lines(
        [
            'FAILED *::test_wrong - tcp_server got "PUNG", expected nothing',
            "FAILED *::test_unmet - line 17:*",
        ]
    )


def test_a_wider_server_keeps_a_clients_connection(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, socket

        @pytest.fixture(scope="module")
        def client(tcp_server_factory):
            with tcp_server_factory() as server:
                server.when(b"PING").reply(b"PONG")
                with socket.create_connection(server.address, timeout=5) as client:
                    yield client

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_ping(client, n):
            client.sendall(b"PING")
            assert client.recv(100) == b"PONG"
        """
    )

    run(pytester).assert_outcomes(passed=3)


def test_what_a_tear_down_fulfils_is_not_missed_before(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask

        @pytest.fixture
        def session(tcp_server):
            yield
            ask(tcp_server.address, b"QUIT")

        def test_fulfilled(tcp_server, session):
            tcp_server.expect(b"QUIT").close().at_teardown()

        def test_missed(tcp_server):
            tcp_server.expect(b"QUIT").close().at_teardown()
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR *::test_missed - line 13: tcp_server had no connection"])


def test_a_fixture_that_fails_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask

        @pytest.fixture
        def session(tcp_server):
            tcp_server.expect(b"HELLO").reply(b"HI")
            return ask(tcp_server.address, b"HOWDY")

        def test_it(session):
            pass
        """
    )

    result = run(pytester)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["ERROR * - line 6: tcp_server got *"])


def test_a_users_own_fixture_of_our_name_is_not_injected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask

        @pytest.fixture
        def sock_harness():
            return "mine"

        def test_it(tcp_server, sock_harness):
            assert sock_harness == "mine"
            tcp_server.expect(b"PING").reply(b"PONG")
            ask(tcp_server.address, b"PING")
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_the_harness_of_the_test_gives_more_servers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_it(sock_harness, tcp_server):
            other = sock_harness.tcp_server(name="other")
            other.expect(b"PING").reply(b"PONG")
            ask(other.address, b"PING")
        def test_wrong(tcp_server, sock_harness):
            sock_harness.tcp_server(name="other").expect(b"PING")
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_wrong - line 7: other had no connection"])


def test_unknown_options_are_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        def test_it(tcp_server_factory):
            with pytest.raises(TypeError, match="framing"):
                tcp_server_factory(framing=None)
        """
    )

    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["tcp_server", "tls_pair", "udp_peer", "multicast_group"])
def test_a_factory_tells_at_once_how_it_is_used(pytester: pytest.Pytester, kind: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        def test_it({kind}_factory):
            with pytest.raises(TypeError) as raised:
                {kind}_factory("dns")
            assert str(raised.value) == (
                "{kind}_factory: expected options by name, such as name='dns'"
            )
            with pytest.raises(TypeError) as raised:
                {kind}_factory(nam="dns")
            assert str(raised.value) == (
                "{kind}_factory: there is no option 'nam'; did you mean 'name'?"
            )
            with pytest.raises(AttributeError) as raised:
                {kind}_factory().address
            assert str(raised.value) == (
                "what {kind}_factory() returns has no 'address' yet;"
                " write 'with {kind}_factory() as made:' and use made.address"
            )
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_the_timeout_scale_reaches_the_waits(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(tcp_server):
            tcp_server.wait_for("open", timeout=0.01)
        """
    )

    result = run(pytester, "--sock-timeout-scale=3")

    result.stdout.fnmatch_lines(["*of 0.03 s (given, scale 3)"])


@pytest.mark.starts_xdist
def test_it_works_in_parallel_with_the_same_text(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask
        @pytest.mark.parametrize("n", range(20))
        def test_ping(tcp_server, n):
            tcp_server.expect(b"PING").reply(b"PONG")
            assert ask(tcp_server.address, b"PING") == b"PONG"
        def test_wrong(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
            ask(tcp_server.address, b"PUNG")
        """
    )

    result = run(pytester, "-n", "2", "-p", "xdist")

    result.assert_outcomes(passed=20, failed=1)
    result.stdout.fnmatch_lines(['FAILED * - line 8: tcp_server got "PUNG", expected "PING"'])
