"""Fixtures: a network of the test's own, and two hosts of it that are linked."""

from collections.abc import Iterator

import pytest

from sockharness.machine import probes
from sockharness.netns import Host, Network


@pytest.fixture
def network() -> Iterator[Network]:
    if reason := probes.netns():
        pytest.skip(reason)
    with Network.open() as network:
        yield network


@pytest.fixture
def pair(network: Network) -> tuple[Host, Host]:
    return network.pair()
