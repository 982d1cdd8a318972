"""The calendar's grid: what is a row, where windows begin, and one session equals a range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.support.bar_grids import features_of
from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import weekday_calendar
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.features import blocks
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.schema import BAR_FIELDS

ALPHA158 = load_feature_set("alpha158")
NAMES = list(ALPHA158.definitions)
CALENDAR = weekday_calendar(200)
DAYS = CALENDAR.sessions[20:160]
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH")
PRICES = ("open", "high", "low", "close", "vwap", "volume")


def compute(
    bars: pl.DataFrame, sessions: Sequence[date], *, history_begins: date | None = None
) -> pl.DataFrame:
    return bars_to_features(
        bars, ALPHA158, sessions=sessions, calendar=CALENDAR, history_begins=history_begins
    )


def suspend(bars: pl.DataFrame, symbol: str, days: Sequence[date]) -> pl.DataFrame:
    hit = (pl.col("symbol") == symbol) & pl.col("session").is_in(list(days))
    return bars.with_columns(
        *(pl.when(~hit).then(pl.col(name)).alias(name) for name in PRICES),
        is_suspended=pl.col("is_suspended") | hit,
    )


def drop(bars: pl.DataFrame, symbol: str, days: Sequence[date]) -> pl.DataFrame:
    return bars.filter(~((pl.col("symbol") == symbol) & pl.col("session").is_in(list(days))))


def row(features: pl.DataFrame, session: date, symbol: str) -> bytes:
    found = features.filter(pl.col("session") == session, pl.col("symbol") == symbol)
    assert found.height == 1
    return found.select(NAMES).to_numpy().tobytes()


def same_bits(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    keys = left.select("session", "symbol").equals(right.select("session", "symbol"))
    return keys and all(
        left.get_column(name).to_numpy().tobytes() == right.get_column(name).to_numpy().tobytes()
        for name in NAMES
    )


def troubled_bars() -> pl.DataFrame:
    """Suspensions and missing rows at many windows' starts, a late listing, a reused symbol."""
    bars = make_adjusted_bars(DAYS, SYMBOLS, seed=4)
    bars = suspend(bars, SYMBOLS[0], [*DAYS[9:14], DAYS[40], *DAYS[118:121]])
    bars = drop(bars, SYMBOLS[1], [*DAYS[:3], *DAYS[20:27], DAYS[60], DAYS[90]])
    late = make_adjusted_bars(DAYS[30:], ["301000.SZ"], seed=5)
    late = drop(late, "301000.SZ", DAYS[30:33])
    older = make_adjusted_bars(DAYS[:50], ["AAA"], seed=6).with_columns(
        sessions_listed=pl.col("sessions_listed") + 900
    )
    newer = make_adjusted_bars(DAYS[55:], ["AAA"], seed=7)
    return pl.concat([bars, late, older, newer]).sort("session", "symbol")


@pytest.mark.parametrize("begins", [0, 5], ids=["from the start", "history begins later"])
def test_one_session_equals_the_range_bit_for_bit(begins: int) -> None:
    days = DAYS[begins:]
    bars = troubled_bars().filter(pl.col("session") >= days[0])
    whole = compute(bars, days, history_begins=days[0])
    check_frame(whole, ALPHA158.schema)
    for at in [*range(8), *range(57, 63), *range(76, 96), *range(128, len(days))]:
        session = days[at]
        window = days[max(0, at - 60) : at + 1]
        tail = bars.filter(pl.col("session").is_in(list(window)))
        alone = compute(tail, [session], history_begins=days[0])
        assert same_bits(alone, whole.filter(pl.col("session") == session)), session


def test_one_session_equals_the_range_where_the_window_starts_without_any_bar() -> None:
    bars = drop(make_adjusted_bars(DAYS, SYMBOLS[:1]), SYMBOLS[0], DAYS[20:35])
    whole = compute(bars, DAYS, history_begins=DAYS[0])
    for at in (80, 85, 90, 94):
        tail = bars.filter(pl.col("session").is_in(list(DAYS[at - 60 : at + 1])))
        alone = compute(tail, [DAYS[at]], history_begins=DAYS[0])
        assert same_bits(alone, whole.filter(pl.col("session") == DAYS[at])), at


def test_sessions_far_apart_equal_each_alone() -> None:
    bars = troubled_bars()
    together = compute(bars, [DAYS[3], DAYS[139]], history_begins=DAYS[0])
    alone = [compute(bars, [day], history_begins=DAYS[0]) for day in (DAYS[3], DAYS[139])]
    assert same_bits(together, pl.concat(alone))


def test_equals_the_set_itself_on_a_whole_history() -> None:
    bars = make_adjusted_bars(DAYS, SYMBOLS[:1])
    expected = features_of(
        ALPHA158, {name: bars.get_column(name).to_numpy() for name in BAR_FIELDS}
    )
    computed = compute(bars, DAYS).select(NAMES).to_numpy()
    assert np.ascontiguousarray(computed).tobytes() == np.ascontiguousarray(expected).tobytes()


def test_windows_begin_on_the_listing_session_also_when_its_bar_is_missing() -> None:
    late = make_adjusted_bars(DAYS[30:50], ["301000.SZ"])
    fields = {name: late.get_column(name).to_numpy().copy() for name in BAR_FIELDS}
    for values in fields.values():
        values[:2] = np.nan
    bars = pl.concat([make_adjusted_bars(DAYS[:50], SYMBOLS), drop(late, "301000.SZ", DAYS[30:32])])
    computed = compute(bars.sort("session", "symbol"), [DAYS[40]])
    assert row(computed, DAYS[40], "301000.SZ") == features_of(ALPHA158, fields)[10].tobytes()


