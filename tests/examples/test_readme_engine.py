"""The engine's example of the README runs as printed there, as a program of its own."""

import re
import runpy
from pathlib import Path
from typing import Any

from sockharness.engine.loop.reactor import Reactor
from tests.helpers.conversation import Talk
from tests.helpers.programs import run_program

README = Path(__file__).parents[2] / "README.md"
PROGRAM = Path(__file__).parent / "engine_alone.py"


def test_the_readme_s_server_and_client_print_what_the_readme_says() -> None:
    section = README.read_text().partition("## The engine alone\n")[2].partition("\n## ")[0]
    program, printed = re.findall(r"^```(?:python|text)\n(.*?)^```", section, re.M | re.S)

    done = run_program(program)

    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_the_readme_s_server_keeps_what_a_shut_down_socket_does_not_take() -> None:
    echo = runpy.run_path(str(PROGRAM))["Echo"]()

    def shut_down_and_echo(socket: Any, data: bytes) -> None:
        socket.shutdown()  # from here on `write` returns -1
        echo.data(socket, data)

    with Reactor(debug=True) as reactor:
        talk = Talk(reactor, server={"open": echo.open, "data": shut_down_and_echo})
        talk.client.write("hello")
        talk.until(lambda: talk.server.data)

        assert talk.server.data == b"hello"
