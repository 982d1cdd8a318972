"""Whatever is restated and made again in whatever order, each session's record is what it read."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frame_store import Written, write_sessions
from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.features.inputs import keep_inputs, kept_bars
from tradegraph_dagster.domain.features.schema import FEATURE_INPUTS, FEATURES, READ_OF_A_BAR
from tradegraph_dagster.domain.markets.workspace import Workspace

LOOKBACK = 3
MARKET = PlainMarket(calendar=weekday_calendar(30))
DAYS = MARKET.calendar.sessions[2:11]
SYMBOLS = ("AAA", "BBB", "CCC")
BARS = (
    make_adjusted_bars(DAYS, SYMBOLS)
    .select(READ_OF_A_BAR)
    .with_columns(industry=pl.lit(None, pl.String))
)
STORED = FrameSchema(FEATURES, "Any.", {"session": Column(pl.Date, "")}, key=("session",))

places = st.tuples(st.integers(0, len(DAYS) - 1), st.integers(0, len(SYMBOLS) - 1))
restatements = st.tuples(places, st.sampled_from(["close", "suspend", "drop", "restore"]))
makings = st.sets(st.integers(0, len(DAYS) - 1), min_size=1)


def restate(bars: pl.DataFrame, at: tuple[int, int], what: str, number: int) -> pl.DataFrame:
    session, symbol = DAYS[at[0]], SYMBOLS[at[1]]
    hit = (pl.col("session") == session) & (pl.col("symbol") == symbol)
    if what == "close":
        return bars.with_columns(close=pl.when(hit).then(100.0 + number).otherwise("close"))
    if what == "suspend":
        return bars.with_columns(
            close=pl.when(~hit).then("close"), is_suspended=pl.col("is_suspended") | hit
        )
    others = bars.filter(~hit)
    back = [BARS.filter(hit)] if what == "restore" else []
    return pl.concat([others, *back]).sort("session", "symbol")


@given(st.lists(st.one_of(restatements, makings), max_size=12))
def test_the_record_of_a_session_is_what_it_read(acts: list) -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    bars, expected = BARS, dict[date, pl.DataFrame]()
    for number, act in enumerate(acts):
        if isinstance(act, tuple):
            bars = restate(bars, *act, number)
            continue
        made = [DAYS[at] for at in sorted(act)]
        windows = {day: ws.trailing(day, LOOKBACK + 1) for day in made}
        read = bars.filter(pl.col("session").is_in({day for w in windows.values() for day in w}))
        write_sessions(ws.store, STORED, pl.DataFrame({"session": made}), made)
        written = [Written(day, 1, ws.store.fingerprint(FEATURES, day)) for day in made]
        keep_inputs(ws, read, written, lookback=LOOKBACK)
        for day, window in windows.items():
            expected[day] = bars.filter(pl.col("session").is_in(window))
    for day, rows in expected.items():
        window, kept = kept_bars(ws, day) or ((), pl.DataFrame())
        assert window == ws.trailing(day, LOOKBACK + 1)
        assert kept.equals(rows), day


@given(makings, makings)
def test_what_has_not_changed_is_kept_once(first: set[int], second: set[int]) -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    for act in (first, second):
        keep_inputs(
            ws, BARS, [Written(DAYS[at], 1, "any") for at in sorted(act)], lookback=LOOKBACK
        )
    kept = ws.store.read(FEATURE_INPUTS, sorted(ws.store.partitions(FEATURE_INPUTS.name)))
    assert kept["version"].unique().to_list() == [1]
    assert not kept.select("session", "symbol").is_duplicated().any()
