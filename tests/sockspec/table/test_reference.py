"""The tables of the reference are those of the language."""

import pytest

from sockharness.sockspec import table
from sockharness.sockspec.table.row import Row
from tests.sockspec.table.reference import PAGE, renewed, shown

SECTIONS = list(dict.fromkeys(section for row in table.ROWS for section in row.at))


def test_the_tables_of_the_reference_are_up_to_date() -> None:
    page = PAGE.read_text()

    assert page == renewed(page), "run make language"


@pytest.mark.parametrize("row", table.ROWS, ids=lambda row: f"{row.at[0]}: {row.key}")
def test_the_reference_has_each_row(row: Row) -> None:
    assert shown(PAGE.read_text()) & set(row.at)
