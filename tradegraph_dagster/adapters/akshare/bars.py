"""Bars and instruments of Eastmoney, Sina or Tencent, one request a symbol.

A row that the vendor leaves out is a suspension only if the vendor has rows before and after it, or
the list of suspensions says so. Otherwise the vendor hides something, and nothing is answered:
banned callers are sent empty answers that look like "no data".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import cache

import polars as pl

from tradegraph_dagster.adapters.akshare.eastmoney import EASTMONEY
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.prices import (
    PRICES,
    TURNOVER,
    Vendor,
    require_numbers,
)
from tradegraph_dagster.adapters.akshare.sina import open_sina
from tradegraph_dagster.adapters.akshare.tencent import TENCENT
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.frames import INSTANT, only_symbols
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

# Sessions asked for on either side, so that a gap has rows around it.
AROUND_SESSIONS = 30
# Trading at the closing price goes on for half an hour, on all boards since 2026-07-06: before its
# end no bar is whole. It also counts as known then if the vendor does not say what time it is.
SHOWN_AFTER_CLOSE = timedelta(minutes=30)

IsSuspended = Callable[[date, str], bool]


class AkshareBars:
    """A BarSource over one vendor; `name` is the vendor's.

    `known_at` is the `Date` header of the answer that held the row, or half an hour after the close
    where the vendor sends none.

    Args:
        market: Knows the sessions and boards.
        options: Which vendor, and how it is asked.
        calls: How it is asked; made from the options if None.
    """

    def __init__(
        self, market: Market, options: AkshareOptions, calls: VendorCalls | None = None
    ) -> None:
        self.name: str = options.vendor
        self._market = market
        self._options = options
        self._calls = calls or VendorCalls(self.name, options)
        self._vendor = _open_vendor(options.vendor)

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Symbols that are listed on each session, of those the options name.

        Raises:
            SourceRefused: A day on which nobody trades.
            SourceError: As `listed_instruments`, and SchemaError likewise.
        """
        from tradegraph_dagster.adapters.akshare.instruments import listed_instruments

        self._require_sessions(sessions)
        rows = listed_instruments(self._calls, self._market, self._options, sessions)
        return only_symbols(rows, self._options.symbols)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """Bars of each session, unadjusted.

        Symbols that are named, here or in the options, must have been listed on every session; who
        else was listed is asked of `instruments`, which knows the newest session only.

        Raises:
            SourceSuspect: A listed symbol without a row that is not known to be suspended, a row on
                a closed day, a row without numbers, or units that do not fit.
            SourceUnavailable: The vendor could not be asked, or trading at the closing price has
                not ended by the vendor's clock.
            SourceRefused: A day on which nobody trades, or the vendor refuses for good.
            SchemaError: An answer cannot be read; its body is kept if the options say where.
        """
        self._require_sessions(sessions)
        is_suspended = self._suspensions()
        parts = [RAW_BARS.empty()]
        for symbol, days in self._wanted(sessions, symbols).items():
            parts.append(self._symbol_bars(symbol, days, is_suspended))
        bars = pl.concat(parts).sort(RAW_BARS.key)
        self._vendor.require_units(bars, self.name)
        return bars

    def _wanted(
        self, sessions: Sequence[date], symbols: Sequence[str] | None
    ) -> dict[str, list[date]]:
        """Sessions by symbol, both ascending."""
        days = sorted(set(sessions))
        named = self._options.symbols
        if named is not None and symbols is not None:
            named = [symbol for symbol in named if symbol in set(symbols)]
        elif named is None:
            named = None if symbols is None else list(symbols)
        if named is not None:
            return dict.fromkeys(sorted(named), days)
        listed = self.instruments(days).group_by("symbol").agg(pl.col("session").sort())
        return dict(listed.sort("symbol").iter_rows())

    def _symbol_bars(
        self, symbol: str, days: Sequence[date], is_suspended: IsSuspended
    ) -> pl.DataFrame:
        """RAW_BARS rows of one symbol on the sessions on which it is listed, ascending."""
        first, last = self._window(days)
        around = self._vendor.read(self._calls, symbol, first, last)
        shown = self._calls.shown_at
        whole = self._market.calendar.close_at(days[-1]) + SHOWN_AFTER_CLOSE
        if shown is not None and shown < whole:
            raise SourceUnavailable(
                f"source {self.name} answered at {shown.isoformat()}, before the end of trading at "
                f"the closing price at {whole.isoformat()}; ask again later",
                session=days[-1],
                symbol=symbol,
            )
        require_numbers(around, symbol, self.name)
        self._require_open_days(around, symbol, days)
        around = self._vendor.rows_in_shares(around, symbol, self.name)
        missing = set(days) - set(around.get_column("session"))
        for day in sorted(missing):
            self._require_suspended(around, symbol, day, is_suspended)
        gaps = pl.DataFrame({"session": sorted(missing)}, schema={"session": pl.Date})
        traded = around.filter(pl.col("session").is_in(days))
        return self._shape(pl.concat([traded, gaps], how="diagonal"), symbol, shown)

    def _shape(self, rows: pl.DataFrame, symbol: str, shown: datetime | None) -> pl.DataFrame:
        calendar = self._market.calendar
        known = {
            day: shown or calendar.close_at(day) + SHOWN_AFTER_CLOSE
            for day in rows.get_column("session").unique()
        }
        asleep = pl.col("volume").fill_null(0.0) == 0
        shaped = rows.with_columns(
            *(pl.when(~asleep).then(name).alias(name) for name in PRICES),
            *(pl.when(asleep).then(0.0).otherwise(name).alias(name) for name in TURNOVER),
            symbol=pl.lit(symbol),
            is_suspended=asleep,
            source=pl.lit(self.name),
            known_at=pl.col("session").replace_strict(known, return_dtype=INSTANT),
        )
        return shaped.select(pl.col(name).cast(kind) for name, kind in RAW_BARS.dtypes.items())

    def _window(self, days: Sequence[date]) -> tuple[date, date]:
        """The days wanted and some sessions around them, as far as the calendar goes."""
        known = self._market.calendar.sessions
        first = bisect_left(known, days[0]) - AROUND_SESSIONS
        last = bisect_left(known, days[-1]) + AROUND_SESSIONS
        return known[max(first, 0)], known[min(last, len(known) - 1)]

    def _suspensions(self) -> IsSuspended:
        """Asks the list of suspensions once a session, and only if a row is missing."""
        from tradegraph_dagster.adapters.akshare.suspensions import suspended_symbols

        @cache
        def on(session: date) -> frozenset[str]:
            return suspended_symbols(self._calls, session)

        return lambda session, symbol: symbol in on(session)

    def _require_suspended(
        self, around: pl.DataFrame, symbol: str, day: date, is_suspended: IsSuspended
    ) -> None:
        before = around.filter(pl.col("session") < day).height
        after = around.filter(pl.col("session") > day).height
        if before and after:
            return
        try:
            known = is_suspended(day, symbol)
        except (SourceError, SchemaError) as error:
            raise SourceSuspect(
                f"source {self.name}: no row, and whether the symbol was suspended cannot be "
                f"asked ({error}); ask again later or ask another source",
                session=day,
                symbol=symbol,
            ) from error
        if not known:
            found = f"rows of {around.height} other days" if around.height else "an empty answer"
            raise SourceSuspect(
                f"source {self.name}: expected a row of a symbol that is listed and not suspended, "
                f"found {found}; the vendor hides it, ask more slowly, later, or another source",
                session=day,
                symbol=symbol,
            )

    def _require_open_days(self, around: pl.DataFrame, symbol: str, days: Sequence[date]) -> None:
        known = self._market.calendar.between(days[0], days[-1])
        closed = around.filter(
            pl.col("session").is_between(days[0], days[-1]), ~pl.col("session").is_in(known)
        )
        if closed.height:
            raise SourceSuspect(
                f"source {self.name} answered a bar on a day on which nobody trades; "
                "ask another source, or correct the calendar",
                session=closed.get_column("session")[0],
                symbol=symbol,
            )

    def _require_sessions(self, days: Sequence[date]) -> None:
        calendar = self._market.calendar
        for day in days:
            if not calendar.is_session(day):
                raise SourceRefused(
                    f"source {self.name}: {calendar.name} does not trade on this day; "
                    "take it off the list",
                    session=day,
                )


def _open_vendor(name: str) -> Vendor:
    if name == "sina":
        return open_sina()
    return {"eastmoney": EASTMONEY, "tencent": TENCENT}[name]


SOURCE = AkshareBars
