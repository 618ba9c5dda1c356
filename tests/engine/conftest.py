from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.reactor import Reactor
from tests.helpers.conversation import Talk


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    with Reactor(debug=True) as reactor:
        yield reactor


@pytest.fixture(params=["tcp", "unix"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def talk(reactor: Reactor, tmp_path: Path, kind: str) -> Any:
    """Make a `Talk` over TCP and over a unix socket."""

    def make(**options: Any) -> Talk:
        return Talk(reactor, unix=str(tmp_path / "s") if kind == "unix" else None, **options)

    return make


@pytest.fixture
def tcp(reactor: Reactor) -> Any:
    """Make a `Talk` over TCP."""

    def make(**options: Any) -> Talk:
        return Talk(reactor, **options)

    return make
