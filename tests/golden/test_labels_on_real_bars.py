"""Labels and entry flags of real Chinese bars, against arithmetic in whole cents written here."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.markets.catalogue import load_market

CN = load_market("cn")
FIRST, CHINEXT_WIDER = date(2020, 1, 2), date(2020, 8, 24)


@pytest.fixture(scope="module")
def bars(shared_data: Path) -> pl.DataFrame:
    """Unadjusted bars of the names that were listed before the data begin."""
    return (
        pl.read_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
        .with_columns(session=pl.col("date").cast(pl.Date), symbol="ts_code")
        .filter(pl.col("session").min().over("symbol") == FIRST)
        .with_columns(
            is_suspended=pl.col("tradestatus") == 0,
            raw_close="close",
            reference_close="preclose",
            is_st=pl.col("isST") == 1,
            sessions_listed=pl.lit(1_000, pl.Int32),
            volume=pl.col("volume").cast(pl.Float64).fill_null(0.0),
        )
        .sort("session", "symbol")
    )


def limit_cents(symbol: str, session: date, reference: float, *, is_st: bool) -> int:
    """Half a cent rounded up: 20 % on STAR and ChiNext, else 10 %, or 5 % for flagged names."""
    wide = symbol.startswith("688") or (symbol.startswith("30") and session >= CHINEXT_WIDER)
    percent = 20 if wide else 5 if is_st else 10
    return (round(reference * 100) * (100 + percent) + 50) // 100


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_labels_and_flags_of_real_bars(bars: pl.DataFrame, horizon: int) -> None:
    span = LabelSpan.of_horizon(horizon)
    known = bars["session"].unique().sort().to_list()
    days = known[: -span.exit]
    found = bars_to_labels(bars, sessions=days, calendar=CN.calendar, span=span, market=CN)
    assert CN.calendar.between(days[0], known[-1]) == tuple(known)
    rows = {(row["session"], row["symbol"]): row for row in bars.iter_rows(named=True)}
    place = {day: at for at, day in enumerate(known)}
    wrong, limited = [], 0
    for session, symbol, label, is_tradable in found.iter_rows():
        entry = rows.get((known[place[session] + span.entry], symbol))
        exit_ = rows.get((known[place[session] + span.exit], symbol))
        bought, sold = (bar is not None and not bar["is_suspended"] for bar in (entry, exit_))
        expected = exit_["close"] / entry["close"] - 1 if bought and sold else None
        at_limit = bought and round(entry["close"] * 100) >= limit_cents(
            symbol, entry["session"], entry["preclose"], is_st=entry["is_st"]
        )
        limited += at_limit
        if is_tradable is not (bought and not at_limit) or label != expected:
            wrong.append((session, symbol, label, expected, is_tradable, at_limit))
    assert wrong == []
    assert limited > 500
    assert found["label"].null_count() > 50
