"""The example of each row of the language, completed to a spec, holds on our engine."""

from pathlib import Path

import pytest

from sockharness import probes
from sockharness.sockspec import table
from sockharness.sockspec.table.row import Row
from tests.helpers.replaying import findings, replay
from tests.sockspec.table.completed import completed

ROWS = [pytest.param(row, id=f"{row.at[0]}: {row.key}") for row in table.ROWS]


@pytest.mark.parametrize("row", ROWS)
def test_the_example_of_a_row_holds(row: Row, tmp_path: Path) -> None:
    (tmp_path / "payload.bin").write_bytes(b"\x00\xff")
    text = completed(row, row.at[0])
    if "hosts:" in text and (reason := probes.netns()):
        pytest.skip(reason)
    if "wire:" in text and (reason := probes.capture()):
        pytest.skip(reason)

    outcome = replay(tmp_path, text, peers="")

    assert not outcome.failures, f"{findings(outcome)}\n{text}"
