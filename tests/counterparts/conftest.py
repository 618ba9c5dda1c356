"""A replay that a real program joins, and the way to such programs."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.machine import probes
from sockharness.machine.policy import Policy
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from tests.helpers.bun import bun_path
from tests.helpers.programs import installed

DEADLINE = 20.0
SetUp = Callable[..., Setup]
Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    """Set up a spec, with an engine; it ends with the test."""
    with ExitStack() as stack:

        def set_up(text: str, engine: str) -> Setup:
            path = tmp_path / "spec.yaml"
            path.write_text(text)
            (case,) = loader.load(path).cases
            if case.has_groups and (reason := probes.multicast()):
                pytest.skip(reason)
            bun = bun_path() if engine == "bun" else ""
            engines = stack.enter_context(Engines(bun=bun))
            setup = Setup(case, policy=Policy(), choice=EngineChoice(engine), engines=engines)
            return stack.enter_context(setup)

        yield set_up


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a program, or skip the test if it is not here; it ends with the test."""
    with ExitStack() as stack:

        def start(program: str, *arguments: str, package: str) -> "subprocess.Popen[bytes]":
            path = installed(program, package)
            pipe = subprocess.PIPE
            child = subprocess.Popen(
                [path, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            timer = threading.Timer(
                DEADLINE, child.kill
            )  # whoever reads from it then reads the end
            timer.start()
            stack.callback(timer.cancel)
            return child

        yield start
