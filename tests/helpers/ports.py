"""Ports that are nobody's, and stay so while a test needs them to be.

The port of a socket that was just closed is not: the kernel may give it to another test at once,
even to the very client that is to be refused, which then meets itself. A leased port is none that
the kernel chooses, and no other test has it.
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
    """A port that nobody has, and that nobody but the test can come to have."""
    with leased_port() as port:
        yield port
