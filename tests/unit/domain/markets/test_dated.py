"""Dated tables."""

from __future__ import annotations

from datetime import date

import pytest

from tradegraph_dagster.domain.core.errors import ConfigError, DataError
from tradegraph_dagster.domain.markets.dated import DatedTable

TABLE = DatedTable("rate", ((date(2020, 1, 1), 1), (date(2021, 6, 1), 2)))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2020, 1, 1), 1),
        (date(2021, 5, 31), 1),
        (date(2021, 6, 1), 2),
        (date(2099, 1, 1), 2),
    ],
)
def test_newest_row_that_has_begun_is_in_force(day: date, expected: int) -> None:
    assert TABLE.on(day) == expected


def test_day_before_the_table_is_refused() -> None:
    with pytest.raises(DataError, match=r"table=rate session=2019-12-31.*from 2020-01-01"):
        TABLE.on(date(2019, 12, 31))


@pytest.mark.parametrize(
    "rows", [(), ((date(2021, 1, 1), 1), (date(2020, 1, 1), 2)), ((date.min, 1), (date.min, 2))]
)
def test_rows_must_ascend(rows: tuple[tuple[date, int], ...]) -> None:
    with pytest.raises(ConfigError, match="ascending"):
        DatedTable("rate", rows)
