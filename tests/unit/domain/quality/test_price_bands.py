"""The vectorised limit gate agrees with asking the market row by row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.damaged_bars import damage
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.catalogue import (
    example_symbols,
    load_market,
    market_names,
)
from tradegraph_dagster.domain.markets.schema import Listing
from tradegraph_dagster.domain.quality.gates.price_limits import ALWAYS_ALLOWED_FRAC, GATE
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.schema import GateInput

MARKET = PlainMarket()
DAYS = weekdays(2)


def limit_bars(references: list[float], moves: list[float], *, is_st: bool) -> pl.DataFrame:
    """Two sessions; on the second, name i opened at its reference and went to its move."""
    symbols = pl.DataFrame({"symbol": [f"S{number:05d}" for number in range(len(references))]})
    template = make_adjusted_bars(DAYS, ["S00000"])
    bars = conform_frame(template.drop("symbol").join(symbols, how="cross"), ADJUSTED_BARS)
    row = pl.int_range(pl.len()).over("session")
    reference = pl.lit(pl.Series(references)).gather(row)
    moved = pl.lit(pl.Series(moves)).gather(row)
    return bars.with_columns(
        raw_open=reference,
        raw_close=moved,
        raw_high=pl.max_horizontal(reference, moved),
        raw_low=pl.min_horizontal(reference, moved),
        reference_close=reference,
        is_st=pl.lit(is_st),
        sessions_listed=pl.lit(900, pl.Int32),
    )


def breaches_by_hand(bars: pl.DataFrame) -> set[str]:
    """Every row through the market, in Decimal, with no shortcut."""
    found = set()
    for row in bars.filter(pl.col("session") == DAYS[1]).iter_rows(named=True):
        band = MARKET.price_band(
            Listing(row["symbol"], date(2020, 1, 1), row["is_st"]),
            round_half_up(to_decimal(row["reference_close"])),
            row["session"],
            sessions_listed=row["sessions_listed"],
        )
        assert band is not None
        prices = [to_decimal(row[name]) for name in ("raw_high", "raw_low", "raw_close")]
        if max(prices) > band.upper or min(prices) < band.lower:
            found.add(row["symbol"])
    return found


@pytest.mark.parametrize("is_st", [False, True])
def test_the_gate_equals_the_plain_call_for_every_row(is_st: bool) -> None:
    rng = np.random.default_rng(7)
    cents = np.concatenate([np.arange(1, 700), rng.integers(700, 300_000, 800)])
    percent = 5 if is_st else 10
    edge = np.round(cents * percent / 100).astype(int)
    shift = rng.integers(-2, 3, len(cents))
    moves = np.maximum(cents + rng.choice([-1, 1], len(cents)) * (edge + shift), 1)
    bars = limit_bars((cents / 100).tolist(), (moves / 100).tolist(), is_st=is_st)
    found = GATE.find(
        GateInput(bars, make_instruments(bars), CORPORATE_ACTIONS.empty(), DAYS[1:], MARKET)
    )
    by_hand = breaches_by_hand(bars)
    assert set(found["symbol"]) == by_hand
    assert 100 < len(by_hand) < len(cents) - 100


@pytest.mark.parametrize(
    ("reference", "upper", "lower"),
    [(10.05, 11.06, 9.05), (9.45, 10.40, 8.51), (3.33, 3.66, 3.00), (0.05, 0.06, 0.04)],
)
def test_prices_at_the_limit_pass_and_a_tick_beyond_does_not(
    reference: float, upper: float, lower: float
) -> None:
    bars = limit_bars([reference] * 4, [upper, lower, upper + 0.01, lower - 0.01], is_st=False)
    found = GATE.find(
        GateInput(bars, make_instruments(bars), CORPORATE_ACTIONS.empty(), DAYS[1:], MARKET)
    )
    assert list(found["symbol"]) == ["S00002", "S00003"]


def test_an_ex_right_reference_is_rounded_half_up_without_binary_dust() -> None:
    dusty = 9.894999999999998
    bars = limit_bars([dusty], [10.0], is_st=False).filter(pl.col("session") == DAYS[1])
    banded = add_price_bands(bars.with_columns(listed_on=date(2010, 1, 4)), MARKET)
    assert banded["upper_limit"].item() == float(round_half_up(Decimal("9.90") * Decimal("1.1")))


def test_an_ex_date_leaves_two_cents_for_the_announced_formula() -> None:
    bars = limit_bars([10.0, 10.0], [11.02, 11.03], is_st=False)
    ex_dated = damage(bars, DAYS[1], ["S00000", "S00001"], price_factor=1.1)
    found = GATE.find(
        GateInput(ex_dated, make_instruments(bars), CORPORATE_ACTIONS.empty(), DAYS[1:], MARKET)
    )
    assert list(found["symbol"]) == ["S00001"]
    assert (
        GATE.find(
            GateInput(bars, make_instruments(bars), CORPORATE_ACTIONS.empty(), DAYS[1:], MARKET)
        ).height
        == 2
    )


@pytest.mark.parametrize("reference", [None, float("nan"), float("inf"), -1.0, 0.004, 1e30])
def test_without_a_usable_reference_there_is_no_limit(reference: float | None) -> None:
    bars = damage(limit_bars([10.0], [12.0], is_st=False), DAYS[1], "S00000")
    bars = bars.with_columns(reference_close=pl.lit(reference, pl.Float64))
    assert GATE.find(
        GateInput(bars, make_instruments(bars), CORPORATE_ACTIONS.empty(), DAYS[1:], MARKET)
    ).is_empty()


@pytest.mark.parametrize("name", market_names())
def test_no_limit_is_as_narrow_as_the_move_that_is_always_allowed(name: str) -> None:
    market = load_market(name)
    sessions = [day for day in market.calendar.sessions if day >= date(2021, 1, 1)][::400]
    for symbol, session, is_st in product(example_symbols(name), sessions, (False, True)):
        listing = Listing(symbol, date(2010, 1, 4), is_st)
        for cents in (*range(1, 120), 999, 1_005, 99_999):
            reference = Decimal(cents) / 100
            band = market.price_band(listing, reference, session, sessions_listed=900)
            if band is None:
                continue
            is_floored = band.lower >= reference
            room = band.upper - reference
            room = room if is_floored else min(room, reference - band.lower)
            assert room > reference * to_decimal(ALWAYS_ALLOWED_FRAC)


CENT_CASES = st.lists(st.integers(1, 300_000), min_size=1, max_size=40)


@pytest.mark.parametrize("symbol", example_symbols("cn"))
@settings(max_examples=25)
@given(cents=CENT_CASES, age=st.integers(1, 40), is_st=st.booleans(), day=st.integers(0, 1500))
def test_bands_of_the_real_market_equal_its_own_rule(
    symbol: str, cents: list[int], age: int, is_st: bool, day: int
) -> None:
    market = load_market("cn")
    session = market.calendar.between(date(2020, 8, 3), date.max)[day]
    listed_on = market.calendar.shift(session, 1 - age)
    references = [cent / 100 + dust for cent in cents for dust in (0, 1e-9, 0.005, 0.0049999)]
    bars = pl.DataFrame({"reference_close": references, "at": range(len(references))}).with_columns(
        session=session,
        symbol=pl.lit(symbol),
        is_st=pl.lit(is_st),
        sessions_listed=pl.lit(age, pl.Int32),
        listed_on=pl.lit(listed_on),
    )
    for row in add_price_bands(bars, market).iter_rows(named=True):
        reference = round_half_up(to_decimal(round(row["reference_close"], 6)))
        band = market.price_band(
            Listing(symbol, listed_on, is_st), reference, session, sessions_listed=age
        )
        assert row["is_limited"] == (band is not None)
        if band is not None:
            limits = (float(band.lower), float(band.upper))
            assert (row["lower_limit"], row["upper_limit"]) == limits


def test_a_bar_before_its_listing_has_no_limit() -> None:
    bars = limit_bars([10.0], [10.0], is_st=False).with_columns(
        symbol=pl.lit("600000.SH"), sessions_listed=pl.lit(0, pl.Int32), listed_on=DAYS[1]
    )
    assert add_price_bands(bars, load_market("cn")).is_empty()


def test_a_symbol_that_is_no_instrument_has_no_limit() -> None:
    bars = limit_bars([10.0], [10.0], is_st=False)
    unlisted = bars.with_columns(listed_on=pl.lit(None, pl.Date))
    assert add_price_bands(bars.with_columns(listed_on=DAYS[0]), MARKET).height
    assert add_price_bands(unlisted, MARKET).is_empty()
