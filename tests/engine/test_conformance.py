"""The contract of `Socket` over every kind of address, however the reactor is driven."""

from pathlib import Path

import pytest

from tests.helpers.conformance import CHECKS, DRIVES, PLACES


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check: str, place: str, drive: str, tmp_path: Path) -> None:
    if drive == "uvloop":
        pytest.importorskip("uvloop")

    DRIVES[drive](CHECKS[check], PLACES[place](str(tmp_path / "s")))
