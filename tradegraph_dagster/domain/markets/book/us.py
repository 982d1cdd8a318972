"""US listed equities in USD through a commission-free broker: no price limits, lots of one share.

Modelled fees are the two that regulators levy on sales. Left out: the CAT fee, under a cent for an
order of a few thousand shares, and the temporary waiver of the trading activity fee in the last
quarter of 2026. A broker rounds each fee up once a day; here every order is rounded up, which can
only overstate the cost, by less than a cent an order and fee.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import NamedTuple

from tradegraph_dagster.domain.core.errors import InvariantBroken, UnknownSymbol
from tradegraph_dagster.domain.core.money import CENT, round_down
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.markets.closures import load_calendar
from tradegraph_dagster.domain.markets.dated import DatedTable
from tradegraph_dagster.domain.markets.schema import Fees, Listing, LotRule, PriceBand, Side

ALWAYS = date.min

# USD per million USD sold. Source: SEC fee rate advisories; the first row is the highest rate there
# was before the second, an upper bound.
SECTION_31_FEE = DatedTable(
    "SEC section 31 fee",
    tuple(
        (begins, Decimal(rate) / 1_000_000)
        for begins, rate in (
            (ALWAYS, "46.80"),
            (date(2009, 4, 10), "25.70"),
            (date(2010, 1, 15), "12.70"),
            (date(2010, 4, 1), "16.90"),
            (date(2011, 1, 21), "19.20"),
            (date(2012, 2, 21), "18.00"),
            (date(2012, 4, 1), "22.40"),
            (date(2013, 5, 25), "17.40"),
            (date(2014, 3, 18), "22.10"),
            (date(2015, 2, 14), "18.40"),
            (date(2016, 2, 16), "21.80"),
            (date(2017, 7, 4), "23.10"),
            (date(2018, 5, 22), "13.00"),
            (date(2019, 4, 16), "20.70"),
            (date(2020, 2, 18), "22.10"),
            (date(2021, 2, 25), "5.10"),
            (date(2022, 5, 14), "22.90"),
            (date(2023, 2, 27), "8.00"),
            (date(2024, 5, 22), "27.80"),
            (date(2025, 5, 14), "0.00"),
            (date(2026, 4, 4), "20.60"),
        )
    ),
)


class ActivityFee(NamedTuple):
    """USD a share sold, and the most an order pays."""

    per_share: Decimal
    most: Decimal


# Source: FINRA fee schedules SR-FINRA-2020-032 and SR-FINRA-2024-019. Rates before 2012-07-01 were
# lower: the first row is an upper bound for them.
TRADING_ACTIVITY_FEE = DatedTable(
    "FINRA trading activity fee",
    (
        (ALWAYS, ActivityFee(Decimal("0.000119"), Decimal("5.95"))),
        (date(2022, 1, 1), ActivityFee(Decimal("0.000130"), Decimal("6.49"))),
        (date(2023, 1, 1), ActivityFee(Decimal("0.000145"), Decimal("7.27"))),
        (date(2024, 1, 1), ActivityFee(Decimal("0.000166"), Decimal("8.30"))),
        (date(2026, 1, 1), ActivityFee(Decimal("0.000195"), Decimal("9.79"))),
        (date(2027, 1, 1), ActivityFee(Decimal("0.000232"), Decimal("11.61"))),
    ),
)

# One order message carries at most six digits of shares.
LOT_RULE = LotRule(min_buy=1, step=1, max_order=999_999)

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.\-]{0,9}")


@dataclass(frozen=True)
class UnitedStatesMarket:
    """US equity rules; one board, since none differs by exchange."""

    calendar: SessionCalendar
    name: str = "us"
    currency: str = "USD"
    tick: Decimal = CENT
    unsellable_sessions: int = 0

    def board(self, symbol: str) -> str:
        """Always `listed`. Raises UnknownSymbol where it is no upper-case ticker."""
        if _SYMBOL.fullmatch(symbol) is None:
            raise UnknownSymbol(
                "expected an upper-case letter and at most nine letters, digits, dots or hyphens",
                symbol=symbol,
            )
        return "listed"

    def band_percent(self, listing: Listing, session: date, *, sessions_listed: int) -> int | None:
        """None, for the reason of `price_band`."""
        self.board(listing.symbol)
        return None

    def price_band(
        self, listing: Listing, reference: Decimal, session: date, *, sessions_listed: int
    ) -> PriceBand | None:
        """None: limit-up limit-down bands move within the day and bound no order before it."""
        self.board(listing.symbol)
        return None

    def price_cage(self, symbol: str, side: Side, base: Decimal, session: date) -> Decimal | None:
        """None: there is no cage."""
        return None

    def buy_cap(self, listing: Listing, session: date) -> int | None:
        """None: there is no cap."""
        return None

    def lot_rule(self, symbol: str, session: date) -> LotRule:
        """Any whole number of shares; fractions are not traded."""
        self.board(symbol)
        return LOT_RULE

    def fees(self, side: Side, notional: Decimal, session: date, *, shares: int) -> Fees:
        """SEC and FINRA fees on a sale, each rounded up to a cent; a buy costs nothing."""
        if notional < 0 or shares < 0:
            raise InvariantBroken(f"expected amounts >= 0, found {notional} for {shares} shares")
        if side is Side.BUY:
            return Fees()
        activity = TRADING_ACTIVITY_FEE.on(session)
        return Fees(
            regulatory_fee=_round_up(notional * SECTION_31_FEE.on(session))
            + _round_up(min(activity.per_share * shares, activity.most))
        )


def _round_up(amount: Decimal) -> Decimal:
    return -round_down(-amount, CENT)


EXAMPLE_SYMBOLS = ("AAPL", "BRK.B", "BF-B", "F")
MARKET = UnitedStatesMarket(
    calendar=load_calendar(
        "XNYS", timezone="America/New_York", opens=time(9, 30), closes=time(16, 0)
    )
)
