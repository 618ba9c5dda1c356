from collections.abc import Iterator

import pytest

from sockharness.engine.loop.reactor import Reactor
from tests.helpers.cables import cable
from tests.helpers.datagrams import Net

__all__ = ["cable"]


@pytest.fixture(params=["plain", "debug"])
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    """A reactor with UDP sockets; `send` has another way in debug mode."""
    with Net(reactor=Reactor(debug=request.param == "debug")) as net:
        yield net
