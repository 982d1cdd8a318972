"""US equity rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.errors import UnknownSymbol
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Fees, Listing, LotRule, Side

US = load_market("us")
TODAY = date(2026, 11, 20)


@pytest.mark.parametrize("symbol", ["F", "AAPL", "BRK.B", "BF-B", "ABCDEFGHIJ", "X2"])
def test_upper_case_tickers_are_listed(symbol: str) -> None:
    assert US.board(symbol) == "listed"


@pytest.mark.parametrize(
    "symbol", ["", "aapl", "2X", ".A", "600000.SH", "ABCDEFGHIJK", "A B", "AAPL\n", "ÄPFEL"]
)
def test_anything_else_is_refused(symbol: str) -> None:
    with pytest.raises(UnknownSymbol) as raised:
        US.board(symbol)
    assert raised.value.symbol == symbol


def test_no_daily_limits_single_shares_and_sold_at_once() -> None:
    listing = Listing("AAPL", date(1980, 12, 12))
    assert US.price_band(listing, Decimal(100), TODAY, sessions_listed=1) is None
    assert US.lot_rule("AAPL", TODAY) == LotRule(1, 1, 999_999)
    assert (US.currency, US.tick, US.unsellable_sessions) == ("USD", Decimal("0.01"), 0)


def test_buys_are_free() -> None:
    assert US.fees(Side.BUY, Decimal(1_000_000), TODAY, shares=10_000) == Fees()


@pytest.mark.parametrize(
    ("notional", "shares", "session", "total"),
    [
        # 0.515 of SEC fee and 0.0195 of trading activity fee, each rounded up.
        ("25000", 100, TODAY, "0.54"),
        # From 50,206 shares on the activity fee stays at its most.
        ("50205", 50_205, TODAY, "10.83"),
        ("1000000", 100_000, TODAY, "30.39"),
        # SEC fee by date, on a million and without shares.
        ("1000000", 0, date(2024, 5, 21), "8.00"),
        ("1000000", 0, date(2024, 5, 22), "27.80"),
        ("1000000", 0, date(2025, 5, 13), "27.80"),
        ("1000000", 0, date(2025, 5, 14), "0"),
        ("1000000", 0, date(2026, 4, 2), "0"),
        ("1000000", 0, date(2026, 4, 6), "20.60"),
        ("1000000", 0, date(2021, 2, 24), "22.10"),
        ("1000000", 0, date(2021, 2, 25), "5.10"),
        # Activity fee by date, on ten thousand shares given away.
        ("0", 10_000, date(2023, 12, 29), "1.45"),
        ("0", 10_000, date(2024, 1, 2), "1.66"),
        ("0", 10_000, date(2026, 1, 2), "1.95"),
        ("0", 10_000, date(2027, 1, 4), "2.32"),
        ("0", 0, TODAY, "0"),
    ],
)
def test_sale_fees(notional: str, shares: int, session: date, total: str) -> None:
    fees = US.fees(Side.SELL, Decimal(notional), session, shares=shares)
    assert fees == Fees(regulatory_fee=Decimal(total))
