"""Every market of the catalogue keeps the contract of `markets.schema.Market`."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.core.errors import InvariantBroken, UnknownSymbol
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.markets.catalogue import (
    example_symbols,
    load_market,
    market_names,
)
from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import SETTLED_SESSIONS, Listing, Side

NAMES = market_names()
SYMBOLS = [(name, symbol) for name in NAMES for symbol in example_symbols(name)]
by_market = pytest.mark.parametrize("name", NAMES)
by_symbol = pytest.mark.parametrize(("name", "symbol"), SYMBOLS)
# Rules are asked for here: every market must know this session.
SESSION = date(2024, 3, 5)


@by_market
def test_market_is_named_like_its_file(name: str) -> None:
    assert load_market(name).name == name
    assert example_symbols(name)


@by_market
def test_terms_of_trade_are_plain(name: str) -> None:
    market = load_market(name)
    assert len(market.currency) == 3
    assert market.currency.isupper()
    assert market.tick > 0
    assert market.unsellable_sessions >= 0


@by_market
def test_calendar_holds_weekdays_only_and_closes_after_it_opens(name: str) -> None:
    calendar = load_market(name).calendar
    assert ZoneInfo(calendar.timezone)
    assert calendar.is_session(SESSION)
    assert all(day.weekday() < 5 for day in calendar.sessions)
    assert calendar.opens < calendar.closes
    assert all(calendar.is_session(day) for day in calendar.early_closes)
    assert all(calendar.opens < at < calendar.closes for at in calendar.early_closes.values())


@by_market
def test_calendar_has_no_gap_of_three_weeks(name: str) -> None:
    # The longest closure since 2000 is the 17 days of China's Lunar New Year of that year.
    recent = load_market(name).calendar.between(date(2000, 1, 1), date.max)
    gaps = (later - day for day, later in pairwise(recent))
    assert max(gaps) < timedelta(days=21)


@by_market
def test_session_is_the_latest_closed_from_its_close_to_the_next(name: str) -> None:
    calendar = load_market(name).calendar
    for session in calendar.between(date(2024, 1, 1), date(2024, 12, 31)):
        close = calendar.close_at(session)
        assert calendar.open_at(session) < close
        assert calendar.latest_closed(close) == session
        assert calendar.latest_closed(close - timedelta(microseconds=1)) < session


@by_symbol
def test_example_has_a_board_and_a_lot_rule(name: str, symbol: str) -> None:
    market = load_market(name)
    assert market.board(symbol)
    rule = market.lot_rule(symbol, SESSION)
    assert 1 <= rule.step <= rule.max_order
    assert 1 <= rule.min_buy <= rule.max_order
    assert legal_buy_quantity(rule.min_buy, rule) == rule.min_buy
    assert legal_buy_quantity(rule.max_order, rule) == rule.max_order
    assert legal_sell_quantity(rule.min_buy, rule.min_buy, rule) == rule.min_buy


@by_market
@pytest.mark.parametrize("symbol", ["", " ", "?", "nope!", "../etc", "AAPL\n", "600000.SH\n"])
def test_unknown_symbols_are_refused_by_every_rule(name: str, symbol: str) -> None:
    market = load_market(name)
    listing = Listing(symbol, SESSION)
    with pytest.raises(UnknownSymbol) as raised:
        market.board(symbol)
    assert raised.value.symbol == symbol
    with pytest.raises(UnknownSymbol):
        market.lot_rule(symbol, SESSION)
    with pytest.raises(UnknownSymbol):
        market.price_band(listing, Decimal(10), SESSION, sessions_listed=100)


@by_symbol
@given(cents=st.integers(100, 10_000_000), sessions_listed=st.integers(1, 300))
def test_band_holds_its_reference_on_whole_ticks(
    name: str, symbol: str, cents: int, sessions_listed: int
) -> None:
    market = load_market(name)
    reference = Decimal(cents) / 100
    listing = Listing(symbol, date(2023, 9, 1))
    band = market.price_band(listing, reference, SESSION, sessions_listed=sessions_listed)
    if band is not None:
        assert 0 < band.lower < reference < band.upper
        assert band.lower % market.tick == band.upper % market.tick == 0


@by_symbol
@pytest.mark.parametrize("is_st", [False, True])
@pytest.mark.parametrize("session", [date(2021, 3, 5), SESSION, date(2026, 7, 6)])
def test_settled_instruments_of_a_board_have_one_percentage(
    name: str, symbol: str, session: date, is_st: bool
) -> None:
    market = load_market(name)
    percents = {
        market.band_percent(Listing(symbol, listed_on, is_st), session, sessions_listed=age)
        for age in (SETTLED_SESSIONS, SETTLED_SESSIONS + 1, 9_000)
        for listed_on in (date(2020, 9, 1), date(2023, 9, 1))
    }
    assert len(percents) == 1


@by_symbol
def test_band_of_a_session_does_not_depend_on_what_was_asked_before(name: str, symbol: str) -> None:
    market = load_market(name)
    listing = Listing(symbol, date(2023, 9, 1))

    def ask(session: date) -> object:
        return market.price_band(listing, Decimal("10.05"), session, sessions_listed=100)

    answer = ask(SESSION)
    ask(date(2026, 7, 6))
    assert ask(SESSION) == answer


@by_market
@given(
    side=st.sampled_from(Side),
    cents=st.integers(1, 10**11),
    more=st.integers(0, 10**9),
    shares=st.integers(1, 900_000),
)
def test_fees_are_whole_cents_never_negative_and_grow_with_the_order(
    name: str, side: Side, cents: int, more: int, shares: int
) -> None:
    market = load_market(name)
    fees = market.fees(side, Decimal(cents) / 100, SESSION, shares=shares)
    parts = (fees.commission, fees.stamp_duty, fees.transfer_fee, fees.regulatory_fee)
    assert all(part >= 0 and part % CENT == 0 for part in parts)
    assert fees.total == sum(parts)
    larger = market.fees(side, Decimal(cents + more) / 100, SESSION, shares=shares)
    assert larger.total >= fees.total


@by_market
@pytest.mark.parametrize("side", Side)
def test_nothing_traded_costs_nothing(name: str, side: Side) -> None:
    assert load_market(name).fees(side, Decimal(0), SESSION, shares=0).total == 0


@by_market
def test_negative_amounts_are_refused(name: str) -> None:
    with pytest.raises(InvariantBroken):
        load_market(name).fees(Side.BUY, Decimal(-1), SESSION, shares=1)
