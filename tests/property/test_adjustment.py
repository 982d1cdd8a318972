"""Invariants of adjustment over generated markets."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import weekdays
from tests.support.make_market_data import (
    SYMBOLS,
    Event,
    StrictPlainMarket,
    make_events,
    make_instruments_of,
    make_raw_bars,
    suspend,
)
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS

MARKET = StrictPlainMarket()
DAYS = weekdays(9)
A = SYMBOLS[0]

terms = st.fixed_dictionaries(
    {
        "cash_per_share": st.floats(0.0, 1.5),
        "bonus_ratio": st.sampled_from([0.0, 0.1, 0.45, 1.0]),
        "rights_ratio": st.sampled_from([0.0, 0.3]),
        "split_ratio": st.sampled_from([1.0, 2.0, 7.0, 0.1, 1.5]),
    }
)
events_by_day = st.dictionaries(st.sampled_from(DAYS[1:]), terms, max_size=4)
suspensions = st.sets(st.sampled_from(DAYS[1:]), max_size=3)
seeds = st.integers(0, 1_000)


def to_events(drawn: dict[date, dict[str, float]]):
    return make_events(
        *(
            Event(day, A, **one, rights_price=6.0 if one["rights_ratio"] else 0.0)
            for day, one in drawn.items()
        )
    )


def market_of(seed: int, asleep: set[date]) -> pl.DataFrame:
    bars = make_raw_bars(DAYS, seed=seed)
    for day in asleep:
        bars = suspend(bars, day, A)
    return bars


def adjust(bars: pl.DataFrame, events: pl.DataFrame, days=DAYS, previous=None) -> pl.DataFrame:
    inside = pl.col("session").is_in(list(days))
    return bars_to_adjusted_bars(
        bars.filter(inside),
        events.filter(inside),
        make_instruments_of(bars).filter(inside),
        ADJUSTED_BARS.empty() if previous is None else previous,
        market=MARKET,
        sessions=days,
    )


def of_a(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("symbol") == A)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_adjusted_returns_are_raw_over_reference(seed: int, drawn: dict, asleep: set[date]) -> None:
    rows = of_a(adjust(market_of(seed, asleep), to_events(drawn))).drop_nulls("close")
    adjusted = rows["close"].to_numpy()
    truth = (rows["raw_close"] / rows["reference_close"]).to_numpy()[1:]
    assert np.allclose(adjusted[1:] / adjusted[:-1], truth, rtol=1e-12, atol=0)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_total_return_is_kept(seed: int, drawn: dict, asleep: set[date]) -> None:
    """A holder who puts every payment back at the reference price grows as adjusted prices do."""
    events = to_events(drawn)
    rows = of_a(adjust(market_of(seed, asleep), events))
    terms_of = {row["session"]: row for row in events.iter_rows(named=True)}
    shares = 1.0
    for row in rows.iter_rows(named=True):
        event = terms_of.get(row["session"])
        if event is not None:
            # Rights are paid for by selling shares at the reference price.
            new = (1 + event["bonus_ratio"] + event["rights_ratio"]) * event["split_ratio"]
            money = event["cash_per_share"] - event["rights_ratio"] * event["rights_price"]
            shares = shares * new + shares * money / row["reference_close"]
    last = rows.drop_nulls("close").row(-1, named=True)
    if all(day <= last["session"] for day in drawn):
        wealth = shares * last["raw_close"]
        grown = last["close"] / rows["close"][0]
        assert np.isclose(wealth / rows["raw_close"][0], grown, rtol=1e-10, atol=0)


@given(seed=seeds, day=st.sampled_from(DAYS[1:]), ratio=st.sampled_from([2.0, 4.0, 0.5, 7.0, 0.1]))
def test_a_split_changes_no_adjusted_return_and_no_adjusted_turnover(
    seed: int, day: date, ratio: float
) -> None:
    """The same company with and without a split looks the same after adjustment."""
    plain = make_raw_bars(DAYS, seed=seed)
    after = (pl.col("symbol") == A) & (pl.col("session") >= day)
    prices = ("open", "high", "low", "close")
    split = plain.with_columns(
        *(pl.when(after).then(pl.col(n) / ratio).otherwise(n).alias(n) for n in prices),
        volume=pl.when(after).then(pl.col("volume") * ratio).otherwise("volume"),
    )
    one = of_a(adjust(plain, make_events()))
    two = of_a(adjust(split, make_events(Event(day, A, split_ratio=ratio))))
    for name in (*prices, "volume", "vwap"):
        assert np.allclose(one[name].to_numpy(), two[name].to_numpy(), rtol=1e-12, atol=0)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions, cut=st.integers(1, len(DAYS) - 1))
def test_a_later_event_changes_no_earlier_row(
    seed: int, drawn: dict, asleep: set[date], cut: int
) -> None:
    bars = market_of(seed, asleep)
    known = {day: one for day, one in drawn.items() if day < DAYS[cut]}
    earlier = pl.col("session") < DAYS[cut]
    now, then = adjust(bars, to_events(drawn)), adjust(bars, to_events(known))
    assert now.filter(earlier).equals(then.filter(earlier))


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_adjustment_is_undone_by_its_factors(seed: int, drawn: dict, asleep: set[date]) -> None:
    bars = market_of(seed, asleep)
    rows = adjust(bars, to_events(drawn))
    for name in ("open", "high", "low", "close"):
        back = (rows[name] / rows["price_factor"]).drop_nulls().to_numpy()
        assert np.all(np.abs(back - bars[name].drop_nulls().to_numpy()) <= np.spacing(back))
    shares = (rows["volume"] * rows["share_factor"]).drop_nulls().to_numpy()
    traded = bars.filter(~pl.col("is_suspended"))["volume"].to_numpy()
    assert np.all(np.abs(shares - traded) <= np.spacing(traded))


@given(seed=seeds, drawn=events_by_day, asleep=suspensions, cut=st.integers(1, len(DAYS) - 1))
def test_two_halves_have_the_bits_of_the_whole(
    seed: int, drawn: dict, asleep: set[date], cut: int
) -> None:
    bars, events = market_of(seed, asleep), to_events(drawn)
    whole = adjust(bars, events)
    head = adjust(bars, events, DAYS[:cut])
    last = head.filter(pl.col("session") == DAYS[cut - 1])
    assert pl.concat([head, adjust(bars, events, DAYS[cut:], last)]).equals(whole)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_forward_and_backward_adjusted_returns_are_one(
    seed: int, drawn: dict, asleep: set[date]
) -> None:
    """Scaling a history to its last day, as vendors show it, changes no return."""
    rows = of_a(adjust(market_of(seed, asleep), to_events(drawn))).drop_nulls("close")
    backward = (rows["raw_close"] * rows["price_factor"]).to_numpy()
    forward = (rows["raw_close"] * rows["price_factor"] / rows["price_factor"][-1]).to_numpy()
    truth = (rows["raw_close"] / rows["reference_close"]).to_numpy()[1:]
    for prices in (backward, forward):
        assert np.allclose(prices[1:] / prices[:-1], truth, rtol=1e-12, atol=0)
    assert np.isclose(forward[-1], rows["raw_close"][-1], rtol=1e-12, atol=0)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_volume_follows_the_share_count_and_amount_nothing(
    seed: int, drawn: dict, asleep: set[date]
) -> None:
    bars = market_of(seed, asleep)
    rows = of_a(adjust(bars, to_events(drawn)))
    shares = 1.0
    for row in rows.iter_rows(named=True):
        one = drawn.get(row["session"])
        if one is not None:
            # Cash has no part in it.
            shares *= (1 + one["bonus_ratio"] + one["rights_ratio"]) * one["split_ratio"]
        assert np.isclose(row["share_factor"], shares, rtol=1e-12, atol=0)
    assert rows["amount"].equals(of_a(bars)["amount"])


split_days = st.dictionaries(
    st.sampled_from(DAYS[1:]), st.sampled_from([2.0, 3.0, 0.5, 0.1, 7.0]), min_size=1, max_size=4
)


@given(seed=seeds, ratios=split_days)
def test_any_splits_and_reverse_splits_leave_the_adjusted_series(
    seed: int, ratios: dict[date, float]
) -> None:
    plain = make_raw_bars(DAYS, seed=seed)
    split = plain
    for day, ratio in ratios.items():
        after = (pl.col("symbol") == A) & (pl.col("session") >= day)
        split = split.with_columns(
            *(
                pl.when(after).then(pl.col(name) / ratio).otherwise(name).alias(name)
                for name in ("open", "high", "low", "close")
            ),
            volume=pl.when(after).then(pl.col("volume") * ratio).otherwise("volume"),
        )
    events = make_events(*(Event(day, A, split_ratio=ratio) for day, ratio in ratios.items()))
    one, two = of_a(adjust(plain, make_events())), of_a(adjust(split, events))
    for name in ("open", "high", "low", "close", "volume", "vwap"):
        assert np.allclose(one[name].to_numpy(), two[name].to_numpy(), rtol=1e-12, atol=0)


@given(seed=seeds, drawn=events_by_day, asleep=suspensions)
def test_a_withdrawn_event_leaves_the_bits_of_a_market_without_it(
    seed: int, drawn: dict, asleep: set[date]
) -> None:
    bars, shown = market_of(seed, asleep), to_events(drawn)
    gone = shown.with_columns(
        pl.col("known_at").dt.offset_by("1h"),
        *(pl.lit(0.0).alias(name) for name in ("cash_per_share", "bonus_ratio")),
        *(pl.lit(0.0).alias(name) for name in ("rights_ratio", "rights_price")),
        split_ratio=pl.lit(1.0),
    )
    versions = pl.concat([shown, gone]).sort("session", "symbol", "known_at")
    assert adjust(bars, versions).equals(adjust(bars, make_events()))
