"""Planted faults are exactly where they were asked for."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tradegraph_dagster.adapters.synthetic.bars import SyntheticBars
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.catalogue import load_market

CN = load_market("cn")
DAY, SYMBOL = date(2024, 3, 6), "600001.SH"
SESSIONS = CN.calendar.between(date(2024, 3, 4), date(2024, 3, 8))
HIT = (pl.col("session") == DAY) & (pl.col("symbol") == SYMBOL)


def bars_with(*faults: Any) -> pl.DataFrame:
    options = SyntheticOptions.model_validate(
        {"names": 20, "first": date(2024, 1, 2), "last": date(2024, 4, 30), "faults": faults}
    )
    return SyntheticBars(CN, options).bars(SESSIONS)


CLEAN = bars_with()


def test_high_below_low() -> None:
    bar = bars_with(("high_below_low", DAY, SYMBOL)).filter(HIT)
    assert bar["high"].item() < bar["low"].item()
    assert bar["close"].item() == CLEAN.filter(HIT)["close"].item()


def test_unit_times_a_hundred() -> None:
    bar = bars_with(("unit_x100", DAY, SYMBOL)).filter(HIT)
    assert bar["close"].item() == CLEAN.filter(HIT)["close"].item() * 100
    assert bar["amount"].item() == CLEAN.filter(HIT)["amount"].item()


def test_missing_bar() -> None:
    assert bars_with(("missing_bar", DAY, SYMBOL)).equals(CLEAN.filter(~HIT))


def test_empty_session() -> None:
    assert bars_with(("empty_session", DAY)).equals(CLEAN.filter(pl.col("session") != DAY))


def test_unknown_symbol() -> None:
    spoiled = bars_with(("unknown_symbol", DAY))
    assert spoiled.filter(pl.col("symbol") == "999999.SH")["session"].to_list() == [DAY]
    assert spoiled.filter(pl.col("symbol") != "999999.SH").equals(CLEAN)


def test_a_fault_leaves_every_other_bar_alone() -> None:
    spoiled = bars_with(("unit_x100", DAY, SYMBOL), ("high_below_low", DAY, SYMBOL))
    assert spoiled.filter(~HIT).equals(CLEAN.filter(~HIT))


def test_a_settings_file_may_write_lists() -> None:
    assert bars_with(["empty_session", DAY]).equals(bars_with(("empty_session", DAY)))


def test_a_fault_with_nothing_to_spoil_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to spoil"):
        bars_with(("missing_bar", DAY, "600999.SH"))


@pytest.mark.parametrize(
    "fault",
    [("no_such_fault", DAY), ("empty_session", DAY, SYMBOL), ("unit_x100", DAY), (), "x", 3],
)
def test_a_fault_that_is_none_is_refused(fault: Any) -> None:
    with pytest.raises(ValidationError):
        bars_with(fault)


@pytest.mark.parametrize(
    "options",
    [
        {"names": 3},
        {"rank_ic": 0.9},
        {"names": "300"},
        {"first": date(2024, 1, 1), "last": date(2023, 1, 1)},
        {"first": date(2010, 1, 4)},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SyntheticOptions.model_validate(options)