def test_suspended_rows_are_returned_and_rows_without_a_bar_are_not() -> None:
    bars = suspend(make_adjusted_bars(DAYS[:70], SYMBOLS), SYMBOLS[0], [DAYS[65]])
    bars = drop(bars, SYMBOLS[1], [DAYS[65]])
    features = compute(bars, [DAYS[65]])
    assert features.get_column("symbol").to_list() == [SYMBOLS[0], SYMBOLS[2]]
    assert np.isnan(features.get_column("kmid")[0])
    assert not np.isnan(features.get_column("cntp5")[0])


def test_missing_suspended_and_untraded_rows_are_the_same_gap() -> None:
    bars = make_adjusted_bars(DAYS[:80], SYMBOLS[:1])
    gap, session = [DAYS[50]], DAYS[75]
    hit = pl.col("session").is_in(gap)
    untraded = bars.with_columns(volume=pl.when(hit).then(0.0).otherwise(pl.col("volume")))
    found = {
        row(compute(variant, [session]), session, SYMBOLS[0])
        for variant in (suspend(bars, SYMBOLS[0], gap), drop(bars, SYMBOLS[0], gap), untraded)
    }
    assert len(found) == 1
    assert found != {row(compute(bars, [session]), session, SYMBOLS[0])}


def test_a_symbol_listed_anew_does_not_read_the_old_companys_bars() -> None:
    bars = troubled_bars()
    is_old = (pl.col("symbol") == "AAA") & (pl.col("session") < DAYS[55])
    session = DAYS[70]
    with_old, without = compute(bars, [session]), compute(bars.filter(~is_old), [session])
    assert row(with_old, session, "AAA") == row(without, session, "AAA")


def test_order_of_symbols_and_other_symbols_do_not_matter() -> None:
    bars = troubled_bars()
    whole = compute(bars, DAYS[100:])
    swapped = {"600000.SH": "000001.SZ", "000001.SZ": "600000.SH"}
    renamed = bars.with_columns(pl.col("symbol").replace(swapped)).sort("session", "symbol")
    back = compute(renamed, DAYS[100:]).with_columns(pl.col("symbol").replace(swapped))
    assert same_bits(whole, back.sort("session", "symbol"))
    fewer = compute(bars.filter(pl.col("symbol") == "600000.SH"), DAYS[100:])
    assert same_bits(fewer, whole.filter(pl.col("symbol") == "600000.SH"))


def test_a_split_handled_upstream_changes_nothing() -> None:
    bars = make_adjusted_bars(DAYS[:90], SYMBOLS[:1])
    factor = pl.when(pl.col("session") >= DAYS[60]).then(2.0).otherwise(1.0)
    raw = bars.with_columns(
        *(pl.col(name) / factor for name in BAR_FIELDS if name != "volume"),
        pl.col("volume") * factor,
    )
    adjusted = raw.with_columns(
        *(pl.col(name) * factor for name in BAR_FIELDS if name != "volume"),
        pl.col("volume") / factor,
    )
    assert same_bits(compute(adjusted, DAYS[:90]), compute(bars, DAYS[:90]))


def test_no_sessions_or_no_bars_give_no_rows() -> None:
    bars = make_adjusted_bars(DAYS[:5], SYMBOLS)
    assert compute(bars, []).equals(ALPHA158.schema.empty())
    assert compute(bars.clear(), DAYS[:5]).equals(ALPHA158.schema.empty())
    assert compute(bars, [DAYS[8]]).equals(ALPHA158.schema.empty())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bars: bars.drop("vwap"), "found no column vwap"),
        (lambda bars: bars.drop("sessions_listed"), "of adjusted bars that passed the gates"),
        (lambda bars: bars.cast({"close": pl.Float32}), "close is Float32, expected Float64"),
        (lambda bars: bars.cast({"volume": pl.Int64}), "volume is Int64, expected Float64"),
        (lambda bars: bars.reverse(), "out of order or repeated"),
        (lambda bars: pl.concat([bars[:5], bars[4:]]), "found row 5 out of order or repeated"),
        (lambda bars: bars.with_columns(low=pl.col("low") / 0.0), "found an infinite one"),
    ],
)
def test_bars_that_cannot_be_read_are_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    bars = make_adjusted_bars(DAYS[:20], SYMBOLS)
    with pytest.raises(SchemaError, match=message):
        compute(change(bars), DAYS[10:12])


def test_a_column_without_any_value_is_missing_only_where_it_is_read() -> None:
    bars = make_adjusted_bars(DAYS[:70], SYMBOLS)
    without = compute(bars.with_columns(vwap=pl.lit(None, pl.Float64)), DAYS[65:70])
    assert without.get_column("vwap0").is_nan().all()
    assert same_bits(
        without.with_columns(vwap0=pl.lit(0.0, pl.Float32)),
        compute(bars, DAYS[65:70]).with_columns(vwap0=pl.lit(0.0, pl.Float32)),
    )


def test_a_symbol_with_one_row_has_its_bar_shapes() -> None:
    bars = make_adjusted_bars(DAYS[:1], SYMBOLS[:1])
    found = compute(bars, DAYS[:1])
    assert found.height == 1
    assert found.get_column("open0").is_finite().all()
    assert found.get_column("roc5").is_nan().all()


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_blocks_change_no_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = make_adjusted_bars(DAYS, SYMBOLS)
    arguments = {"sessions": DAYS, "calendar": CALENDAR}
    one = bars_to_features(bars, ALPHA158, **arguments)  # type: ignore[arg-type]
    monkeypatch.setattr(blocks, "BLOCK_CELLS", len(DAYS))
    assert same_bits(bars_to_features(bars, ALPHA158, threads=threads, **arguments), one)  # type: ignore[arg-type]
