"""The synthetic exchange holds everything a real one does, and the signal it says it has."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.synthetic.actions import SyntheticActions
from tradegraph_dagster.adapters.synthetic.bars import SyntheticBars
from tradegraph_dagster.adapters.synthetic.history import make_history
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.adapters.synthetic.prices import draw_numbers
from tradegraph_dagster.adapters.synthetic.roster import INDUSTRIES, industry_of, make_symbols
from tradegraph_dagster.adapters.synthetic.signal import planted_rank_ic, signal_correlation
from tradegraph_dagster.domain.core.errors import ConfigError, SourceRefused, UnknownSymbol
from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Listing

CN = load_market("cn")
OPTIONS = SyntheticOptions(names=150, seed=7, first=date(2021, 1, 4), last=date(2023, 6, 30))
HISTORY = make_history(CN, OPTIONS)
SESSIONS = CN.calendar.between(OPTIONS.first, OPTIONS.last)
TRADED = HISTORY.bars.filter(~pl.col("is_suspended"))
PRICES = ("open", "high", "low", "close")


def adjusted_of(options: SyntheticOptions) -> pl.DataFrame:
    history = make_history(CN, options)
    return bars_to_adjusted_bars(
        history.bars,
        history.actions,
        history.instruments,
        ADJUSTED_BARS.empty(),
        market=CN,
        sessions=CN.calendar.between(options.first, options.last),
    )


def daily_rank_ic(options: SyntheticOptions) -> pl.DataFrame:
    """Spearman correlation of (close - open) / open at t with the return from t+1 to t+2."""
    close = pl.col("close")
    rows = (
        adjusted_of(options)
        .sort("symbol", "session")
        .with_columns(
            shape=close / pl.col("open") - 1,
            label=(close.shift(-2) / close.shift(-1) - 1).over("symbol"),
        )
        .drop_nulls(["shape", "label"])
    )
    return rows.group_by("session").agg(
        rank_ic=pl.corr("shape", "label", method="spearman"), names=pl.len()
    )


@pytest.mark.parametrize("rank_ic", [0.0, 0.05, 0.15])
def test_the_planted_signal_is_found_at_its_strength(rank_ic: float) -> None:
    options = OPTIONS.model_copy(update={"rank_ic": rank_ic})
    found = daily_rank_ic(options)
    standard_error = 1 / math.sqrt(found["names"].sum())
    mean = found["rank_ic"].mean()
    assert abs(mean - planted_rank_ic(options)) < 2 * standard_error


def test_the_planted_strength_is_the_option() -> None:
    assert planted_rank_ic(OPTIONS) == pytest.approx(0.05, abs=1e-15)
    assert signal_correlation(OPTIONS) == pytest.approx(2 * math.sin(math.pi * 0.05 / 6))


def test_the_signal_says_nothing_about_the_returns_around_it() -> None:
    rows = adjusted_of(OPTIONS).join(HISTORY.signal, on=["session", "symbol"])
    close = pl.col("close")
    made = rows.sort("symbol", "session").with_columns(
        today=(close / close.shift(1)).over("symbol"),
        tomorrow=(close.shift(-1) / close).over("symbol"),
    )
    for name in ("today", "tomorrow"):
        kept = made.drop_nulls(name)
        daily = kept.group_by("session").agg(ic=pl.corr("signal", name, method="spearman"))
        assert abs(daily["ic"].mean()) < 3 / math.sqrt(kept.height)


def test_the_signal_is_the_shape_of_the_day() -> None:
    shape = pl.col("close") / pl.col("open") - 1
    rows = TRADED.join(HISTORY.signal, on=["session", "symbol"]).with_columns(shape=shape)
    assert rows.select(pl.corr("shape", "signal", method="spearman")).item() > 0.998


def test_the_strength_changes_returns_and_nothing_else_that_is_drawn() -> None:
    weak, strong = (draw_numbers((50, 20), c, np.random.default_rng(1)) for c in (0.0, 0.3))
    assert not np.array_equal(weak.returns, strong.returns)
    for name in ("signal", "start", "wicks", "dividend_yield", "bonus", "rights", "one_price"):
        assert np.array_equal(getattr(weak, name), getattr(strong, name))


def test_every_board_is_there() -> None:
    boards = set(HISTORY.instruments["board"])
    assert boards == {"main", "star", "chinext", "bse"}
    exchanges = {symbol[-2:] for symbol in HISTORY.instruments["symbol"].unique()}
    assert exchanges == {"SH", "SZ", "BJ"}
    for symbol, board in HISTORY.instruments.select("symbol", "board").unique().rows():
        assert CN.board(symbol) == board


def test_every_name_has_one_industry_for_good_and_every_industry_has_names() -> None:
    named = HISTORY.instruments.select("symbol", "industry").unique()
    assert named["symbol"].n_unique() == named.height
    sizes = dict(named.group_by("industry").len().iter_rows())
    assert set(sizes) == set(INDUSTRIES)
    assert min(sizes.values()) > named.height / 10
    assert {industry_of(symbol) for symbol in make_symbols(10)} == set(INDUSTRIES)


def test_codes_are_unique_and_cover_every_board_from_ten_names_on() -> None:
    assert len(set(make_symbols(5_000))) == 5_000
    assert {CN.board(symbol) for symbol in make_symbols(10)} == {"main", "star", "chinext", "bse"}


def test_names_come_and_go() -> None:
    spans = HISTORY.instruments.group_by("symbol").agg(
        first=pl.col("session").min(),
        last=pl.col("session").max(),
        listed=pl.col("listed_on").first(),
        rows=pl.len(),
    )
    assert spans.height == OPTIONS.names
    came = spans.filter(pl.col("first") > SESSIONS[0])
    assert came.height >= 10
    assert (came["first"] == came["listed"]).all()
    assert spans.filter(pl.col("last") < SESSIONS[-1]).height >= 5
    for first, last, rows in spans.select("first", "last", "rows").rows():
        assert len(CN.calendar.between(first, last)) == rows


def test_special_treatment_comes_in_spells_and_ends() -> None:
    flagged = HISTORY.instruments.filter("is_st")
    assert 0.003 < flagged.height / HISTORY.instruments.height < 0.05
    assert (flagged["name"].str.starts_with("ST ")).all()
    ended = HISTORY.instruments.filter(
        (pl.col("is_st").shift(1) & ~pl.col("is_st")).over("symbol", order_by="session")
    )
    assert ended.height > 0


def test_names_are_suspended_for_single_days_and_for_spells() -> None:
    asleep = HISTORY.bars.filter("is_suspended")
    assert 0 < asleep.height < 0.01 * HISTORY.bars.height
    assert asleep.select(PRICES).null_count().row(0) == (asleep.height,) * 4
    lengths = (
        HISTORY.bars.sort("symbol", "session")
        .with_columns(spell=pl.col("is_suspended").rle_id().over("symbol"))
        .filter("is_suspended")
        .group_by("symbol", "spell")
        .len()["len"]
    )
    assert lengths.min() == 1
    assert lengths.max() >= 5


def test_some_days_are_spent_at_a_limit() -> None:
    one_price = TRADED.filter(
        (pl.col("high") == pl.col("low")) & (pl.col("open") == pl.col("close"))
    )
    assert 5 <= one_price.height < 0.002 * TRADED.height


def test_events_of_every_chinese_kind() -> None:
    events = HISTORY.actions
    assert (events["cash_per_share"] > 0).sum() > 100
    assert (events["bonus_ratio"] > 0).sum() > 10
    assert (events["rights_ratio"] > 0).sum() >= 1
    assert (events["split_ratio"] == 1).all()


def test_bars_are_what_an_exchange_would_print() -> None:
    for name in PRICES:
        cents = TRADED[name] * 100
        assert ((cents - cents.round()).abs() < 1e-6).all()
        assert TRADED[name].min() > 0.5
        assert TRADED[name].max() < 1_000
    highest = TRADED.select(pl.max_horizontal("open", "close")).to_series()
    lowest = TRADED.select(pl.min_horizontal("open", "close")).to_series()
    assert (TRADED["high"] >= highest).all()
    assert (TRADED["low"] <= lowest).all()
    assert (TRADED["volume"] % 100 == 0).all()
    assert (TRADED["volume"] > 0).all()
    vwap = TRADED["amount"] / TRADED["volume"]
    assert (vwap >= TRADED["low"] - 1e-4).all()
    assert (vwap <= TRADED["high"] + 1e-4).all()


def test_no_price_leaves_the_market_s_own_limits() -> None:
    adjusted = adjusted_of(OPTIONS).drop_nulls(["raw_close", "reference_close"])
    moved = adjusted.filter(
        ((pl.col("raw_close") / pl.col("reference_close") - 1).abs() > 0.045)
        | (pl.col("raw_high") / pl.col("reference_close") > 1.045)
        | (pl.col("raw_low") / pl.col("reference_close") < 0.955)
    )
    listed = dict(HISTORY.instruments.select("symbol", "listed_on").unique().rows())
    assert moved.height > 500
    for row in moved.iter_rows(named=True):
        band = CN.price_band(
            Listing(row["symbol"], listed[row["symbol"]], is_st=row["is_st"]),
            round_half_up(to_decimal(row["reference_close"])),
            row["session"],
            sessions_listed=row["sessions_listed"],
        )
        if band is not None:
            assert band.lower <= Decimal(str(row["raw_low"]))
            assert Decimal(str(row["raw_high"])) <= band.upper


def test_limits_and_cents_hardly_bind() -> None:
    returns = (
        adjusted_of(OPTIONS)
        .drop_nulls("reference_close")
        .with_columns(move=pl.col("raw_close") / pl.col("reference_close") - 1)
    )
    spread = returns.group_by("session").agg(pl.col("move").std())["move"].mean()
    assert 0.015 < spread < 0.0175


def test_which_sessions_are_asked_for_changes_nothing() -> None:
    source = SyntheticBars(CN, OPTIONS)
    assert source.bars(SESSIONS[100:110]).equals(
        HISTORY.bars.filter(pl.col("session").is_between(SESSIONS[100], SESSIONS[109]))
    )


def test_the_seed_decides_everything() -> None:
    small = SyntheticOptions(names=12, seed=1, first=date(2023, 1, 3), last=date(2023, 3, 31))
    other = small.model_copy(update={"seed": 2})
    assert make_history(CN, small) is make_history(CN, small.model_copy())
    assert not make_history(CN, small).bars.equals(make_history(CN, other).bars)


def test_a_few_sessions_are_a_history_too() -> None:
    tiny = SyntheticOptions(names=10, first=date(2024, 1, 2), last=date(2024, 1, 3))
    assert make_history(CN, tiny).bars["session"].n_unique() == 2


def test_a_calendar_that_begins_with_the_history_will_do() -> None:
    options = SyntheticOptions(names=12, first=date(2023, 1, 2), last=date(2023, 6, 30))
    history = make_history(PlainMarket(), options)
    assert history.bars["session"].min() == date(2023, 1, 2)


def test_a_market_without_these_codes_says_so() -> None:
    options = SyntheticOptions(names=12, first=date(2023, 1, 3), last=date(2023, 6, 30))
    with pytest.raises(UnknownSymbol):
        make_history(load_market("us"), options)


@pytest.mark.parametrize("day", [date(2020, 12, 31), date(2023, 7, 3), date(2021, 1, 9)])
def test_a_session_outside_the_history_is_refused(day: date) -> None:
    with pytest.raises(SourceRefused, match=str(day)):
        SyntheticBars(CN, OPTIONS).bars([day])
    with pytest.raises(SourceRefused, match=str(day)):
        SyntheticActions(CN, OPTIONS).corporate_actions([day])


def test_a_calendar_without_these_days_is_a_configuration_error() -> None:
    options = SyntheticOptions(first=date(2023, 1, 7), last=date(2023, 1, 8))
    with pytest.raises(ConfigError, match="no session"):
        make_history(CN, options)
