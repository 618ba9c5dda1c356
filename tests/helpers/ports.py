"""Ports that no socket has, for as long as a test needs them free.

The port of a socket that was just closed does not stay free: the kernel may give it to another test
at once. It may even give it to the client that the test wants refused, which then connects to
itself. The kernel never chooses a leased port, and no other test has it.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sockharness.machine.leases import Leases


@functools.cache
def _leases() -> Leases:
    return Leases()


@contextmanager
def leased_port() -> Iterator[int]:
    """Lease a port, for TCP and UDP, of all addresses of this host."""
    with _leases().port() as port:
        yield port


@pytest.fixture
def free_port() -> Iterator[int]:
    """Yield a free port that only this test can get."""
    with leased_port() as port:
        yield port
