"""The engine's example of the README runs as printed there, as a program of its own."""

import re
from pathlib import Path

from tests.helpers.programs import run_program

EXAMPLES = Path(__file__).parent
README = EXAMPLES.parents[1] / "README.md"


def test_the_readme_s_server_and_client_print_what_the_readme_says() -> None:
    section = README.read_text().partition("## The engine alone\n")[2].partition("\n## ")[0]
    program, printed = re.findall(r"^```(?:python|text)\n(.*?)^```", section, re.M | re.S)

    done = run_program(program)

    assert program == (EXAMPLES / "engine_alone.py").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
