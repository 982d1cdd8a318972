"""Stored features equal those of today's lake, and what does not is traced to its cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, make_instruments, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import FrameStore, Written, write_sessions
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.inputs import keep_inputs, kept_bars, read_inputs
from tradegraph_dagster.domain.features.parity import (
    ChangedInput,
    Outcome,
    SessionParity,
    spot_sessions,
    verify_features,
)
from tradegraph_dagster.domain.features.schema import (
    FEATURE_INPUTS,
    FEATURE_ORIGINS,
    BarGrid,
    FeatureSet,
)
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

MARKET = PlainMarket(calendar=weekday_calendar(60))
DAYS = MARKET.calendar.sessions[5:35]
SYMBOLS = ("AAA", "BBB", "CCC")
BARS = make_adjusted_bars(DAYS, SYMBOLS)


def _moves(grid: BarGrid, days: int = 3) -> np.ndarray:
    """The close over the one `days` sessions before, and the session's range."""
    close = grid.fields["close"]
    back = np.full_like(close, np.nan)
    back[days:] = close[days:] / close[:-days]
    return np.stack([back, grid.fields["high"] - grid.fields["low"]]).astype(np.float32)


def _demeaned(rows: pl.DataFrame) -> pl.DataFrame:
    """How far each instrument's move lies above that of its session and industry."""
    above = pl.col("move") - pl.col("move").mean().over("session", "industry")
    return rows.select("session", "symbol", above.cast(pl.Float32).alias("above"))


MOVES = FeatureSet("moves", {"move": "c / c[t-3]", "range": "h - l"}, lookback=3, compute=_moves)
ABOVE = FeatureSet(
    "above", {"above": "move - mean(move)"}, 3, compute=_moves, base=MOVES, across=_demeaned
)


def industries(bars: pl.DataFrame) -> pl.DataFrame:
    """AAA and BBB are steel, CCC is the only one of its kind."""
    industry = pl.when(pl.col("symbol") == "CCC").then(pl.lit("salt")).otherwise(pl.lit("steel"))
    return conform_frame(make_instruments(bars).with_columns(industry=industry), INSTRUMENTS)


def lake(
    bars: pl.DataFrame = BARS,
    feature_set: FeatureSet = MOVES,
    store: FrameStore | None = None,
) -> Workspace:
    ws = Workspace(MARKET, store or MemoryFrameStore(), DAYS[0])
    write_sessions(ws.store, VALIDATED_BARS, bars, DAYS)
    write_sessions(ws.store, INSTRUMENTS, industries(bars), DAYS)
    make(ws, DAYS, feature_set)
    return ws


def make(ws: Workspace, sessions: Sequence[date], feature_set: FeatureSet = MOVES) -> None:
    bars = read_inputs(ws, feature_set, DAYS)
    features = bars_to_features(
        bars,
        feature_set,
        sessions=sessions,
        calendar=ws.calendar,
        history_begins=ws.first_session,
    )
    written = write_sessions(ws.store, feature_set.schema, features, sessions)
    keep_inputs(ws, bars, written, lookback=feature_set.lookback)


