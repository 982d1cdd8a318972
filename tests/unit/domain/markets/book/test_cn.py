"""A-share rules by board and date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.errors import DataError, InvariantBroken, UnknownSymbol
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Fees, Listing, LotRule, Side

CN = load_market("cn")
LONG_AGO = date(2000, 1, 4)
REFERENCE = Decimal("10.00")


@pytest.mark.parametrize(
    ("symbol", "board"),
    [
        ("600000.SH", "main"),
        ("601318.SH", "main"),
        ("603986.SH", "main"),
        ("605499.SH", "main"),
        ("688981.SH", "star"),
        ("689009.SH", "star"),
        ("000001.SZ", "main"),
        ("001979.SZ", "main"),
        ("002594.SZ", "main"),
        ("003816.SZ", "main"),
        ("300750.SZ", "chinext"),
        ("301269.SZ", "chinext"),
        ("302132.SZ", "chinext"),
        ("920123.BJ", "bse"),
        ("430047.BJ", "bse"),
        ("835185.BJ", "bse"),
        ("873223.BJ", "bse"),
        ("880001.BJ", "bse"),
    ],
)
def test_board_by_prefix(symbol: str, board: str) -> None:
    assert CN.board(symbol) == board


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("900901.SH", "B shares.*excluded"),
        ("200002.SZ", "B shares.*excluded"),
        ("400001.SZ", "delisted.*excluded"),
        ("420001.BJ", "delisted.*excluded"),
        # Traps: 920 is not Shanghai, 900 is not Beijing, an index is no share.
        ("920123.SH", "expected exchange BJ"),
        ("900901.BJ", "excluded"),
        ("000001.SH", "expected exchange SZ"),
        ("600000.SZ", "expected exchange SH"),
        ("300750.BJ", "expected exchange SZ"),
        ("510300.SH", "no board has prefix 510"),
        ("604000.SH", "no board has prefix 604"),
        ("303000.SZ", "no board has prefix 303"),
        ("921000.BJ", "no board has prefix 921"),
        ("600000", "six digits"),
        ("600000.sh", "six digits"),
        ("600000.SH\n", "six digits"),
        ("60000.SH", "six digits"),
        ("٦٠٠٠٠٠.SH", "six digits"),
        ("", "six digits"),
    ],
)
def test_symbol_of_no_board_is_refused(symbol: str, says: str) -> None:
    with pytest.raises(UnknownSymbol, match=says) as raised:
        CN.board(symbol)
    assert raised.value.symbol == symbol


LIMIT_CASES = [
    # Main boards.
    ("600000.SH", False, date(1996, 12, 13), None),
    ("600000.SH", False, date(1996, 12, 16), 10),
    ("600000.SH", False, date(2010, 1, 4), 10),
    ("600000.SH", False, date(2026, 7, 3), 10),
    ("600000.SH", False, date(2026, 7, 6), 10),
    ("600000.SH", True, date(1999, 1, 4), 5),
    ("600000.SH", True, date(2020, 8, 24), 5),
    ("600000.SH", True, date(2026, 7, 3), 5),
    ("600000.SH", True, date(2026, 7, 6), 10),
    ("600000.SH", True, date(2026, 11, 20), 10),
    ("000001.SZ", False, date(2023, 4, 7), 10),
    ("000001.SZ", False, date(2023, 4, 10), 10),
    ("000001.SZ", True, date(2026, 7, 3), 5),
    ("000001.SZ", True, date(2026, 7, 6), 10),
    ("002594.SZ", True, date(2021, 4, 5), 5),
    ("003816.SZ", False, date(2024, 1, 2), 10),
    # ChiNext.
    ("300750.SZ", False, date(2019, 6, 28), 10),
    ("300750.SZ", False, date(2020, 8, 21), 10),
    ("300750.SZ", False, date(2020, 8, 24), 20),
    ("300750.SZ", True, date(2020, 8, 21), 5),
    ("300750.SZ", True, date(2020, 8, 24), 20),
    ("300750.SZ", True, date(2026, 7, 6), 20),
    ("301269.SZ", False, date(2026, 7, 3), 20),
    # STAR.
    ("688981.SH", False, date(2020, 8, 21), 20),
    ("688981.SH", True, date(2026, 7, 3), 20),
    ("688981.SH", True, date(2026, 7, 6), 20),
    ("689009.SH", False, date(2024, 1, 2), 20),
    # Beijing.
    ("920123.BJ", False, date(2021, 11, 12), None),
    ("920123.BJ", False, date(2021, 11, 15), 30),
    ("920123.BJ", True, date(2026, 7, 6), 30),
    ("835185.BJ", False, date(2024, 1, 2), 30),
]


@pytest.mark.parametrize(("symbol", "is_st", "session", "percent"), LIMIT_CASES)
def test_limit_by_board_flag_and_date(
    symbol: str, is_st: bool, session: date, percent: int | None
) -> None:
    listing = Listing(symbol, LONG_AGO, is_st)
    band = CN.price_band(listing, REFERENCE, session, sessions_listed=1000)
    if percent is None:
        assert band is None
        return
    assert band is not None
    assert (band.lower, band.upper) == (
        REFERENCE * (100 - percent) / 100,
        REFERENCE * (100 + percent) / 100,
    )


@pytest.mark.parametrize(
    ("symbol", "listed_on", "free"),
    [
        ("600000.SH", date(2014, 6, 12), 1),
        ("600000.SH", date(2023, 4, 7), 1),
        ("600000.SH", date(2023, 4, 10), 5),
        ("001979.SZ", date(2023, 4, 7), 1),
        ("001979.SZ", date(2023, 4, 10), 5),
        ("300750.SZ", date(2018, 6, 11), 1),
        ("300750.SZ", date(2020, 8, 21), 1),
        ("300750.SZ", date(2020, 8, 24), 5),
        ("688981.SH", date(2019, 7, 22), 5),
        ("688981.SH", date(2026, 11, 2), 5),
        ("920123.BJ", date(2021, 11, 15), 1),
        ("920123.BJ", date(2026, 11, 2), 1),
    ],
)
def test_first_sessions_have_no_limit(symbol: str, listed_on: date, free: int) -> None:
    listing = Listing(symbol, listed_on)
    for sessions_listed in range(1, 8):
        session = CN.calendar.shift(listed_on, sessions_listed - 1)
        band = CN.price_band(listing, REFERENCE, session, sessions_listed=sessions_listed)
        assert (band is None) == (sessions_listed <= free)


def test_free_sessions_follow_the_listing_day_not_the_session() -> None:
    # Listed on the eve of the reform: the second session has a band although the reform has come.
    listing = Listing("300750.SZ", date(2020, 8, 21))
    band = CN.price_band(listing, REFERENCE, date(2020, 8, 24), sessions_listed=2)
    assert band is not None
    assert band.upper == Decimal("12.00")


@pytest.mark.parametrize(
    ("symbol", "session"), [("688981.SH", date(2019, 7, 19)), ("300750.SZ", date(2009, 10, 29))]
)
def test_session_before_the_board_opened_is_refused(symbol: str, session: date) -> None:
    with pytest.raises(DataError, match="known from"):
        CN.price_band(Listing(symbol, session), REFERENCE, session, sessions_listed=9)


def test_listing_day_is_session_one() -> None:
    with pytest.raises(InvariantBroken, match="found 0"):
        CN.price_band(
            Listing("600000.SH", LONG_AGO), REFERENCE, date(2024, 1, 2), sessions_listed=0
        )


@pytest.mark.parametrize(
    ("symbol", "session", "expected"),
    [
        ("600000.SH", date(2024, 1, 2), LotRule(100, 100, 1_000_000)),
        ("000001.SZ", date(2024, 1, 2), LotRule(100, 100, 1_000_000)),
        ("300750.SZ", date(2020, 8, 21), LotRule(100, 100, 1_000_000)),
        ("300750.SZ", date(2020, 8, 24), LotRule(100, 100, 300_000)),
        ("688981.SH", date(2024, 1, 2), LotRule(200, 1, 100_000)),
        ("920123.BJ", date(2024, 1, 2), LotRule(100, 1, 1_000_000)),
    ],
)
def test_lots(symbol: str, session: date, expected: LotRule) -> None:
    assert CN.lot_rule(symbol, session) == expected


@pytest.mark.parametrize(
    ("side", "notional", "session", "total"),
    [
        (Side.BUY, "10000", date(2026, 11, 20), "5.10"),
        (Side.SELL, "10000", date(2026, 11, 20), "10.10"),
        (Side.SELL, "100000", date(2023, 8, 25), "131.00"),
        (Side.SELL, "100000", date(2023, 8, 28), "81.00"),
        (Side.BUY, "100000", date(2022, 4, 28), "32.00"),
        (Side.BUY, "100000", date(2022, 4, 29), "31.00"),
        # Stamp duty by era.
        (Side.BUY, "100000", date(2005, 1, 21), "232.00"),
        (Side.SELL, "100000", date(2005, 1, 21), "232.00"),
        (Side.BUY, "100000", date(2005, 1, 24), "132.00"),
        (Side.BUY, "100000", date(2007, 5, 29), "132.00"),
        (Side.BUY, "100000", date(2007, 5, 30), "332.00"),
        (Side.SELL, "100000", date(2008, 4, 23), "332.00"),
        (Side.SELL, "100000", date(2008, 4, 24), "132.00"),
        (Side.BUY, "100000", date(2008, 9, 18), "132.00"),
        (Side.BUY, "100000", date(2008, 9, 19), "32.00"),
        (Side.SELL, "100000", date(2008, 9, 19), "132.00"),
    ],
)
def test_fees_by_date(side: Side, notional: str, session: date, total: str) -> None:
    assert CN.fees(side, Decimal(notional), session, shares=1000).total == Decimal(total)


def test_fees_by_component() -> None:
    assert CN.fees(Side.SELL, Decimal(10_000), date(2026, 11, 20), shares=1000) == Fees(
        commission=Decimal("5.00"), stamp_duty=Decimal("5.00"), transfer_fee=Decimal("0.10")
    )


@pytest.mark.parametrize(
    ("notional", "commission", "transfer_fee"),
    [
        ("16666.66", "5", "0.17"),
        ("16683.33", "5.00", "0.17"),
        ("16683.34", "5.01", "0.17"),
        # 0.005 and 0.00499 of transfer fee.
        ("500.00", "5", "0.01"),
        ("499.00", "5", "0.00"),
    ],
)
def test_each_component_is_rounded_half_up(
    notional: str, commission: str, transfer_fee: str
) -> None:
    fees = CN.fees(Side.BUY, Decimal(notional), date(2026, 11, 20), shares=100)
    assert fees == Fees(commission=Decimal(commission), transfer_fee=Decimal(transfer_fee))


def test_nothing_traded_costs_nothing() -> None:
    assert CN.fees(Side.SELL, Decimal(0), date(2026, 11, 20), shares=0) == Fees()


def test_fees_before_the_table_are_refused() -> None:
    with pytest.raises(DataError, match="table=stamp duty"):
        CN.fees(Side.SELL, Decimal(1), date(2001, 11, 15), shares=1)


def test_settlement_and_money() -> None:
    assert (CN.name, CN.currency, CN.tick, CN.unsellable_sessions) == (
        "cn",
        "CNY",
        Decimal("0.01"),
        1,
    )
