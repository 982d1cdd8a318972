"""The step writes the same bits of the technical set for a session, a range and the history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

TECHNICAL = load_feature_set("technical")
MARKET = PlainMarket(calendar=weekday_calendar(640))
DAYS = MARKET.calendar.sessions[3:]
SYMBOLS = ("OLD", "SUSPENDED", "NEW", "HOLED")
NEW_FROM = 470


def lake_bars() -> pl.DataFrame:
    """One plain name; one often suspended; one listed late; one that lost rows to the gates."""
    bars = make_adjusted_bars(DAYS, SYMBOLS, seed=5)
    listed_from = pl.when(pl.col("symbol") == "NEW").then(NEW_FROM).otherwise(0)
    at = pl.col("session").rank("dense").cast(pl.Int32) - 1
    is_lost = (pl.col("symbol") == "HOLED") & (at % 11 == 4)
    return bars.with_columns(
        sessions_listed=(at - listed_from + 1).cast(bars.schema["sessions_listed"]),
        is_suspended=(pl.col("symbol") == "SUSPENDED") & (at % 5 == 2),
    ).filter((at >= listed_from) & ~is_lost)


BARS = lake_bars()


def fingerprints(wanted: Sequence[Sequence[date]]) -> dict[date, str | None]:
    """Of the features written when each group of sessions is computed in one go."""
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    write_sessions(ws.store, VALIDATED_BARS, BARS, DAYS)
    for sessions in wanted:
        report = compute_features(ws, TECHNICAL, sessions)
        assert not report.withheld
    return {day: ws.store.fingerprint(FEATURES, day) for group in wanted for day in group}


def test_a_session_a_range_and_the_whole_history_are_the_same_bits() -> None:
    whole = fingerprints([DAYS])
    chosen = [DAYS[at] for at in (0, 200, 449, 471, 636)]
    assert fingerprints([[day] for day in chosen]) == {day: whole[day] for day in chosen}
    ranged = [DAYS[440:460], DAYS[570:590]]
    assert fingerprints(ranged) == {day: whole[day] for group in ranged for day in group}


def test_a_new_listing_has_what_its_rows_allow() -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    write_sessions(ws.store, VALIDATED_BARS, BARS, DAYS)
    compute_features(ws, TECHNICAL, [DAYS[NEW_FROM + 19]])
    features = ws.store.read(TECHNICAL.schema, [DAYS[NEW_FROM + 19]])
    new = features.row(by_predicate=pl.col("symbol") == "NEW", named=True)
    assert new["sma_ratio_20"] == new["sma_ratio_20"]
    assert new["roc_20"] != new["roc_20"]
