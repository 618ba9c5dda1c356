from collections.abc import Iterator

import pytest

from sockharness.drivers.cast import Engines
from tests.helpers.bun import bun_path
from tests.helpers.ports import free_port

__all__ = ["free_port"]


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    with Engines(bun=bun_path()) as engines:
        yield engines
