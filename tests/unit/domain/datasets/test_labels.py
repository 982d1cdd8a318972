"""Labels: which closes they read, when they are missing, and which entries could not be bought."""

from __future__ import annotations

import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.datasets import labels as labels_module
from tradegraph_dagster.domain.datasets.labels import bars_to_labels, closes_at_upper_limit
from tradegraph_dagster.domain.datasets.schema import LABELS, LabelSpan

MARKET = PlainMarket()
DAYS = MARKET.calendar.sessions[5:25]
SYMBOL = "600000.SH"
SPAN = LabelSpan.of_horizon(1)


def bars_of(closes: dict[int, float]) -> pl.DataFrame:
    """One instrument at 10.00 a session but on those given, with its reference kept right."""
    values = [closes.get(at, 10.0) for at in range(len(DAYS))]
    return make_adjusted_bars(DAYS, [SYMBOL]).with_columns(
        close=pl.Series(values),
        raw_close=pl.Series(values),
        reference_close=pl.Series([None, *values[:-1]]),
    )


def change(bars: pl.DataFrame, at: int, **columns: object) -> pl.DataFrame:
    hit = pl.col("session") == DAYS[at]
    return bars.with_columns(
        pl.when(hit).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in columns.items()
    )


def label(
    bars: pl.DataFrame, at: int = 3, *, horizon: int = 1, market: PlainMarket = MARKET
) -> dict[str, object]:
    frame = bars_to_labels(
        bars,
        sessions=[DAYS[at]],
        calendar=market.calendar,
        span=LabelSpan.of_horizon(horizon),
        market=market,
    )
    return check_frame(frame, LABELS).row(0, named=True)


@pytest.mark.parametrize(("horizon", "exit_at"), [(1, 5), (3, 7), (10, 14)])
def test_runs_from_the_next_close_over_the_horizon(horizon: int, exit_at: int) -> None:
    bars = bars_of({3: 50.0, 4: 8.0, exit_at: 10.0})
    assert label(bars, horizon=horizon)["label"] == pytest.approx(0.25)


def test_reads_adjusted_closes() -> None:
    bars = change(bars_of({}), 5, close=11.0, raw_close=5.5)
    assert label(bars)["label"] == pytest.approx(0.1)


@pytest.mark.parametrize("at", [4, 5])
@pytest.mark.parametrize("how", ["suspended", "absent", "no volume"])
def test_is_missing_where_a_close_is(at: int, how: str) -> None:
    bars = bars_of({})
    bars = {
        "suspended": change(bars, at, is_suspended=True, close=None),
        "absent": bars.filter(pl.col("session") != DAYS[at]),
        "no volume": change(bars, at, volume=0.0),
    }[how]
    found = label(bars)
    assert found["label"] is None
    assert found["is_entry_tradable"] is (at == 5)


def test_every_instrument_with_a_bar_has_a_row_suspended_or_not() -> None:
    bars = pl.concat([change(bars_of({}), 3, is_suspended=True, close=None, volume=None)])
    assert label(bars)["label"] == pytest.approx(0)
    gone = bars.filter(pl.col("session") != DAYS[3])
    frame = bars_to_labels(
        gone, sessions=[DAYS[3]], calendar=MARKET.calendar, span=SPAN, market=MARKET
    )
    assert frame.is_empty()


@pytest.mark.parametrize(
    ("close", "is_tradable"), [(11.0, False), (10.99, True), (9.0, True), (10.45, True)]
)
def test_close_at_the_upper_limit_cannot_be_bought(close: float, is_tradable: bool) -> None:
    found = label(bars_of({4: close}))
    assert found["is_entry_tradable"] is is_tradable
    assert found["label"] is not None


def test_narrow_limit_of_a_flagged_name_is_seen() -> None:
    assert label(change(bars_of({4: 10.5}), 4, is_st=True))["is_entry_tradable"] is False


@pytest.mark.parametrize("is_st", [True, False])
def test_fast_path_agrees_with_asking_for_every_band(
    monkeypatch: pytest.MonkeyPatch, is_st: bool
) -> None:
    references = [0.09, 0.11, 0.19, 0.29, 0.294, 0.3049, 0.5, 0.995, 1.009, 9.994]
    cases = [
        {"reference_close": reference, "raw_close": round(reference, 2) + ticks / 100}
        for reference in references
        for ticks in range(-1, max(12, round(20 * reference)))
    ]
    row = bars_of({}).filter(pl.col("session") == DAYS[4])
    bars = pl.concat([row] * len(cases)).with_columns(
        pl.DataFrame(cases),
        is_st=pl.lit(is_st),
        symbol=pl.Series([f"{at:06d}" for at in range(len(cases))]),
    )
    fast = closes_at_upper_limit(bars, MARKET.calendar, MARKET)
    monkeypatch.setattr(labels_module, "NEVER_LIMITED_FRAC", -10.0)
    assert closes_at_upper_limit(bars, MARKET.calendar, MARKET).equals(fast)
    assert 0 < fast.height < len(cases)


def test_market_without_limits_and_first_session_can_always_be_bought() -> None:
    bars = bars_of({4: 20.0})
    assert label(bars, market=PlainMarket(limit_percent=None))["is_entry_tradable"] is True
    assert label(change(bars, 4, reference_close=None))["is_entry_tradable"] is True
    assert label(change(bars, 4, sessions_listed=1))["is_entry_tradable"] is True


def test_one_session_equals_the_range() -> None:
    bars = make_adjusted_bars(DAYS, [SYMBOL, "000001.SZ"], seed=9)
    calendar, span = MARKET.calendar, LabelSpan.of_horizon(2)
    whole = bars_to_labels(bars, sessions=DAYS[:15], calendar=calendar, span=span, market=MARKET)
    for at, day in enumerate(DAYS[:15]):
        few = bars.filter(pl.col("session").is_in(list(DAYS[at : at + 4])))
        alone = bars_to_labels(few, sessions=[day], calendar=calendar, span=span, market=MARKET)
        assert alone.equals(whole.filter(pl.col("session") == day))


def test_later_than_the_exit_changes_nothing() -> None:
    bars = bars_of({4: 9.0, 5: 9.5})
    assert label(bars) == label(bars.filter(pl.col("session") <= DAYS[5]))


def test_calendar_must_reach_the_exit() -> None:
    last = MARKET.calendar.sessions[-1]
    with pytest.raises(MissingSession):
        bars_to_labels(
            bars_of({}), sessions=[last], calendar=MARKET.calendar, span=SPAN, market=MARKET
        )
