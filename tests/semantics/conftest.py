from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from tests.engine.conftest import kind, reactor, talk, tcp
from tests.helpers.ports import free_port
from tests.helpers.secure import Secured

__all__ = ["free_port", "kind", "reactor", "talk", "tcp"]


@pytest.fixture
def secured(reactor: Reactor) -> Callable[..., Secured]:
    """Make a listener with TLS and clients for it."""

    def make(*args: Any, **options: Any) -> Secured:
        return Secured(reactor, *args, **options)

    return make
