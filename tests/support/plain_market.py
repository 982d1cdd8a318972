"""A market simple enough to check by hand: weekdays, one board, one price limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from functools import cache

import polars as pl

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import CENT, round_half_up
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.schema import Fees, Listing, LotRule, PriceBand, Side


@cache
def weekday_calendar(count: int = 1_200, first: date = date(2023, 1, 2)) -> SessionCalendar:
    return SessionCalendar("XPLN", "UTC", weekdays(count, first), time(9, 30), time(15, 0))


@dataclass(frozen=True)
class PlainMarket:
    """Satisfies the Market port. `limit_percent` None means no price limit."""

    limit_percent: int | None = 10
    name: str = "plain"
    currency: str = "XXX"
    calendar: SessionCalendar = field(default_factory=weekday_calendar)
    tick: Decimal = CENT
    unsellable_sessions: int = 1

    def board(self, symbol: str) -> str:
        return "main"

    def band_percent(self, listing: Listing, session: date, *, sessions_listed: int) -> int | None:
        if self.limit_percent is None or sessions_listed == 1:
            return None
        return 5 if listing.is_st else self.limit_percent

    def price_band(
        self, listing: Listing, reference: Decimal, session: date, *, sessions_listed: int
    ) -> PriceBand | None:
        percent = self.band_percent(listing, session, sessions_listed=sessions_listed)
        if percent is None:
            return None
        upper = round_half_up(reference * (100 + percent) / 100)
        lower = round_half_up(reference * (100 - percent) / 100)
        return PriceBand(
            lower=max(lower if lower < reference else reference - CENT, CENT),
            upper=upper if upper > reference else reference + CENT,
        )

    def price_cage(self, symbol: str, side: Side, base: Decimal, session: date) -> Decimal | None:
        return None

    def buy_cap(self, listing: Listing, session: date) -> int | None:
        return None

    def lot_rule(self, symbol: str, session: date) -> LotRule:
        return LotRule(min_buy=100, step=100, max_order=1_000_000)

    def fees(self, side: Side, notional: Decimal, session: date, *, shares: int) -> Fees:
        return Fees()


def make_instruments(bars: pl.DataFrame, *, listed_on: date = date(2020, 1, 1)) -> pl.DataFrame:
    """INSTRUMENTS rows for the rows of a bar frame."""
    return conform_frame(
        bars.select(
            "session",
            "symbol",
            "is_st",
            name=pl.col("symbol"),
            board=pl.lit("main"),
            listed_on=pl.lit(listed_on),
            industry=pl.lit(None, pl.String),
        ),
        INSTRUMENTS,
    )
