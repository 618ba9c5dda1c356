import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.machine.policy import Policy
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from tests.helpers.bun import bun_path
from tests.helpers.ports import free_port

__all__ = ["free_port"]


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    with Engines(bun=bun_path()) as engines:
        yield engines


@pytest.fixture
def set_up(engines: Engines, tmp_path: Path) -> Callable[..., Setup]:
    """Return a function that sets up a spec's text, on Bun unless `choice` says otherwise."""

    def set_up(text: str, *, choice: str = "bun") -> Setup:
        path = tmp_path / "spec.yaml"
        path.write_text(textwrap.dedent(text))
        return Setup(
            loader.load(path).cases[0],
            policy=Policy(),
            choice=EngineChoice.parse(choice),
            engines=engines,
        )

    return set_up
