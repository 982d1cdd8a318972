"""A label of t reads its row's existence, the entry's bar and the exit's close: nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan

MARKET = PlainMarket()
DAYS = MARKET.calendar.sessions[:40]
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH")
HORIZONS = st.integers(1, 20)
SEEDS = st.integers(0, 10_000)
AT = st.integers(0, len(DAYS) - 22)
NUMBERS = ("close", "raw_close", "reference_close", "volume")


def history(seed: int) -> pl.DataFrame:
    """A random walk with suspensions, rows left out, idle days and closes at the upper limit."""
    rng = np.random.default_rng(seed)
    bars = make_adjusted_bars(DAYS, SYMBOLS, seed=seed)
    rows = bars.height
    is_limited = pl.Series(rng.random(rows) < 0.2)
    return (
        bars.with_columns(
            is_suspended=pl.Series(rng.random(rows) < 0.15),
            volume=pl.when(pl.Series(rng.random(rows) < 0.1)).then(0.0).otherwise("volume"),
            raw_close=pl.when(is_limited)
            .then((pl.col("reference_close") * 1.1).round(2))
            .otherwise("raw_close"),
        )
        .filter(pl.Series(rng.random(rows) < 0.9))
        .with_columns(close=pl.when("is_suspended").then(None).otherwise("close"))
    )


def labels(bars: pl.DataFrame, at: int, span: LabelSpan) -> pl.DataFrame:
    return bars_to_labels(
        bars, sessions=[DAYS[at]], calendar=MARKET.calendar, span=span, market=MARKET
    )


def scrambled(bars: pl.DataFrame, kept: list[int], rng: np.random.Generator) -> pl.DataFrame:
    """Other numbers and other suspensions on every session but those kept."""
    is_kept = pl.col("session").is_in([DAYS[at] for at in kept])
    factor = pl.Series(rng.uniform(0.2, 5.0, bars.height))
    return bars.with_columns(
        *(
            pl.when(is_kept).then(name).otherwise(pl.col(name) * factor).alias(name)
            for name in NUMBERS
        ),
        is_suspended=pl.when(is_kept)
        .then("is_suspended")
        .otherwise(pl.Series(rng.random(bars.height) < 0.5)),
    )


@given(SEEDS, AT, HORIZONS)
def test_nothing_outside_the_entry_and_the_exit_changes_a_label(
    seed: int, at: int, horizon: int
) -> None:
    bars, span = history(seed), LabelSpan.of_horizon(horizon)
    read = [at + span.entry, at + span.exit]
    other = scrambled(bars, read, np.random.default_rng(seed + 1))
    is_row = pl.col("session") == DAYS[at]
    few = other.filter(is_row | pl.col("session").is_in([DAYS[number] for number in read]))
    expected = labels(bars, at, span)
    assert labels(other, at, span).equals(expected)
    assert labels(few, at, span).equals(expected)


@given(SEEDS, AT, HORIZONS, st.sampled_from(["entry", "exit"]))
def test_both_closes_change_it(seed: int, at: int, horizon: int, which: str) -> None:
    bars, span = history(seed), LabelSpan.of_horizon(horizon)
    before = labels(bars, at, span).drop_nulls("label")
    assume(before.height > 0)
    day = DAYS[at + getattr(span, which)]
    doubled = pl.when(pl.col("session") == day).then(pl.col("close") * 2).otherwise("close")
    after = labels(bars.with_columns(close=doubled), at, span).drop_nulls("label")
    assert after["symbol"].equals(before["symbol"])
    factor = {"entry": 0.5, "exit": 2.0}[which]
    np.testing.assert_allclose(after["label"] + 1, (before["label"] + 1) * factor)


@given(SEEDS, HORIZONS, HORIZONS)
def test_the_flag_is_that_of_the_entry_whatever_the_horizon(
    seed: int, horizon: int, other: int
) -> None:
    bars = history(seed)
    sessions = DAYS[: len(DAYS) - 21]
    short, long = (
        bars_to_labels(
            bars,
            sessions=sessions,
            calendar=MARKET.calendar,
            span=LabelSpan.of_horizon(number),
            market=MARKET,
        )
        for number in (horizon, other)
    )
    assert short.select("session", "symbol", "is_entry_tradable").equals(
        long.select("session", "symbol", "is_entry_tradable")
    )
    # A known return was entered at a close, at the limit or not.
    assert not short["is_entry_tradable"].all()
    assert short["is_entry_tradable"].any()


@given(SEEDS, HORIZONS)
def test_one_session_alone_has_the_bits_of_the_range(seed: int, horizon: int) -> None:
    bars, span = history(seed), LabelSpan.of_horizon(horizon)
    sessions = DAYS[: len(DAYS) - 21]
    whole = bars_to_labels(
        bars, sessions=sessions, calendar=MARKET.calendar, span=span, market=MARKET
    )
    for at in (0, 7, len(sessions) - 1):
        assert labels(bars, at, span).equals(whole.filter(pl.col("session") == DAYS[at]))
