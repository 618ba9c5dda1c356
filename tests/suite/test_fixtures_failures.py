"""Cause and symptom: a failing test reports one of the two first, and the other beside it."""

import re

import pytest

from tests.suite.test_fixtures_tcp_server import client_module as client_module
from tests.suite.test_fixtures_tcp_server import run


@pytest.mark.parametrize(
    "line",
    [
        "tcp_server.expect(5)",
        "tcp_server.connection(0)",
        "tcp_server.expect('x').reply('y', cuts=0)",
        "tcp_server.expect('x').reply('y', cuts='each_bite')",
        "tcp_server.expect('x').reply('y', cuts=[2])",
        "tcp_server.on(dta=print)",
        "tcp_server.on(keylog=print)",
        "tcp_server.on(end=5)",
        "tcp_server.on(end=later)",
        "tcp_server.reload({'dta': print})",
        "udp_peer.on(dta=print)",
        "udp_peer.on(drain=later)",
        "udp_peer.on(data=lambda: None)",
        "tcp_server.expect('x').ignore().close()",
        "sockharness.match.regex('[a')",
        "sock_harness.tcp_server(backlog=-1)",
        "sock_harness.tls_pair(hostname='example.com')",
        "sock_harness.udp_peer(recv_buffer=-1)",
    ],
)
def test_a_wrong_argument_is_the_headline_and_shows_the_users_line_only(
    pytester: pytest.Pytester, line: str
) -> None:
    pytester.makepyfile(
        f"""
        import sockharness
        from client import ask
        async def later(socket): ...
        def test_it(tcp_server, udp_peer, sock_harness):
            tcp_server.expect(b"PING").reply(b"PONG")
            tcp_server.when(b"HI").reply(b"HO")
            ask(tcp_server.address, b"HI")
            {line}  # here
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["> * # here", "E *sockharness: line 5: tcp_server never got *"])
    result.stdout.no_fnmatch_line("FAILED * - line *")
    assert not [each for each in result.outlines if re.search(r"sockharness/.*\.py:\d+", each)]


def test_what_was_raised_while_no_connection_came_is_the_headline(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(tcp_server):
            tcp_server.expect(b"PING").reply(b"PONG")
            raise OSError(101, "Network is unreachable")
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *sockharness: line 2: tcp_server had no connection",
            "FAILED * - OSError: *Network is unreachable*",
        ]
    )


def test_a_harness_outside_pytest_notes_it_likewise() -> None:
    import sockharness

    def use() -> None:
        with sockharness.Harness() as h:
            h.tcp_server().expect(b"PING").reply(b"PONG")
            raise OSError(101, "Network is unreachable")

    with pytest.raises(OSError, match="Network is unreachable") as failure:
        use()

    assert "tcp_server had no connection" in failure.value.__notes__[0]


def test_the_command_to_run_it_again_can_be_pasted_where_pytest_ran(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pytester.mkdir("sub")
    pytester.makeini("[pytest]")
    (folder / "test_it.py").write_text(
        """
import pytest
@pytest.mark.parametrize("n", ["it's"])
def test_it(tcp_server, n):
    tcp_server.expect(b"PING").reply(b"PONG")
"""
    )
    monkeypatch.chdir(folder)

    result = run(pytester)

    result.stdout.fnmatch_lines([r"""  again:   pytest 'test_it.py::test_it[[]it'"'"'s]'"""])


def test_one_servers_wait_in_vain_does_not_hide_anothers_failure(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_it(tcp_server, sock_harness, tcp_server_factory):
            beside = sock_harness.tcp_server(name="beside")
            with tcp_server_factory(name="other") as other:
                beside.expect(b"A").ignore()
                other.expect(b"B").ignore()
                tcp_server.expect(b"C").ignore()
                tcp_server.wait_for("open", timeout=0.01)
        """
    )

    result = run(pytester)

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "line 8: tcp_server saw no open",
            "  also:   line 5: beside had no connection",
            "  also:   line 6: other had no connection",
            "FAILED * - line 8: tcp_server saw no open",
        ]
    )
    result.stdout.no_fnmatch_line("*tcp_server had no connection*")


def test_a_failed_check_does_not_hide_anothers_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(tcp_server, sock_harness):
            sock_harness.tcp_server(name="beside").expect(b"A").ignore()
            tcp_server.expect(b"C").ignore()
            tcp_server.check()
        """
    )

    result = run(pytester)

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["line 3: tcp_server had no connection", "  also:   line 2: beside had no connection"]
    )


def test_a_test_that_failed_by_itself_shows_what_crossed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from client import ask
        def test_it(tcp_server):
            tcp_server.when(b"PING").reply(b"PUNG")
            assert ask(tcp_server.address, b"PING") == b"PONG"
        def test_many(tcp_server):
            tcp_server.when(b"PING").reply(b"PUNG")
            for _ in range(20):
                ask(tcp_server.address, b"PING")
            assert 0
        def test_good(tcp_server):
            assert 0
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["* Captured sockharness call *", "*4 B *---> PING", "*PUNG *<---*4 B"]
    )
    assert sum("Captured sockharness" in line for line in result.outlines) == 2
    end = result.outlines.index(next(line for line in result.outlines if "_ test_good _" in line))
    begin = max(n for n, line in enumerate(result.outlines[:end]) if "Captured sockharness" in line)
    assert end - begin - 1 <= 20


def test_servers_of_the_factory_have_names_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.fixture(scope="module")
        def wide(tcp_server_factory):
            with tcp_server_factory() as server:
                yield server
        def test_it(wide, tcp_server_factory, tcp_server):
            with tcp_server_factory() as third, tcp_server_factory(name="db") as named:
                for server in (wide, tcp_server, third, named):
                    server.expect(b"x").ignore()
                for server in (wide, third, named, tcp_server):
                    with pytest.raises(AssertionError) as failure:
                        server.check()
                    print("said", str(failure.value).splitlines()[0])
        """
    )

    result = run(pytester, "-s")

    names = [line.split(": ")[1].split()[0] for line in result.outlines if "said" in line]
    assert names == ["tcp_server", "tcp_server3", "db", "tcp_server2"]


def test_only_servers_can_be_captured(pytester: pytest.Pytester) -> None:
    from sockharness.facade.packets import Wire

    with pytest.raises(TypeError, match="servers: expected a server such as tcp_server, got 'x'"):
        Wire().capture("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a server such as tcp_server, got none"):
        Wire().capture()


def test_a_forgotten_answer_is_told_above_the_clients_time_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket
        def test_it(tcp_server):
            tcp_server.expect(b"PING")
            with socket.create_connection(tcp_server.address, timeout=0.1) as client:
                client.sendall(b"PING")
                client.recv(1)
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'line 3: no answer for "PING"',
            "*add .reply(…) or .ignore()",
            "*TimeoutError*",
        ]
    )


def test_the_server_that_explains_is_told_first(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from client import ask
        @pytest.fixture
        def other(tcp_server_factory):
            with tcp_server_factory(name="other") as server:
                yield server
        def test_it(tcp_server, other):
            tcp_server.expect(b"A").ignore()
            other.expect(b"PING").reply(b"PONG")
            ask(other.address, b"PUNG")
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'line 9: other got "PUNG", expected "PING"',
            "  also:   line 8: tcp_server had no connection",
        ]
    )
