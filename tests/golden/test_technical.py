"""The technical set against TA-Lib itself, called by hand over whole series.

The first 384 sessions of an instrument and the quarter they end in are one run, so there the two
are equal. Later a quarter begins anew 384 sessions before it: what TA-Lib's recursions remember
from before is at most 9e-8 of a value on the series below, and 1e-6 is asserted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.alpha158_oracle import Fields
from tests.support.bar_grids import features_of
from tests.support.technical_oracle import (
    FIRST_ROWS,
    Columns,
    traded_fields,
    whole_series,
)
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.indicator_table import TechnicalWindows, indicators_with
from tradegraph_dagster.domain.features.schema import BarGrid

TECHNICAL = load_feature_set("technical")
NAMES = list(TECHNICAL.definitions)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "technical-features.md"
FIRST_RUN = 384
TOLERANCE = 1e-6


def first_values(columns: Columns) -> dict[str, int]:
    return {name: int(np.flatnonzero(np.isfinite(values))[0]) for name, values in columns.items()}


def computed(fields: Fields) -> Columns:
    return dict(zip(NAMES, features_of(TECHNICAL, fields).T, strict=True))


def assert_near(ours: Columns, expected: Columns, where: np.ndarray | slice) -> None:
    for name in NAMES:
        ours_there, theirs = ours[name][where], expected[name][where]
        np.testing.assert_array_equal(np.isnan(ours_there), ~np.isfinite(theirs), err_msg=name)
        size = np.maximum(np.abs(theirs), np.nanstd(expected[name]))
        error = np.abs(ours_there - theirs) / size
        assert np.all(error[np.isfinite(theirs)] <= TOLERANCE), (name, np.nanmax(error))


def test_fifty_seven_indicators_in_five_groups() -> None:
    groups = indicators_with(TechnicalWindows())
    assert {group: len(lines) for group, lines in groups.items()} == {
        "trend": 21,
        "momentum": 14,
        "volatility": 8,
        "volume": 10,
        "cycle": 4,
    }
    assert [line.name for lines in groups.values() for line in lines] == NAMES
    assert set(NAMES) == set(FIRST_ROWS) == set(whole_series(traded_fields(0, 70)))
    assert len(NAMES) == 57


def test_first_row_with_a_value_is_the_stated_one_and_talibs_own() -> None:
    fields = traded_fields(4, 120)
    assert first_values(computed(fields)) == FIRST_ROWS
    assert first_values(whole_series(fields)) == FIRST_ROWS


@pytest.mark.parametrize("name", NAMES)
def test_first_run_is_talibs(name: str) -> None:
    for seed in range(3):
        fields = traded_fields(seed, FIRST_RUN)
        ours, theirs = computed(fields)[name], whole_series(fields)[name]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("seed", range(10))
def test_long_series_are_near_talibs(seed: int) -> None:
    fields = traded_fields(seed, 1_500)
    assert_near(computed(fields), whole_series(fields), slice(None))


@pytest.mark.parametrize("seed", range(10))
def test_sessions_without_trading_are_missing_and_take_no_place(seed: int) -> None:
    fields = traded_fields(seed, 1_500)
    is_traded = np.random.default_rng(seed).random(1_500) > 0.05
    gapped = {name: np.where(is_traded, values, np.nan) for name, values in fields.items()}
    ours = computed(gapped)
    assert all(np.isnan(values[~is_traded]).all() for values in ours.values())
    dropped = {name: values[is_traded] for name, values in ours.items()}
    traded = {name: values[is_traded] for name, values in fields.items()}
    assert_near(dropped, whole_series(traded), slice(None))


def test_real_bars_are_near_talibs(shared_data: Path) -> None:
    count = 0
    for sessions, fields in real_instruments(shared_data):
        is_traded = ~np.isnan(fields["close"])
        grid = BarGrid(
            sessions,
            np.zeros(1, dtype=np.int64),
            {name: values[:, np.newaxis] for name, values in fields.items()},
        )
        values = TECHNICAL.compute(grid)[:, is_traded, 0]
        traded = {name: column[is_traded] for name, column in fields.items()}
        assert_near(dict(zip(NAMES, values, strict=True)), whole_series(traded), slice(None))
        count += 1
    assert count == 49


def real_instruments(folder: Path) -> Iterator[tuple[np.ndarray, Fields]]:
    """Every third name, adjusted by the exchange's own reference closes."""
    rows = pl.read_parquet(folder / "cn" / "raw_baostock_2020_2025.parquet").sort("ts_code", "date")
    sessions = rows.get_column("date").unique().sort().to_numpy().astype("datetime64[D]")
    traded = rows.filter((pl.col("tradestatus") == 1) & (pl.col("volume") > 0))
    for symbol in traded.get_column("ts_code").unique(maintain_order=True).to_list()[::3]:
        own = traded.filter(pl.col("ts_code") == symbol)
        close, reference = own.get_column("close").to_numpy(), own.get_column("preclose").to_numpy()
        factor = np.cumprod(np.append(1.0, close[:-1] / reference[1:]))
        at = np.searchsorted(sessions, own.get_column("date").to_numpy().astype("datetime64[D]"))
        fields = {}
        for name in ("open", "high", "low", "close", "volume", "vwap"):
            values = own.get_column("close" if name == "vwap" else name).cast(pl.Float64).to_numpy()
            fields[name] = np.full(len(sessions), np.nan)
            fields[name][at] = values if name == "volume" else values * factor
        yield sessions, fields


def test_the_page_states_names_formulas_groups_windows_first_rows_and_sources() -> None:
    stated = {}
    group = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            group = line[3:].lower()
        if line.startswith("| `") and group:
            name, formula, windows, first_row, source = line.strip("| ").split(" | ")
            stated[name.strip("`")] = (
                group,
                formula.strip("`"),
                windows.strip(),
                first_row,
                source,
            )
    expected = {
        line.name: (
            group,
            line.formula,
            windows_in(line.formula),
            str(FIRST_ROWS[line.name]),
            line.source,
        )
        for group, lines in indicators_with(TechnicalWindows()).items()
        for line in lines
    }
    assert stated == expected


def windows_in(formula: str) -> str:
    lengths = {int(number) for number in re.findall(r", (\d+)(?=[,)])", formula)}
    return ", ".join(str(length) for length in sorted(lengths - {0, 1}))
