"""Bars are immutable; the newest version known by an instant is the one that counts."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.support.make_bars import known_after, weekdays
from tests.support.make_market_data import make_raw_bars
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.market_data.versions import latest_versions, merge_versions

DAYS = weekdays(2)
BARS = make_raw_bars(DAYS)
FIRST = (pl.col("session") == DAYS[0]) & (pl.col("symbol") == "000001.SZ")


def corrected(hours: int, close: float = 99.0) -> pl.DataFrame:
    return BARS.filter(FIRST).with_columns(
        close=pl.lit(close), known_at=pl.col("known_at") + timedelta(hours=hours)
    )


def test_the_newest_version_counts() -> None:
    both = pl.concat([BARS, corrected(24)]).sort(RAW_BARS.key)
    newest = latest_versions(both)
    assert newest.height == BARS.height
    assert newest.filter(FIRST)["close"].item() == 99.0


def test_a_correction_is_not_known_before_it_came() -> None:
    both = pl.concat([BARS, corrected(24)]).sort(RAW_BARS.key)
    shown = known_after(DAYS[0])
    before = latest_versions(both, shown + timedelta(hours=23))
    assert before["close"][0] == BARS["close"][0]
    assert latest_versions(both, shown + timedelta(hours=24)).filter(FIRST)["close"].item() == 99.0
    assert latest_versions(both, shown - timedelta(microseconds=1)).is_empty()


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="time zone"):
        latest_versions(BARS, datetime(2024, 1, 1))  # noqa: DTZ001


def test_the_same_content_is_not_added_again() -> None:
    later = BARS.with_columns(pl.col("known_at") + timedelta(hours=5))
    merge = merge_versions(BARS, later)
    assert merge.bars.equals(BARS)
    assert merge.outdated.is_empty()


def test_a_change_is_appended_and_the_old_version_stays() -> None:
    merge = merge_versions(BARS, pl.concat([BARS.filter(~FIRST), corrected(1)]))
    assert merge.bars.height == BARS.height + 1
    assert merge.bars.join(BARS, on=list(RAW_BARS.columns), nulls_equal=True).height == BARS.height


def test_a_change_back_is_a_third_version() -> None:
    twice = merge_versions(merge_versions(BARS, corrected(1)).bars, corrected(2, BARS["close"][0]))
    assert twice.bars.filter(FIRST)["close"].to_list() == [
        BARS["close"][0],
        99.0,
        BARS["close"][0],
    ]


@pytest.mark.parametrize("hours", [0, -1])
def test_a_change_that_is_not_newer_is_outdated(hours: int) -> None:
    merge = merge_versions(BARS, corrected(hours))
    assert merge.bars.equals(BARS)
    assert merge.outdated.select("session", "symbol").rows() == [(DAYS[0], "000001.SZ")]


def test_an_answer_with_a_whole_history_of_versions_keeps_it() -> None:
    versions = pl.concat([BARS.filter(FIRST), corrected(1), corrected(2), corrected(3, 98.0)])
    merge = merge_versions(RAW_BARS.empty(), versions)
    assert merge.bars["close"].to_list() == [BARS["close"][0], 99.0, 98.0]
    assert merge_versions(merge.bars, versions).bars.equals(merge.bars)