def restate(
    ws: Workspace, session: date, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Replace a session's validated bars, as a correction would; the new ones."""
    bars = change(ws.store.read(VALIDATED_BARS, [session]))
    ws.store.write(VALIDATED_BARS, session, bars)
    return bars


def set_close(symbol: str, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    close = pl.when(pl.col("symbol") == symbol).then(value).otherwise("close")
    return lambda bars: bars.with_columns(close=close)


def verdicts(ws: Workspace, feature_set: FeatureSet = MOVES) -> dict[date, SessionParity]:
    return {one.session: one for one in verify_features(ws, feature_set, DAYS)}


def outcomes(ws: Workspace) -> set[Outcome]:
    return {one.outcome for one in verdicts(ws).values()}


def test_an_untouched_lake_is_equal_from_its_first_session_on() -> None:
    found = verdicts(lake())
    assert {one.outcome for one in found.values()} == {Outcome.EQUAL}
    assert [one.rows for one in found.values()] == [len(SYMBOLS)] * len(DAYS)


def test_a_restated_bar_is_named_with_what_was_read_and_what_is_there() -> None:
    ws = lake()
    was = BARS.filter(pl.col("session") == DAYS[10], pl.col("symbol") == "BBB")["close"].item()
    restate(ws, DAYS[10], set_close("BBB", 99.5))
    found = verdicts(ws)
    differing = [day for day, one in found.items() if one.outcome is not Outcome.EQUAL]
    assert differing == [DAYS[10], DAYS[13]]
    for day in differing:
        assert found[day].outcome is Outcome.INPUT_CHANGED
        (one,) = found[day].differences
        assert (one.symbol, one.features, one.changed) == ("BBB", ("move",), 1)
        assert one.inputs == (ChangedInput(DAYS[10], "BBB", "close", str(was), "99.5"),)
    (own,) = found[DAYS[10]].differences
    base = BARS.filter(pl.col("session") == DAYS[7], pl.col("symbol") == "BBB")["close"].item()
    assert own.stored == np.float32(was / base)
    assert own.now == np.float32(99.5 / base)


def test_a_change_that_no_feature_shows_is_no_difference() -> None:
    ws = lake()
    restate(ws, DAYS[10], lambda bars: bars.with_columns(vwap=pl.col("vwap") * 1.01))
    assert outcomes(ws) == {Outcome.EQUAL}


def test_a_bar_taken_out_and_one_let_in_are_named() -> None:
    without = BARS.filter((pl.col("session") != DAYS[20]) | (pl.col("symbol") != "CCC"))
    ws = lake(without)
    restate(ws, DAYS[10], lambda bars: bars.filter(pl.col("symbol") != "AAA"))
    restate(ws, DAYS[20], lambda _: BARS.filter(pl.col("session") == DAYS[20]))
    found = verdicts(ws)
    (gone,) = found[DAYS[10]].differences
    assert (gone.features, gone.stored, gone.now) == (("*",), None, None)
    assert gone.inputs == (ChangedInput(DAYS[10], "AAA", "*", "present", "absent"),)
    (let_in,) = found[DAYS[20]].differences
    assert let_in.inputs == (ChangedInput(DAYS[20], "CCC", "*", "absent", "present"),)
    assert found[DAYS[13]].differences[0].features == ("move",)


def test_another_formula_behind_the_same_definition_is_found_for_what_it_is() -> None:
    ws = lake()
    other = replace(MOVES, compute=lambda grid: _moves(grid, days=2))
    found = {one.session: one for one in verify_features(ws, other, DAYS)}
    assert found[DAYS[1]].outcome is Outcome.EQUAL
    assert found[DAYS[9]].outcome is Outcome.COMPUTATION_CHANGED
    assert {one.symbol for one in found[DAYS[9]].differences} == set(SYMBOLS)
    assert all(not one.inputs for one in found[DAYS[9]].differences)


def test_a_restated_bar_does_not_hide_a_changed_computation() -> None:
    ws = lake()
    restate(ws, DAYS[10], set_close("BBB", 99.5))
    other = replace(MOVES, compute=lambda grid: np.float32(2) * _moves(grid))
    (found,) = verify_features(ws, other, [DAYS[10]])
    assert found.outcome is Outcome.COMPUTATION_CHANGED
    assert [one.changed for one in found.differences] == [0, 1, 0]


def test_another_version_of_the_set_is_refused_with_what_to_do() -> None:
    renamed = replace(MOVES, definitions={"move": "c / c[t-2]", "range": "h - l"})
    (found,) = verify_features(lake(), renamed, DAYS[:1])
    assert found.outcome is Outcome.OTHER_SET
    assert renamed.version in found.reason
    assert "--remake" in found.reason


def test_a_session_whose_window_is_no_longer_validated_says_which() -> None:
    ws = lake()
    ws.store.remove(VALIDATED_BARS.name, DAYS[10])
    found = verdicts(ws)
    missing = [day for day, one in found.items() if one.outcome is Outcome.INPUT_MISSING]
    assert missing == list(DAYS[10:14])
    assert str(DAYS[10]) in found[DAYS[13]].reason


def test_of_a_set_that_compares_the_instruments_are_needed_too() -> None:
    ws = lake(feature_set=ABOVE)
    ws.store.remove(INSTRUMENTS.name, DAYS[10])
    found = verdicts(ws, ABOVE)
    missing = [day for day, one in found.items() if one.outcome is Outcome.INPUT_MISSING]
    assert missing == list(DAYS[10:14])
    assert found[DAYS[13]].reason == f"instruments {DAYS[10]} is gone"
    assert {found[day].outcome for day in DAYS if day not in missing} == {Outcome.EQUAL}


def test_a_damaged_file_is_told_from_another_set(tmp_path: Path) -> None:
    ws = lake(store=ParquetFrameStore(tmp_path))
    path = tmp_path / "features" / f"{DAYS[10]}.parquet"
    whole = path.read_bytes()
    # Cut short, and with its notes whole but not its columns.
    for content in (whole[:40], whole[:4] + bytes(40) + whole[44:]):
        path.write_bytes(content)
        (found,) = verify_features(ws, MOVES, [DAYS[10]])
        assert found.outcome is Outcome.DAMAGED
        assert str(path) in found.reason
    path.write_bytes(whole)
    renamed = replace(MOVES, definitions={"move": "c / c[t-2]", "range": "h - l"})
    (found,) = verify_features(ws, renamed, [DAYS[10]])
    assert found.outcome is Outcome.OTHER_SET


def test_features_made_again_are_traced_to_the_bars_of_that_time() -> None:
    ws = lake()
    for value in (50.0, 60.0, 70.0):
        restate(ws, DAYS[10], set_close("BBB", value))
        if value == 60.0:
            make(ws, DAYS[10:12])
    found = verdicts(ws)
    was = BARS.filter(pl.col("session") == DAYS[10], pl.col("symbol") == "BBB")["close"].item()
    assert found[DAYS[10]].differences[0].inputs[0].then == "60.0"
    assert found[DAYS[13]].differences[0].inputs[0].then == str(was)
    make(ws, DAYS)
    assert outcomes(ws) == {Outcome.EQUAL}
    # The first reading and the two that features were made from, not what came in between.
    versions = ws.store.read(FEATURE_INPUTS, [DAYS[10]]).filter(pl.col("symbol") == "BBB")
    assert versions["close"].to_list() == [was, 60.0, 70.0]


def test_the_record_gives_back_what_was_read() -> None:
    ws = lake()
    first = read_inputs(ws, MOVES, DAYS[9:13])
    restate(ws, DAYS[10], lambda bars: bars.filter(pl.col("symbol") != "AAA"))
    make(ws, [DAYS[11]])
    window, before = kept_bars(ws, DAYS[12]) or ((), pl.DataFrame())
    assert window == DAYS[9:13]
    assert before.equals(first)
    _, after = kept_bars(ws, DAYS[11]) or ((), pl.DataFrame())
    assert after.equals(read_inputs(ws, MOVES, DAYS[8:12]))
    assert after.height == before.height - 1


def test_without_the_record_the_cause_is_not_guessed() -> None:
    ws = lake()
    restate(ws, DAYS[10], set_close("BBB", 99.5))
    ws.store.remove(FEATURE_ORIGINS.name, DAYS[10])
    assert verdicts(ws)[DAYS[10]].outcome is Outcome.CAUSE_UNKNOWN
    # A record of other features, as a crash between the two writes leaves it.
    origins = ws.store.read(FEATURE_ORIGINS, [DAYS[13]])
    ws.store.write(FEATURE_ORIGINS, DAYS[13], origins.with_columns(fingerprint=pl.lit("other")))
    assert verdicts(ws)[DAYS[13]].outcome is Outcome.CAUSE_UNKNOWN


def test_an_earlier_start_of_history_is_named_as_bars_let_in() -> None:
    ws = lake()
    late = Workspace(MARKET, ws.store, DAYS[5])
    make(late, [DAYS[6]])
    (found,) = verify_features(ws, MOVES, [DAYS[6]])
    assert found.outcome is Outcome.INPUT_CHANGED
    assert found.differences[0].inputs[0] == ChangedInput(DAYS[4], "AAA", "*", "absent", "present")


def test_instruments_that_are_compared_are_traced_to_each_other() -> None:
    ws = lake(feature_set=ABOVE)
    restate(ws, DAYS[10], set_close("BBB", 99.5))
    found = {one.session: one for one in verify_features(ws, ABOVE, DAYS)}
    assert found[DAYS[10]].outcome is Outcome.INPUT_CHANGED
    assert [one.symbol for one in found[DAYS[10]].differences] == ["AAA", "BBB"]
    assert {one.inputs[0].symbol for one in found[DAYS[10]].differences} == {"BBB"}
    assert found[DAYS[11]].outcome is Outcome.EQUAL


def test_an_instrument_of_another_industry_is_named() -> None:
    ws = lake(feature_set=ABOVE)
    day = ws.store.read(INSTRUMENTS, [DAYS[10]]).with_columns(industry=pl.lit("steel"))
    ws.store.write(INSTRUMENTS, DAYS[10], day)
    (found,) = verify_features(ws, ABOVE, [DAYS[10]])
    assert [one.symbol for one in found.differences] == list(SYMBOLS)
    moved = ChangedInput(DAYS[10], "CCC", "industry", "salt", "steel")
    assert all(one.inputs == (moved,) for one in found.differences)


def test_a_session_without_features_cannot_be_verified() -> None:
    ws = lake()
    ws.store.remove("features", DAYS[4])
    with pytest.raises(MissingSession, match=str(DAYS[4])):
        list(verify_features(ws, MOVES, [DAYS[4]]))


def test_nothing_written_keeps_nothing() -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    keep_inputs(ws, read_inputs(ws, MOVES, []), list[Written](), lookback=3)
    assert not ws.store.partitions(FEATURE_INPUTS.name)


def test_spots_are_the_newest_and_others_that_the_newest_decides() -> None:
    drawn = spot_sessions(DAYS, DAYS[-1], 5)
    assert drawn[-1] == DAYS[-1]
    assert len(set(drawn)) == 5
    assert list(drawn) == sorted(drawn)
    assert drawn == spot_sessions(DAYS[::-1], DAYS[-1], 5)
    assert {spot_sessions(DAYS, day, 5)[0] for day in DAYS[-6:]} != {drawn[0]}
    assert spot_sessions(DAYS, DAYS[2], 5) == DAYS[:3]
    assert spot_sessions((), DAYS[2], 5) == ()
