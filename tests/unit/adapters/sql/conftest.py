"""A ledger without rows, in each database that may keep it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledgers import SqlPlace, sql_place
from tradegraph_dagster.adapters.sql.ledger import SqlLedger


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    with sql_place(request.param, tmp_path) as where:
        yield where


@pytest.fixture
def ledger(place: SqlPlace) -> Iterator[SqlLedger]:
    opened = place.open()
    yield opened
    opened.close()
