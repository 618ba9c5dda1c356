"""A spec's item reports a failed set-up, and describes itself."""

import socket
from pathlib import Path

import pytest

ECHO = """\
sockspec: 1
name: a greeting comes back
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
  - server -> client: "hi"
"""


def run(pytester: pytest.Pytester, text: str, *args: str) -> pytest.RunResult:
    (pytester.path / "echo.yaml").write_text(text)
    return pytester.runpytest("-p", "no:randomly", "--sockspec", "echo.yaml", *args)


def test_a_port_that_is_taken_is_told_at_the_peers_place(pytester: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(pytester, ECHO.replace("listen: loopback", f"listen: loopback, port: {port}"))

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"line 4: server cannot listen on 127.0.0.1:{port}: EADDRINUSE",
            "  echo.yaml:4:3",
            "*hint: leave 'port' out: the system chooses one",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*the test itself raised*")


def test_a_file_that_cannot_be_read_is_told_without_a_traceback(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied")

    (pytester.path / "echo.yaml").write_text(ECHO)
    with monkeypatch.context() as patch:
        from sockharness.sockspec.text import nodes

        class Unreadable(type(Path())):  # type: ignore[misc]
            open = refuse

        real = nodes.read
        patch.setattr(nodes, "read", lambda path, *, shown="": real(Unreadable(path), shown=shown))
        result = pytester.runpytest("-p", "no:randomly", "--sockspec", "echo.yaml")

    result.stdout.fnmatch_lines(["line 1: cannot be read: Permission denied"])
    result.stdout.no_fnmatch_line("*the test itself raised*")


def test_a_failure_names_the_specs_title(pytester: pytest.Pytester) -> None:
    result = run(pytester, ECHO.replace('client: "hi"', 'client: "ho"'))

    result.stdout.fnmatch_lines(['  echo.yaml:8:5  "a greeting comes back"'])


def test_a_spec_without_a_title_has_none(pytester: pytest.Pytester) -> None:
    text = ECHO.replace('client: "hi"', 'client: "ho"').replace("name: a greeting comes back\n", "")

    run(pytester, text).stdout.fnmatch_lines(["  echo.yaml:7:5"])


def test_the_title_is_in_junit(pytester: pytest.Pytester) -> None:
    run(pytester, ECHO, "--junit-xml=out.xml").assert_outcomes(passed=1)

    told = (pytester.path / "out.xml").read_text()
    assert '<property name="title" value="a greeting comes back" />' in told
