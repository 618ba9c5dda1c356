"""The comparison of engines accepts equal stories and finds a wrong engine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sockharness.drivers.driver import Engines
from sockharness.drivers.engine import Engine, Run
from sockharness.engine.tcp.socket import Socket
from sockharness.sockspec import loader
from tests.differential.__main__ import compare
from tests.differential.comparing import OURS, Comparison, Death
from tests.differential.programs import Program, Side, programs
from tests.differential.running import run
from tests.helpers.bun import bun_path

SEED = 20_261
COUNT = 300


@pytest.fixture
def comparison(tmp_path: Path) -> Iterator[Comparison]:
    with Engines(bun=bun_path()) as engines:
        yield Comparison(engines, tmp_path)


def test_bun_and_we_tell_the_same_of_random_programs(comparison: Comparison) -> None:
    found = compare(comparison, start=SEED, count=COUNT)

    assert found is None, str(found)
    assert comparison.programs >= COUNT


def test_an_engine_that_is_wrong_is_found_by_a_minimal_program(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wrong engine forgets `end` after a `pause` in the same handler."""
    right = Socket.end

    def wrong(socket: Socket, *args: Any) -> int:
        return 0 if socket._paused else right(socket, *args)

    monkeypatch.setattr(Socket, "end", wrong)

    found = compare(comparison, start=SEED, count=2000)

    assert found is not None
    spec = found.program.spec()
    assert str(found).startswith(spec)
    assert len(spec.splitlines()) <= 10
    (tmp_path / "found.yaml").write_text(spec)
    assert loader.load(tmp_path / "found.yaml").cases


def test_a_bun_that_dies_ends_the_comparison_with_the_program(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = comparison.engines.make

    def dies(name: str, run: Run) -> Engine:
        engine = made(name, run)  # not before: the driver replaces a dead process
        if name == "bun":
            os.kill(comparison.engines.bun.child().pid, signal.SIGSEGV)
        return engine

    monkeypatch.setattr(comparison.engines, "make", dies)

    found = compare(comparison, start=SEED, count=10)

    assert isinstance(found, Death)
    assert str(found).startswith(found.program.spec())
    assert "\nbun died: SIGSEGV" in str(found)


def fuzz(bun: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.differential", "--seed", "1", *args]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"SOCKHARNESS_BUN": bun},
    )


def test_a_run_without_a_difference_says_so() -> None:
    done = fuzz(bun_path(), "--programs", "3")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "no difference"


def test_a_bun_that_does_not_start_is_told_in_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "bun"
    path.write_text("#!/bin/sh\n[ $1 = --version ] && exec echo 1.4.5\nkill -SEGV $$\n")
    path.chmod(0o755)

    done = fuzz(str(path), "--programs", "3")

    assert done.returncode == 2
    assert done.stderr.startswith("cannot compare: Bun 1.4.5 did not start: it died: SIGSEGV\n")
    assert "Traceback" not in done.stderr


def test_every_program_is_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "program.yaml"

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],  # depends on the machine
    )
    @given(programs())
    def loads(program: Program) -> None:
        path.write_text(program.spec())
        assert len(loader.load(path).cases[0].steps) == len(program.steps)

    loads()


def test_each_side_tells_its_own_story(tmp_path: Path) -> None:
    program = Program(
        Side(sets=({"data": (("echo",),), "end": (("end", '"!"'),)},)),
        Side(half_open=True),
        (("client", ("write", '"ab"')), ("client", ("shutdown",)), ("client", ("flush",))),
    )

    with Engines() as engines:
        stories = run(program, OURS, engines, tmp_path)

    assert stories.server == ("open", "data(ab)", ".echo=2", "end", ".end=1", "close")
    assert stories.client == (
        "open", ".write=2", "data(ab)", ".shutdown", "data(!)", "close", ".flush",
    )  # fmt: skip
