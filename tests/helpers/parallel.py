"""Parameters for tests that run pytest both in one process and under xdist.

Workers take a second or two to start, so the second half is marked `starts_xdist`, which
`make test` leaves out and `make check` runs.
"""

import pytest

ALONE_AND_PARALLEL = [
    pytest.param((), id="alone"),
    pytest.param(("-n", "2"), id="xdist", marks=pytest.mark.starts_xdist),
]
"""Values for `parametrize`: additional arguments of pytest's."""
