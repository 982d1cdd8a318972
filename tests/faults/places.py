"""Where a run takes place: a small lake, copied from a template, and a home of the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from tests.faults.ledger_home import LedgerHome
from tests.faults.postgres_home import PostgresHome
from tests.faults.sqlite_home import SqliteHome

HOMES: Mapping[str, type[LedgerHome]] = {"sqlite": SqliteHome, "postgres": PostgresHome}
SESSION = date(2026, 11, 20)
DURING = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AFTER = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
SYMBOLS = ("AAPL", "KO", "MSFT", "NVDA")
KEY = b"f" * 32
MARKET = "us"


def make_template(folder: Path) -> None:
    """Write the session's bars; to be called in a process of its own."""
    import polars as pl

    from tests.support.trading_world import bar_row
    from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
    from tradegraph_dagster.domain.core.frames import conform_frame
    from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
    from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

    store = ParquetFrameStore(folder / "lake")
    rows = [bar_row(SESSION, symbol, (100.0, 101.0, 99.0, 100.0), 100.0) for symbol in SYMBOLS]
    bars = pl.DataFrame(rows, schema=ADJUSTED_BARS.dtypes)
    store.write(ADJUSTED_BARS, SESSION, conform_frame(bars, ADJUSTED_BARS))
    store.write(VALIDATED_BARS, SESSION, conform_frame(bars, VALIDATED_BARS))
    store.write(CORPORATE_ACTIONS, SESSION, CORPORATE_ACTIONS.empty())


def copy_template(template: Path, folder: Path) -> None:
    """A place of a run's own."""
    shutil.copytree(template, folder)
