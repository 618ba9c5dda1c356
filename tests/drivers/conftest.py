import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.machine.policy import Policy
from sockharness.replay.stage import Stage
from sockharness.sockspec import loader
from tests.helpers.bun import bun_path
from tests.helpers.ports import free_port

__all__ = ["free_port"]


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    with Engines(bun=bun_path()) as engines:
        yield engines


@pytest.fixture
def stage(engines: Engines, tmp_path: Path) -> Callable[..., Stage]:
    """Return what makes a stage of a spec's text, on Bun unless `choice` says otherwise."""

    def stage(text: str, *, choice: str = "bun") -> Stage:
        path = tmp_path / "spec.yaml"
        path.write_text(textwrap.dedent(text))
        return Stage(
            loader.load(path).cases[0],
            policy=Policy(),
            choice=EngineChoice.parse(choice),
            engines=engines,
        )

    return stage
