"""A-share rules that changed, each on the last day before and the first day after."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.errors import UnknownSymbol
from tradegraph_dagster.domain.markets.book.cn import (
    Board,
    caged_price,
    first_day_band,
    special_treatment_buy_cap,
    symbol_on,
)
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Listing, PriceBand, Side

CN = load_market("cn")
LONG_AGO = date(2005, 1, 4)
CENTS = Decimal("0.01")
RENUMBERED = date(2025, 10, 9)
LAST_OLD = date(2025, 9, 30)


def band(lower: str, upper: str) -> PriceBand:
    return PriceBand(lower=Decimal(lower), upper=Decimal(upper))


@pytest.mark.parametrize(
    ("symbol", "is_st", "session", "reference", "expected"),
    [
        # The published vectors, on boards and days whose rate they are of.
        ("600000.SH", False, date(2024, 1, 2), "10.05", ("9.05", "11.06")),
        ("000001.SZ", False, date(2024, 1, 2), "10.15", ("9.14", "11.17")),
        ("601318.SH", False, date(2010, 1, 4), "9.45", ("8.51", "10.40")),
        ("603986.SH", False, date(2020, 1, 2), "9.95", ("8.96", "10.95")),
        ("002594.SZ", False, date(2015, 1, 5), "3.33", ("3.00", "3.66")),
        ("605499.SH", False, date(2026, 7, 6), "1688.88", ("1519.99", "1857.77")),
        ("001979.SZ", False, date(2016, 1, 7), "0.05", ("0.04", "0.06")),
        ("003816.SZ", False, date(2026, 7, 3), "0.01", ("0.01", "0.02")),
        ("688981.SH", False, date(2024, 1, 2), "123.45", ("98.76", "148.14")),
        ("300750.SZ", False, date(2020, 8, 24), "123.45", ("98.76", "148.14")),
        ("600000.SH", True, date(2026, 7, 3), "10.05", ("9.55", "10.55")),
        ("600000.SH", True, date(2026, 7, 6), "10.05", ("9.05", "11.06")),
        ("000004.SZ", True, date(2026, 7, 3), "3.33", ("3.16", "3.50")),
        ("000004.SZ", True, date(2026, 7, 6), "3.33", ("3.00", "3.66")),
        ("920123.BJ", False, date(2025, 10, 9), "15.55", ("10.89", "20.22")),
        ("837023.BJ", False, date(2025, 9, 30), "12.34", ("8.64", "16.04")),
        # ChiNext before and after registration, flagged and not.
        ("300001.SZ", False, date(2020, 8, 21), "10.05", ("9.05", "11.06")),
        ("300001.SZ", True, date(2020, 8, 21), "10.05", ("9.55", "10.55")),
        ("300001.SZ", True, date(2020, 8, 24), "10.00", ("8.00", "12.00")),
        # The reform of flagged shares is of the main boards only.
        ("688001.SH", True, date(2026, 7, 3), "10.00", ("8.00", "12.00")),
        ("301001.SZ", True, date(2026, 7, 3), "10.00", ("8.00", "12.00")),
        ("920002.BJ", True, date(2026, 7, 3), "10.00", ("7.00", "13.00")),
    ],
)
def test_limits_to_the_cent(
    symbol: str, is_st: bool, session: date, reference: str, expected: tuple[str, str]
) -> None:
    found = CN.price_band(
        Listing(symbol, LONG_AGO, is_st), Decimal(reference), session, sessions_listed=1000
    )
    assert found == band(*expected)


@pytest.mark.parametrize(
    ("board", "listed_on", "issue_price", "expected"),
    [
        (Board.MAIN, date(2014, 6, 12), "10.00", None),
        (Board.MAIN, date(2014, 6, 13), "10.00", ("6.40", "14.40")),
        (Board.MAIN, date(2018, 5, 4), "8.33", ("5.33", "12.00")),
        (Board.CHINEXT, date(2018, 6, 11), "12.34", ("7.90", "17.77")),
        (Board.CHINEXT, date(2020, 8, 21), "7.77", ("4.97", "11.19")),
        (Board.CHINEXT, date(2020, 8, 24), "7.77", None),
        (Board.MAIN, date(2023, 4, 7), "7.77", ("4.97", "11.19")),
        (Board.MAIN, date(2023, 4, 10), "7.77", None),
        (Board.STAR, date(2019, 7, 22), "10.00", None),
        (Board.BSE, date(2021, 11, 15), "10.00", None),
    ],
)
def test_old_first_days_are_bounded_by_the_issue_price(
    board: Board, listed_on: date, issue_price: str, expected: tuple[str, str] | None
) -> None:
    found = first_day_band(board, Decimal(issue_price), listed_on)
    assert found == (None if expected is None else band(*expected))


def test_a_listing_with_its_issue_price_has_a_first_day_band() -> None:
    listing = Listing("603986.SH", date(2016, 8, 18), issue_price=Decimal("23.26"))
    first = CN.price_band(listing, Decimal("23.26"), date(2016, 8, 18), sessions_listed=1)
    assert first == band("14.89", "33.49")
    second = CN.price_band(listing, Decimal("33.49"), date(2016, 8, 19), sessions_listed=2)
    assert second == band("30.14", "36.84")


@pytest.mark.parametrize(
    ("symbol", "session", "side", "base", "expected"),
    [
        ("600000.SH", date(2023, 4, 7), Side.BUY, "10.00", None),
        ("600000.SH", date(2023, 4, 10), Side.BUY, "10.00", "10.20"),
        ("600000.SH", date(2023, 4, 10), Side.SELL, "10.00", "9.80"),
        # Ten ticks are wider than 2 % below 5.00.
        ("600000.SH", date(2024, 1, 2), Side.BUY, "3.00", "3.10"),
        ("600000.SH", date(2024, 1, 2), Side.SELL, "3.00", "2.90"),
        ("000001.SZ", date(2024, 1, 2), Side.SELL, "0.05", "0.01"),
        ("688981.SH", date(2019, 7, 22), Side.BUY, "3.00", "3.06"),
        ("688981.SH", date(2024, 1, 2), Side.BUY, "3.00", "3.10"),
        ("300750.SZ", date(2020, 8, 21), Side.BUY, "3.00", None),
        ("300750.SZ", date(2020, 8, 24), Side.SELL, "3.00", "2.94"),
        ("920123.BJ", date(2024, 1, 2), Side.BUY, "10.00", "10.50"),
        ("920123.BJ", date(2024, 1, 2), Side.SELL, "1.00", "0.90"),
        # 10.17 * 1.02 = 10.3734.
        ("600000.SH", date(2024, 1, 2), Side.BUY, "10.17", "10.37"),
    ],
)
def test_the_cage_of_continuous_trading(
    symbol: str, session: date, side: Side, base: str, expected: str | None
) -> None:
    found = caged_price(symbol, side, Decimal(base), session)
    assert found == (None if expected is None else Decimal(expected))
    assert found is None or found % CENTS == 0


@pytest.mark.parametrize(
    ("symbol", "session", "expected"),
    [
        ("600000.SH", date(2012, 12, 31), None),
        ("600000.SH", date(2013, 1, 4), 500_000),
        ("600000.SH", date(2026, 7, 6), 500_000),
        ("000001.SZ", date(2024, 1, 2), None),
        ("688981.SH", date(2024, 1, 2), None),
    ],
)
def test_flagged_shares_may_be_bought_up_to_a_cap(
    symbol: str, session: date, expected: int | None
) -> None:
    assert special_treatment_buy_cap(symbol, session) == expected


@pytest.mark.parametrize(
    ("symbol", "session", "expected"),
    [
        ("837023.BJ", LAST_OLD, "837023.BJ"),
        ("837023.BJ", RENUMBERED, "920123.BJ"),
        ("920123.BJ", LAST_OLD, "837023.BJ"),
        ("920123.BJ", RENUMBERED, "920123.BJ"),
        ("831305.BJ", RENUMBERED, "920405.BJ"),
        # Listed under a new code from the start, or not of this exchange.
        ("920002.BJ", LAST_OLD, "920002.BJ"),
        ("430047.BJ", LAST_OLD, "430047.BJ"),
        ("600000.SH", RENUMBERED, "600000.SH"),
    ],
)
def test_codes_of_beijing_by_day(symbol: str, session: date, expected: str) -> None:
    assert symbol_on(symbol, session) == expected


def test_an_old_code_without_a_successor_names_the_table() -> None:
    listing = Listing("430047.BJ", LONG_AGO)
    for ask in (
        lambda: symbol_on("430047.BJ", RENUMBERED),
        lambda: CN.lot_rule("430047.BJ", RENUMBERED),
        lambda: CN.price_band(listing, Decimal(10), RENUMBERED, sessions_listed=1000),
    ):
        with pytest.raises(UnknownSymbol, match=r"codes_xbse\.json") as raised:
            ask()
        assert raised.value.symbol == "430047.BJ"


@pytest.mark.parametrize(
    ("side", "notional", "session", "commission", "duty", "transfer"),
    [
        # Stamp duty halved on 2023-08-28.
        (Side.SELL, "10000", date(2023, 8, 25), "5.00", "10.00", "0.10"),
        (Side.SELL, "10000", date(2023, 8, 28), "5.00", "5.00", "0.10"),
        (Side.BUY, "10000", date(2023, 8, 25), "5.00", "0", "0.10"),
        (Side.BUY, "10000", date(2023, 8, 28), "5.00", "0", "0.10"),
        # The transfer fee halved on 2022-04-29.
        (Side.SELL, "1000000", date(2022, 4, 28), "300.00", "1000.00", "20.00"),
        (Side.SELL, "1000000", date(2022, 4, 29), "300.00", "1000.00", "10.00"),
        # One side only since 2008-09-19.
        (Side.BUY, "50000", date(2008, 9, 18), "15.00", "50.00", "1.00"),
        (Side.BUY, "50000", date(2008, 9, 19), "15.00", "0", "1.00"),
        (Side.SELL, "50000", date(2008, 9, 18), "15.00", "50.00", "1.00"),
        # The least commission of an order.
        (Side.SELL, "100", date(2026, 7, 6), "5.00", "0.05", "0.00"),
        (Side.BUY, "0.01", date(2026, 7, 6), "5.00", "0", "0.00"),
        # Half a cent goes up: 0.0005 * 10.00, 0.0005 * 9.99 and 0.00001 * 1500.
        (Side.SELL, "10.00", date(2026, 7, 6), "5.00", "0.01", "0.00"),
        (Side.SELL, "9.99", date(2026, 7, 6), "5.00", "0.00", "0.00"),
        (Side.BUY, "1500.00", date(2026, 7, 6), "5.00", "0", "0.02"),
    ],
)
def test_fees_by_side_and_date(
    side: Side, notional: str, session: date, commission: str, duty: str, transfer: str
) -> None:
    fees = CN.fees(side, Decimal(notional), session, shares=100)
    found = (fees.commission, fees.stamp_duty, fees.transfer_fee, fees.regulatory_fee)
    assert found == (Decimal(commission), Decimal(duty), Decimal(transfer), 0)
