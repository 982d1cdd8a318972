"""Which instruments are listed on which sessions, as far as Alpaca can tell.

Alpaca lists the instruments of today and gives no listing dates. So a symbol is listed from its
first bar in Alpaca's archive, which begins in 2016, and an inactive one until its last. Of past
sessions nobody can say which other symbols were listed: without a list of symbols in the options,
they are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from tradegraph_dagster.adapters.alpaca.bar_pages import BarPages
from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.adapters.alpaca.transport import NAME, AlpacaGateway
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.sessions import SessionCalendar

ARCHIVE_FIRST = date(2016, 1, 1)
# The consolidated feeds have no trades of the others.
EXCHANGES = ("AMEX", "ARCA", "ASCX", "BATS", "NASDAQ", "NYSE", "NYSEARCA")


@dataclass(frozen=True)
class Asset:
    """What /v2/assets says of a symbol."""

    name: str
    is_active: bool


@dataclass(frozen=True)
class Span:
    """First and last session of a symbol; `last` is None while it is listed."""

    first: date
    last: date | None

    def covers(self, session: date) -> bool:
        """Whether the symbol is listed on a session."""
        return self.first <= session and (self.last is None or session <= self.last)


class AlpacaListings:
    """Listed symbols by session. First and last sessions are asked for once a symbol."""

    def __init__(
        self, gateway: AlpacaGateway, options: AlpacaOptions, calendar: SessionCalendar
    ) -> None:
        self._gateway = gateway
        self._options = options
        self._calendar = calendar
        self._zone = ZoneInfo(calendar.timezone)
        self._pages = BarPages(gateway, options.feed, calendar.timezone)
        self._spans: dict[str, Span] = {}

    def listed(
        self, sessions: Sequence[date], symbols: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """`session`, `symbol`, `name` and `listed_on`, one row for each listed symbol.

        Args:
            sessions: Sessions wanted.
            symbols: These only; None for those of the options.

        Raises:
            SourceRefused: A day that is no session; a symbol that Alpaca does not know; a past
                session where nothing names the symbols; a session on which none is listed.
            SourceUnavailable: The session has not closed by Alpaca's clock.
            SourceSuspect: Answers that contradict each other.
            SchemaError: An asset of another shape than known.
        """
        assets, shown_at = self.assets(sessions, symbols)
        for session in sorted(set(sessions)):
            if shown_at is not None and self._calendar.close_at(session) > shown_at:
                raise SourceUnavailable(
                    f"source {NAME}: by its own clock it is {shown_at} and this session has not "
                    "closed; ask again when it has",
                    session=session,
                )
        spans = self._find_spans(assets)
        rows = [
            (session, symbol, assets[symbol].name, span.first)
            for session in sorted(set(sessions))
            for symbol, span in sorted(spans.items())
            if span.covers(session)
        ]
        empty = sorted(set(sessions) - {row[0] for row in rows})
        if empty:
            raise SourceRefused(
                f"source {NAME}: none of {len(assets)} symbols has a first bar by this session; "
                "take it from another source",
                session=empty[0],
            )
        dtypes = {
            "session": pl.Date,
            "symbol": pl.String,
            "name": pl.String,
            "listed_on": pl.Date,
        }
        return pl.DataFrame(rows, schema=dtypes, orient="row")

    def assets(
        self, sessions: Sequence[date], symbols: Sequence[str] | None = None
    ) -> tuple[Mapping[str, Asset], datetime | None]:
        """The assets asked for, and when Alpaca showed them.

        Raises as `listed` does, but not for a session that has yet to close.
        """
        for session in sessions:
            if not self._calendar.is_session(session):
                raise SourceRefused(f"no session of {self._calendar.name}", session=session)
        chosen = symbols if symbols is not None else self._options.symbols
        status = {"status": "active"} if chosen is None else {}
        page = self._gateway.assets({"asset_class": "us_equity", **status})
        if chosen is None:
            self._require_present(sessions, page.shown_at)
        known: dict[str, Asset] = {}
        for one in page.body:
            symbol, exchange, is_tradable, asset = _read_asset(one)
            is_wanted = (
                is_tradable and exchange in EXCHANGES if chosen is None else symbol in set(chosen)
            )
            # A symbol that is used again is listed once more, under its active asset.
            if is_wanted and (symbol not in known or asset.is_active):
                known[symbol] = asset
        lacking = sorted(set(chosen or ()) - set(known))
        if lacking:
            raise SourceRefused(
                f"source {NAME} knows no asset of this symbol, nor of {len(lacking) - 1} others; "
                "correct the option `symbols`",
                symbol=lacking[0],
            )
        return known, page.shown_at

    def _require_present(self, sessions: Sequence[date], shown_at: datetime | None) -> None:
        if shown_at is None:
            raise SourceSuspect(
                f"source {NAME}: expected a date on the list of assets, found none; whether it is "
                "today's cannot be told, name `symbols`",
                session=min(sessions),
            )
        newest = self._calendar.latest_closed(shown_at)
        for session in sessions:
            if session < newest:
                raise SourceRefused(
                    f"source {NAME} lists the instruments of today only, newest session {newest}; "
                    "those that have been delisted since would be missing: import history from "
                    "files, or name `symbols`",
                    session=session,
                )

    def _find_spans(self, assets: Mapping[str, Asset]) -> dict[str, Span]:
        wanted = sorted(set(assets) - set(self._spans))
        ended = {symbol for symbol in wanted if not assets[symbol].is_active}
        months = self._ask_months(wanted)
        # Only a symbol that was there when the archive began cannot look younger than it is.
        doubtful = [
            symbol
            for symbol in wanted
            if symbol in ended or symbol not in months or months[symbol][0] > ARCHIVE_FIRST
        ]
        _require_same(months, self._ask_months(doubtful), doubtful)
        newest = max((last for _, last in months.values()), default=ARCHIVE_FIRST)
        firsts = self._ask_days({symbol: first for symbol, (first, _) in months.items()}, newest)
        lasts = self._ask_days(
            {symbol: months[symbol][1] for symbol in ended & set(months)}, newest
        )
        for symbol, days in firsts.items():
            self._spans[symbol] = Span(days[0], lasts[symbol][1] if symbol in lasts else None)
        return {symbol: self._spans[symbol] for symbol in assets if symbol in self._spans}

    def _ask_months(self, symbols: Sequence[str]) -> dict[str, tuple[date, date]]:
        """First and last month with a bar of each symbol."""
        bars = self._pages.fetch(symbols, ARCHIVE_FIRST, None, timeframe="1Month")
        return _edges(bars.with_columns(pl.col("day").dt.month_start()))

    def _ask_days(self, months: Mapping[str, date], newest: date) -> dict[str, tuple[date, date]]:
        """First and last day with a bar in one month of each symbol, asked for twice.

        No bar is newer than the month `newest`: some plans refuse an end that is not past, so it is
        asked for without.
        """
        found: dict[str, tuple[date, date]] = {}
        for month in sorted(set(months.values())):
            symbols = [symbol for symbol, its in months.items() if its == month]
            until = None if month == newest else self._end_of(month)
            days, again = (_edges(self._pages.fetch(symbols, month, until)) for _ in range(2))
            _require_same(days, again, symbols)
            found |= days
        absent = sorted(set(months) - set(found))
        if absent:
            raise SourceSuspect(
                f"source {NAME} has a bar of the month but none of its days; ask again later",
                session=months[absent[0]],
                symbol=absent[0],
            )
        return found

    def _end_of(self, month: date) -> datetime:
        following = (month + timedelta(days=31)).replace(day=1)
        return datetime.combine(following, time(), tzinfo=self._zone) - timedelta(seconds=1)


def _edges(bars: pl.DataFrame) -> dict[str, tuple[date, date]]:
    days = pl.col("day")
    edges = bars.group_by("symbol").agg(first=days.min(), last=days.max())
    return {symbol: (first, last) for symbol, first, last in edges.iter_rows()}


def _require_same(
    found: Mapping[str, object], again: Mapping[str, object], symbols: Iterable[str]
) -> None:
    """A lost page makes a symbol look younger than it is, so it is asked for twice."""
    for symbol in symbols:
        if found.get(symbol) != again.get(symbol):
            raise SourceSuspect(
                f"source {NAME} answered {found.get(symbol)} and then {again.get(symbol)} for when "
                "the symbol has bars; rows were lost, ask again later",
                symbol=symbol,
            )


def _read_asset(one: Mapping[str, object]) -> tuple[str, str, bool, Asset]:
    symbol, name, status = one.get("symbol"), one.get("name"), one.get("status")
    exchange, tradable = one.get("exchange"), one.get("tradable")
    if (
        isinstance(symbol, str)
        and symbol
        and isinstance(exchange, str)
        and isinstance(tradable, bool)
        and status in ("active", "inactive")
    ):
        shown = name if isinstance(name, str) and name else symbol
        return symbol, exchange, tradable, Asset(shown, status == "active")
    raise SchemaError(
        f"source {NAME}: /assets: expected symbol, exchange, tradable and a status active or "
        f"inactive, found {sorted(one)} with status {status!r}; mend the adapter if Alpaca has "
        "changed",
        symbol=symbol if isinstance(symbol, str) else None,
    )
